// Constructed, one field at a time: machines that are silent, full, short of memory, out of time, or somebody else.

import { describe, expect, it } from 'vitest';
import { clockHere, clockOff, clockUnsynchronised } from '../../src/doctor/rules/clock.ts';
import {
  diskFull,
  diskNearlyFull,
  diskRules,
  evictionThreshold,
  inodesUsedUp,
  readOnly,
} from '../../src/doctor/rules/disks.ts';
import {
  addressChanged,
  identityRules,
  machineIdTwice,
  nodeRenamed,
  productUuidTwice,
} from '../../src/doctor/rules/identity.ts';
import {
  conntrackFull,
  inotifyUsedUp,
  mapCountLow,
  memoryRules,
  memoryShort,
  swapOn,
} from '../../src/doctor/rules/memory.ts';
import { bytesText, clockOf, clusterTime, on, span } from '../../src/doctor/rules/on-machine.ts';
import { forwardingOff, mainRuleGone, rulesWiped } from '../../src/doctor/rules/routing.ts';
import { machineHangs, machinePath, machineSilent, networkHere, silenceRules } from '../../src/doctor/rules/silence.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { type Case, testRules } from './cases.ts';
import {
  ago,
  apiOnly,
  apiSilent,
  at,
  crashing,
  healthy,
  lease,
  type Name,
  notReady,
  peersSee,
  silent,
  stopped,
  tookConnection,
  unit,
  with1,
  without,
} from './constructed.ts';
import { eachObject, withObjects } from './rig.ts';

const gib = 2 ** 30;
const root = (machine: Name, change: object, from?: Snapshot) =>
  with1(
    machine,
    ({ filesystems }) => ({
      filesystems: filesystems.map(each => (each.mount === '/' ? { ...each, ...change } : each)),
    }),
    from,
  );
const kubelet = (machine: Name, change: object, from?: Snapshot) =>
  with1(machine, facts => ({ kubelet: { ...facts.kubelet, ...change } }), from);
const boot = (machine: Name, change: object, from?: Snapshot) =>
  with1(
    machine,
    ({ filesystems }) => ({
      filesystems: filesystems.map(each => (each.mount === '/boot' ? { ...each, ...change } : each)),
    }),
    from,
  );
const identity = (machine: Name, change: object, from?: Snapshot) =>
  with1(machine, facts => ({ identity: { ...facts.identity, ...change } }), from);
const clock = (machine: Name, change: object, from?: Snapshot) =>
  with1(machine, facts => ({ clock: { ...facts.clock, ...change } }), from);

const gone = notReady('w2', peersSee('w2', 'timed out', silent('w2')));
const allSilent = silent('cp', silent('w1', silent('w2')));

const controlPlaneToo = (machine: Name): Snapshot => ({
  ...healthy,
  machines: healthy.machines.map(each => (each.name === machine ? { ...each, role: 'control-plane' as const } : each)),
});

