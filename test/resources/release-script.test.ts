// What can go wrong while a release is made, run by dash with stand-ins: what is left behind, and what a person is told to type.
// The messages are Helm's own: 3.22.0 and 4.3.1, asked for each of these; those of a cluster from its sources (pkg/action, pkg/kube).
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { explanationOf } from '../../src/engine/machine.ts';
import { noRecord } from '../../src/resources/release-record.ts';
import { type ReleaseOptions, releaseScript } from '../../src/resources/release-script.ts';
import { dash } from '../dash.ts';
import { scratch, standIns } from './rig.ts';

const options: ReleaseOptions = {
  name: 'web',
  namespace: 'blog',
  chart: { name: 'web', version: '1.0.0', source: { kind: 'repository', url: 'https://charts.example' } },
  values: { password: 'hunter2', color: 'blue' },
  kubernetes: '1.31',
  file: undefined,
  proxy: {},
  isFelt: false,
  minorsAtOnce: undefined,
  remedies: [],
};
const marks = { chart: 'web-1.0.0', values: 'abc', kubernetes: '1.31' };
const action = releaseScript(options, marks, noRecord);

interface Bad {
  readonly version?: string;
  /** What `helm upgrade` says before it fails. */
  readonly says?: string;
  /** What `helm show` says before it fails: it is the first that needs the chart. */
  readonly showSays?: string;
  /** Of records that a killed Helm left. */
  readonly pending?: readonly string[];
  readonly crds?: string;
  /** Of the release, when Helm is about to be called. */
  readonly records?: readonly string[] | 'silent';
  readonly pods?: string;
  /** Of the namespace, without their kind: name, release, instance, created, hook. */
  readonly jobs?: readonly string[];
  /** Helm waits for pods: until it is told to end, or until it was looked at 25 times. */
  readonly waits?: boolean;
  /** Of the API server, a line each: time, object, message. */
  readonly events?: readonly string[];
  /** Helm is killed. */
  readonly isKilled?: boolean;
}

function run(
  {
    version = 'v3.22.0',
    says,
    showSays,
    pending = [],
    crds = '',
    pods = '',
    jobs = [],
    records = [],
    waits = false,
    events = [],
    isKilled = false,
  }: Bad = {},
  { script, explain } = action,
) {
  const folder = scratch();
  const text = (words: string) => `cat >&2 <<'SAID'\n${words}\nSAID`;
  const bin = standIns(folder, {
    helm: `echo "helm $*" >>${folder}/asked
case $1 in
  version) echo ${version} ;;
  show) ${showSays === undefined ? `cat <<'CRDS'\n${crds}\nCRDS\n` : `${text(showSays)}\nexit 1`} ;;
  upgrade)
    while [ "$1" != --values ]; do shift; done
    stat -c '%a %n' "$2" >${folder}/values
    cat "$2" >${folder}/given
    pwd >${folder}/place
    ${isKilled ? `echo 'Release "web" does not exist. Installing it now.'; kill -KILL $$` : ''}
    ${
      waits
        ? `trap 'echo "Error: context canceled" >&2; exit 1' TERM
    until [ "$(grep -c ' pods$' ${folder}/asked)" -ge 25 ]; do /bin/sleep 0.01; done
    echo 'Error: UPGRADE FAILED: context deadline exceeded' >&2
    exit 1`
        : ''
    }
    ${says === undefined ? ':' : `${text(says)}\n    exit 1`} ;;
esac`,
    kubectl: `echo "kubectl $*" >>${folder}/asked
case "$*" in
  *'status in '*) ${pending.map(each => `echo secret/${each}`).join('; ') || ':'} ;;
  *release-name*)
    echo 'Deployment   web   web   web   2026-01-01T00:00:00Z   <none>'
    echo 'Deployment   other   <none>   other   2026-01-01T00:00:00Z   <none>'
    case "$*" in *jobs*) ${jobs.map(each => `echo 'Job   ${each}'`).join('; ') || ':'} ;; esac ;;
  *' events') ${events.map(each => `echo '${each}'`).join('; ') || ':'} ;;
  *' pods') printf '${pods}' ;;
  *'get secret'*) ${records === 'silent' ? 'exit 1' : records.map(each => `echo '${each}'`).join('; ') || ':'} ;;
esac`,
    sleep: ':',
    mktemp: `mkdir -p ${folder}/tmp && /usr/bin/mktemp -d -p ${folder}/tmp`,
  });
  const said = dash(`set -eu\n${script}`, { bin });
  const read = (name: string) => (existsSync(`${folder}/${name}`) ? readFileSync(`${folder}/${name}`, 'utf8') : '');
  return {
    ...said,
    asked: read('asked').split('\n'),
    upgrade:
      read('asked')
        .split('\n')
        .find(line => line.startsWith('helm upgrade')) ?? '',
    values: read('values'),
    given: read('given'),
    place: read('place').trim(),
    left: existsSync(`${folder}/tmp`) ? readdirSync(`${folder}/tmp`) : [],
    told: said.code === 0 ? undefined : explanationOf(explain, said.stderr),
  };
}

