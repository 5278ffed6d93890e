// Constructed, one field at a time: adapters, tunnels and firewalls.

import type { MachineFacts } from '../../src/doctor/machine-facts.ts';
import {
  apiPortBlocked,
  firewallRules,
  kubeletPortBlocked,
  tunnelPortBlocked,
} from '../../src/doctor/rules/firewall.ts';
import { nicDown, nicFlapping, secondNicDown } from '../../src/doctor/rules/nic.ts';
import { intelHang, nicStall } from '../../src/doctor/rules/nic-hangs.ts';
import { nicPowerSaving, nicRules } from '../../src/doctor/rules/nic-power.ts';
import { mtuTooLarge, tunnelChecksums } from '../../src/doctor/rules/tunnels.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { type Case, testRules } from './cases.ts';
import { ago, endpoint, healthy, type Name, nic, notReady, peersSee, unit, with1, without } from './constructed.ts';
import { eachObject } from './rig.ts';

const intel = { driver: 'e1000e', bus: 'pci', name: 'ens18' };
const container = (machine: Name, from: Snapshot) =>
  with1(
    machine,
    ({ identity }) => ({ identity: { ...identity, container: true, virtualization: 'systemd-nspawn' } }),
    from,
  );
const says = (machine: Name, lines: readonly (readonly [number, string])[], from?: Snapshot) =>
  with1(machine, () => ({ kernelLog: lines.map(([seconds, text]) => ({ at: ago(seconds), text })) }), from);
const second = (change: object) =>
  with1('w1', ({ nics: [first, ...more] }) => ({
    nics: first ? [first, { ...first, name: 'ens19', addresses: ['10.9.9.2/24'], ...change }, ...more] : [],
  }));
const hang = 'e1000e 0000:00:1f.6 ens18: Detected Hardware Unit Hang:';
const stall = 'NETDEV WATCHDOG: ens18 (r8169): transmit queue 0 timed out 5396 ms';
const links = (machine: Name, name: string, mtu: number, from?: Snapshot) =>
  with1(machine, ({ cni }) => ({ cni: { ...cni, links: [{ name, addresses: [], mtu }] } }), from);
const leadsBy = (dev: string, from: Snapshot) =>
  with1('w1', ({ routing }) => ({ routing: { ...routing, defaults: [{ dev, via: '192.168.0.1' }] } }), from);
const bootIs = (bootID: string, from: Snapshot) =>
  eachObject(from, 'nodes', item => ({
    ...item,
    status: { ...item.status, nodeInfo: { ...item.status.nodeInfo, bootID } },
  }));
const four: Snapshot = {
  ...healthy,
  machines: healthy.machines.flatMap(each => (each.name === 'w2' ? [each, { ...each, name: 'w3' }] : [each])),
};
const counted = (machine: Name, checksumErrorsNow: number, from?: Snapshot) =>
  with1(machine, () => ({ tcp: { checksumErrors: 4000, checksumErrorsNow } }), from);

