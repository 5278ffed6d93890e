// Evidence: nothing is done until it is proven.

import { HomelabError } from '../model/errors.ts';
import type { Evidence, Phase, Probe } from '../model/plan.ts';
import type { World } from '../model/world.ts';
import type { EventBus } from './events.ts';
import type { Machine } from './machine.ts';
import { type Fault, simulatedEvidence, simulatedPieces } from './rehearsal.ts';

export interface ProveContext {
  readonly machines: ReadonlyMap<string, Machine>;
  readonly bus: EventBus;
  readonly abort: AbortSignal;
  readonly isChosen: (phase: { readonly id: string }, host: { readonly name: string }) => boolean;
  /** Set in a rehearsal: machines are predicted, and these faults strike. */
  readonly rehearsal: readonly Fault[] | undefined;
}

export interface Proof {
  readonly phase: Phase;
  readonly evidence: readonly Evidence[];
}

/** Gathers the evidence of phases: all `read` probes of a machine in one command, then, when asked, the `active` ones. */
export async function prove(
  phases: readonly Phase[],
  world: World,
  isActiveWanted: (phase: Phase) => boolean,
  context: ProveContext,
): Promise<readonly Proof[]> {
  const asked = phases.flatMap(phase =>
    phase
      .probes(world)
      .filter(probe => context.machines.has(probe.host))
      // With --only PHASE/HOST nothing was promised about the other machines.
      .filter(probe => context.isChosen(phase, { name: probe.about ?? probe.host }))
      .map(probe => ({ phase, probe })),
  );
  const found = new Map<Probe, readonly Evidence[]>();
  await Promise.all(
    [...context.machines.values()].map(async machine => {
      const mine = asked.flatMap(({ probe }) => (probe.kind === 'read' && probe.host === machine.host ? [probe] : []));
      const evidence = await machine.prove(mine, context.abort);
      mine.forEach((probe, index) => {
        const piece = evidence[index];
        if (piece) found.set(probe, [piece]);
      });
    }),
  );
  for (const { phase, probe } of asked) {
    if (probe.kind === 'known') found.set(probe, [known(probe, context.rehearsal)]);
    if (probe.kind === 'active' && isActiveWanted(phase)) found.set(probe, await runActive(probe, context));
  }
  return phases.map(phase => ({
    phase,
    evidence: asked.filter(each => each.phase === phase).flatMap(({ probe }) => found.get(probe) ?? []),
  }));
}

/** Says every piece; throws HL_VERIFY (of gates alone HL_PREFLIGHT) with all that failed. */
export function reportEvidence(proofs: readonly Proof[], { bus, rehearsal }: ProveContext): void {
  for (const { phase, evidence } of proofs) {
    for (const piece of evidence)
      bus.emit({ type: 'evidence', phase: phase.id, evidence: piece, simulated: rehearsal !== undefined });
  }
  const all = proofs.flatMap(proof => proof.evidence);
  const failed = all.filter(piece => !piece.ok);
  if (failed.length === 0) return;
  const isGate = proofs.every(({ phase }) => phase.gate);
  throw new HomelabError(
    isGate ? 'HL_PREFLIGHT' : 'HL_VERIFY',
    `${failed.length} of ${all.length} ${isGate ? 'checks' : 'proofs'} failed`,
    {
      context: { details: detailsOf(failed) },
      hint: `mend what ${isGate ? 'the lines above name' : 'the first line names'}, then run the same command again`,
    },
  );
}

// Machines that failed in the same words share a line.
function detailsOf(failed: readonly Evidence[]): readonly string[] {
  const hosts = new Map<string, string[]>();
  for (const { host, title, expected, observed, reproduce, hint } of failed) {
    const cure = hint === undefined ? '' : `\n  ${hint}`;
    const text = `${title}: expected ${expected}, observed ${observed}; see: ${reproduce}${cure}`;
    hosts.set(text, [...(hosts.get(text) ?? []), host]);
  }
  return [...hosts].map(([text, same]) => `${same.join(', ')}: ${text}`);
}

function known(probe: Extract<Probe, { readonly kind: 'known' }>, faults: readonly Fault[] | undefined): Evidence {
  if (faults) return simulatedEvidence(probe, faults);
  const { id, host, title, expected, observed, ok, reproduce, hint } = probe;
  return { id, host, title, expected, observed, ok, reproduce, ...(ok ? {} : { hint }) };
}

async function runActive(
  probe: Extract<Probe, { readonly kind: 'active' }>,
  { machines, abort, rehearsal }: ProveContext,
): Promise<readonly Evidence[]> {
  if (rehearsal) return simulatedPieces(probe, rehearsal);
  const signal = AbortSignal.any([abort, AbortSignal.timeout(probe.timeoutMs)]);
  try {
    return await probe.run({
      signal,
      exec(host, script, timeoutMs) {
        const machine = machines.get(host);
        if (!machine) throw new Error(`the probe ${probe.id} asks for ${host}, which is no machine of this run`);
        // Clean-up goes on after the deadline; only the second Ctrl-C stops it.
        return machine.exec(script, timeoutMs, abort);
      },
    });
  } catch (error) {
    if (abort.aborted) throw error;
    const { id, host, title, expected, reproduce, hint } = probe;
    return [
      {
        id,
        host,
        title,
        expected,
        reproduce,
        hint,
        ok: false,
        observed: error instanceof Error ? error.message : String(error),
      },
    ];
  }
}
