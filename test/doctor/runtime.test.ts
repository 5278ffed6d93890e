// Constructed, one field at a time: containerd, the network plugin's files, and the kubelet.

import { describe, expect, it } from 'vitest';
import { bridgeForeign, cniGone, cniRules, cniTwice } from '../../src/doctor/rules/cni.ts';
import {
  containerdBroken,
  containerdHangs,
  containerdRules,
  containerdStopped,
} from '../../src/doctor/rules/containerd.ts';
import {
  cgroupDrivers,
  pluginsIgnored,
  sandboxImageDiffers,
  sandboxImageMissing,
} from '../../src/doctor/rules/containerd-config.ts';
import {
  kubeletCertificate,
  kubeletCrashes,
  kubeletHangs,
  kubeletNotAtBoot,
  kubeletRules,
  kubeletStopped,
} from '../../src/doctor/rules/kubelet.ts';
import {
  holdLost,
  kubeletConfigRules,
  kubeletUpgraded,
  servingNotApproved,
  staticPods,
} from '../../src/doctor/rules/kubelet-config.ts';
import { reasonOf } from '../../src/doctor/rules/kubelet-reasons.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { type Case, testRules } from './cases.ts';
import {
  ago,
  apiSilent,
  crashing,
  healthy,
  type Name,
  notReady,
  stopped,
  unit,
  with1,
  without,
} from './constructed.ts';
import { eachObject, itemsOf, withObjects } from './rig.ts';

const containerd = (machine: Name, change: object, from?: Snapshot) =>
  with1(machine, facts => ({ containerd: { ...facts.containerd, ...change } }), from);
const kubelet = (machine: Name, change: object, from?: Snapshot) =>
  with1(machine, facts => ({ kubelet: { ...facts.kubelet, ...change } }), from);
const health = (machine: Name, what: string, says: string, from?: Snapshot) =>
  with1(machine, facts => ({ health: { ...facts.health, [what]: { ok: false, says } } }), from);
const journal = (machine: Name, name: string, lines: readonly (readonly [number, string])[], from?: Snapshot) =>
  with1(
    machine,
    facts => ({ journal: { ...facts.journal, [name]: lines.map(([seconds, text]) => ({ at: ago(seconds), text })) } }),
    from,
  );
const claim = (machine: Name, claimState: 'held' | 'lapsed', from?: Snapshot) =>
  with1(machine, facts => ({ homelab: { ...facts.homelab, claim: 'anna@laptop: homelab upgrade', claimState } }), from);
const nobody = (name: Name, from: Snapshot) =>
  eachObject(from, 'nodes', node => (node.metadata.name === name ? undefined : node));

const sandbox = (phase: string, uid = 'p1', from: Snapshot = healthy) =>
  withObjects(
    withObjects(from, 'pods', [
      { metadata: { namespace: 'demo', name: 'web-0', uid: 'p1' }, spec: { nodeName: 'w1' }, status: { phase } },
    ]),
    'events',
    [
      {
        metadata: { namespace: 'demo', name: 'e' },
        type: 'Warning',
        reason: 'FailedCreatePodSandBox',
        message:
          'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "registry.k8s.io/pause:3.9": failed to pull image "registry.k8s.io/pause:3.9": i/o timeout',
        firstTimestamp: ago(300),
        involvedObject: { kind: 'Pod', namespace: 'demo', name: 'web-0', uid },
      },
    ],
  );

/** On w1, and of a newer image on w2. */
const twoSandboxes = (['pods', 'events'] as const).reduce((from, kind) => {
  const [one] = itemsOf(from, kind);
  const other = JSON.stringify(one).replaceAll('web-0', 'web-1').replaceAll('p1', 'p2').replaceAll('w1', 'w2');
  return withObjects(from, kind, [one, JSON.parse(other.replaceAll('pause:3.9', 'pause:3.10'))]);
}, sandbox('Pending'));