const nics: readonly Case[] = [
  {
    rule: nicDown,
    when: 'the one with the node’s address has none',
    in: nic('w1', { carrier: false, operstate: 'down' }),
    says: /^ens18 of w1 \(192\.168\.0\.11\/24\) has no link$/,
    severity: 'error',
    near: {
      'it is a second one': second({ carrier: false }),
      'it was switched off by its owner and says nothing of a link': with1('w1', ({ nics: all }) => ({
        nics: all.map(({ carrier: _, ...each }) => each),
      })),
      'the bridge of pods has none yet': healthy,
    },
  },
  {
    rule: nicDown,
    when: 'it has the node’s address, and the default route goes by another one',
    in: leadsBy('ens19', nic('w1', { carrier: false })),
    says: /^ens18 of w1 \(192\.168\.0\.11\/24\) has no link$/,
    severity: 'error',
    near: {},
  },
  {
    rule: nicDown,
    when: 'it has the default route, and no address any more',
    in: nic('w1', { carrier: false, addresses: [] }),
    says: /^ens18 of w1 \(its default route\) has no link$/,
    severity: 'error',
    near: { 'the default route goes by another one': leadsBy('ens19', nic('w1', { carrier: false, addresses: [] })) },
  },
  {
    rule: nicDown,
    when: 'it is a container’s, which no bus is below, and has the node’s address only',
    in: leadsBy('ens19', container('w1', nic('w1', { bus: '', driver: 'veth', carrier: false }))),
    says: /^ens18 of w1 \(192\.168\.0\.11\/24\) has no link$/,
    severity: 'error',
    near: {},
  },
  {
    rule: secondNicDown,
    when: 'one with another address has none',
    in: second({ carrier: false }),
    says: /^ens19 of w1 \(10\.9\.9\.2\/24\) has no link$/,
    severity: 'warning',
    near: {
      'it is not used': second({ carrier: false, addresses: [] }),
      'it has one': second({}),
      'it is the one with the node’s address that has none': nic('w1', { carrier: false }),
    },
  },
  {
    rule: nicFlapping,
    when: 'it changed while doctor looked',
    in: notReady('w1', nic('w1', { carrierChangesNow: 2, carrierChanges: 31 })),
    says: /^the link of w1 flaps: ens18 lost or got its link 2 times while doctor looked \(31 times since boot\); the machine was never off/,
    severity: 'error',
    advises: /^KVM or Proxmox: on the host, .*\nlook at the cable/,
    near: {
      'it did not': notReady('w1', nic('w1', { carrierChanges: 31 })),
      'it has none at all now': nic('w1', { carrier: false, carrierChangesNow: 1 }),
      'the bridge of pods did': with1('w1', ({ nics: all }) => ({
        nics: all.map(each => (each.name === 'cni0' ? { ...each, carrierChangesNow: 4 } : each)),
      })),
    },
  },
  {
    rule: nicFlapping,
    when: 'it changed while doctor looked, and the machine has started again since its node was heard of',
    in: bootIs('b002', notReady('w1', nic('w1', { carrierChangesNow: 2, carrierChanges: 31 }))),
    says: /\(31 times since boot\)$/,
    severity: 'error',
    near: {},
  },
  {
    rule: nicFlapping,
    when: 'it changed while doctor looked, and neither the machine nor its node tells which boot this is',
    in: bootIs(
      '',
      with1(
        'w1',
        ({ identity }) => ({ identity: { ...identity, bootId: '' } }),
        notReady('w1', nic('w1', { carrierChangesNow: 2 })),
      ),
    ),
    says: /\(2 times since boot\)$/,
    severity: 'error',
    near: {},
  },
  {
    rule: nicFlapping,
    when: 'it changed while doctor looked, on metal',
    in: nic(
      'w1',
      { ...intel, carrierChangesNow: 2 },
      with1('w1', ({ identity }) => ({ identity: { ...identity, virtualization: 'none' } })),
    ),
    says: /^the link of w1 flaps/,
    severity: 'error',
    advises: /^ssh w1 sudo ethtool --set-eee ens18 eee off\nlook at the cable/,
    near: {},
  },
  {
    rule: nicFlapping,
    when: 'the kernel said so three times in an hour',
    in: says(
      'w1',
      [500, 400, 300].map(seconds => [seconds, 'e1000e 0000:00:1f.6 ens18: NIC Link is Down'] as const),
    ),
    says: /ens18 lost its link 3 times since 02:06 UTC$/,
    severity: 'warning',
    certainty: 'likely',
    near: {
      'a switch started twice, and kernel and networkd tell of each': with1('w1', facts => ({
        kernelLog: [500, 300].map(seconds => ({
          at: ago(seconds),
          text: 'e1000e 0000:00:1f.6 ens18: NIC Link is Down',
        })),
        journal: {
          ...facts.journal,
          'systemd-networkd': [500, 300].map(seconds => ({ at: ago(seconds), text: 'ens18: Lost carrier' })),
        },
      })),
      'it was a VLAN of it, and an adapter whose name begins the same way': says('w1', [
        [500, 'ens18.20: Lost carrier'],
        [400, 'ens18.20: Lost carrier'],
        [300, 'igb 0000:02:00.0 ens180: NIC Link is Down'],
      ]),
      'somebody pulled a cable once': says('w1', [[500, 'e1000e 0000:00:1f.6 ens18: NIC Link is Down']]),
      'it was yesterday': says(
        'w1',
        [80_000, 79_000, 78_000].map(seconds => [seconds, 'e1000e 0000:00:1f.6 ens18: NIC Link is Down'] as const),
      ),
      'it was another adapter': says(
        'w1',
        [500, 400, 300].map(seconds => [seconds, 'ens33: NIC Link is Down'] as const),
      ),
    },
  },
  {
    rule: nicFlapping,
    when: 'networkd said so three times in an hour, and the kernel once',
    in: with1(
      'w1',
      facts => ({
        journal: {
          ...facts.journal,
          'systemd-networkd': [500, 400, 300].map(seconds => ({ at: ago(seconds), text: 'ens18: Lost carrier' })),
        },
      }),
      says('w1', [[300, 'e1000e 0000:00:1f.6 ens18: NIC Link is Down']]),
    ),
    says: /ens18 lost its link 3 times since 02:06 UTC$/,
    severity: 'warning',
    certainty: 'likely',
    near: {},
  },
  {
    rule: nicFlapping,
    when: 'the kernel said so three times, the last a moment ago',
    in: says(
      'w1',
      [300, 200, 20].map(seconds => [seconds, 'host0: ens18: Lost carrier'] as const),
    ),
    says: /ens18 lost its link 3 times since 02:09 UTC$/,
    severity: 'error',
    near: {},
  },
  {
    rule: nicFlapping,
    when: 'the counter of a container is far from that of a start',
    in: container('w1', nic('w1', { bus: '', driver: 'veth', carrierChanges: 29 })),
    says: /ens18 changed its link 29 times since it is there, and has one now$/,
    severity: 'warning',
    certainty: 'likely',
    advises: /^on the computer that this container runs on: .*\nlook at the cable/,
    near: {
      'it is that of a start': container('w1', nic('w1', { bus: '', driver: 'veth', carrierChanges: 8 })),
      'a machine of nine days may have as many': nic('w1', { carrierChanges: 29 }),
    },
  },
  {
    rule: intelHang,
    when: 'the kernel says so now',
    in: says(
      'w1',
      [
        [300, hang],
        [120, hang],
      ],
      nic('w1', intel),
    ),
    says: /^ens18 of w1 \(e1000e\) hangs: 2 times since 02:09 UTC$/,
    severity: 'error',
    near: {
      'it was two hours ago': says('w1', [[7200, hang]], nic('w1', intel)),
      'the log is that of a container’s host': container('w1', says('w1', [[120, hang]], nic('w1', intel))),
      'another driver is said to': says('w1', [[120, hang]], nic('w1', { driver: 'tg3', bus: 'pci' })),
    },
  },
  {
    rule: intelHang,
    when: 'an adapter is beside it whose name begins its own',
    in: with1(
      'w1',
      ({ nics: [own, ...more] }) => ({ nics: own ? [{ ...own, name: 'ens1', driver: 'tg3' }, own, ...more] : [] }),
      says('w1', [[120, hang]], nic('w1', intel)),
    ),
    says: /^ens18 of w1 \(e1000e\) hangs: 1 times/,
    severity: 'error',
    near: {},
  },
  {
    rule: intelHang,
    when: 'the kernel says so of a name that the adapter had before',
    in: with1(
      'w1',
      ({ nics: all }) => ({ nics: all.toReversed() }),
      says('w1', [[120, hang.replace('ens18', 'eth0')]], nic('w1', intel)),
    ),
    says: /^ens18 of w1 \(e1000e\) hangs: 1 times/,
    severity: 'error',
    near: {},
  },
  {
    rule: nicStall,
    when: 'Realtek’s queue stands',
    in: says('w1', [[1200, stall]], nic('w1', { driver: 'r8169', bus: 'pci' })),
    says: /^ens18 of w1 \(r8169\) stalls: 1 times/,
    severity: 'warning',
    near: {
      'it was two hours ago': says('w1', [[7200, stall]]),
      'its link came up': says('w1', [[120, 'r8169 0000:02:00.0 ens18: Link is Up - 1Gbps/Full']]),
    },
  },
  {
    rule: nicPowerSaving,
    when: 'EEE is on at an adapter that is known for it',
    in: nic('w1', { ...intel, eee: 'on' }),
    says: /^ens18 of w1 \(e1000e\) saves power: Energy Efficient Ethernet is on$/,
    severity: 'warning',
    near: {
      'it is off': nic('w1', { ...intel, eee: 'off' }),
      'the driver has none': nic('w1', intel),
      'it has no address': nic(
        'w1',
        { ...intel, eee: 'on', addresses: [] },
        with1('w1', ({ routing }) => ({ routing: { ...routing, defaults: [] } })),
      ),
    },
  },
  {
    rule: nicPowerSaving,
    when: 'EEE is on elsewhere',
    in: nic('w1', { driver: 'tg3', bus: 'pci', eee: 'on' }),
    says: /Energy/,
    severity: 'note',
    near: {},
  },
  {
    rule: nicPowerSaving,
    when: 'EEE is on and the link flaps',
    in: nic('w1', { ...intel, eee: 'on', carrierChangesNow: 2 }),
    says: /Energy/,
    severity: 'warning',
    certainty: 'likely',
    near: {},
  },
  {
    rule: nicPowerSaving,
    when: 'Wi-Fi saves power',
    in: nic('w1', { driver: 'iwlwifi', bus: 'pci', wifi: true, powerSave: 'on' }),
    says: /Wi-Fi power save is on$/,
    severity: 'warning',
    near: {
      'both are off': nic('w1', { driver: 'r8152', bus: 'usb', powerControl: 'on', wifi: true, powerSave: 'off' }),
      'it is on PCI, where auto changes nothing': nic('w1', { ...intel, powerControl: 'auto' }),
    },
  },
  {
    rule: nicPowerSaving,
    when: 'USB saves power',
    in: nic('w1', { driver: 'r8152', bus: 'usb', powerControl: 'auto' }),
    says: /USB autosuspend is on$/,
    severity: 'warning',
    near: {},
  },
  {
    rule: tunnelChecksums,
    when: 'a peer counts wrong ones and the adapter computes them',
    in: counted('w2', 40, links('w1', 'flannel.1', 1450)),
    says: /^ens18 of w1 \(virtio_net\) computes checksums inside tunnels, and w2 gets wrong ones/,
    severity: 'error',
    certainty: 'likely',
    about: 'machine:w2',
    near: {
      'nobody counts more of them': counted('w2', 0, links('w1', 'flannel.1', 1450)),
      'there is no tunnel': counted('w2', 40),
      'the offloads are off': counted(
        'w2',
        40,
        links('w1', 'flannel.1', 1450, nic('w1', { features: { 'tx-udp_tnl-segmentation': 'off' } })),
      ),
      'the adapter is a real one': counted('w2', 40, links('w1', 'flannel.1', 1450, nic('w1', { driver: 'igb' }))),
    },
  },
  {
    rule: tunnelChecksums,
    when: 'the adapter’s machine and a peer count wrong ones',
    in: counted('w1', 10, counted('w2', 40, links('w1', 'flannel.1', 1450))),
    says: /^ens18 of w1 .* and w2 gets wrong ones/,
    severity: 'error',
    certainty: 'likely',
    allAbout: ['machine:w1', 'machine:w2'],
    near: {},
  },
  {
    rule: mtuTooLarge,
    when: 'the tunnel leaves no room for its header',
    in: links('w1', 'flannel.1', 1500),
    says: /^the MTU of flannel\.1 on w1 is 1500, and ens18 carries 1500/,
    severity: 'error',
    near: {
      'it does': links('w1', 'flannel.1', 1450),
      'it is Cilium’s, whose routes have the smaller one': links('w1', 'cilium_vxlan', 1500),
    },
  },
  {
    rule: mtuTooLarge,
    when: 'one machine of three has another',
    in: nic('cp', { mtu: 9000 }),
    says: /^the MTU of ens18 on cp is 9000, and 1500 on the other machines$/,
    severity: 'warning',
    allAbout: ['machine:cp'],
    near: {
      'it is an adapter that is not used': with1('w1', ({ nics: [own, ...more] }) => ({
        nics: own ? [{ ...own, name: 'ens17', mtu: 9000, addresses: [] }, own, ...more] : [],
      })),
      'two of four machines have it': nic('w1', { mtu: 9000 }, nic('cp', { mtu: 9000 }, four)),
      'there are only two to compare': {
        ...nic('w1', { mtu: 9000 }),
        machines: nic('w1', { mtu: 9000 }).machines.slice(0, 2),
      },
    },
  },
];
testRules(nicRules, nics);

