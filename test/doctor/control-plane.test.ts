// Constructed, one field at a time: certificates, etcd, the API server and what stands beside it.

import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import type { MachineFacts } from '../../src/doctor/machine-facts.ts';
import {
  apiCertificate,
  certificateNotLoaded,
  certificateRules,
  certificatesEnding,
  etcdCertificate,
  otherCertificate,
} from '../../src/doctor/rules/certificates.ts';
import {
  apiserverDown,
  controllerManagerDown,
  processRules,
  schedulerDown,
} from '../../src/doctor/rules/control-plane.ts';
import {
  apiSilent as apiSilentRule,
  apiUnreached,
  endpointUnnamed,
  endpointUnresolved,
} from '../../src/doctor/rules/endpoint.ts';
import { etcdDown, etcdFull, etcdMemberDown, etcdRules, etcdSlow } from '../../src/doctor/rules/etcd.ts';
import { hostRules } from '../../src/doctor/rules/host.ts';
import { manifestBroken, manifestRules } from '../../src/doctor/rules/manifests.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { type Case, testRules } from './cases.ts';
import {
  ago,
  apiSilent,
  at,
  endpoint,
  healthy,
  lease,
  type Name,
  running,
  silent,
  unit,
  with1,
  without,
} from './constructed.ts';
import { withObjects } from './rig.ts';

const day = 86_400;
const pki = '/etc/kubernetes/pki/';
const ending = (path: string, seconds: number, from?: Snapshot, machine: Name = 'cp') =>
  with1(
    machine,
    ({ certificates }) => ({
      certificates: certificates.map(each =>
        each.path === path ? { ...each, notBefore: ago(seconds + 365 * day), notAfter: ago(seconds) } : each,
      ),
    }),
    from,
  );
const clock = (machine: Name, offsetMs: number, from?: Snapshot) =>
  with1(machine, facts => ({ clock: { ...facts.clock, offsetMs } }), from);
const expired =
  'Unable to connect to the server: tls: failed to verify certificate: x509: certificate has expired or is not yet valid';

