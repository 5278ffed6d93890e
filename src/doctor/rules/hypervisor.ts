// What to do on the computer below a guest or a container, in a finding's words.
import { hypervisorCureOf } from '../../model/hypervisors.ts';
import type { MachineLook, Snapshot } from '../snapshot.ts';

/** Of the hypervisor's product; a silent guest is taken for what its neighbours are. Reads the fact `identity`. */
export function hypervisorCure(snapshot: Snapshot, machine: MachineLook): readonly string[] {
  const known = machine.facts.identity ?? snapshot.machines.find(({ facts }) => facts.identity)?.facts.identity;
  if (known?.container)
    return ['on the computer that this container runs on: no power saving on its adapter, no sleep'];
  const cure = known && hypervisorCureOf(known, known.virtualization);
  return cure ? [cure] : [];
}
