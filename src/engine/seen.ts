// The machines as a run tells of them: what stays of their facts in the journal.
import type { SeenMachine } from '../model/events.ts';
import { hostsOf, type World } from '../model/world.ts';

/** Links that come and go with pods: they are no adapters of the machine's own, and there may be a hundred. */
const ofPods = /^(veth|lxc|cali|cni|cilium|flannel|vxlan|tunl|kube-|weave|nodelocaldns)/;

export function seenMachines(world: World): readonly SeenMachine[] {
  return hostsOf(world).flatMap(({ name, role, address }) => {
    const facts = world.facts.get(name);
    if (!facts) return [];
    const { os, kernel, arch, virtualization, bootId, kubelet, containerd } = facts;
    const nics = facts.nics.filter(nic => !ofPods.test(nic.name));
    return [
      { host: name, role, address, os: os.pretty, kernel, arch, virtualization, bootId, nics, kubelet, containerd },
    ];
  });
}