const drops = (machine: Name, port: number, protocol = 'tcp', from?: Snapshot) =>
  with1(
    machine,
    () => ({
      firewall: { active: ['nftables'], drops: [{ port, protocol, rule: `nft: ${protocol} dport ${port} drop` }] },
    }),
    from,
  );
const reaches = (machine: Name, rows: (row: NonNullable<MachineFacts['reach']>[number]) => object, from?: Snapshot) =>
  with1(machine, ({ reach }) => ({ reach: reach.map(row => ({ ...row, ...rows(row) })) }), from);
const noApi = (machine: Name, from?: Snapshot, said = 'timed out') =>
  reaches(machine, ({ to }) => (to === endpoint ? { ok: false, says: said } : {}), from);

/** The API server is asked for on cp itself, by the endpoint's own port, and w1 has no answer from these ports there. */
const swallows = (ports: readonly number[]): Snapshot =>
  reaches('w1', ({ to, port }) => (to === 'cp' && ports.includes(port) ? { ok: false, says: 'timed out' } : {}), {
    ...reaches('w1', ({ to }) => (to === endpoint ? { to: 'cp', port: 8443 } : {})),
    declared: { cluster: 'homelab', version: 'v1.31.1', endpoint: 'cp', hosts: [] },
  });
const twoOnly = (from: Snapshot): Snapshot => ({ ...from, machines: from.machines.slice(0, 2) });