const certificates: readonly Case[] = [
  {
    rule: apiCertificate,
    when: 'it ended yesterday',
    in: ending(`${pki}apiserver.crt`, day, apiSilent(expired)),
    says: /^a certificate of cp ended at 2026-11-21 02:14 UTC \(pki\/apiserver\.crt\): nobody believes the API server/,
    severity: 'error',
    allAbout: ['machine:cp', 'object:api'],
    advises: /^homelab certs renew/,
    near: {
      'it ends tomorrow': ending(`${pki}apiserver.crt`, -day),
      'it is our clock that is two days ahead': clock('cp', -2 * day * 1000, ending(`${pki}apiserver.crt`, day)),
      'another one ended': ending(`${pki}front-proxy-client.crt`, day),
    },
  },
  {
    rule: etcdCertificate,
    when: 'four of them ended',
    in: ['etcd/server.crt', 'etcd/peer.crt', 'etcd/healthcheck-client.crt', 'apiserver-etcd-client.crt'].reduce(
      (from, each) => ending(`${pki}${each}`, day, from),
      healthy,
    ),
    says: /^certificates of cp ended at .* \(pki\/apiserver-etcd-client\.crt, pki\/etcd\/server\.crt, pki\/etcd\/peer\.crt and pki\/etcd\/healthcheck-client\.crt\):/,
    severity: 'error',
    near: {
      'the API server’s ended': ending(`${pki}apiserver.crt`, day),
      'they end tomorrow': ending(`${pki}etcd/server.crt`, -day),
    },
  },
  {
    rule: apiCertificate,
    when: 'the CA ended, and who asked was let in all the same',
    in: ending(`${pki}ca.crt`, day),
    says: /^a certificate of cp ended .* \(pki\/ca\.crt\)/,
    severity: 'error',
    allAbout: ['machine:cp'],
    advises: /^a CA is renewed by nobody/,
    near: {},
  },
  {
    rule: otherCertificate,
    when: 'that of administrators ended, and they are refused',
    in: ending('/etc/kubernetes/admin.conf', day, apiSilent(expired)),
    says: /^a certificate of cp ended .* \(admin\.conf\)/,
    severity: 'error',
    allAbout: ['machine:cp', 'object:api'],
    near: {},
  },
  {
    rule: otherCertificate,
    when: 'it is not why the API is silent',
    in: ending('/etc/kubernetes/scheduler.conf', day, apiSilent(expired)),
    says: /\(scheduler\.conf\)/,
    severity: 'error',
    allAbout: ['machine:cp'],
    near: {},
  },
  {
    rule: otherCertificate,
    when: 'the scheduler’s ended',
    in: ending('/etc/kubernetes/scheduler.conf', day),
    says: /^a certificate of cp ended .* \(scheduler\.conf\): what uses them is refused$/,
    severity: 'error',
    near: {
      'the kubelet’s ended, which is its own': ending('/var/lib/kubelet/pki/kubelet-client-current.pem', day),
      'it ends tomorrow': ending('/etc/kubernetes/scheduler.conf', -day),
    },
  },
  {
    rule: certificateNotLoaded,
    when: 'the file is a new one',
    in: with1('cp', ({ certificates: all }) => ({ certificates: all }), apiSilent(expired)),
    says: /^the API server serves a certificate that has ended, and the file on cp is a newer one/,
    severity: 'error',
    certainty: 'likely',
    near: {
      'the file ended, too': ending(`${pki}apiserver.crt`, day, apiSilent(expired)),
      'that of administrators ended: it may be theirs': ending('/etc/kubernetes/admin.conf', day, apiSilent(expired)),
      'the API says something else': apiSilent('connection refused'),
      'the API answers': healthy,
    },
  },
  {
    rule: certificateNotLoaded,
    when: 'what else ended is not what is served',
    in: ending('/etc/kubernetes/scheduler.conf', day, apiSilent(expired)),
    says: /^the API server serves a certificate that has ended/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: certificatesEnding,
    when: 'kubeadm’s end in twelve days',
    in: ending(`${pki}apiserver.crt`, -12 * day),
    says: /^a certificate of cp ends in 12 days \(pki\/apiserver\.crt\); kubeadm does not renew them by itself$/,
    severity: 'warning',
    near: {
      'it is in the kubelet’s kubeconfig, which nothing reads once it has its own': with1(
        'w1',
        ({ certificates: all }) => ({
          certificates: [
            ...all,
            { path: '/etc/kubernetes/kubelet.conf', subject: '', notBefore: ago(353 * day), notAfter: ago(-12 * day) },
          ],
        }),
      ),
      'they end in two months': ending(`${pki}apiserver.crt`, -60 * day),
      'it lives for a day only, and half of it is left': with1('w1', ({ certificates: all }) => ({
        certificates: all.map(each => ({ ...each, notBefore: ago(43_200), notAfter: ago(-43_200) })),
      })),
    },
  },
  {
    rule: certificatesEnding,
    when: 'three of kubeadm’s do',
    in: ['apiserver.crt', 'front-proxy-client.crt', 'etcd/server.crt'].reduce(
      (from, each) => ending(`${pki}${each}`, -12 * day, from),
      healthy,
    ),
    says: /^3 certificates of cp end in 12 days \(pki\/apiserver\.crt, pki\/front-proxy-client\.crt and pki\/etcd\/server\.crt\);/,
    severity: 'warning',
    near: {},
  },
  {
    rule: certificatesEnding,
    when: 'the kubelet’s end in ten days, although it renews them',
    in: ending('/var/lib/kubelet/pki/kubelet-client-current.pem', -10 * day, healthy, 'w1'),
    says: /^a certificate of w1 ends in 10 days .*; its kubelet should have renewed them long ago$/,
    severity: 'warning',
    near: {},
  },
  {
    rule: certificatesEnding,
    when: 'a CA ends',
    in: ending(`${pki}ca.crt`, -10 * day),
    says: /nobody renews a CA$/,
    severity: 'warning',
    near: {},
  },
];
testRules(certificateRules, certificates);

it('a certificate is read again where it is: in its file, or within a kubeconfig', () => {
  const again = (path: string) => certificatesEnding.find(ending(path, -12 * day))[0]?.evidence[0]?.again;
  expect(again(`${pki}apiserver.crt`)).toMatch(
    /openssl x509 -noout -enddate -in \/etc\/kubernetes\/pki\/apiserver\.crt/,
  );
  expect(again('/etc/kubernetes/scheduler.conf')).toContain('client-certificate-data: ');
});

