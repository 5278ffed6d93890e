import { word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { machinesWith } from '../snapshot.ts';
import { adapters, isUsed } from './adapters.ts';
import { entityOf, on, seenOn } from './on-machine.ts';

const tunnels = /^(cilium_vxlan|cilium_geneve|flannel\.\d+|vxlan\.calico)$/;
const offloads = ['tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation'] as const;

export const tunnelChecksums: Rule = {
  id: 'tunnel-checksums',
  layer: 'machine',
  symptom: 'Pods on different machines ping each other, and TCP between them fails or crawls.',
  cause:
    'A paravirtual adapter (vmxnet3, virtio) computes checksums inside VXLAN wrongly; the other side drops the packets.',
  cure: 'Switch its tunnel offloads off on every such machine.',
  sources: ['cilium/cilium#21801', 'projectcalico/calico#4727'],
  needs: ['machine.nics', 'machine.routing', 'machine.cni', 'machine.tcp'],
  explains: [],
  find(snapshot) {
    // Those who get such packets count them, not the one that sends them.
    const counting = machinesWith(snapshot, 'tcp').filter(({ value }) => value.checksumErrorsNow > 0);
    return machinesWith(snapshot, 'nics').flatMap(({ machine, value }) => {
      const counter = counting.find(each => each.machine.name !== machine.name) ?? counting[0];
      const hasTunnel = (machine.facts.cni?.links ?? []).some(({ name }) => tunnels.test(name));
      if (!counter || !hasTunnel) return [];
      return adapters(machine, value)
        .map(nic => ({ nic, on: offloads.filter(feature => nic.features[feature] === 'on') }))
        .filter(({ nic, on: features }) => /^(vmxnet3|virtio_net|hv_netvsc)$/.test(nic.driver) && features.length > 0)
        .map(({ nic, on: features }): Finding => {
          const off = features.map(feature => `${feature} off`).join(' ');
          return {
            says: `${nic.name} of ${machine.name} (${nic.driver}) computes checksums inside tunnels, and ${counter.machine.name} gets wrong ones: TCP between pods of these machines fails`,
            severity: 'error',
            certainty: 'likely',
            settledBy: `${on(machine, `sudo ethtool -K ${word(nic.name)} ${off}`)}   # then the count on ${counter.machine.name} stands still`,
            about: [entityOf(machine), ...(counter.machine === machine ? [] : [entityOf(counter.machine)])],
            evidence: [
              seenOn(
                counter.machine,
                `TcpInCsumErrors grew by ${counter.value.checksumErrorsNow} while doctor looked (${counter.value.checksumErrors} since boot)`,
                'nstat -az TcpInCsumErrors',
              ),
              seenOn(machine, `${features.join(', ')}: on`, `ethtool -k ${word(nic.name)}`),
            ],
            cure: [
              on(machine, `sudo ethtool -K ${word(nic.name)} ${off}`),
              'to last: nicPower: {remedies: [tunnel-offload-off]} in the inventory, then homelab bootstrap --only nic-power',
            ],
            fix: {
              machine: machine.name,
              title: `Switch tunnel offloads of ${nic.name} off`,
              script: `ethtool -K ${word(nic.name)} ${off}\n`,
              undo: `ethtool -K ${word(nic.name)} ${features.map(feature => `${feature} on`).join(' ')}\n`,
            },
          };
        });
    });
  },
};

/** What VXLAN adds to each packet. */
const vxlanBytes = 50;

export const mtuTooLarge: Rule = {
  id: 'mtu-too-large',
  layer: 'machine',
  symptom: 'Small packets between pods arrive, large ones are lost: TLS handshakes hang, ping works.',
  cause:
    'The tunnel’s MTU does not leave room for its header in the adapter’s, or machines on one network have different MTUs.',
  cure: 'The same MTU on all machines, and 50 bytes less in the tunnel.',
  sources: ['flannel docs: backends, vxlan', 'cozystack/cozystack#2147'],
  needs: ['machine.nics', 'machine.routing', 'machine.cni'],
  explains: [],
  find(snapshot) {
    const rows = machinesWith(snapshot, 'nics').flatMap(({ machine, value }) => {
      const [nic] = adapters(machine, value).filter(each => isUsed(machine, each));
      return nic ? [{ machine, nic }] : [];
    });
    const usual = mostFrequent(rows.map(({ nic }) => nic.mtu));
    return rows.flatMap(({ machine, nic }): readonly Finding[] => {
      // Cilium's device has the adapter's MTU; its routes have the smaller one.
      const tunnel = (machine.facts.cni?.links ?? []).find(({ name }) => /^(flannel\.\d+|vxlan\.calico)$/.test(name));
      const isTooLarge = tunnel !== undefined && tunnel.mtu > nic.mtu - vxlanBytes;
      const isOther = usual !== undefined && nic.mtu !== usual;
      if (!isTooLarge && !isOther) return [];
      const mtu = isTooLarge ? nic.mtu - vxlanBytes : usual;
      const device = isTooLarge ? tunnel.name : nic.name;
      return [
        {
          says: isTooLarge
            ? `the MTU of ${tunnel.name} on ${machine.name} is ${tunnel.mtu}, and ${nic.name} carries ${nic.mtu}: large packets between pods are lost`
            : `the MTU of ${nic.name} on ${machine.name} is ${nic.mtu}, and ${usual} on the other machines`,
          severity: isTooLarge ? 'error' : 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(
              machine,
              `${nic.name}: ${nic.mtu}${tunnel ? `, ${tunnel.name}: ${tunnel.mtu}` : ''}`,
              'ip -br -d link | grep -o "^[^ ]*\\|mtu [0-9]*"',
            ),
          ],
          cure: [
            on(machine, `sudo ip link set ${word(device)} mtu ${mtu}`),
            'to last: in netplan or networkd for the adapter, in the network plugin’s configuration for the tunnel',
          ],
        },
      ];
    });
  },
};

/** Undefined for fewer than three, and where no value has a majority: then nobody is the odd one out. */
function mostFrequent(values: readonly number[]): number | undefined {
  if (values.length < 3) return undefined;
  return values.find(value => values.filter(each => each === value).length * 2 > values.length);
}
