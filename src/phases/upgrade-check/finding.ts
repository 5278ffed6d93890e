// One thing that an upgrade depends on: fine, worth a word, or in the way. Told in the plan and shown as evidence from the same data.
import type { Host } from '../../model/cluster.ts';
import type { Probe, Want } from '../../model/plan.ts';
import { seen } from '../../model/probes.ts';
import type { UpgradeFacts } from '../../model/upgrade-facts.ts';
import { type Facts, factsOf, type World } from '../../model/world.ts';
import { hopsBefore } from '../../upgrade/running.ts';

export interface Finding {
  readonly id: string;
  readonly title: string;
  readonly expected: string;
  readonly observed: string;
  /** How a person sees the same. */
  readonly reproduce: string;
  /** Said beside the plan; several sentences are several notes. */
  readonly notes?: readonly string[];
  /** In the way of the upgrade. */
  readonly refuse?: { readonly reason: string; readonly hint: string } | undefined;
}

/** What the groups of findings are given: one machine that was read. */
export interface Subject {
  readonly world: World;
  readonly host: Host;
  readonly facts: Facts;
  readonly read: UpgradeFacts;
  /** Those that lie before this machine; never none. */
  readonly hops: readonly string[];
  /** The last one, without v. */
  readonly to: string;
}

export type Findings = (subject: Subject) => readonly Finding[];

/** Undefined where nothing was read (a rehearsal), or nothing is to be done. */
export function subjectOf(world: World, host: Host, hops: readonly string[]): Subject | undefined {
  const read = world.upgradeFacts?.get(host.name);
  const mine = hopsBefore(world, host.name, hops);
  const to = mine.at(-1)?.replace(/^v/, '');
  return read && to !== undefined ? { world, host, facts: factsOf(world, host), read, hops: mine, to } : undefined;
}

export function wantsOf({ id, notes = [], refuse }: Finding): readonly Want[] {
  return [
    ...notes.map(text => ({ kind: 'note', text }) as const),
    ...(refuse ? [{ kind: 'refusal', id, ...refuse } as const] : []),
  ];
}

/** What is refused is told as a refusal already. */
export function probeOf(host: Host, { id, title, expected, observed, reproduce, refuse }: Finding): readonly Probe[] {
  return refuse ? [] : [seen({ id, host: host.name, title, expected, observed, ok: true, reproduce })];
}