const manifest = (name: string, trouble: string | undefined, from?: Snapshot) =>
  with1(
    'cp',
    ({ manifests }) => ({
      manifests: manifests.flatMap(each =>
        each.name !== name ? [each] : trouble === undefined ? [] : [{ name, trouble }],
      ),
    }),
    from,
  );
const health = (what: string, says: string, from?: Snapshot, machine: Name = 'cp') =>
  with1(machine, facts => ({ health: { ...facts.health, [what]: { ok: false, says } } }), from);
const exited = (name: string, lastLines: readonly string[], from?: Snapshot) =>
  with1(
    'cp',
    ({ controlPlane }) => ({
      controlPlane: controlPlane.map(each =>
        each.name === name
          ? { ...each, state: 'exited', exitCode: 1, finishedAt: ago(90), lastLines: [...lastLines] }
          : each,
      ),
    }),
    from,
  );
const booted = (from: Snapshot) => with1('cp', facts => ({ identity: { ...facts.identity, bootedAt: ago(40) } }), from);
const bareCp = (from: Snapshot) =>
  with1(
    'cp',
    ({ certificates: all }) => ({ certificates: all.filter(({ path }) => !path.startsWith('/etc/kubernetes')) }),
    { ...from, lists: apiSilent('').lists },
  );
const refused =
  'The connection to the server k8s-api.home.arpa:6443 was refused - did you specify the right host or port?';

const manifests: readonly Case[] = [
  {
    rule: manifestBroken,
    when: 'it is no YAML any more',
    in: manifest(
      'kube-apiserver',
      'bad indentation of a mapping entry (line 12)',
      health('apiserver', 'refused', apiSilent(refused)),
    ),
    says: /^the API server of cp is not started: \/etc\/kubernetes\/manifests\/kube-apiserver\.yaml is no Pod \(bad indentation of a mapping entry \(line 12\)\)$/,
    severity: 'error',
    shows: /^\/etc\/kubernetes\/manifests\/kube-apiserver\.yaml: bad indentation/,
    advises: /kubeadm init phase control-plane apiserver /,
    about: 'object:api',
    near: {
      'it is one': health('apiserver', 'refused', apiSilent(refused)),
      'the machine is bare': bareCp(manifest('kube-apiserver', undefined)),
      'files are not known': without('cp', 'manifests', health('apiserver', 'refused')),
    },
  },
  {
    rule: manifestBroken,
    when: 'it is gone',
    in: manifest('etcd', undefined, health('etcd', 'refused', apiSilent(refused))),
    says: /^etcd of cp is not started: .*etcd\.yaml is not there$/,
    severity: 'error',
    about: 'object:api',
    shows: /^\/etc\/kubernetes\/manifests\/etcd\.yaml is not there$/,
    advises: /kubeadm init phase etcd local /,
    near: {
      'etcd lives elsewhere': with1(
        'cp',
        facts => ({
          certificates: facts.certificates.filter(({ path }) => !path.includes('etcd/server')),
          health: Object.fromEntries(Object.entries(facts.health).filter(([name]) => name !== 'etcd')),
        }),
        manifest('etcd', undefined),
      ),
    },
  },
  {
    rule: manifestBroken,
    when: 'it was broken a moment ago',
    in: manifest('kube-scheduler', 'no YAML', apiSilent(refused)),
    says: /^the scheduler of cp runs on for the moment/,
    severity: 'warning',
    allAbout: ['machine:cp', 'object:kube-scheduler@cp'],
    near: {},
  },
];
testRules(manifestRules, manifests);

/** Three control planes, each with etcd. */
const three = (['w1', 'w2'] as const).reduce<Snapshot>(
  (from, name) =>
    with1(
      name,
      facts => ({
        health: { ...facts.health, etcd: { ok: true, says: 'ok' }, apiserver: { ok: true, says: 'ok' } },
        certificates: [
          ...facts.certificates,
          { path: `${pki}apiserver.crt`, subject: '', notBefore: ago(day), notAfter: ago(-300 * day) },
        ],
      }),
      from,
    ),
  { ...healthy, machines: healthy.machines.map(each => ({ ...each, role: 'control-plane' as const })) },
);
const two = { ...three, machines: three.machines.slice(0, 2) };
const nospace = '{"health":"false","reason":"ALARM NOSPACE"}';
const slow = (seconds: number) => `{"level":"warn","ts":"${ago(seconds)}","msg":"slow fdatasync","took":"2.4s"}`;
const etcdSays = (lastLines: readonly string[]) =>
  with1('cp', ({ controlPlane }) => ({
    controlPlane: controlPlane.map(each => (each.name === 'etcd' ? { ...each, lastLines: [...lastLines] } : each)),
  }));