describe('Helm 3 and 4', () => {
  it.each([
    ['v3.13.0', '--wait'],
    ['v3.22.0', '--wait'],
    ['v4.3.1', '--wait=watcher'],
  ])('%s waits by %s, and by nothing else', (version, flag) => {
    const { code, upgrade } = run({ version });
    expect(code).toBe(0);
    expect(upgrade.split(' ').filter(word => word.startsWith('--wait'))).toEqual([flag]);
  });

  it('is asked for no atomic first install, and for no values of the revision before', () => {
    expect(run().upgrade).not.toMatch(/--atomic|--rollback-on-failure|--reuse-values|--create-namespace/);
    expect(run().upgrade).toContain('--reset-values');
  });

  it.each(['v2.17.0', 'v3.9.4', 'v3.12.3'])('%s labels no release, and is not taken', version => {
    const { code, stderr, upgrade } = run({ version });
    expect(code).not.toBe(0);
    expect(stderr).toContain('no Helm of 3.13 or newer');
    expect(upgrade).toBe('');
  });
});

// pkg/action/upgrade.go and hooks.go of 3.22.0 and 4.3.1: --timeout counts anew for each hook and for the pods.
it('the step ends after Helm has said why it did not: hooks before, pods, hooks after; then what stands before an upgrade', () => {
  const helmSeconds = Number(/--timeout (\d+)s/.exec(run().upgrade)?.[1]);
  expect(action.timeoutMs).toBeGreaterThan(3 * helmSeconds * 1000);
  const record = { status: 'deployed', chart: 'web-0.9.0', values: 'abc', kubernetes: '1.31' };
  const checked = releaseScript({ ...options, beforeUpgrade: ':\n' }, marks, record);
  expect(checked.timeoutMs).toBeGreaterThan(4 * helmSeconds * 1000);
});

describe('values', () => {
  it.each([
    ['after it went well', {}],
    ['after it failed', { says: 'Error: UPGRADE FAILED: context deadline exceeded' }],
  ])('are a file for root alone, in no argument, and gone %s', (_, bad) => {
    const { values, given, left, asked } = run(bad);
    expect(values).toMatch(/^600 /);
    expect(JSON.parse(given)).toEqual(options.values);
    expect(left).toEqual([]);
    expect(asked.join('\n')).not.toContain('hunter2');
  });

  it('Helm stands where no folder of the chart’s name is: 3 takes one for the chart, whatever --repo says', () => {
    const { place, values } = run();
    expect(values).toContain(`${place}/values.json`);
  });
});

