// What is made of kubectl's answers: a stand-in prints what a real one printed (v1.31), under the shell that runs the script.
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { apiScript, readApi } from '../../../src/doctor/looks/api.ts';
import { logsScript, readLogs } from '../../../src/doctor/looks/logs-of-pods.ts';
import { kindNames } from '../../../src/doctor/objects/kinds.ts';
import { listsOf, readItems } from '../../../src/doctor/objects/read.ts';
import { adminKubectl } from '../../../src/model/kubectl.ts';
import { dash } from '../../dash.ts';
import { scratch, standIns } from '../../resources/rig.ts';

const pod = (name: string, status: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'demo' },
  spec: { containers: [{ name: 'app', env: [{ name: 'PASSWORD', value: 'hunter22' }] }] },
  status,
});
const list = (...items: readonly object[]) => JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 4);
const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'k8s-cp' }, spec: {}, status: {} };
const installed = ['pods', 'nodes', 'volumes.longhorn.io', 'nodes.longhorn.io', 'virtualservices.networking.istio.io'];

/** What kubectl prints, by what is asked; `else` prints an empty list. */
function look(answers: Readonly<Record<string, string>>, kubectl = 'kubectl --request-timeout=5s') {
  const cases = Object.entries({
    '*readyz*': 'echo ok',
    '*api-resources*': `printf '%s\\n' ${installed.join(' ')}`,
    ...answers,
  }).map(([pattern, script]) => `  ${pattern}) ${script} ;;`);
  const script = `case " $* " in\n${cases.join('\n')}\n  *) cat <<'EOF'\n${list()}\nEOF\n  ;;\nesac`;
  const bin = standIns(scratch(), { kubectl: script });
  return readApi(dash(apiScript(kubectl), { bin }), 'k8s-cp');
}
const printing = (text: string) => `cat <<'EOF'\n${text}\nEOF\n  `;
const forbidden = (resource: string, plural: string, group: string) =>
  `echo 'Error from server (Forbidden): ${resource} is forbidden: User "tom" cannot list resource "${plural}" in API group "${group}" at the cluster scope' >&2`;