/** Its container runs, and its log has words. */
const talking = with1(
  'cp',
  ({ controlPlane }) => ({
    controlPlane: controlPlane.map(each => ({ ...each, lastLines: ['{"level":"warn","msg":"lost leader"}'] })),
  }),
  three,
);

const etcds: readonly Case[] = [
  {
    rule: etcdFull,
    when: 'it raised its alarm',
    in: health('etcd', nospace),
    says: /^etcd on cp is full \(alarm NOSPACE\)/,
    severity: 'error',
    near: { 'it is down': health('etcd', 'refused'), 'nobody could ask it': without('cp', 'health') },
  },
  {
    rule: etcdDown,
    when: 'the only one ended',
    in: health(
      'etcd',
      'refused',
      exited(
        'etcd',
        ['{"level":"fatal","ts":"2026-11-22T02:13:00Z","msg":"discovery failed","error":"wal: crc mismatch"}'],
        apiSilent(refused),
      ),
    ),
    says: /^etcd on cp is down \(its container ended with exit code 1; last words: discovery failed: wal: crc mismatch\): without it there is no API server$/,
    severity: 'error',
    about: 'object:api',
    shows: /^etcd’s health: refused\nits container ended with exit code 1\n.*wal: crc mismatch/,
    near: {
      'it is full, which is another thing': health('etcd', nospace),
      'the machine has just booted': booted(health('etcd', 'refused')),
      'two others hold the majority': health('etcd', 'refused', three),
    },
  },
  {
    rule: etcdDown,
    when: 'one of three is down and one machine does not answer',
    in: health('etcd', 'timed out', silent('w2', talking)),
    says: /^etcd has lost its majority: cp of 3 members is down/,
    severity: 'error',
    // Its container runs: what it wrote is no end.
    shows: /^etcd’s health: timed out$/,
    near: {},
  },
  {
    rule: etcdDown,
    when: 'one of two is down',
    in: health('etcd', 'refused', two),
    says: /^etcd has lost its majority: cp of 2 members is down/,
    severity: 'error',
    allAbout: ['machine:cp', 'object:etcd@cp'],
    near: { 'both are well': two },
  },
  {
    rule: etcdMemberDown,
    when: 'one of three is down',
    in: health('etcd', 'refused', three),
    says: /^etcd’s member on cp is down \(its health check: refused\); 2 of 3 hold the majority$/,
    severity: 'error',
    shows: /^etcd’s health: refused$/,
    near: {
      'it is the only one': health('etcd', 'refused'),
      'all are well': three,
      'it is one of two': health('etcd', 'refused', two),
    },
  },
  {
    rule: etcdSlow,
    when: 'it waits for its disk all the time',
    in: etcdSays([slow(60), slow(40), slow(20)]),
    says: /^etcd on cp waits for its disk: slow fdatasync/,
    severity: 'warning',
    certainty: 'likely',
    near: {
      'it did an hour ago': etcdSays([slow(3660), slow(3640), slow(3620)]),
      'it did once': etcdSays([slow(60)]),
      'it says two seconds of something else': etcdSays(
        [slow(60), slow(40), slow(20)].map(line => line.replace('slow fdatasync', 'compacted')),
      ),
      'it took a tenth of a second': etcdSays(
        [slow(60), slow(40), slow(20)].map(line => line.replace('2.4s', '119.8ms')),
      ),
    },
  },
];
testRules(etcdRules, etcds);

const leases = (scheduler: number, manager: number, from: Snapshot = healthy) =>
  withObjects(from, 'leases', [
    lease('kube-node-lease', 'cp', 4),
    lease('kube-system', 'kube-scheduler', scheduler),
    lease('kube-system', 'kube-controller-manager', manager),
  ]);
const reach = (says: string, from: Snapshot) =>
  with1(
    'cp',
    facts => ({
      reach: facts.reach.map((row: NonNullable<MachineFacts['reach']>[number]) =>
        row.to === endpoint ? { ...row, ok: false, says } : row,
      ),
    }),
    from,
  );