const runtimes: readonly Case[] = [
  {
    rule: containerdBroken,
    when: 'it does not start with it',
    in: unit('w1', 'containerd', crashing, containerd('w1', { broken: 'toml: line 4: unexpected token' })),
    says: /^containerd on w1 does not start: its configuration cannot be read \(toml: line 4/,
    severity: 'error',
    near: { 'it can be read': unit('w1', 'containerd', crashing), 'it was not asked': without('w1', 'containerd') },
  },
  {
    rule: containerdBroken,
    when: 'it runs since before',
    in: containerd('w1', { broken: 'toml: line 4' }),
    says: /will not start again/,
    severity: 'warning',
    near: {},
  },
  {
    rule: containerdStopped,
    when: 'somebody stopped it',
    in: unit('w1', 'containerd', stopped),
    says: /^containerd on w1 was stopped at 02:11 UTC \(systemd: inactive\)$/,
    severity: 'error',
    since: stopped.since,
    near: {
      'it runs': healthy,
      'it is being started': unit('w1', 'containerd', { ...stopped, active: 'activating', sub: 'start' }),
      'the kubelet of that machine uses another one': unit('w1', 'containerd', { ...stopped, load: 'not-found' }),
      'there is no kubelet': unit('w1', 'kubelet', { load: 'not-found' }, unit('w1', 'containerd', stopped)),
    },
  },
  {
    rule: containerdStopped,
    when: 'it ends by itself',
    in: journal(
      'w1',
      'containerd',
      [[20, 'containerd[99]: containerd: failed to load TOML: /etc/containerd/config.toml: line 4']],
      unit('w1', 'containerd', crashing),
    ),
    says: /^containerd on w1 does not stay up \(systemd: auto-restart, exit-code\): containerd\[99\]: containerd: failed to load TOML/,
    severity: 'error',
    since: '',
    near: {},
  },
  {
    rule: containerdStopped,
    when: 'it ends by itself, and has more to say after what ended it',
    in: journal(
      'w1',
      'containerd',
      [
        [21, 'containerd[99]: time="2026-11-22T02:14:09Z" level=fatal msg="listen unix: address already in use"'],
        [20, 'containerd[99]: time="2026-11-22T02:14:10Z" level=error msg="collecting metrics"'],
      ],
      unit('w1', 'containerd', crashing),
    ),
    says: /level=fatal msg="listen unix: address already in use"$/,
    severity: 'error',
    near: {},
  },
  {
    rule: containerdHangs,
    when: 'its process is stopped by a signal',
    in: unit('w1', 'containerd', { frozen: true }, health('w1', 'containerd', 'timed out')),
    says: /^containerd on w1 hangs: its process is stopped by a signal/,
    severity: 'error',
    shows: /^process 640 is in state T\nits socket: timed out$/,
    near: {
      'it answers': healthy,
      'it was started a moment ago': unit(
        'w1',
        'containerd',
        { since: ago(20) },
        health('w1', 'containerd', 'timed out'),
      ),
      'it does not run': unit('w1', 'containerd', stopped, health('w1', 'containerd', 'refused')),
    },
  },
  {
    rule: containerdHangs,
    when: 'its process was stopped by a signal after it had answered',
    in: unit('w1', 'containerd', { frozen: true }),
    says: /^containerd on w1 hangs: its process is stopped by a signal/,
    severity: 'error',
    shows: /^process 640 is in state T$/,
    near: {},
  },
  {
    rule: containerdHangs,
    when: 'it does not answer in time',
    in: health('w1', 'containerd', 'timed out'),
    says: /^containerd on w1 runs and does not answer: timed out$/,
    severity: 'error',
    shows: /^its socket: timed out$/,
    near: {},
  },
  {
    rule: containerdHangs,
    when: 'its CRI plugin is missing',
    in: health('w1', 'containerd', 'it has no CRI plugin'),
    says: /^containerd on w1 runs and does not answer: it has no CRI plugin$/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: pluginsIgnored,
    when: 'a file of version 3 names plugins of version 2',
    in: containerd('w1', { ignoredPlugins: ['io.containerd.grpc.v1.cri'] }),
    says: /^containerd on w1 ignores what its config\.toml \(version 3\) says under io\.containerd\.grpc\.v1\.cri/,
    severity: 'warning',
    near: { 'it names none': containerd('w1', { configVersion: 2 }), 'it was not asked': without('w1', 'containerd') },
  },
  {
    rule: cgroupDrivers,
    when: 'an older kubelet is told another one',
    in: kubelet('w1', { version: '1.30.5' }, containerd('w1', { systemdCgroup: false })),
    says: /^containerd on w1 manages cgroups by cgroupfs, and its kubelet is told systemd$/,
    severity: 'error',
    advises: /SystemdCgroup = true/,
    near: {
      'both use cgroupfs': kubelet(
        'w1',
        { version: '1.30.5', cgroupDriver: 'cgroupfs' },
        containerd('w1', { systemdCgroup: false }),
      ),
      'the kubelet names none': kubelet('w1', { cgroupDriver: '' }, containerd('w1', { systemdCgroup: false })),
      'containerd does not say': with1('w1', ({ containerd: { systemdCgroup: _, ...rest } }) => ({ containerd: rest })),
    },
  },
  {
    rule: cgroupDrivers,
    when: 'the kubelet follows containerd',
    in: containerd('w1', { systemdCgroup: false }),
    says: /\(a kubelet 1\.31\.1 follows containerd/,
    severity: 'warning',
    near: {},
  },
  {
    rule: cgroupDrivers,
    when: 'the kubelet runs since before containerd was started anew',
    in: unit('w1', 'containerd', { since: ago(60) }, containerd('w1', { systemdCgroup: false })),
    says: /its kubelet is told systemd$/,
    severity: 'error',
    near: {},
  },
  {
    rule: sandboxImageDiffers,
    when: 'containerd names an older one',
    in: containerd('w1', { sandboxImage: 'registry.k8s.io/pause:3.8' }),
    says: /^containerd on w1 begins pods with registry\.k8s\.io\/pause:3\.8; Kubernetes 1\.31\.1 is tested with/,
    severity: 'note',
    near: {
      'it is the same of a mirror': containerd('w1', { sandboxImage: 'mirror.lan/k8s/pause:3.10' }),
      'it is pinned by digest': containerd('w1', { sandboxImage: 'registry.k8s.io/pause@sha256:1' }),
    },
  },
  {
    rule: sandboxImageMissing,
    when: 'a pod waits for it',
    in: sandbox('Pending'),
    says: /^no pod starts on w1: registry\.k8s\.io\/pause:3\.9, which every pod begins with, is not there/,
    severity: 'error',
    about: 'machine:w1',
    near: {
      'the pod runs by now': sandbox('Running'),
      'the event is of an earlier pod of that name': sandbox('Pending', 'p0'),
      'its sandbox fails for another reason': eachObject(sandbox('Pending'), 'events', each => ({
        ...each,
        message: 'Failed to create pod sandbox: plugin type="flannel" failed (add): open /run/flannel/subnet.env',
      })),
      'the pod is on no machine': eachObject(sandbox('Pending'), 'pods', pod => ({
        ...pod,
        spec: { ...pod.spec, nodeName: '' },
      })),
    },
  },
  {
    rule: sandboxImageMissing,
    when: 'pods of two machines wait for it',
    in: twoSandboxes,
    says: /^no pod starts on w2: registry\.k8s\.io\/pause:3\.10, /m,
    severity: 'error',
    allAbout: ['machine:w2'],
    near: {},
  },
];
testRules(containerdRules, runtimes);

it('containerd is started by homelab where somebody stopped it, and not where it is masked or ends by itself', () => {
  const fix = (change: object) => containerdStopped.find(unit('w1', 'containerd', change))[0]?.fix?.script;
  expect(fix(stopped)).toBe('systemctl start containerd\n');
  expect(fix({ ...stopped, enabled: 'masked' })).toBeUndefined();
  expect(fix(crashing)).toBeUndefined();
});

const files = (machine: Name, all: readonly string[], types: readonly string[] = ['bridge'], from?: Snapshot) =>
  with1(machine, facts => ({ cni: { ...facts.cni, files: all.map(name => ({ name, types: [...types] })) } }), from);
const bridge = (machine: Name, addresses: readonly string[], from?: Snapshot) =>
  with1(
    machine,
    facts => ({ cni: { ...facts.cni, links: [{ name: 'cni0', addresses: [...addresses], mtu: 1500 }] } }),
    from,
  );

const linked = (name: string, from: Snapshot) =>
  with1('w1', facts => ({ cni: { ...facts.cni, links: [{ name, addresses: ['10.85.0.1/16'], mtu: 1500 }] } }), from);
const first = (types: readonly (readonly string[])[], from: Snapshot) =>
  with1(
    'w1',
    facts => ({
      cni: { ...facts.cni, files: types.map((each, index) => ({ name: `0${9 - index}.conflist`, types: [...each] })) },
    }),
    from,
  );

const cnis: readonly Case[] = [
  {
    rule: cniGone,
    when: 'the kubelet says so too',
    in: notReady(
      'w1',
      files('w1', []),
      'False',
      'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized',
    ),
    says: /^w1 has no network configuration in \/etc\/cni\/net\.d \(cp has 10-homelab\.conflist\)/,
    severity: 'error',
    allAbout: ['machine:w1'],
    shows: /\n.*cni plugin not initialized$/,
    advises: /^homelab bootstrap/,
    near: {
      'it is there': notReady('w1', healthy, 'False', 'cni plugin not initialized'),
      'the machine is bare': nobody('w1', files('w1', [])),
      'there is no kubelet': unit('w1', 'kubelet', { load: 'not-found' }, files('w1', [])),
    },
  },
  {
    rule: cniGone,
    when: 'the kubelet names its plugin only, and Cilium’s links are there',
    in: notReady('w1', files('w1', [], [], linked('cilium_host', healthy)), 'False', 'cni plugin not initialized'),
    says: /^w1 has no/,
    severity: 'error',
    advises: /^kubectl -n kube-system delete pod -l k8s-app=cilium/,
    near: {},
  },
  {
    rule: cniGone,
    when: 'the kubelet names the network only',
    in: notReady('w1', files('w1', []), 'False', 'container runtime network not ready'),
    says: /^w1 has no/,
    severity: 'error',
    near: {},
  },
  {
    rule: cniGone,
    when: 'the kubelet says nothing any more',
    in: notReady('w1', files('w1', [])),
    says: /^w1 has no/,
    severity: 'error',
    shows: /^[^\n]*$/,
    near: {},
  },
  {
    rule: cniGone,
    when: 'the API was not asked',
    in: apiSilent('refused', files('w1', [])),
    says: /^w1 has no/,
    severity: 'error',
    near: {},
  },
  {
    rule: cniGone,
    when: 'its node is well all the same',
    in: files('w1', []),
    says: /^w1 has no/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: cniGone,
    when: 'its kubelet misses something else',
    in: notReady('w1', files('w1', []), 'False', 'PLEG is not healthy'),
    says: /^w1 has no/,
    severity: 'error',
    certainty: 'likely',
    shows: /^[^\n]*$/,
    near: {},
  },
  {
    rule: cniTwice,
    when: 'there is no other machine to compare with',
    in: {
      ...files('cp', ['10-homelab.conflist', '00-old.conflist']),
      machines: files('cp', ['10-homelab.conflist', '00-old.conflist']).machines.slice(0, 1),
    },
    says: /takes 00-old\.conflist \(bridge\) and ignores 10-homelab\.conflist$/,
    severity: 'warning',
    advises: /mv \/etc\/cni\/net\.d\/10-homelab\.conflist/,
    near: {},
  },
  {
    rule: cniTwice,
    when: 'the first one is nobody else’s',
    in: files('w1', ['10-homelab.conflist', '00-old.conflist']),
    says: /^w1 has 2 network configurations; containerd takes 00-old\.conflist \(bridge\) and ignores 10-homelab\.conflist, while the other machines use 10-homelab\.conflist$/,
    severity: 'error',
    near: {
      'the first is one that calls the others': files('w1', ['00-multus.conf', '10-homelab.conflist'], ['multus']),
      'there is one': healthy,
    },
  },
  {
    rule: cniTwice,
    when: 'the right one is first',
    in: files('w1', ['10-homelab.conflist', '87-podman.conflist']),
    says: /ignores 87-podman\.conflist$/,
    severity: 'warning',
    near: {},
  },
  {
    rule: bridgeForeign,
    when: 'the bridge has an address of another range',
    in: bridge('w1', ['10.85.0.1/16']),
    says: /^cni0 on w1 has 10\.85\.0\.1\/16, and the node’s pods are to be in 10\.244\.1\.0\/24/,
    severity: 'error',
    near: {
      'nothing uses it': bridge('w1', ['10.85.0.1/16'], files('w1', ['05-cilium.conflist'], ['cilium-cni'])),
      'it is another program’s bridge': linked('docker0', healthy),
      'the first of two does not use it': first([['bridge'], ['cilium-cni']], bridge('w1', ['10.85.0.1/16'])),
      'it is in the range': bridge('w1', ['10.244.1.1/24']),
      'it has no address yet': bridge('w1', []),
    },
  },
];
testRules(cniRules, cnis);

const over = (machine: Name, seconds: number, from?: Snapshot) =>
  with1(
    machine,
    ({ certificates }) => ({
      certificates: certificates.map(each =>
        each.path.endsWith('client-current.pem') ? { ...each, notAfter: ago(seconds) } : each,
      ),
    }),
    from,
  );
const failed = (text: string) => `kubelet[4242]: E1122 02:14:20.1 4242 run.go:72] "command failed" err="${text}"`;
const ends = (text: string, seconds = 10, from: Snapshot = unit('w1', 'kubelet', crashing)) =>
  journal('w1', 'kubelet', [[seconds, failed(text)]], notReady('w1', from));
const unitFailed = (since: string) =>
  unit('w1', 'kubelet', { ...crashing, active: 'failed', sub: 'failed', since, restarts: 0 });

const kubelets: readonly Case[] = [
  {
    rule: kubeletStopped,
    when: 'somebody stopped it',
    in: notReady('w1', unit('w1', 'kubelet', stopped)),
    says: /^w1 is NotReady because its kubelet was stopped at 02:11 UTC \(systemd: inactive\)$/,
    severity: 'error',
    about: 'machine:w1',
    near: {
      'it hangs': unit('w1', 'kubelet', { frozen: true }),
      'it ends by itself': unit('w1', 'kubelet', crashing),
      'the machine is no node': nobody('w1', unit('w1', 'kubelet', stopped)),
      'it is being started': unit('w1', 'kubelet', { ...stopped, active: 'activating', sub: 'start' }),
    },
  },
  {
    rule: kubeletStopped,
    when: 'it is masked, and the node is called Ready still',
    in: unit('w1', 'kubelet', { ...stopped, enabled: 'masked', load: 'masked' }),
    says: /^the kubelet of w1 is masked and was stopped at 02:11 UTC/,
    severity: 'error',
    advises: /^ssh w1 sudo systemctl unmask kubelet$/m,
    near: {},
  },
  {
    rule: kubeletStopped,
    when: 'it is disabled, and was not started at boot',
    in: unit('w1', 'kubelet', { ...stopped, enabled: 'disabled', since: '' }),
    says: /^the kubelet of w1 is disabled and was not started \(systemd: inactive\)$/,
    severity: 'error',
    near: {},
  },
  {
    rule: kubeletStopped,
    when: 'it is disabled, and somebody stopped it',
    in: unit('w1', 'kubelet', { ...stopped, enabled: 'disabled' }),
    says: /^the kubelet of w1 is disabled and was stopped at 02:11 UTC \(systemd: inactive\)$/,
    severity: 'error',
    advises: /^ssh w1 sudo systemctl start kubelet/,
    near: {},
  },
  {
    rule: kubeletStopped,
    when: 'it would start at boot, and nobody knows since when it is stopped',
    in: unit('w1', 'kubelet', { ...stopped, since: '' }),
    says: /^the kubelet of w1 was stopped \(systemd: inactive\)$/,
    severity: 'error',
    near: {},
  },
  {
    rule: kubeletStopped,
    when: 'its package is gone',
    in: unit('w1', 'kubelet', { ...stopped, load: 'not-found' }),
    says: /^w1 is a node, and there is no kubelet on it/,
    severity: 'error',
    near: {},
  },
  {
    rule: kubeletNotAtBoot,
    when: 'it is disabled',
    in: unit('w1', 'kubelet', { enabled: 'disabled' }),
    says: /^kubelet of w1 runs, and will not be started at boot: it is disabled$/,
    severity: 'warning',
    near: {
      'it is stopped, too': unit('w1', 'kubelet', { ...stopped, enabled: 'disabled' }),
      'it is static': unit('w1', 'containerd', { enabled: 'static' }),
    },
  },
  {
    rule: kubeletHangs,
    when: 'its process is stopped by a signal',
    in: notReady('w1', unit('w1', 'kubelet', { frozen: true }, health('w1', 'kubelet', 'timed out'))),
    says: /^w1 is NotReady because its kubelet hangs: its process is stopped by a signal \(state T\)/,
    severity: 'error',
    near: {
      'it answers': notReady('w1', healthy),
      'it was started a moment ago': unit('w1', 'kubelet', { since: ago(20) }, health('w1', 'kubelet', 'refused')),
      'it is stopped': unit('w1', 'kubelet', stopped, health('w1', 'kubelet', 'refused')),
    },
  },
  {
    rule: kubeletHangs,
    when: 'it does not answer',
    in: health('w1', 'kubelet', 'timed out'),
    says: /hangs: it is active and does not answer/,
    severity: 'error',
    near: {},
  },
  {
    rule: kubeletHangs,
    when: 'it says that it is not well',
    in: health('w1', 'kubelet', 'HTTP 500: [-]syncloop failed'),
    says: /is not well: its health check says HTTP 500/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: kubeletCrashes,
    when: 'a flag is unknown to it',
    in: ends('failed to parse kubelet flag: unknown flag: --network-plugin'),
    says: /^w1 is NotReady because its kubelet does not stay up \(started 41 times\): it does not know a flag or feature gate/,
    severity: 'error',
    near: {
      'it was started again and stayed': journal(
        'w1',
        'kubelet',
        [[900, failed('x')]],
        unit('w1', 'kubelet', { restarts: 41 }),
      ),
      'it is stopped': unit('w1', 'kubelet', stopped),
      'the machine is bare: there it ends until it has a configuration': nobody('w1', unit('w1', 'kubelet', crashing)),
      'it has no configuration, and nobody knows whether it is a member': {
        ...ends('failed to read kubelet config file: open /var/lib/kubelet/config.yaml: no such file or directory'),
        lists: { ...healthy.lists, nodes: { state: 'unknown', why: 'connection refused' } },
      },
    },
  },
  {
    rule: kubeletCrashes,
    when: 'it is a member that has lost its configuration',
    in: ends('failed to read kubelet config file: open /var/lib/kubelet/config.yaml: no such file or directory'),
    says: /^w1 is NotReady because its kubelet does not stay up/,
    severity: 'error',
    near: {},
  },
  {
    rule: kubeletCrashes,
    when: 'nobody knows whether it is a member, and it says something else',
    in: {
      ...ends('running with swap on is not supported'),
      lists: { ...healthy.lists, nodes: { state: 'unknown', why: 'connection refused' } },
    },
    says: /^the kubelet of w1 does not stay up \(started 41 times\): swap is on$/,
    severity: 'error',
    near: {},
  },
  {
    rule: kubeletCrashes,
    when: 'systemd gave up an hour ago, and it said why then',
    in: ends('running with swap on is not supported', 3610, unitFailed(ago(3600))),
    says: /does not stay up: swap is on$/,
    severity: 'error',
    near: {},
  },
  {
    rule: kubeletCrashes,
    when: 'systemd gave up, and does not say when',
    in: ends('running with swap on is not supported', 10, unitFailed('')),
    says: /does not stay up: swap is on$/,
    severity: 'error',
    near: {},
  },
  {
    rule: kubeletCrashes,
    when: 'it said why long ago only',
    in: ends('running with swap on is not supported', 5000),
    says: /: systemd says exit-code$/,
    severity: 'error',
    near: {},
  },
  {
    rule: kubeletCertificate,
    when: 'it ended yesterday',
    in: notReady('w1', over('w1', 86_400)),
    says: /^w1 is NotReady because its kubelet is not let in: its client certificate ended at 2026-11-21 02:14 UTC, 24 h ago$/,
    severity: 'error',
    advises: /^kubectl delete node w1/,
    near: {
      'it ends tomorrow': over('w1', -86_400),
      'it is our clock that is wrong': with1(
        'w1',
        facts => ({ clock: { ...facts.clock, offsetMs: -2 * 86_400_000 } }),
        over('w1', 86_400),
      ),
      'another one ended': with1('w1', ({ certificates }) => ({
        certificates: certificates.map(each => ({
          ...each,
          ...(each.path.endsWith('server-current.pem') ? { notAfter: ago(5) } : {}),
        })),
      })),
    },
  },
];
testRules(kubeletRules, [
  ...kubelets,
  {
    rule: kubeletCertificate,
    when: 'it is a control plane’s',
    in: over('cp', 86_400),
    says: /^the kubelet of cp is not let in/,
    severity: 'error',
    advises: /^homelab certs renew/,
    near: {},
  },
]);

describe('why a kubelet ends', () => {
  it.each([
    [
      'failed to run Kubelet: running with swap on is not supported, please disable swap or set --fail-swap-on flag to false',
      'swap is on',
    ],
    [
      'failed to run Kubelet: unable to load bootstrap kubeconfig: stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory',
      'its client certificate cannot be used, and there is no bootstrap kubeconfig to ask for another',
    ],
    [
      'failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: failed to decode: yaml: line 3',
      'its configuration cannot be read',
    ],
    [
      'failed to parse kubelet flag: unknown flag: --network-plugin',
      'it does not know a flag or feature gate that it is given',
    ],
    [
      'failed to run Kubelet: validate service connection: validate CRI v1 runtime API for endpoint "unix:///run/containerd/containerd.sock": rpc error: code = Unavailable',
      'it does not reach the container runtime',
    ],
    [
      'failed to run Kubelet: kubelet is configured to not run on a host using cgroup v1',
      'the machine uses cgroup v1, which this kubelet refuses',
    ],
    ['failed to run Kubelet: could not write', 'it ends with an error'],
  ])('is read from "%s"', (text, says) => {
    expect(reasonOf([{ at: ago(10), text: failed(text) }])?.reason.says).toBe(says);
  });
  it('is not read from what systemd says of it', () => {
    expect(reasonOf([{ at: ago(10), text: 'systemd[1]: kubelet.service: command failed' }])).toBeUndefined();
  });
});

const log = (command: string, from: Snapshot) =>
  with1(
    'w1',
    () => ({ packageLog: [{ at: ago(7200), command, text: 'Upgrade: kubelet:amd64 (1.31.1-1.1, 1.31.4-1.1)' }] }),
    from,
  );
const loose = (machine: Name, from?: Snapshot) =>
  with1(
    machine,
    ({ packages }) => ({ packages: packages.map(each => ({ ...each, held: each.name !== 'kubelet' })) }),
    from,
  );
const upgraded = log('/usr/bin/unattended-upgrade', loose('w1', kubelet('w1', { version: '1.31.4' })));
const request = (
  seconds: number,
  conditions: readonly object[],
  from: Snapshot = healthy,
  name = 'csr-1',
  earlier: readonly object[] = [],
) =>
  withObjects(from, 'csr', [
    ...earlier,
    {
      metadata: { name, creationTimestamp: ago(seconds) },
      spec: { signerName: 'kubernetes.io/kubelet-serving', username: 'system:node:w1' },
      status: { conditions },
    },
  ]);
const unserved = with1('w1', ({ certificates }) => ({
  certificates: certificates.filter(({ path }) => !path.includes('server-current')),
}));
const approved = [{ type: 'Approved', status: 'True' }];

const node = (machine: Name, kubeletVersion: string, from: Snapshot) =>
  eachObject(from, 'nodes', each =>
    each.metadata.name === machine
      ? { ...each, status: { ...each.status, nodeInfo: { ...each.status.nodeInfo, kubeletVersion } } }
      : each,
  );
/** w1, then cp. */
const reversed = (from: Snapshot): Snapshot => ({ ...from, machines: from.machines.slice(0, 2).reverse() });
const roleless = (from: Snapshot): Snapshot => ({
  ...from,
  machines: from.machines.map(each => ({ ...each, role: 'unknown' as const })),
});

const configs: readonly Case[] = [
  {
    rule: kubeletUpgraded,
    when: 'unattended-upgrades did it',
    in: upgraded,
    says: /^w1 has kubelet 1\.31\.4, the others have 1\.31\.1: unattended-upgrades did it at 00:14 UTC; the package is not on hold; 1\.31\.1 still runs, until its next start$/,
    severity: 'warning',
    near: {
      'homelab is upgrading': claim('w1', 'held', upgraded),
      'all have it': kubelet('cp', { version: '1.31.4' }, kubelet('w2', { version: '1.31.4' }, upgraded)),
    },
  },
  {
    rule: kubeletUpgraded,
    when: 'it is the control plane that differs, and nobody knows how it came',
    in: without('cp', 'packages', node('cp', 'v1.31.4', kubelet('cp', { version: '1.31.4' }))),
    says: /^cp has kubelet 1\.31\.4, the other machines have 1\.31\.1$/,
    severity: 'warning',
    allAbout: ['machine:cp'],
    shows: /^kubelet 1\.31\.4$/,
    near: { 'a version is not known': kubelet('cp', { version: '' }) },
  },
  {
    rule: kubeletUpgraded,
    when: 'there are two, and the API was not asked: the control plane’s is the cluster’s',
    in: apiSilent('refused', reversed(kubelet('w1', { version: '1.31.4' }))),
    says: /^w1 has kubelet 1\.31\.4, the other machines have 1\.31\.1$/,
    severity: 'warning',
    allAbout: ['machine:w1'],
    shows: /^kubelet 1\.31\.4, on hold$/,
    near: {
      'nobody knows which is the control plane’s': apiSilent(
        'refused',
        roleless(reversed(kubelet('w1', { version: '1.31.4' }))),
      ),
    },
  },
  {
    rule: holdLost,
    when: 'two of its packages are loose',
    in: with1('w1', ({ packages }) => ({
      packages: packages.map(each => ({ ...each, held: each.name === 'kubeadm' })),
    })),
    says: /^kubelet and kubectl of w1 are not on hold: the next apt upgrade takes them along/,
    severity: 'warning',
    near: {
      'it is another package': with1('w1', ({ packages }) => ({
        packages: [...packages, { name: 'containerd.io', version: '2.1.5', held: false }],
      })),
    },
  },
  {
    rule: holdLost,
    when: 'the package is loose',
    in: loose('w1'),
    says: /^kubelet of w1 is not on hold: the next apt upgrade takes it along/,
    severity: 'warning',
    near: {
      'it was upgraded already, and that is said': upgraded,
      'homelab is upgrading': claim('w1', 'held', loose('w1')),
      'packages are not known': without('w1', 'packages', loose('w1')),
    },
  },
  {
    rule: servingNotApproved,
    when: 'it has none yet',
    in: request(600, [], unserved),
    says: /^the kubelet of w1 has no serving certificate: nobody approved its request \(csr-1, 10 min old\)/,
    severity: 'error',
    about: 'object:csr/csr-1',
    near: {
      'it was approved': request(600, approved, unserved),
      'it was denied': request(600, [{ type: 'Denied', status: 'True' }], unserved),
      'it failed': request(600, [{ type: 'Failed', status: 'True' }], unserved),
      'it is for another certificate': eachObject(request(600, [], unserved), 'csr', each => ({
        ...each,
        spec: { ...each.spec, signerName: 'kubernetes.io/kube-apiserver-client-kubelet' },
      })),
      'it was asked a moment ago': request(20, [], unserved),
      'a later request was approved': request(300, approved, unserved, 'csr-2', [
        {
          metadata: { name: 'csr-1', creationTimestamp: ago(600) },
          spec: { signerName: 'kubernetes.io/kubelet-serving', username: 'system:node:w1' },
          status: {},
        },
      ]),
    },
  },
  {
    rule: servingNotApproved,
    when: 'the old one still serves',
    in: request(600, []),
    says: /the old one ends in 356 days$/,
    severity: 'warning',
    shows: /\n.*kubelet-server-current\.pem ends /,
    near: {},
  },
  {
    rule: servingNotApproved,
    when: 'the old one has ended',
    in: request(
      600,
      [],
      with1('w1', ({ certificates }) => ({ certificates: certificates.map(each => ({ ...each, notAfter: ago(60) })) })),
    ),
    says: /^the kubelet of w1 has no serving certificate/,
    severity: 'error',
    near: {},
  },
  {
    rule: servingNotApproved,
    when: 'that of another node was approved since',
    in: withObjects(unserved, 'csr', [
      ...itemsOf(request(600, [], unserved), 'csr'),
      {
        metadata: { name: 'csr-9', creationTimestamp: ago(300) },
        spec: { signerName: 'kubernetes.io/kubelet-serving', username: 'system:node:w2' },
        status: { conditions: approved },
      },
    ]),
    says: /^the kubelet of w1 has no serving certificate/,
    severity: 'error',
    allAbout: ['machine:w1', 'object:csr/csr-1'],
    near: {},
  },
  {
    rule: servingNotApproved,
    when: 'the machine was not asked',
    in: request(600, [], without('w1', 'certificates')),
    says: /has no serving certificate/,
    severity: 'error',
    certainty: 'likely',
    shows: /^csr-1 of system:node:w1: Pending$/,
    near: {},
  },
  {
    rule: staticPods,
    when: 'it reads another folder',
    in: kubelet('cp', { staticPodPath: '/etc/manifests' }),
    says: /^the kubelet of cp reads its static pods from \/etc\/manifests/,
    severity: 'error',
    shows: /^staticPodPath: \/etc\/manifests$/,
    near: {},
  },
  {
    rule: staticPods,
    when: 'the control plane’s kubelet reads none',
    in: kubelet('cp', { staticPodPath: '' }),
    says: /^the kubelet of cp reads no static pods: the control plane there is not started$/,
    severity: 'error',
    shows: /^staticPodPath: \(none\)$/,
    near: {
      'a worker’s reads none': kubelet('w1', { staticPodPath: '' }),
      'it is written with a slash': kubelet('cp', { staticPodPath: '/etc/kubernetes/manifests/' }),
    },
  },
];
testRules([...kubeletConfigRules, servingNotApproved], configs);
