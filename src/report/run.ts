// A run as its journal tells it, put in order: phases with their steps and proofs, what failed, and how it ended.
import { type Failure, failureOf } from '../render/error.ts';
import type { Evidence, Finished, Journal, Machine, Note, Refusal, Started, Step, Told } from './journal.ts';

export type Outcome = 'done' | 'failed' | 'skipped' | 'unfinished';

export interface Deed {
  readonly id: string;
  readonly phase: string;
  readonly host: string;
  readonly title: string;
  readonly outcome: Outcome;
  readonly why: string | undefined;
  /** On the run's own scale: milliseconds since its beginning, or in a rehearsal, where nothing takes time, the number of the event. */
  readonly from: number;
  readonly to: number;
  readonly durationMs: number;
}

export interface Phase {
  readonly id: string;
  readonly title: string;
  /** 'open': the journal ends within it, or it never began. */
  readonly outcome: 'unchanged' | 'changed' | 'failed' | 'open';
  readonly durationMs: number | undefined;
  readonly planned: readonly Step[];
  readonly deeds: readonly Deed[];
  readonly evidence: readonly Evidence[];
  readonly compared: number;
  readonly differences: readonly string[];
}

export interface Run {
  readonly started: Started;
  readonly finished: Finished | undefined;
  /** Of the last event. */
  readonly lastWordAt: number;
  readonly phases: readonly Phase[];
  readonly refusals: readonly Refusal[];
  readonly notes: readonly Note[];
  readonly failures: readonly Failure[];
  /** As they were before the run and after its last change; empty where the journal does not know. */
  readonly before: readonly Machine[];
  readonly after: readonly Machine[];
  readonly unread: number;
}

/** Undefined when it does not begin as a journal does. */
export function runOf({ events, unread }: Journal): Run | undefined {
  const started = events.find(each => each.type === 'run-started');
  const last = events.at(-1);
  if (started === undefined || last === undefined) return undefined;
  const plan = all(events, 'plan').at(-1);
  const machines = all(events, 'machines');
  return {
    started,
    finished: all(events, 'run-finished').at(-1),
    lastWordAt: last.at,
    phases: phasesOf(events, started, plan?.steps ?? []),
    refusals: plan?.refusals ?? [],
    notes: [...(plan?.notes ?? []), ...all(events, 'note')].map(({ host, text }) =>
      host === undefined ? { text } : { host, text },
    ),
    failures: all(events, 'error').map(({ error }) => failureOf(error)),
    before: machines[0]?.machines ?? [],
    after: machines.at(-1)?.machines ?? [],
    unread,
  };
}

function phasesOf(events: readonly Told[], started: Started, planned: readonly Step[]): readonly Phase[] {
  const begun = all(events, 'phase-started');
  const ids = new Set([...started.phases, ...begun.map(({ phase: id, title }) => ({ id, title }))].map(({ id }) => id));
  for (const { phase } of [...planned, ...all(events, 'evidence')]) ids.add(phase);
  const deeds = deedsOf(events, started);
  const titles = new Map([
    ...started.phases.map(({ id, title }) => [id, title] as const),
    ...begun.map(({ phase, title }) => [phase, title] as const),
  ]);
  return [...ids].map(id => {
    const mine = <T extends { readonly phase: string }>(list: readonly T[]) => list.filter(each => each.phase === id);
    const end = mine(all(events, 'phase-finished')).at(-1);
    const predictions = mine(all(events, 'prediction'));
    // A step that only became visible on the way stands in its phase's list alone.
    const steps = new Map([...mine(planned), ...mine(begun).flatMap(each => each.steps)].map(step => [step.id, step]));
    return {
      id,
      title: titles.get(id) ?? id,
      outcome: end?.outcome ?? 'open',
      durationMs: end?.durationMs,
      planned: [...steps.values()],
      deeds: mine(deeds),
      evidence: mine(all(events, 'evidence')).map(each => each.evidence),
      compared: predictions.reduce((sum, each) => sum + each.compared, 0),
      differences: predictions.flatMap(each => each.differences),
    };
  });
}

function deedsOf(events: readonly Told[], { at: origin, simulated }: Started): readonly Deed[] {
  const scale = (at: number, index: number): number => (simulated ? index : at - origin);
  const steps = events.filter(each => each.type === 'step-started' || each.type === 'step-finished');
  const open = new Map<string, number>();
  const deeds = steps.flatMap((event, index): readonly Deed[] => {
    const now = scale(event.at, index);
    if (event.type === 'step-started') {
      open.set(event.id, now);
      return [];
    }
    const { id, host, title, outcome, why, durationMs } = event;
    const from = open.get(id) ?? now;
    open.delete(id);
    return [{ id, phase: phaseIn(id), host, title, outcome, why, from, to: now, durationMs }];
  });
  const end = scale(events.at(-1)?.at ?? origin, steps.length);
  const unfinished = all(events, 'step-started').flatMap(({ id, host, title }): readonly Deed[] => {
    const from = open.get(id);
    if (from === undefined) return [];
    open.delete(id);
    const durationMs = simulated ? 0 : end - from;
    return [{ id, phase: phaseIn(id), host, title, outcome: 'unfinished', why: undefined, from, to: end, durationMs }];
  });
  return [...deeds, ...unfinished];
}

/** A step's id is phase/host/name. */
function phaseIn(id: string): string {
  return id.split('/')[0] ?? id;
}

function all<K extends Told['type']>(events: readonly Told[], type: K): readonly Extract<Told, { readonly type: K }>[] {
  return events.filter((each): each is Extract<Told, { readonly type: K }> => each.type === type);
}