const processes: readonly Case[] = [
  {
    rule: apiserverDown,
    when: 'it ends by itself',
    in: health(
      'apiserver',
      'refused',
      exited(
        'kube-apiserver',
        ['I1122 starting', 'E1122 02:13 run.go:72] "command failed" err="unknown flag: --foo"'],
        with1('cp', () => ({ listening: [22] }), apiSilent(refused)),
      ),
    ),
    says: /^the API server of cp is down \(its container ended with exit code 1\); last words: E1122 .*unknown flag: --foo/,
    severity: 'error',
    about: 'object:api',
    near: {
      'it is well': apiSilent(refused),
      'the machine has just booted': booted(health('apiserver', 'refused')),
      'its kubelet has just begun': unit(
        'cp',
        'kubelet',
        { ...running, since: ago(20) },
        health('apiserver', 'refused'),
      ),
      'the machine is bare': bareCp(health('apiserver', 'refused')),
    },
  },
  ...[
    { last: ['F1122 no such file', 'E1122 goes on', 'I1122 done'], words: 'F1122 no such file' },
    { last: ['I1122 Shutting down', ''], words: 'I1122 Shutting down' },
  ].map(
    ({ last, words }): Case => ({
      rule: apiserverDown,
      when: `it ended, and of ${last.length} lines says most: ${words}`,
      in: health('apiserver', 'refused', exited('kube-apiserver', last)),
      says: new RegExp(`; last words: ${words}$`),
      severity: 'error',
      near: {},
    }),
  ),
  {
    rule: apiserverDown,
    when: 'it runs and is not ready',
    in: health('apiserver', '[-]etcd failed: reason withheld'),
    says: /runs and is not ready \(\[-\]etcd failed/,
    severity: 'error',
    near: {},
  },
  {
    rule: apiserverDown,
    when: 'its container runs, and nobody listens',
    in: health(
      'apiserver',
      'refused',
      with1('cp', () => ({ listening: [22] })),
    ),
    says: /^the API server of cp is down \(refused\)$/,
    severity: 'error',
    since: '',
    near: {},
  },
  {
    rule: apiserverDown,
    when: 'it ended, and something listens on its port',
    in: health('apiserver', 'refused', exited('kube-apiserver', [])),
    says: /^the API server of cp is down \(its container ended with exit code 1\)$/,
    severity: 'error',
    since: ago(90),
    near: {},
  },
  {
    rule: schedulerDown,
    when: 'it has not renewed its lease',
    in: health('scheduler', 'refused', leases(200, 1)),
    says: /^the scheduler has not been heard of for 3 min \(since 02:11 UTC\): new pods get no machine$/,
    severity: 'error',
    about: 'object:kube-scheduler',
    shows: /^lease renewed last at \S+\nkube-scheduler: refused; its container is running$/,
    near: {
      'it renews it': health('scheduler', 'refused', leases(10, 1)),
      'the API server is away': health('scheduler', 'refused', apiSilent(refused)),
      'it is our clock that is ahead': {
        ...leases(1, 1),
        at: at + 600_000,
        machines: healthy.machines.map(each => ({
          ...each,
          facts: {
            ...each.facts,
            clock: { offsetMs: -600_000, uncertaintyMs: 10, synchronized: true, service: 'chrony' },
          },
        })),
      },
    },
  },
  {
    rule: schedulerDown,
    when: 'it is well where it runs, by its own word',
    in: leases(200, 1),
    says: /^the scheduler has not been heard of/,
    severity: 'error',
    certainty: 'likely',
    shows: /^lease renewed last at \S+$/,
    near: {},
  },
  {
    rule: schedulerDown,
    when: 'no machine is known',
    in: { ...leases(200, 1), machines: [] },
    says: /^the scheduler has not been heard of/,
    severity: 'error',
    certainty: 'likely',
    allAbout: ['object:kube-scheduler'],
    near: {},
  },
  {
    rule: schedulerDown,
    when: 'nobody looked at the machine',
    in: without('cp', 'health', leases(200, 1)),
    says: /^the scheduler/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: controllerManagerDown,
    when: 'it ended with an error',
    in: exited(
      'kube-controller-manager',
      ['E1122 02:13 run.go:72] "command failed" err="open /etc/kubernetes/controller-manager.conf: no such file"'],
      health('controller-manager', 'refused', leases(1, 200)),
    ),
    says: /^the controller manager has not been heard of for 3 min .*its last words: E1122 .*no such file/,
    severity: 'error',
    near: { 'the scheduler did not': leases(200, 1), 'the machine has just booted': booted(leases(1, 200)) },
  },
  {
    rule: endpointUnresolved,
    when: 'kubectl says so',
    in: apiSilent(
      'Unable to connect to the server: dial tcp: lookup k8s-api.home.arpa on 192.168.0.1:53: no such host',
    ),
    says: /^the name of the API’s endpoint, k8s-api\.home\.arpa, does not resolve on cp$/,
    severity: 'error',
    advises: /^echo '192\.168\.0\.10 k8s-api\.home\.arpa' /m,
    near: {
      'it resolves and is refused': apiSilent(refused),
      'the API answers': { ...healthy, api: { state: 'answers', says: 'lookup x: no such host', from: 'cp' } },
    },
  },
  {
    rule: endpointUnnamed,
    when: 'kubectl says so',
    in: apiSilent(
      'tls: failed to verify certificate: x509: certificate is valid for cp, kubernetes, 192.168.0.10, not k8s-api.home.arpa',
    ),
    says: /does not name k8s-api\.home\.arpa, by which/,
    severity: 'error',
    near: { 'it ended': apiSilent(expired), 'it is refused': apiSilent(refused) },
  },
  {
    rule: apiUnreached,
    when: 'it is well where it runs, and nobody reaches its endpoint',
    in: reach('timed out', apiSilent('dial tcp 192.168.0.99:6443: i/o timeout')),
    says: /^the API server of cp is well, and k8s-api\.home\.arpa:6443 is not reached even there \(timed out\)/,
    severity: 'error',
    near: {
      'it is not well': reach('timed out', health('apiserver', 'refused', apiSilent('dial tcp: i/o timeout'))),
      'its name does not resolve': apiSilent('lookup k8s-api.home.arpa on 192.168.0.1:53: i/o timeout'),
      'it says that it does not know us': apiSilent('error: You must be logged in to the server (Unauthorized)'),
    },
  },
  {
    rule: apiUnreached,
    when: 'only we do not',
    in: apiSilent('context deadline exceeded'),
    says: /its endpoint is not reached/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: apiSilentRule,
    when: 'it does not',
    in: apiSilent(refused),
    says: /^the API server does not answer \(asked on cp\): The connection/,
    severity: 'error',
    near: {
      'it was not asked': { ...healthy, api: { state: 'not asked', says: '', from: '' } },
      'it does': { ...healthy, api: { state: 'answers', says: refused, from: 'cp' } },
    },
  },
];
testRules(processRules, processes);

describe('an API server that does not answer', () => {
  const first = (snapshot: Snapshot) => diagnose(snapshot, hostRules).broken.map(({ rule }) => rule);
  const gone = health(
    'apiserver',
    'refused',
    with1('cp', () => ({ listening: [22, 10250] }), apiSilent(refused)),
  );
  it.each([
    ['its own manifest is broken', manifest('kube-apiserver', 'no YAML', gone), ['manifest-broken']],
    ['etcd’s manifest is gone', manifest('etcd', undefined, health('etcd', 'refused', gone)), ['manifest-broken']],
    ['etcd ended', health('etcd', 'refused', exited('etcd', ['panic: freepages'], gone)), ['etcd-down']],
    ['etcd is full', health('etcd', nospace, apiSilent('context deadline exceeded')), ['etcd-no-space']],
    ['its certificate ended', ending(`${pki}apiserver.crt`, day, apiSilent(expired)), ['apiserver-certificate-ended']],
    [
      'etcd’s certificate ended',
      ending(`${pki}etcd/server.crt`, day, health('etcd', 'timed out', gone)),
      ['etcd-certificate-ended'],
    ],
    ['it ends by itself', exited('kube-apiserver', ['Error: unknown flag: --foo'], gone), ['apiserver-down']],
    [
      'its only machine is off',
      silent('cp', apiSilent('ssh: timed out', without('w1', 'reach', without('w2', 'reach')))),
      ['machine-silent'],
    ],
    [
      'containerd is stopped after a reboot',
      unit('cp', 'containerd', { active: 'inactive', sub: 'dead', since: ago(900) }, health('etcd', 'refused', gone)),
      ['containerd-stopped'],
    ],
    ['nobody knows why', apiSilent('error: EOF'), ['api-silent']],
  ] as const)('because %s', (_, snapshot, causes) => {
    expect(first(snapshot)).toEqual(causes);
  });
});