describe('a look at the API', () => {
  it('reads every kind that there is, and calls absent what is not installed', () => {
    const { api, lists } = look({
      '*" get pods,events "*': printing(list(pod('web-0'), pod('web-1'))),
      '*" get nodes,"*': printing(list(node)),
      '*" get volumes.longhorn.io,nodes.longhorn.io "*': printing(
        list({ apiVersion: 'longhorn.io/v1beta2', kind: 'Node', metadata: { name: 'k8s-cp' } }),
      ),
    });
    expect(api).toEqual({ state: 'answers', says: 'ready', from: 'k8s-cp' });
    expect(lists.pods).toMatchObject({ state: 'seen', items: [{ metadata: { name: 'web-0' } }, {}] });
    expect(lists.events).toEqual({ state: 'seen', items: [], unreadable: 0 });
    expect(lists.nodes).toMatchObject({ state: 'seen', items: [{ metadata: { name: 'k8s-cp' } }] });
    expect(lists.longhornnodes).toMatchObject({ state: 'seen', items: [{}] });
    expect(lists.longhornvolumes).toMatchObject({ state: 'seen', items: [] });
    expect(lists.virtualservices).toMatchObject({ state: 'seen', items: [] });
    expect(lists.rollouts).toEqual({ state: 'absent' });
    expect(kindNames.filter(name => lists[name].state === 'unknown')).toEqual([]);
  });

  it('keeps no environment, and masks what messages say', () => {
    const status = { phase: 'Failed', message: 'pull https://bot:hunter22@ghcr.io: 401' };
    const { lists } = look({ '*" get pods,events "*': printing(list(pod('web-0', status))) });
    expect(JSON.stringify(lists.pods)).not.toContain('hunter22');
    expect(JSON.stringify(lists.pods)).toContain('pull https://bot:[redacted]@ghcr.io: 401');
  });

  it('tells a kind that may not be listed from one that has nothing', () => {
    const { lists } = look({
      '*" get pods,events "*': `${printing(list(pod('web-0')))}${forbidden('events', 'events', '')}; exit 1`,
      '*" get nodes,"*': `${printing(list(node))}${forbidden('leases.coordination.k8s.io', 'leases', 'coordination.k8s.io')}; exit 1`,
      '*" get secrets "*': `${forbidden('secrets', 'secrets', '')}; exit 1`,
    });
    expect(lists.pods).toMatchObject({ state: 'seen', items: [{}] });
    expect(lists.events).toEqual({
      state: 'unknown',
      why: 'forbidden: User "tom" cannot list resource "events" in API group "" at the cluster scope',
    });
    expect(lists.nodes.state).toBe('seen');
    expect(lists.leases.state).toBe('unknown');
    expect(lists.services).toEqual({ state: 'seen', items: [], unreadable: 0 });
    expect(lists.releases.state).toBe('unknown');
  });

  it('does not take silence about a kind for none of it when something else went wrong', () => {
    const { lists } = look({
      '*" get pods,events "*': `${printing(list(pod('web-0')))}echo 'Error from server (Timeout): the server was unable to return a response in the time allotted' >&2; exit 1`,
    });
    expect(lists.pods).toMatchObject({ state: 'seen' });
    expect(lists.events).toEqual({
      state: 'unknown',
      why: 'Error from server (Timeout): the server was unable to return a response in the time allotted',
    });
  });

  it('reads of Helm releases their labels, and never asks for what the Secret holds', () => {
    const table = `monitoring   sh.helm.release.v1.kps.v2    helm.sh/release.v1   1     5d    kps    deployed          2   <none>       1795300000
falco        sh.helm.release.v1.falco.v1  helm.sh/release.v1   1     1d    falco  pending-install   1   1795280000   <none>`;
    const { lists } = look({ '*" get secrets -A -l owner=helm --no-headers -L "*': printing(table) });
    expect(lists.releases).toMatchObject({
      state: 'seen',
      items: [
        {
          metadata: {
            namespace: 'monitoring',
            labels: { name: 'kps', status: 'deployed', version: '2', owner: 'helm' },
          },
        },
        { metadata: { name: 'sh.helm.release.v1.falco.v1', labels: { status: 'pending-install' } } },
      ],
    });
    expect(apiScript('kubectl')).not.toMatch(/secrets[^\n]*-o /);
  });

  it.each([
    ['The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?'],
    ['Unable to connect to the server: net/http: request canceled (Client.Timeout exceeded while awaiting headers)'],
    [
      'Unable to connect to the server: tls: failed to verify certificate: x509: certificate has expired or is not yet valid',
    ],
  ])('of an API server that does not answer is one answer, asked twice: %s', words => {
    const { api, lists } = look({
      '*': `echo ${JSON.stringify(words)} >&2; exit 1`,
      '*readyz*': `echo ${JSON.stringify(words)} >&2; exit 1`,
    });
    expect(api).toEqual({ state: 'silent', says: words, from: 'k8s-cp' });
    expect(kindNames.every(name => lists[name].state === 'unknown')).toBe(true);
  });

  it('goes on where the API server is not ready and answers all the same', () => {
    const { api, lists } = look({
      '*readyz*': `printf '%s\\n' 'Error from server (InternalError): an error on the server ("[+]ping ok\\n[-]etcd failed: reason withheld\\nreadyz check failed") has prevented the request from succeeding' >&2; exit 1`,
      '*" get nodes,"*': printing(list(node)),
    });
    expect(api).toEqual({ state: 'answers', says: '[-]etcd failed: reason withheld', from: 'k8s-cp' });
    expect(lists.nodes.state).toBe('seen');
  });

  it('says that kubectl is missing', () => {
    const { api, lists } = readApi(dash(apiScript('/no/such/kubectl --request-timeout=5s')), 'k8s-cp');
    expect(api).toEqual({ state: 'not asked', says: 'there is no kubectl on k8s-cp', from: 'k8s-cp' });
    expect(lists.pods).toEqual({ state: 'unknown', why: 'there is no kubectl on k8s-cp' });
  });

  it('never throws, whatever comes', () => {
    const bin = standIns(scratch(), {
      kubectl: `case "$*" in *readyz*) echo ok ;; *) printf '{"items": [{"kind": "Pod", "apiVersion": "v1"}' ;; esac`,
    });
    const { stdout } = dash(apiScript('kubectl'), { bin });
    for (let length = 0; length <= stdout.length; length += 13) {
      const { lists } = readApi({ code: 0, stdout: stdout.slice(0, length), stderr: '' }, 'x');
      expect(kindNames.some(name => lists[name].state === 'seen' && name !== 'releases')).toBe(false);
    }
  });
});