describe('what a killed Helm left', () => {
  it.each(['sh.helm.release.v1.web.v1', 'sh.helm.release.v1.web.v7'])('%s is removed first', record => {
    const { code, asked } = run({ pending: [record] });
    expect(code).toBe(0);
    const removed = asked.findIndex(line => line.includes(`delete -n blog secret/${record}`));
    expect(removed).toBeGreaterThan(-1);
    expect(removed).toBeLessThan(asked.findIndex(line => line.startsWith('helm upgrade')));
  });

  it('every kind of pending is looked for, and nothing is removed where there is none', () => {
    const { asked } = run();
    expect(asked.find(line => line.includes('status in'))).toContain(
      'status in (pending-install,pending-upgrade,pending-rollback)',
    );
    expect(asked.some(line => line.includes(' delete '))).toBe(false);
  });
});

describe('who else runs Helm here', () => {
  const seen = releaseScript(options, marks, {
    status: 'deployed',
    chart: 'web-0.9.0',
    values: 'old',
    kubernetes: '1.31',
  });
  const record = '   deployed   web-0.9.0   old   1.31';

  it('is not overtaken: a release that is not as it was looked at is left alone', () => {
    for (const [records, from] of [
      [[`2${record}`, '3   deployed   <none>   <none>   <none>'], seen],
      [['1   deployed   <none>   <none>   <none>'], action],
      [[], seen],
    ] as const) {
      const { code, upgrade, told, left } = run({ records }, from);
      expect(code).not.toBe(0);
      expect(upgrade).toBe('');
      expect(told?.message).toBe('somebody else changed the release web meanwhile');
      expect(left).toEqual([]);
    }
  });

  it('is nobody, where the newest revision is the one that was looked at', () => {
    const { code, upgrade } = run({ records: [`10${record}`, '9   superseded   web-0.8.0   old   1.31'] }, seen);
    expect(code).toBe(0);
    expect(upgrade).not.toBe('');
  });

  it('is not known, where the API server is away', () => {
    const { upgrade, told } = run({ records: 'silent' });
    expect(upgrade).toBe('');
    expect(told?.message).toBe('the API server did not answer');
  });
});

it('a chart out of a registry is pulled once, and nothing else asks the registry', () => {
  const source = { kind: 'oci', url: 'oci://ghcr.io/org' } as const;
  const { code, asked, left } = run(
    {},
    releaseScript({ ...options, chart: { ...options.chart, source } }, marks, noRecord),
  );
  expect(code).toBe(0);
  const calls = asked.filter(line => line.startsWith('helm ') && !line.startsWith('helm version'));
  expect(calls.map(line => line.split(' ')[1])).toEqual(['pull', 'show', 'upgrade']);
  expect(calls.filter(line => line.includes('oci://'))).toHaveLength(1);
  expect(left).toEqual([]);
});

describe('kinds of a chart', () => {
  it('are applied before the release, and only where there are some', () => {
    const { asked } = run({ crds: 'kind: CustomResourceDefinition' });
    const applied = asked.findIndex(line => line.includes('apply --server-side --force-conflicts'));
    expect(applied).toBeGreaterThan(-1);
    expect(applied).toBeLessThan(asked.findIndex(line => line.startsWith('helm upgrade')));
    expect(run().asked.some(line => line.includes(' apply '))).toBe(false);
  });
});

const unreachable = (name: string) =>
  `Error: looks like "https://charts.example" is not a valid chart repository or cannot be reached: ${name}`;
const inUpgrade = (text: string) => `Error: UPGRADE FAILED: ${text}`;

