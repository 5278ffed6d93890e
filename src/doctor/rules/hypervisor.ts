// What to do on the computer below a guest, in a finding's words.
import { hypervisorCureOf } from '../../model/hypervisors.ts';
import type { MachineLook, Snapshot } from '../snapshot.ts';

/** Of the hypervisor's product; a silent guest is taken for what its neighbours are. Reads the fact `identity`. */
export function hypervisorCure(snapshot: Snapshot, machine: MachineLook): readonly string[] {
  const known = machine.facts.identity ?? snapshot.machines.find(({ facts }) => facts.identity)?.facts.identity;
  const cure = known && !known.container ? hypervisorCureOf(known, known.virtualization) : undefined;
  return cure === undefined ? [] : [cure];
}
