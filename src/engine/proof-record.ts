// Remembering, in the cluster itself, what was proven by doing: an interrupted run must not look proven to the next one.

import { shortDigest } from '../model/digest.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Phase } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import { controlPlaneOf, type World } from '../model/world.ts';
import type { Machine } from './machine.ts';
import type { Intent } from './plan.ts';

/** What the phase wants of all machines, as a digest. */
export function digestOfWants(phase: Phase, intents: readonly Intent[]): string {
  const wanted = intents
    .filter(intent => intent.phase.id === phase.id)
    .flatMap(({ host, wants }) =>
      wants.flatMap(want => (want.kind === 'resource' ? [[host.name, want.key, want.desired]] : [])),
    );
  return shortDigest(JSON.stringify(wanted));
}

/** Must what the phase proves by doing be proven (again)? Not when this very state was proven before. */
export function isUnproven(phase: Phase, world: World, intents: readonly Intent[]): boolean {
  return (
    !phase.gate &&
    phase.probes(world).some(probe => probe.kind === 'active') &&
    world.proofs[phase.id] !== digestOfWants(phase, intents)
  );
}

/** Writes the digests into the ConfigMap kube-system/homelab. A record that cannot be written costs a probe next time, no more. */
export async function recordProofs(
  phases: readonly Phase[],
  world: World,
  intents: readonly Intent[],
  machines: ReadonlyMap<string, Machine>,
  abort: AbortSignal,
): Promise<void> {
  const data = Object.fromEntries(phases.map(phase => [phase.id, digestOfWants(phase, intents)]));
  const kubectl = `${adminKubectl(20)} -n kube-system`;
  const script = `${kubectl} get configmap homelab >/dev/null 2>&1 || ${kubectl} create configmap homelab >/dev/null
${kubectl} patch configmap homelab --type merge -p ${sh(JSON.stringify({ data }))} >/dev/null
`;
  await machines
    .get(controlPlaneOf(world).name)
    ?.exec(script, 60_000, abort)
    .catch(() => undefined);
}