const silence: readonly Case[] = [
  {
    rule: machineSilent,
    when: 'nobody reaches it',
    in: gone,
    says: /^w2 is off, or its network link is down: it answers neither this computer nor cp and w1; its kubelet was last heard of at 02:11 UTC$/,
    severity: 'error',
    allAbout: ['machine:w2'],
    shows: /^cp and w1 have no answer of it either\n/,
    near: {
      'a peer still reaches its SSH': peersSee('w2', 'timed out', silent('w2'), [0, 10250]),
      'a peer has a ping of it': peersSee('w2', 'timed out', notReady('w2', silent('w2')), [22, 10250]),
      'its kubelet was heard of 4 s ago': peersSee('w2', 'timed out', silent('w2')),
      'it answers': notReady('w2', peersSee('w2', 'timed out', healthy)),
    },
  },
  {
    rule: machineSilent,
    when: 'only we and the API have not heard of it',
    in: notReady('w2', without('cp', 'reach', without('w1', 'reach', silent('w2')))),
    says: /^w2 is off, or its network link is down: it does not answer this computer; its/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: machineSilent,
    when: 'it is the only control plane, and the API is silent',
    in: apiSilent('timed out', peersSee('cp', 'timed out', silent('cp', without('w2', 'reach')))),
    says: /^cp is off, or its network link is down: it answers neither this computer nor w1$/,
    severity: 'error',
    allAbout: ['machine:cp', 'object:api'],
    shows: /^w1 has no answer of it either\n/,
    near: {},
  },
  {
    rule: machineSilent,
    when: 'it is the only control plane, and the API answers all the same',
    in: peersSee('cp', 'timed out', notReady('cp', silent('cp'))),
    says: /^cp is off/,
    severity: 'error',
    allAbout: ['machine:cp'],
    near: {},
  },
  {
    rule: machineSilent,
    when: 'it is a worker, and the API is silent',
    in: apiSilent('timed out', peersSee('w2', 'timed out', silent('cp', silent('w2')))),
    says: /^w2 is off/,
    severity: 'error',
    allAbout: ['machine:w2'],
    near: {},
  },
  {
    rule: machineSilent,
    when: 'another control plane was reached, and the API is silent',
    in: apiSilent('timed out', peersSee('cp', 'timed out', silent('cp', controlPlaneToo('w1')))),
    says: /^cp is off/,
    severity: 'error',
    allAbout: ['machine:cp'],
    near: {},
  },
  {
    rule: machineSilent,
    when: 'none answers',
    in: apiSilent('timed out', allSilent),
    says: /^w2 is off, or its network link is down: it does not answer this computer$/m,
    severity: 'error',
    certainty: 'possible',
    near: {},
  },
  {
    rule: machineHangs,
    when: 'its kernel answers and nothing else does',
    in: notReady('w2', peersSee('w2', 'timed out', silent('w2'), [22, 10250])),
    says: /^w2 hangs: its kernel answers cp, but neither its sshd nor its kubelet/,
    severity: 'error',
    certainty: 'likely',
    near: {
      'its kubelet was heard of a moment ago': silent('w2'),
      'its SSH refuses cp: something lives there': notReady('w2', peersSee('w2', 'refused', silent('w2'), [22, 10250])),
      'it does not answer the ping either': gone,
    },
  },
  {
    rule: machineHangs,
    when: 'it takes our connection, and its kubelet is silent',
    in: tookConnection('w2', gone),
    says: /^w2 hangs: its kernel answers this computer, but neither its sshd nor its kubelet says anything$/,
    severity: 'error',
    certainty: 'likely',
    advises: /^KVM or Proxmox: on the host, /m,
    near: {},
  },
  {
    rule: machineHangs,
    when: 'it answers a ping and no more, and of its kubelet nothing is known',
    in: withObjects(peersSee('w2', 'timed out', silent('w2'), [22, 10250]), 'leases', []),
    says: /^w2 hangs: its kernel answers cp, but neither its sshd nor its kubelet says anything$/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: machineHangs,
    when: 'it takes our connection, lets nobody in, and nothing else is known of it',
    in: tookConnection('cp', apiSilent('ssh: timed out', without('w1', 'reach', without('w2', 'reach', silent('cp'))))),
    says: /^cp hangs or is overloaded: its kernel answers this computer, but its sshd says nothing$/,
    severity: 'error',
    certainty: 'likely',
    near: {
      'it does not take the connection': apiSilent(
        'ssh: timed out',
        without('w1', 'reach', without('w2', 'reach', silent('cp'))),
      ),
      'its kubelet was heard of a moment ago': tookConnection('w2', silent('w2')),
    },
  },
  {
    rule: machinePath,
    when: 'others reach its SSH',
    in: silent('w2'),
    says: /^w2 lives, but this computer cannot log in/,
    severity: 'warning',
    advises: /^ssh -J cp w2 /,
    near: { 'nobody reaches it': gone, 'nothing answers us at all': allSilent },
  },
  {
    rule: machinePath,
    when: 'nobody else tried, and its kubelet was heard of',
    in: without('cp', 'reach', without('w1', 'reach', silent('w2'))),
    says: /^w2 lives/,
    severity: 'warning',
    shows: /^its kubelet renewed its lease at 02:14 UTC\n/,
    advises: /^ssh -J cp w2 /,
    near: {
      'the API was not asked: it may be off': apiSilent(
        '',
        without('cp', 'reach', without('w1', 'reach', silent('w2'))),
      ),
    },
  },
  {
    rule: machinePath,
    when: 'the first of them does not answer either',
    in: without('w1', 'reach', silent('cp', silent('w2'))),
    says: /^w2 lives/m,
    severity: 'warning',
    advises: /^ssh -J w1 (w2|cp) /,
    near: {},
  },
  {
    rule: networkHere,
    when: 'the API is silent, too, and an address is not known',
    in: { ...apiSilent('timed out', allSilent), machines: allSilent.machines.map(each => ({ ...each, address: '' })) },
    says: /^none of the 3 machines answers/,
    severity: 'error',
    certainty: 'likely',
    allAbout: ['object:this computer', 'machine:cp', 'machine:w1', 'machine:w2', 'object:api'],
    advises: /^ip route get ADDRESS\n/,
    near: { 'there is one': { ...allSilent, machines: allSilent.machines.slice(0, 1) } },
  },
  {
    rule: networkHere,
    when: 'none of three answers',
    in: allSilent,
    says: /^none of the 3 machines answers/,
    severity: 'error',
    certainty: 'likely',
    allAbout: ['object:this computer', 'machine:cp', 'machine:w1', 'machine:w2'],
    advises: /^ip route get 192\.168\.0\.10\n/,
    near: { 'one of three answers': silent('cp', silent('w1')), 'nobody was asked': apiOnly(healthy) },
  },
];
testRules(silenceRules, silence);