describe('logs', () => {
  const running = { running: { startedAt: '2026-11-22T02:00:00Z' } };
  const crashing = { waiting: { reason: 'CrashLoopBackOff' } };
  const status = (name: string, more: object) => ({
    containerStatuses: [{ name, ready: false, restartCount: 0, ...more }],
  });
  const lists = (...pods: readonly object[]) =>
    listsOf(new Map(readItems({ kind: 'List', items: pods }, 'pods', 'test')), 'not asked');
  const of = (name: string, owner: string, more: object) => {
    const made = pod(name, more);
    return { ...made, metadata: { ...made.metadata, ownerReferences: [{ kind: 'ReplicaSet', name: owner }] } };
  };

  it('are asked of what does not stay up, one of a kind, the crashing before the unready', () => {
    const script = logsScript(
      'kubectl',
      lists(
        of('slow-1', 'slow', status('app', { state: running })),
        of('web-1', 'web', status('app', { restartCount: 5, state: crashing })),
        of('web-2', 'web', status('app', { restartCount: 4, state: crashing })),
        of('well-1', 'well', status('app', { ready: true, restartCount: 9, state: running })),
        of('new-1', 'new', status('app', { state: { waiting: { reason: 'ContainerCreating' } } })),
        of('done-1', 'done', { phase: 'Succeeded', ...status('app', { state: { terminated: { exitCode: 0 } } }) }),
      ),
    );
    expect([...(script ?? '').matchAll(/^part begin (\S+)/gm)].map(([, id]) => id).sort()).toEqual([
      'demo/slow-1/app',
      'demo/web-1/app',
    ]);
    expect(script).toContain('k logs -n demo web-1 -c app --tail=20 --previous');
    expect(script).not.toContain('slow-1 -c app --tail=20 --previous');
  });

  it('are not asked for where all is well', () => expect(logsScript('kubectl', lists(pod('a')))).toBeUndefined());

  it('are the last words before it ended; without them, what it says now; masked', () => {
    const script = logsScript(
      'kubectl',
      lists(
        of('a-1', 'a', status('app', { restartCount: 1, state: crashing })),
        of('b-1', 'b', status('app', { restartCount: 1, state: crashing })),
        of('c-1', 'c', status('app', { restartCount: 1, state: crashing })),
        of('d-1', 'd', status('app', { restartCount: 1, state: crashing })),
        of('e-1', 'e', status('app', { restartCount: 1, state: crashing })),
      ),
    );
    const bin = standIns(scratch(), {
      kubectl: `case "$*" in
  *c-1*) echo 'Error from server: Get "https://10.0.0.1:10250/": dial tcp: i/o timeout' >&2; exit 1 ;;
  *a-1*--previous*) echo 'started'; echo 'password=hunter22 refused' ;;
  *b-1*--previous*) echo 'previous terminated container "app" not found' >&2; exit 1 ;;
  *--previous*) printf 'unable to retrieve container logs for containerd://858dfae' ;;
  *d-1*) printf 'unable to retrieve container logs for containerd://858dfae' ;;
  *) echo 'still starting' ;;
esac`,
    });
    const logs = readLogs(dash(script ?? '', { bin }));
    expect([...logs].sort((one, other) => (one.pod < other.pod ? -1 : 1))).toEqual([
      { pod: 'demo/a-1', container: 'app', lines: ['started', 'password=[redacted] refused'] },
      { pod: 'demo/b-1', container: 'app', lines: ['still starting'] },
      { pod: 'demo/e-1', container: 'app', lines: ['still starting'] },
    ]);
  });

  it('are asked by a script that shellcheck has nothing against, as the look itself', () => {
    const script = logsScript('kubectl', lists(of("a'1", 'a', status('app', { restartCount: 1, state: crashing }))));
    for (const text of [apiScript(adminKubectl(5)), script ?? '']) {
      expect(spawnSync('dash', ['-n'], { input: text, encoding: 'utf8' }).stderr).toBe('');
      const {
        status: code,
        stdout,
        error,
      } = spawnSync('shellcheck', ['-s', 'sh', '-e', 'SC2016,SC2043', '-'], {
        input: text,
        encoding: 'utf8',
      });
      if (error === undefined) expect([code, stdout]).toEqual([0, '']);
    }
  });
});