const cases: readonly (readonly [title: string, bad: Bad, message: string, hint: string])[] = [
  [
    'the repository is down',
    {
      showSays: unreachable(
        'Get "https://charts.example/index.yaml": dial tcp 192.0.2.1:443: connect: connection refused',
      ),
    },
    'the repository of chart web cannot be reached',
    '--bundle DIR',
  ],
  [
    'nobody knows the repository’s name',
    {
      showSays: unreachable(
        'Get "https://charts.example/index.yaml": dial tcp: lookup charts.example on 192.0.2.53:53: no such host',
      ),
    },
    'the repository of chart web cannot be reached',
    'proxy in the inventory',
  ],
  [
    'the repository has no index',
    { showSays: unreachable('failed to fetch https://charts.example/index.yaml : 404 Not Found') },
    'the repository of chart web cannot be reached',
    '--bundle DIR',
  ],
  [
    'the version is absent',
    { showSays: 'Error: chart "web" version "9.9.9" not found in https://charts.example repository' },
    'there is no chart web 1.0.0 in its repository',
    'another version',
  ],
  [
    'the index has it, the server has not',
    { showSays: 'Error: failed to fetch https://charts.example/web-1.0.0.tgz : 404 Not Found' },
    'there is no chart web 1.0.0 in its repository',
    'another version',
  ],
  [
    'the chart wants another Kubernetes',
    { says: inUpgrade('chart requires kubeVersion: >= 1.34.0-0 which is incompatible with Kubernetes v1.31.1') },
    'chart web 1.0.0 wants Kubernetes >= 1.34.0-0, and this is v1.31.1',
    'homelab profiles',
  ],
  [
    'the schema refuses a value',
    {
      says: "Error: values don't meet the specifications of the schema(s) in the following chart(s):\nweb:\n- at '/replicas': got string, want integer\n",
    },
    "chart web 1.0.0 refuses the values: at '/replicas': got string, want integer",
    'correct values',
  ],
  [
    'a kind belongs to somebody else',
    {
      says: 'Error: Unable to continue with install: CustomResourceDefinition "webs.example.com" in namespace "" exists and cannot be imported into the current release: invalid ownership metadata; annotation validation error: key "meta.helm.sh/release-name" must equal "web": current value is "other"',
    },
    'CustomResourceDefinition "webs.example.com", which chart web brings, is there already and belongs to somebody else',
    'meta.helm.sh/release-name=web',
  ],
  [
    'an object belongs to nobody',
    {
      says: inUpgrade(
        'Unable to continue with update: Service "web" in namespace "blog" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm"',
      ),
    },
    'Service "web", which chart web brings, is there already',
    'managed-by=Helm',
  ],
  [
    'the namespace is being deleted',
    {
      says: 'Error: create: failed to create: secrets "sh.helm.release.v1.web.v1" is forbidden: unable to create new content in namespace blog because it is being terminated',
    },
    'the namespace blog is being deleted',
    'kubectl wait --for=delete namespace/blog',
  ],
  [
    'the API server does not answer',
    {
      says: 'Error: Kubernetes cluster unreachable: Get "https://192.0.2.1:6443/version": dial tcp 192.0.2.1:6443: connect: connection refused',
    },
    'the API server did not answer',
    'homelab status',
  ],
  [
    'the API server does not answer Helm 4',
    {
      version: 'v4.3.1',
      says: 'Error: kubernetes cluster unreachable: Get "https://192.0.2.1:6443/version": dial tcp 192.0.2.1:6443: connect: connection refused',
    },
    'the API server did not answer',
    'homelab status',
  ],
  [
    'somebody changed a field by hand',
    {
      version: 'v4.3.1',
      says: inUpgrade(
        'conflict occurred while applying object blog/web apps/v1, Kind=Deployment: Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas',
      ),
    },
    'somebody changed a field of web by hand ("kubectl-edit")',
    '--force-conflicts',
  ],
];