const disks: readonly Case[] = [
  {
    rule: diskFull,
    when: 'less is free than the kubelet keeps',
    in: root('w1', { freeBytes: 3 * gib }),
    says: /^\/ of w1 is full: 3\.0 GiB of 40 GiB free, below the 10% at which the kubelet evicts pods \(nodefs\.available\)$/,
    severity: 'error',
    near: {
      'it keeps less': kubelet(
        'w1',
        { evictionHard: { 'nodefs.available': '1Gi', 'imagefs.available': '1Gi' } },
        root('w1', { freeBytes: 3 * gib }),
      ),
      'more is free': root('w1', { freeBytes: 7 * gib }),
      'just what it keeps is free': kubelet(
        'w1',
        { evictionHard: { 'nodefs.available': '4Gi' } },
        root('w1', { freeBytes: 4 * gib }),
      ),
      'it is a snap’s image': root('w1', { freeBytes: 0, type: 'squashfs' }),
      'its kubelet’s thresholds are not known': without('w1', 'kubelet', root('w1', { freeBytes: 3 * gib })),
      'its threshold is absurd': kubelet('w1', { evictionHard: { 'nodefs.available': '95%' } }),
      'its threshold is no amount': kubelet(
        'w1',
        { evictionHard: { 'nodefs.available': 'some' } },
        root('w1', { freeBytes: 3 * gib }),
      ),
      'it has no size': root('w1', { sizeBytes: 0, freeBytes: 0 }),
      'it is nearly full': without('w1', 'kubelet', root('w1', { freeBytes: 1.5 * gib })),
      'a hundredth is free': without('w1', 'kubelet', root('w1', { sizeBytes: 100 * gib, freeBytes: gib })),
      'it is small, and 64 MiB are free': without('w1', 'kubelet', root('w1', { sizeBytes: gib, freeBytes: gib / 16 })),
      'it is that of boot': boot('w1', { freeBytes: 0 }),
    },
  },
  {
    rule: diskFull,
    when: 'nothing is free, and of the kubelet nothing is known',
    in: without('w1', 'kubelet', root('w1', { freeBytes: 0 })),
    says: /^\/ of w1 is full: 0 MiB of 40 GiB free$/,
    severity: 'error',
    near: {},
  },
  {
    rule: diskFull,
    when: 'a quarter is free, and the kubelet keeps half',
    in: kubelet('w1', { evictionHard: { 'nodefs.available': '50%' } }, root('w1', { freeBytes: 10 * gib })),
    says: /^\/ of w1 is full: 10 GiB of 40 GiB free, below the 50% /,
    severity: 'error',
    near: {
      'more is, and the threshold is wrong': kubelet(
        'w1',
        { evictionHard: { 'nodefs.available': '50%' } },
        root('w1', { freeBytes: 11 * gib }),
      ),
    },
  },
  {
    rule: diskNearlyFull,
    when: 'less than a twentieth is left',
    in: without('w1', 'kubelet', root('w1', { freeBytes: 1.5 * gib })),
    says: /^\/ of w1 is nearly full: 1\.5 GiB/,
    severity: 'warning',
    near: {
      'it is full': without('w1', 'kubelet', root('w1', { freeBytes: 0 })),
      'a twentieth is left': without('w1', 'kubelet', root('w1', { freeBytes: 2 * gib })),
      'the disk is so large that it is still much': without(
        'w1',
        'kubelet',
        root('w1', { sizeBytes: 200 * gib, freeBytes: 5 * gib }),
      ),
    },
  },
  ...['/boot', '/boot/efi'].map(
    (mount): Case => ({
      rule: diskNearlyFull,
      when: `${mount} is full`,
      in: boot('w1', { mount, freeBytes: 0 }),
      says: new RegExp(`^${mount} of w1 is full: 0 MiB`),
      severity: 'warning',
      near: {},
    }),
  ),
  {
    rule: inodesUsedUp,
    when: 'no inode is left and there is room',
    in: root('w1', { inodesFree: 0 }),
    says: /^\/ of w1 has no inodes left/,
    severity: 'error',
    near: {
      'just what the kubelet keeps is left': root('w1', { inodesFree: 130_000 }),
      'the filesystem has no fixed number of them': root('w1', { inodes: 0, inodesFree: 0 }),
      'it is an image, made once': root('w1', { inodesFree: 0, type: 'erofs' }),
    },
  },
  {
    rule: inodesUsedUp,
    when: 'fewer are left than the kubelet keeps',
    in: root('w1', { inodesFree: 100_000 }),
    says: /has only 100000 of 2600000 inodes left/,
    severity: 'error',
    near: {
      'its kubelet’s thresholds are not known': without('w1', 'kubelet', root('w1', { inodesFree: 100_000 })),
      'they are not known, and a hundredth is left': without('w1', 'kubelet', root('w1', { inodesFree: 26_000 })),
    },
  },
  {
    rule: inodesUsedUp,
    when: 'a quarter is left, and the kubelet keeps half',
    in: kubelet('w1', { evictionHard: { 'nodefs.inodesFree': '50%' } }, root('w1', { inodesFree: 650_000 })),
    says: /has only 650000 of 2600000 inodes left/,
    severity: 'error',
    near: {
      'more is, and the threshold is wrong': kubelet(
        'w1',
        { evictionHard: { 'nodefs.inodesFree': '50%' } },
        root('w1', { inodesFree: 700_000 }),
      ),
    },
  },
  {
    rule: readOnly,
    when: 'the kernel has remounted it',
    in: with1(
      'w1',
      () => ({ kernelLog: [{ at: ago(600), text: 'EXT4-fs (vda1): Remounting filesystem read-only' }] }),
      root('w1', { readOnly: true }),
    ),
    says: /^\/ of w1 is read-only: the kernel says EXT4-fs/,
    severity: 'error',
    near: {
      'another one is': with1('w1', ({ filesystems }) => ({
        filesystems: filesystems.map(each => ({ ...each, readOnly: each.mount === '/boot' })),
      })),
      'what is written has its own': with1('w1', ({ filesystems: [first, ...more] }) => ({
        filesystems: first
          ? [{ ...first, readOnly: true }, ...['/var', '/etc'].map(mount => ({ ...first, mount })), ...more]
          : more,
      })),
    },
  },
  {
    rule: evictionThreshold,
    when: 'the kubelet wants 95 % free',
    in: kubelet('w1', { evictionHard: { 'nodefs.available': '95%' } }),
    says: /^the kubelet of w1 takes \/ for full below 95% \(nodefs\.available\), and 22 GiB of 40 GiB are free: its threshold is wrong, not the disk$/,
    severity: 'error',
    near: {
      'the disk is full indeed': root('w1', { freeBytes: 3 * gib }),
      'a quarter of the disk is free, and half is to stay so': kubelet(
        'w1',
        { evictionHard: { 'nodefs.available': '50%' } },
        root('w1', { freeBytes: 10 * gib }),
      ),
      'more than a quarter is to stay free, and just that is': kubelet(
        'w1',
        { evictionHard: { 'nodefs.available': '12Gi' } },
        root('w1', { freeBytes: 12 * gib }),
      ),
      'it names another signal only': kubelet('w1', { evictionHard: { 'pid.available': '95%' } }),
      'its disk is an image, made once': kubelet(
        'w1',
        { evictionHard: { 'nodefs.available': '95%' } },
        root('w1', { type: 'erofs' }),
      ),
      'its disk has no size': kubelet(
        'w1',
        { evictionHard: { 'nodefs.available': '1Gi' } },
        root('w1', { sizeBytes: 0, freeBytes: 0 }),
      ),
    },
  },
  {
    rule: evictionThreshold,
    when: 'more than half of the disk is to stay free, and just that is',
    in: kubelet('w1', { evictionHard: { 'nodefs.available': '22Gi' } }),
    says: /takes \/ for full below 22Gi/,
    severity: 'warning',
    near: {},
  },
  {
    rule: evictionThreshold,
    when: 'more than half of the memory is to stay free, and is',
    in: kubelet('w1', { evictionHard: { 'memory.available': '4500Mi' } }),
    says: /takes memory for full below 4500Mi/,
    severity: 'warning',
    near: { 'it is a gigabyte': kubelet('w1', { evictionHard: { 'memory.available': '1Gi' } }) },
  },
];
testRules(diskRules, disks);