const firewalls: readonly Case[] = [
  {
    rule: apiPortBlocked,
    when: 'its own firewall drops 6443',
    in: drops('w1', 6443, 'tcp', noApi('w1')),
    says: /^w1 does not reach the API server \(k8s-api\.home\.arpa:6443, timed out\): its own firewall drops it \(nft: tcp dport 6443 drop\)$/,
    severity: 'error',
    near: {
      'it reaches it all the same': drops('w1', 6443),
      'nobody listens there: it is refused': drops('w1', 6443, 'tcp', noApi('w1', undefined, 'refused')),
      'nobody reaches it: it is not the way': noApi('cp', noApi('w1', noApi('w2'))),
      'it reaches it, and not its SSH': drops('w1', 6443, 'tcp', swallows([22, 0, 10250])),
    },
  },
  {
    rule: apiPortBlocked,
    when: 'the endpoint has a port of its own',
    in: drops('w1', 8443, 'tcp', swallows([8443])),
    says: /^w1 does not reach the API server \(cp:8443, timed out\): its own firewall/,
    severity: 'error',
    near: {
      'it reaches that, and not its SSH': drops('w1', 22, 'tcp', swallows([22])),
      'it reaches that, and has no ping': drops('w1', 0, 'tcp', swallows([0])),
      'it reaches that, and not its kubelet': drops('w1', 10250, 'tcp', swallows([10250])),
    },
  },
  {
    rule: apiPortBlocked,
    when: 'of two machines the other one reaches it',
    in: twoOnly(noApi('w1', notReady('w1', healthy))),
    says: /, and cp does$/,
    severity: 'error',
    certainty: 'likely',
    near: {
      'the other one reaches only the SSH of where it is': ['cp', 'w1', 'w2'].reduce(
        (from, each) =>
          reaches(each as Name, ({ port }) => (port === 6443 ? { to: 'cp', ok: false, says: 'timed out' } : {}), from),
        notReady('w1', healthy),
      ),
      'the other one reaches another API server': twoOnly(
        reaches(
          'cp',
          ({ to }) => (to === endpoint ? { to: '192.168.0.99' } : {}),
          noApi('w1', notReady('w1', healthy)),
        ),
      ),
    },
  },
  {
    rule: apiPortBlocked,
    when: 'the others reach it',
    in: noApi('w1', notReady('w1', healthy)),
    says: /^w1 does not reach the API server .*, and cp and w2 do$/,
    severity: 'error',
    certainty: 'likely',
    near: {
      'its name does not resolve: that is DNS': noApi('w1', notReady('w1', healthy), 'name does not resolve'),
      'its node reports: it was one slow answer': noApi('w1'),
      'the API server itself is not ready': with1(
        'cp',
        facts => ({ health: { ...facts.health, apiserver: { ok: false, says: 'timed out' } } }),
        noApi('w1', notReady('w1', healthy)),
      ),
    },
  },
  {
    rule: kubeletPortBlocked,
    when: 'its firewall drops 10250 and the control plane has no answer',
    in: drops('w1', 10250, 'tcp', peersSee('w1', 'timed out', healthy, [10250])),
    says: /^the control plane does not reach the kubelet of w1 \(10250\/tcp\): a firewall there drops it/,
    severity: 'error',
    near: {
      'the control plane reaches it: the rule is for others': drops('w1', 10250),
      'its kubelet does not run': unit(
        'w1',
        'kubelet',
        { active: 'inactive' },
        peersSee('w1', 'timed out', healthy, [10250]),
      ),
      'nothing of the machine is reached': peersSee('w1', 'timed out', healthy),
    },
  },
  {
    rule: kubeletPortBlocked,
    when: 'no rule is known',
    in: peersSee('w1', 'timed out', healthy, [10250]),
    says: /^the control plane does not reach the kubelet of w1 \(10250\/tcp\): logs/,
    severity: 'error',
    certainty: 'likely',
    near: {
      'it is refused: the kubelet is away': peersSee('w1', 'refused', healthy, [10250]),
      'only a worker does not reach it': without('cp', 'reach', peersSee('w1', 'timed out', healthy, [10250])),
      'only a worker’s own is not reached': peersSee(
        'w2',
        'timed out',
        unit('w2', 'kubelet', { active: 'inactive' }),
        [10250],
      ),
    },
  },
  {
    rule: kubeletPortBlocked,
    when: 'it is the control plane that has no answer, and no worker was asked',
    in: without('w2', 'reach', peersSee('w1', 'timed out', healthy, [10250])),
    says: /^the control plane does not reach the kubelet of w1/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: tunnelPortBlocked,
    when: 'VXLAN is dropped where a tunnel is',
    in: drops('w1', 8472, 'udp', links('w1', 'cilium_vxlan', 1500)),
    says: /^a firewall on w1 drops the pods’ tunnel \(8472\/udp/,
    severity: 'error',
    near: {
      'there is no tunnel': drops('w1', 8472, 'udp'),
      'it is TCP of that number': drops('w1', 8472, 'tcp', links('w1', 'cilium_vxlan', 1500)),
    },
  },
  {
    rule: tunnelPortBlocked,
    when: 'its links are not known',
    in: drops('w1', 8472, 'udp', without('w1', 'cni')),
    says: /8472/,
    severity: 'error',
    certainty: 'possible',
    near: {},
  },
];
testRules(firewallRules, firewalls);
