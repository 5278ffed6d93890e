// At which moments a run is killed: both boundaries of every kind of step, a moment inside it, and while a phase is proven. Machine and
// moment are drawn by seed.
import { createHash } from 'node:crypto';

const moments = ['started', 'inside', 'finished'] as const;

export interface KillCase {
  /** 'inside containerd/package' */
  readonly name: string;
  readonly moment: (typeof moments)[number] | 'proving';
  /** The step without its machine: 'containerd/package'; of a proof the phase. */
  readonly step: string;
}

/** The kinds of steps of these ids, in order, each with its moments, and after those of a phase its proofs; those whose name matches. */
export function killCases(stepIds: readonly string[], pattern = ''): readonly KillCase[] {
  const steps = [...new Set(stepIds.map(kindOf))];
  const asked = new RegExp(pattern);
  return [...new Set(steps.map(phaseOf))]
    .flatMap((phase): readonly KillCase[] => [
      ...steps
        .filter(step => phaseOf(step) === phase)
        .flatMap(step => moments.map(moment => ({ name: `${moment} ${step}`, moment, step }))),
      { name: `proving ${phase}`, moment: 'proving', step: phase },
    ])
    .filter(({ name }) => asked.test(name));
}

const phaseOf = (step: string): string => step.split('/')[0] ?? '';

/** phase/host/name → phase/name */
export function kindOf(stepId: string): string {
  const [phase = '', , ...name] = stepId.split('/');
  return `${phase}/${name.join('/')}`;
}

/** The id of the step, or the phase, at which it is killed, among those planned; undefined: none is planned. */
export function stepFor(
  { name, moment, step }: KillCase,
  planned: readonly string[],
  seed: number,
): string | undefined {
  if (moment === 'proving') return planned.some(id => phaseOf(id) === step) ? step : undefined;
  const ids = planned.filter(id => kindOf(id) === step).toSorted();
  return ids[Math.floor(drawn(seed, `${name} machine`) * ids.length)];
}

/** How long after its beginning: within the time that such a step, or the proofs, took before. */
export function delayMs({ name, moment }: KillCase, tookMs: number, seed: number): number {
  if (moment === 'proving') return Math.round(drawn(seed, `${name} moment`) * 0.9 * tookMs);
  if (moment !== 'inside') return 0;
  return Math.round(drawn(seed, `${name} moment`) * 0.8 * Math.min(tookMs, 1_800));
}

/** From 0 up to 1, the same for the same seed and words. */
export function drawn(seed: number, words: string): number {
  return createHash('sha256').update(`${seed} ${words}`).digest().readUInt32BE() / 2 ** 32;
}