describe('bad luck', () => {
  it.each(cases)('%s: what it means, and what to type', (_, bad, message, hint) => {
    const { code, told, left } = run(bad);
    expect(code).not.toBe(0);
    expect(told?.message).toContain(message);
    expect(told?.hint).toContain(hint);
    expect(left).toEqual([]);
  });

  it('what events say of others is no explanation, and what was noted before it began is not shown', () => {
    const { stderr, told } = run({
      says: "Error: values don't meet the specifications of the schema(s) in the following chart(s):\nweb:\n- at '/a': got string\n",
      events: [
        '2026-01-01T00:00:00Z   old-1   Readiness probe failed: dial tcp 127.0.0.1:9234: connect: connection refused',
        '2999-01-01T00:00:00Z   new-1   Startup probe failed: dial tcp 127.0.0.1:9879: connect: connection refused',
      ],
    });
    expect(told?.message).toBe("chart web 1.0.0 refuses the values: at '/a': got string");
    expect(stderr).toContain('event: new-1 Startup probe failed');
    expect(stderr).not.toContain('old-1');
  });

  it('a Helm that was killed is said, and what to type', () => {
    const { code, told } = run({ isKilled: true });
    expect(code).not.toBe(0);
    expect(told?.message).toBe('Helm was ended by something else before it was done');
    expect(told?.hint).toContain('run the same command again');
  });

  it('an image of its own that does not come ends it long before its time, and is named', () => {
    const pods =
      'other-1 k8s-cp Pending false ImagePullBackOff <none>\\nweb-6d4 k8s-worker1 Pending false ImagePullBackOff <none>\\n';
    const { code, stderr, told } = run({ waits: true, pods });
    expect(code).not.toBe(0);
    expect(stderr).toContain('context canceled');
    expect(told?.message).toBe('web waits for an image that does not come (pod web-6d4)');
    expect(told?.hint).toContain('correct image');
  });

  // Helm labels no hook with its release; longhorn 1.12.1's have app.kubernetes.io/instance (templates/preupgrade-job.yaml).
  it.each([
    ['of its own', true, 'longhorn-pre-upgrade   <none>   web   2999-01-01T00:00:00Z   pre-upgrade'],
    [
      'that says nothing of its release',
      true,
      'longhorn-pre-upgrade   <none>   <none>   2999-01-01T00:00:00Z   pre-install, pre-upgrade',
    ],
    ['of another release', false, 'longhorn-pre-upgrade   <none>   other   2999-01-01T00:00:00Z   pre-upgrade'],
    ['that an earlier run left', false, 'longhorn-pre-upgrade   <none>   web   2026-01-01T00:00:00Z   pre-upgrade'],
    [
      'that is no job of a hook, and that Helm does not wait for',
      false,
      'longhorn-pre-upgrade   web   web   2999-01-01T00:00:00Z   <none>',
    ],
  ])('the job of a hook %s whose image does not come ends it sooner: %s', (_, ends, job) => {
    const pods = 'longhorn-pre-upgrade-x7k k8s-worker1 Pending false ImagePullBackOff <none>\\n';
    const { code, stderr, told } = run({ waits: true, pods, jobs: [job] });
    expect(code).not.toBe(0);
    expect(stderr).toContain(ends ? 'context canceled' : 'context deadline exceeded');
    expect(told?.message.includes('an image that does not come (pod longhorn-pre-upgrade-x7k)')).toBe(ends);
  });

  it.each([
    ['v3.22.0', inUpgrade('context deadline exceeded')],
    [
      'v4.3.1',
      inUpgrade(
        'resource Deployment/blog/web not ready. status: InProgress, message: Available: 0/1\ncontext deadline exceeded',
      ),
    ],
  ])('an image that cannot be pulled under %s: the pod that waits stands there, with its machine', (version, says) => {
    const pods =
      'web-6d4   k8s-worker1   Pending   false   ImagePullBackOff   <none>\\nweb-old   k8s-worker1   Running   true,true   <none>   <none>\\nweb-7f   k8s-worker2   Running   true,false   <none>   <none>\\n';
    const { stderr, told } = run({ version, says, pods });
    expect(stderr).toContain('waits: web-6d4 ImagePullBackOff on k8s-worker1');
    expect(stderr).toContain('waits: web-7f not ready on k8s-worker2');
    expect(stderr).not.toContain('waits: web-old');
    expect(told?.message).toContain('web did not come up within 15 minutes');
    expect(told?.hint).toContain('homelab doctor');
  });
});
