// The machines as a run tells of them: what stays of their facts in the journal.
import type { SeenMachine } from '../model/events.ts';
import { hostsOf, type World } from '../model/world.ts';

export function seenMachines(world: World): readonly SeenMachine[] {
  return hostsOf(world).flatMap(({ name, role, address }) => {
    const facts = world.facts.get(name);
    if (!facts) return [];
    const { os, kernel, arch, virtualization, bootId, nics, kubelet, containerd } = facts;
    return [
      { host: name, role, address, os: os.pretty, kernel, arch, virtualization, bootId, nics, kubelet, containerd },
    ];
  });
}
