// What a run needs, without a process, a network or a clock: for tests of the engine.
import { createEventBus } from '../src/engine/events.ts';
import type { Machine } from '../src/engine/machine.ts';
import { rehearse } from '../src/engine/rehearsal.ts';
import type { RunContext } from '../src/engine/run.ts';
import type { EventBody, RunEvent } from '../src/model/events.ts';
import type { Clock } from '../src/model/ports.ts';
import type { Goal } from '../src/model/world.ts';
import { phases } from '../src/phases/index.ts';
import { everything, goal as sampleGoal } from './sample.ts';
import { endlessSleep } from './stations.ts';

export const stillClock: Clock = { now: () => 0, sleep: endlessSleep };

export interface TestRun extends RunContext {
  readonly events: readonly RunEvent[];
}

/** A rehearsal of everything, approved in advance, but for what `over` says. */
export function testRun(goal: Goal = sampleGoal, over: Partial<RunContext> = {}): TestRun {
  const events: RunEvent[] = [];
  const sink = { handle: (event: RunEvent) => void events.push(event), close: async () => undefined };
  return {
    goal,
    phases,
    isChosen: everything,
    machines: machinesOf(rehearse(goal, [])),
    bus: createEventBus({ clock: stillClock, redact: text => text, sinks: [sink] }),
    clock: stillClock,
    fork: 10,
    steal: false,
    stop: new AbortController().signal,
    abort: new AbortController().signal,
    rehearsal: [],
    approve: async () => undefined,
    isApproved: () => true,
    ...over,
    events,
  };
}

export function machinesOf(machines: readonly Machine[]): ReadonlyMap<string, Machine> {
  return new Map(machines.map(machine => [machine.host, machine]));
}

/** The events of one type. */
export function eventsOf<T extends EventBody['type']>(run: TestRun, type: T) {
  return run.events.filter((event): event is Extract<RunEvent, { readonly type: T }> => event.type === type);
}

/** The error that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it was expected to fail');
    },
    (error: unknown) => error,
  );
}
