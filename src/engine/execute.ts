// The steps of one phase: 'before' steps, then lanes (one a machine, in order), a barrier, and 'after' steps whatever happened.
import { HomelabError, PhaseFailed } from '../model/errors.ts';
import type { Step } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import type { EventBus } from './events.ts';
import { inLanes } from './lanes.ts';
import type { Machine } from './machine.ts';

export interface ExecuteContext {
  readonly machines: ReadonlyMap<string, Machine>;
  readonly bus: EventBus;
  readonly clock: Clock;
  /** Lanes at a time. */
  readonly fork: number;
  /** One machine after the other instead, and none after one that failed. */
  readonly oneByOne?: boolean;
  /** First Ctrl-C: begin nothing new. */
  readonly stop: AbortSignal;
  /** Second Ctrl-C: leave now. */
  readonly abort: AbortSignal;
}

/** Runs the steps; returns how many were done. Throws PhaseFailed with every failure, or HL_CANCELLED. */
export async function execute(steps: readonly Step[], context: ExecuteContext): Promise<number> {
  const of = (stage: Step['stage']) => steps.filter(step => step.stage === stage);
  const failures: HomelabError[] = [];
  const bugs: unknown[] = [];
  let done = 0;
  const lane = async (mine: readonly Step[], isCleanUp: boolean): Promise<string | undefined> => {
    let blocked: string | undefined;
    for (const step of mine) {
      // Asked before the first step too: with --fork, lanes begin after the signal.
      if (context.stop.aborted && !isCleanUp) blocked ??= 'the run was interrupted';
      if (blocked !== undefined) {
        skip(step, blocked, context);
        continue;
      }
      try {
        await runStep(step, context);
        done += 1;
      } catch (error) {
        // Our bug must not keep the 'after' steps from running; it is thrown once they have.
        if (error instanceof HomelabError) failures.push(error.at({ host: step.host, step: step.id }));
        else bugs.push(error);
        blocked = `${step.id} failed`;
      }
    }
    return blocked;
  };
  const prepared = await lane(of('before'), false);
  if (prepared === undefined) {
    const hosts = [...new Set(of('main').map(step => step.host))];
    let held: string | undefined;
    const results = await inLanes(hosts, context.oneByOne ? 1 : context.fork, async host => {
      const mine = of('main').filter(step => step.host === host);
      if (held === undefined) {
        const blocked = await lane(mine, false);
        if (context.oneByOne) held = blocked;
      } else for (const step of mine) skip(step, held, context);
    });
    for (const result of results) if (result.status === 'rejected') bugs.push(result.reason);
  } else {
    for (const step of of('main')) skip(step, prepared, context);
  }
  await lane(of('after'), true);
  if (bugs.length > 0) throw bugs[0];
  const real = failures.filter(failure => failure.code !== 'HL_CANCELLED');
  if (real.length > 0) throw new PhaseFailed(`${real.length} of ${steps.length} steps failed`, real);
  if (failures[0]) throw failures[0];
  if (context.abort.aborted) throw new HomelabError('HL_CANCELLED', 'interrupted');
  return done;
}

async function runStep(step: Step, { machines, bus, clock, abort }: ExecuteContext): Promise<void> {
  const machine = machines.get(step.host);
  if (!machine) throw new Error(`${step.id} has no machine`);
  const { id, host, title } = step;
  const begun = clock.now();
  bus.emit({ type: 'step-started', id, host, title, deadlineMs: step.deadlineMs });
  try {
    await machine.run(step, abort);
    bus.emit({ type: 'step-finished', id, host, title, outcome: 'done', durationMs: clock.now() - begun });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    bus.emit({ type: 'step-finished', id, host, title, outcome: 'failed', durationMs: clock.now() - begun, why });
    throw error;
  }
}

function skip({ id, host, title }: Step, why: string, { bus }: ExecuteContext): void {
  bus.emit({ type: 'step-finished', id, host, title, outcome: 'skipped', durationMs: 0, why });
}