describe('how long and how much', () => {
  it.each([
    [119, '119 s'],
    [120, '2 min'],
    [-7199, '120 min'],
    [7200, '2 h'],
    [172_799, '48 h'],
    [172_800, '2 days'],
  ])('%i seconds are said as %s', (seconds, text) => {
    expect(span(seconds)).toBe(text);
  });

  it.each([
    [gib - 2 ** 20, '1023 MiB'],
    [gib, '1.0 GiB'],
    [9.5 * gib, '9.5 GiB'],
    [10 * gib, '10 GiB'],
  ])('%i bytes are said as %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });
});

describe('a full disk', () => {
  it('is emptied of images where these are', () => {
    const cure = (mount: string) => diskFull.find(root('w1', { mount, freeBytes: 0 }))[0]?.cure.join('; ');
    expect(cure('/')).toContain('crictl rmi --prune');
    expect(cure('/var/lib/containerd')).toContain('crictl rmi --prune');
    expect(cure('/srv')).not.toContain('crictl');
  });
});

const swapped = (machine: Name, from?: Snapshot) =>
  with1(machine, () => ({ swap: [{ name: '/swap.img', sizeBytes: 2 * gib }] }), from);
const killed = 'Out of memory: Killed process 4242 (java) total-vm:8388608kB, anon-rss:6291456kB';
const tooManyWatches =
  'kubelet[812]: E1122 02:13:00 run.go:74] "command failed" err="inotify_init: too many open files"';
const indexer = (from: Snapshot = healthy): Snapshot => ({
  ...withObjects(from, 'pods', [
    { metadata: { namespace: 'wazuh', name: 'wazuh-indexer-0', uid: 'p1' }, spec: { nodeName: 'w1' }, status: {} },
  ]),
  logs: [
    {
      pod: 'wazuh/wazuh-indexer-0',
      container: 'indexer',
      lines: ['[1]: max virtual memory areas vm.max_map_count [65530] is too low, increase to at least [262144]'],
    },
  ],
});

const watches = {
  pod: 'wazuh/wazuh-indexer-0',
  container: 'x',
  lines: ['failed to create fsnotify watcher: too many open files'],
};

const memory: readonly Case[] = [
  {
    rule: memoryShort,
    when: 'less is there than the kubelet keeps',
    in: with1('w1', () => ({ memory: { totalBytes: 8 * gib, availableBytes: 80 * 2 ** 20 } })),
    says: /^w1 has no memory left: 80 MiB of 8\.0 GiB available, below the 100Mi/,
    severity: 'error',
    near: {
      'enough is': with1('w1', () => ({ memory: { totalBytes: 8 * gib, availableBytes: gib } })),
      'a container was killed at its own limit': with1('w1', () => ({
        kernelLog: [{ at: ago(60), text: `Memory cgroup ${killed.toLowerCase()}`.replace('killed', 'Killed') }],
      })),
      'the threshold is absurd': kubelet('w1', { evictionHard: { 'memory.available': '7Gi' } }),
      'just what it keeps is there': kubelet(
        'w1',
        { evictionHard: { 'memory.available': '1Gi' } },
        with1('w1', () => ({ memory: { totalBytes: 8 * gib, availableBytes: gib } })),
      ),
      'three hundredths are there, and of the kubelet nothing is known': without(
        'w1',
        'kubelet',
        with1('w1', () => ({ memory: { totalBytes: 100 * gib, availableBytes: 3 * gib } })),
      ),
    },
  },
  {
    rule: memoryShort,
    when: 'a quarter is there, and the kubelet keeps more',
    in: kubelet(
      'w1',
      { evictionHard: { 'memory.available': '3Gi' } },
      with1('w1', () => ({ memory: { totalBytes: 8 * gib, availableBytes: 2 * gib } })),
    ),
    says: /^w1 has no memory left: 2\.0 GiB of 8\.0 GiB available, below the 3Gi/,
    severity: 'error',
    near: {},
  },
  {
    rule: memoryShort,
    when: 'less is there than a kubelet keeps that keeps much',
    in: kubelet(
      'w1',
      { evictionHard: { 'memory.available': '1Gi' } },
      with1('w1', () => ({
        memory: { totalBytes: 8 * gib, availableBytes: 0.9 * gib },
        kernelLog: [{ at: ago(600), text: killed }],
      })),
    ),
    says: /^w1 has no memory left: 922 MiB of 8\.0 GiB available, below the 1Gi at which the kubelet evicts pods; the kernel killed java at 02:04 UTC$/,
    severity: 'error',
    near: {},
  },
  {
    rule: memoryShort,
    when: 'less is there than a kubelet keeps that keeps much, and nothing was killed',
    in: kubelet(
      'w1',
      { evictionHard: { 'memory.available': '1Gi' } },
      with1('w1', () => ({ memory: { totalBytes: 8 * gib, availableBytes: 0.9 * gib } })),
    ),
    says: /below the 1Gi at which the kubelet evicts pods$/,
    severity: 'error',
    near: {},
  },
  {
    rule: memoryShort,
    when: 'a fiftieth is left, and of the kubelet nothing is known',
    in: without(
      'w1',
      'kubelet',
      with1('w1', () => ({ memory: { totalBytes: 8 * gib, availableBytes: 160 * 2 ** 20 } })),
    ),
    says: /^w1 has no memory left: 160 MiB of 8\.0 GiB available$/,
    severity: 'error',
    near: {},
  },
  {
    rule: memoryShort,
    when: 'the kernel has killed a process of the machine',
    in: with1('w1', () => ({ kernelLog: [{ at: ago(600), text: killed }] })),
    says: /^w1 ran out of memory: the kernel killed java at 02:04 UTC/,
    severity: 'warning',
    near: {
      'it was yesterday': with1('w1', () => ({ kernelLog: [{ at: ago(20_000), text: killed }] })),
      'the kernel is the host’s': identity(
        'w1',
        { container: true },
        with1('w1', () => ({ kernelLog: [{ at: ago(600), text: killed }] })),
      ),
    },
  },
  {
    rule: swapOn,
    when: 'the kubelet ends beside it',
    in: unit('w1', 'kubelet', crashing, swapped('w1')),
    says: /^swap is on on w1 \(\/swap\.img \(2\.0 GiB\)\): its kubelet does not start beside it$/,
    severity: 'error',
    near: {
      'the kubelet may have it': kubelet('w1', { failSwapOn: false }, unit('w1', 'kubelet', crashing, swapped('w1'))),
      'there is none': unit('w1', 'kubelet', crashing),
      'the machine is a container whose kubelet runs': identity('w1', { container: true }, swapped('w1')),
      'there is no kubelet': unit('w1', 'kubelet', { ...stopped, load: 'not-found' }, swapped('w1')),
    },
  },
  {
    rule: swapOn,
    when: 'the kubelet runs since before',
    in: swapped('w1'),
    says: /will not start again beside it/,
    severity: 'warning',
    near: {},
  },
  {
    rule: conntrackFull,
    when: 'the kernel drops packets',
    in: with1('w1', () => ({
      conntrack: { count: 245_000, max: 262_144 },
      kernelLog: [{ at: ago(30), text: 'nf_conntrack: nf_conntrack: table full, dropping packet' }],
    })),
    says: /^the connection table of w1 is full \(245000 of 262144\): new connections are dropped$/,
    severity: 'error',
    near: {
      'there is room again': with1('w1', () => ({
        conntrack: { count: 90_000, max: 262_144 },
        kernelLog: [{ at: ago(30), text: 'nf_conntrack: nf_conntrack: table full, dropping packet' }],
      })),
      'it has no limit': with1('w1', () => ({ conntrack: { count: 90_000, max: 0 } })),
    },
  },
  {
    rule: conntrackFull,
    when: 'nine tenths of it are taken',
    in: with1('w1', () => ({ conntrack: { count: 90_000, max: 100_000 } })),
    says: /is nearly full/,
    severity: 'warning',
    near: {},
  },
  {
    rule: conntrackFull,
    when: 'a fiftieth of it is left, and no line of the kernel tells of it yet',
    in: with1('w1', () => ({ conntrack: { count: 98_000, max: 100_000 } })),
    says: /is full \(98000 of 100000\): new connections are dropped$/,
    severity: 'error',
    near: {},
  },
  {
    rule: inotifyUsedUp,
    when: 'the kubelet says so',
    in: with1('w1', () => ({
      sysctl: { 'fs.inotify.max_user_instances': '128' },
      journal: { kubelet: [{ at: ago(60), text: tooManyWatches }] },
    })),
    says: /^w1 has no inotify instances left \(fs\.inotify\.max_user_instances is 128\): its kubelet cannot watch files$/,
    severity: 'error',
    near: {
      'it said so an hour ago': with1('w1', () => ({
        sysctl: { 'fs.inotify.max_user_instances': '128' },
        journal: { kubelet: [{ at: ago(3600), text: tooManyWatches }] },
      })),
      'the limit is low and nobody minds': with1('w1', () => ({ sysctl: { 'fs.inotify.max_user_instances': '128' } })),
    },
  },
  {
    rule: inotifyUsedUp,
    when: 'a pod’s log says so',
    in: {
      ...indexer(with1('w1', () => ({ sysctl: { 'fs.inotify.max_user_instances': '128' } }))),
      logs: [watches],
    },
    says: /: pod wazuh\/wazuh-indexer-0 cannot watch files/,
    severity: 'error',
    about: 'pod:wazuh/wazuh-indexer-0',
    near: {
      'the pod is on no machine that is known': withObjects({ ...indexer(), logs: [watches] }, 'pods', []),
    },
  },
  {
    rule: inotifyUsedUp,
    when: 'the kubelet and a pod’s log say so',
    in: with1(
      'w1',
      () => ({
        sysctl: { 'fs.inotify.max_user_instances': '8192' },
        journal: { kubelet: [{ at: ago(60), text: tooManyWatches }] },
      }),
      { ...indexer(), logs: [watches] },
    ),
    says: /\(fs\.inotify\.max_user_instances is 8192\): its kubelet cannot watch files$/,
    severity: 'error',
    certainty: 'likely',
    about: 'pod:wazuh/wazuh-indexer-0',
    near: {},
  },
  {
    rule: inotifyUsedUp,
    when: 'the kubelet says so, and the limit is not known',
    in: without(
      'w1',
      'sysctl',
      with1('w1', () => ({ journal: { kubelet: [{ at: ago(60), text: tooManyWatches }] } })),
    ),
    says: /^w1 has no inotify instances left: its kubelet cannot watch files$/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: mapCountLow,
    when: 'the indexer says so and it is low',
    in: indexer(),
    says: /^wazuh\/wazuh-indexer-0 does not start because vm\.max_map_count is too low on w1 \(65530, it wants 262144\)$/,
    severity: 'error',
    about: 'machine:w1',
    near: {
      'it was raised since': with1('w1', () => ({ sysctl: { 'vm.max_map_count': '262144' } }), indexer()),
      'nobody asks for more': { ...indexer(), logs: [] },
    },
  },
  {
    rule: mapCountLow,
    when: 'the machine was not asked',
    in: without('w1', 'sysctl', indexer()),
    says: /65530/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
];
testRules(memoryRules, memory);

describe('what memory and limits want', () => {
  it('is swap off, done by homelab only on a machine that is no container', () => {
    const fix = (change: object) =>
      swapOn.find(identity('w1', change, unit('w1', 'kubelet', crashing, swapped('w1'))))[0];
    expect(fix({})?.fix?.script).toContain('swapoff -a');
    expect(fix({ container: true })).toMatchObject({ severity: 'error' });
    expect(fix({ container: true })?.fix).toBeUndefined();
  });

  it('is shown where it was read: in the log of the pod, or of the unit', () => {
    const from = (snapshot: Snapshot) => inotifyUsedUp.find(snapshot)[0]?.evidence.map(each => each.from);
    const ofPod = { ...indexer(), logs: [watches] };
    const ofBoth = with1('w1', () => ({ journal: { kubelet: [{ at: ago(60), text: tooManyWatches }] } }), ofPod);
    expect(from(ofPod)).toEqual(['wazuh/wazuh-indexer-0', 'w1']);
    expect(from(ofBoth)).toEqual(['w1', 'w1']);
    expect(from(without('w1', 'sysctl', ofPod))).toEqual(['wazuh/wazuh-indexer-0']);
  });

  it('is asked of the machine that the pod is on, where that is known', () => {
    const named = (namespace: string, name: string, nodeName: string) => ({
      metadata: { namespace, name },
      spec: { nodeName },
    });
    const others = [named('wazuh', 'other', 'w2'), named('demo', 'wazuh-indexer-0', 'cp')];
    const said = (...pods: readonly object[]) => mapCountLow.find(withObjects(indexer(), 'pods', pods))[0];
    const there = said(...others, named('wazuh', 'wazuh-indexer-0', 'w1'));
    expect(there?.about).toEqual(['pod:wazuh/wazuh-indexer-0', 'machine:w1']);
    expect(there?.settledBy).toBe('ssh w1 sysctl vm.max_map_count');
    expect(there?.cure.every(line => line.startsWith('ssh w1 '))).toBe(true);
    const nowhere = said(...others);
    expect(nowhere?.says).toContain('too low on its machine (65530,');
    expect(nowhere?.about).toEqual(['pod:wazuh/wazuh-indexer-0']);
    expect(nowhere?.cure.every(line => line.startsWith('ssh MACHINE '))).toBe(true);
  });
});

const all = (change: (machine: Name, from: Snapshot) => Snapshot) => change('cp', change('w1', change('w2', healthy)));
const cloned = eachObject(healthy, 'nodes', item => ({
  ...item,
  status: { ...item.status, nodeInfo: { ...item.status.nodeInfo, machineID: '77' } },
}));
const moved = with1('w1', ({ nics }) => ({
  nics: nics.map(each => (each.name === 'ens18' ? { ...each, addresses: ['192.168.0.57/24'] } : each)),
}));
const renamed = identity('w1', { hostname: 'debian' }, notReady('w1', healthy));
const cilium = (machine: Name, from?: Snapshot) =>
  with1(machine, ({ cni }) => ({ cni: { ...cni, links: [{ name: 'cilium_host', addresses: [], mtu: 1500 }] } }), from);
const keeps = (machine: Name, networkdKeepsForeign: boolean, from?: Snapshot) =>
  with1(machine, ({ routing }) => ({ routing: { ...routing, networkdKeepsForeign } }), from);

const firstTwo = (from: Snapshot): Snapshot => ({ ...from, machines: from.machines.slice(0, 2) });
const forwards = (value: string): Snapshot => with1('w1', () => ({ sysctl: { 'net.ipv4.ip_forward': value } }));

const identities: readonly Case[] = [
  {
    rule: clockHere,
    when: 'all machines are ahead by the same',
    in: all((machine, from) => clock(machine, { offsetMs: 600_000 }, from)),
    says: /^the clock of this computer is 10 min behind: 3 machines agree/,
    severity: 'warning',
    certainty: 'likely',
    shows: /^10 min ahead of this computer$/,
    near: {
      'one of them is ahead': clock('w1', { offsetMs: 600_000 }),
      'they differ from one another': clock(
        'cp',
        { offsetMs: 90_000 },
        clock('w1', { offsetMs: 600_000 }, clock('w2', { offsetMs: -300_000 })),
      ),
      'it is a second': all((machine, from) => clock(machine, { offsetMs: 1000 }, from)),
    },
  },
  {
    rule: clockHere,
    when: 'two of three agree, and the first of them with us',
    in: clock('w1', { offsetMs: 600_000 }, clock('w2', { offsetMs: 600_000 })),
    says: /^the clock of this computer is 10 min behind: 2 machines agree/,
    severity: 'warning',
    certainty: 'likely',
    shows: /^10 min ahead of this computer$/,
    near: {},
  },
  {
    rule: clockHere,
    when: 'two machines are all, and both are behind',
    in: firstTwo(all((machine, from) => clock(machine, { offsetMs: -600_000 }, from))),
    says: /^the clock of this computer is 10 min ahead: 2 machines agree/,
    severity: 'warning',
    certainty: 'likely',
    shows: /^10 min behind this computer$/,
    near: {
      'they do not agree': firstTwo(clock('cp', { offsetMs: 600_000 }, clock('w1', { offsetMs: 1_200_000 }))),
      'there is one': {
        ...clock('cp', { offsetMs: 600_000 }),
        machines: clock('cp', { offsetMs: 600_000 }).machines.slice(0, 1),
      },
    },
  },
  {
    rule: clockOff,
    when: 'there are two, and they do not agree',
    in: firstTwo(clock('w1', { offsetMs: 600_000 })),
    says: /^the clock of w1 is 10 min ahead of this computer’s$/,
    severity: 'error',
    certainty: 'possible',
    allAbout: ['machine:w1'],
    shows: /^10 min ahead \(/,
    advises: /^ssh w1 sudo systemctl restart systemd-timesyncd$/m,
    near: {},
  },
  {
    rule: clockOff,
    when: 'one machine is behind the others',
    in: clock('w1', { offsetMs: -600_000, synchronized: false, service: 'none' }),
    says: /^the clock of w1 is 10 min behind the other machines’; no time service is enabled there$/,
    severity: 'error',
    shows: /^10 min behind \(.*\nNTPSynchronized=no, service: none$/,
    advises: /^ssh w1 sudo apt-get install -y systemd-timesyncd$/m,
    near: {
      'all are off by the same: ours is the wrong one': all((machine, from) =>
        clock(machine, { offsetMs: 600_000 }, from),
      ),
      'it is within what the look itself took': clock('w1', { offsetMs: 5000, uncertaintyMs: 6000 }),
    },
  },
  {
    rule: clockOff,
    when: 'there is one machine to compare with, ours',
    in: { ...clock('cp', { offsetMs: -600_000 }), machines: clock('cp', { offsetMs: -600_000 }).machines.slice(0, 1) },
    says: /^the clock of cp is 10 min behind this computer’s/,
    severity: 'error',
    certainty: 'possible',
    near: {},
  },
  {
    rule: clockOff,
    when: 'it is a few seconds, and whether it is synchronised is not known',
    in: clock('w1', { offsetMs: 5000, synchronized: undefined }),
    says: /^the clock of w1 is 5 s ahead of the other machines’$/,
    severity: 'warning',
    shows: /NTPSynchronized=unknown, service: systemd-timesyncd$/,
    near: {},
  },
  {
    rule: clockUnsynchronised,
    when: 'nothing keeps it',
    in: clock('w1', { synchronized: false, service: 'none' }),
    says: /^nothing keeps the clock of w1/,
    severity: 'warning',
    near: {
      'a service is there and has not got an answer yet': clock('w1', { synchronized: false }),
      'the clock is the host’s': identity(
        'w1',
        { container: true },
        clock('w1', { synchronized: false, service: 'none' }),
      ),
      'it is off, and that is said': clock('w1', { synchronized: false, service: 'none', offsetMs: 60_000 }),
    },
  },
  {
    rule: machineIdTwice,
    when: 'two machines have one',
    in: identity('w2', { machineId: '1'.repeat(32) }),
    says: /^w1 and w2 have the same machine-id \(11111111…\)/,
    severity: 'warning',
    near: {
      'it is unknown on both': identity('w1', { machineId: '' }, identity('w2', { machineId: '' })),
      'the API knows another one, and the machines their own': cloned,
    },
  },
  {
    rule: machineIdTwice,
    when: 'one is known by the API only',
    in: silent(
      'w2',
      eachObject(healthy, 'nodes', item => ({
        ...item,
        status: { ...item.status, nodeInfo: { ...item.status.nodeInfo, machineID: '1'.repeat(32) } },
      })),
    ),
    says: /^w1 and w2 have the same machine-id/,
    severity: 'warning',
    near: {},
  },
  {
    rule: machineIdTwice,
    when: 'only the API was asked',
    in: apiOnly(cloned),
    says: /^cp, w1 and w2 have the same/,
    severity: 'warning',
    near: {},
  },
  {
    rule: productUuidTwice,
    when: 'two guests have one',
    in: identity('w2', { productUuid: '00000001-0000-4000-8000-000000000000' }),
    says: /^w1 and w2 have the same product UUID/,
    severity: 'note',
    near: {
      'they are containers of one host': identity(
        'w1',
        { container: true },
        identity('w2', { container: true, productUuid: '00000001-0000-4000-8000-000000000000' }),
      ),
      'the firmware names none': identity('w1', { productUuid: 'unknown' }, identity('w2', { productUuid: 'unknown' })),
    },
  },
  {
    rule: addressChanged,
    when: 'DHCP gave it another one',
    in: moved,
    says: /^w1 has the address 192\.168\.0\.57 now; the cluster knows it as 192\.168\.0\.11$/,
    severity: 'error',
    advises: /^give w1 the address 192\.168\.0\.11 again: a DHCP reservation for 52:54:00:00:00:11, /,
    near: {
      'it has both': with1('w1', ({ nics }) => ({
        nics: nics.map(each => ({ ...each, addresses: [...each.addresses, '192.168.0.57/24'] })),
      })),
      'its adapters are not known': without('w1', 'nics', moved),
      'none of them has an address': with1('w1', ({ nics }) => ({
        nics: nics.map(each => ({ ...each, addresses: [] })),
      })),
      'it is declared by its name, and no node yet': {
        ...withObjects(healthy, 'nodes', []),
        declared: {
          cluster: 'homelab',
          version: 'v1.31.1',
          endpoint: 'cp',
          hosts: [{ name: 'w1', address: 'w1.home.arpa', role: 'worker' }],
        },
      },
    },
  },
  {
    rule: addressChanged,
    when: 'DHCP gave it another one, and adapters of pods and a free one come before its own',
    in: with1(
      'w1',
      ({ nics: [own, bridge] }) => ({
        nics:
          own && bridge
            ? [
                { ...bridge, mac: '16:bd:2c:00:00:01' },
                { ...own, name: 'ens17', mac: '52:54:00:00:01:11', addresses: [] },
                own,
              ]
            : [],
      }),
      moved,
    ),
    says: /^w1 has the address 192\.168\.0\.57 now/,
    severity: 'error',
    advises: /a DHCP reservation for 52:54:00:00:00:11, /,
    near: {},
  },
  {
    rule: nodeRenamed,
    when: 'it joined a second time',
    in: withObjects(renamed, 'nodes', [
      ...(renamed.lists.nodes.state === 'seen' ? renamed.lists.nodes.items : []),
      { metadata: { name: 'debian' }, status: { conditions: [{ type: 'Ready', status: 'True' }] } },
    ]),
    says: /^w1 calls itself debian now, and joined a second time as debian/,
    severity: 'error',
    near: {
      'its node reports all the same: the kubelet was told its name': identity('w1', { hostname: 'debian' }),
      'its node is Ready still, and its lease has just ended': withObjects(
        identity('w1', { hostname: 'debian' }),
        'leases',
        [lease('kube-node-lease', 'w1', 45), lease('kube-system', 'kube-scheduler', 1)],
      ),
      'it has no node': eachObject(renamed, 'nodes', each => (each.metadata.name === 'w1' ? undefined : each)),
      'its name is its own, in capitals': identity('w1', { hostname: 'W1' }, notReady('w1', healthy)),
      'its kubelet does not run: that is why': unit('w1', 'kubelet', stopped, renamed),
      'its node was heard of lately': withObjects(renamed, 'leases', [
        lease('kube-node-lease', 'w1', 5),
        lease('kube-system', 'kube-scheduler', 1),
      ]),
    },
  },
  {
    rule: nodeRenamed,
    when: 'no second node came of it',
    in: renamed,
    says: /^w1 calls itself debian now: nobody reports/,
    severity: 'error',
    certainty: 'possible',
    near: {},
  },
  {
    rule: mainRuleGone,
    when: 'the rule is gone',
    in: with1('w1', ({ routing }) => ({ routing: { ...routing, mainRule: false } })),
    says: /^w1 has lost its routing rule/,
    severity: 'error',
    near: {
      'networkd may remove it': keeps('w1', false, cilium('w1')),
      'the rules are not known': without('w1', 'routing'),
    },
  },
  {
    rule: forwardingOff,
    when: 'a sysctl file set it back',
    in: forwards('0'),
    says: /^w1 forwards no packets/,
    severity: 'error',
    about: 'machine:w1',
    near: {
      'it does': forwards('1'),
      'its settings are not known': without('w1', 'sysctl', forwards('0')),
      'it is no member yet': without('w1', 'kubelet', forwards('0')),
    },
  },
  {
    rule: rulesWiped,
    when: 'Cilium’s rules are foreign to networkd',
    in: keeps('w1', false, cilium('w1')),
    says: /^systemd-networkd on w1 will remove/,
    severity: 'warning',
    near: {
      'it leaves them': keeps('w1', true, cilium('w1')),
      'there is no Cilium': keeps('w1', false),
      'its links are not known': without('w1', 'cni', keeps('w1', false, cilium('w1'))),
    },
  },
];
testRules(identityRules, identities, {
  recordedHits: [
    'broken-pods',
    'healthy-no-dns-image',
    'worker-cordoned',
    'worker-kubelet-stopped',
    'worker-link-down',
  ].map(state => `${state}: machine-id-twice`),
});

describe('the time that the cluster has', () => {
  const wrong = 600_000;
  /** Nobody looked at machines, and this computer is ten minutes ahead. */
  const seen = (...all: readonly object[]) => ({ ...apiOnly(withObjects(healthy, 'leases', all)), at: at + wrong });
  const own = (seconds: number) => lease('kube-system', 'kube-scheduler', seconds);
  const ofNode = (seconds: number) => lease('kube-node-lease', 'w1', seconds);

  it('is that of its machines, by the middle one', () => {
    const ahead = clock('cp', { offsetMs: -wrong }, clock('w1', { offsetMs: -wrong }));
    expect(clusterTime({ ...ahead, at: at + wrong })).toBe(at);
  });
  it('is that of the control plane’s newest lease, whatever a node’s clock says', () => {
    expect(clusterTime(seen(ofNode(-900), own(200), own(2)))).toBe(at - 2000);
    expect(clusterTime(seen(own(2), { ...own(1), spec: { renewTime: '' } }))).toBe(at - 2000);
  });
  it('is that of the newest of the nodes’, where no other lease is there', () => {
    expect(clusterTime(seen(ofNode(30), ofNode(5)))).toBe(at - 5000);
    expect(clusterTime(seen(ofNode(5), { ...own(1), spec: { renewTime: '' } }))).toBe(at - 5000);
  });
  it('is ours, where nothing else is known', () => {
    expect(clusterTime(seen())).toBe(at + wrong);
  });
});

it('repeats a moment that is none', () => {
  expect(clockOf('', { at })).toBe('');
  expect(clockOf(ago(0), { at: Number.NaN })).toBe(ago(0));
  expect(clockOf(ago(0), { at })).toBe('02:14 UTC');
});

it('quotes for the machine what its shell would read otherwise', () => {
  expect(on({ name: 'w1' }, 'sudo systemctl restart kubelet')).toBe('ssh w1 sudo systemctl restart kubelet');
  expect(on({ name: 'w1' }, 'ss -lnt | grep 22')).toBe("ssh w1 'ss -lnt | grep 22'");
});
