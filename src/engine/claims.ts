// A run and others like it: what an interrupted one left going is waited for, a living one is respected, every machine is claimed.
import { HomelabError } from '../model/errors.ts';
import { controlPlanesOf, type Goal } from '../model/world.ts';
import type { EventBus } from './events.ts';
import type { Reading } from './facts.ts';
import { fenceError } from './fence.ts';
import { inLanes, together, valuesOf } from './lanes.ts';
import type { Machine } from './machine.ts';

export interface ClaimContext {
  readonly goal: Goal;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly bus: EventBus;
  readonly fork: number;
  readonly stop: AbortSignal;
  readonly steal: boolean;
}

type Readings = { readonly readings: readonly Reading[] };

/** Resolves with whether anything was waited for: then what was read is old. A living run is not waited for. */
export async function waitForWorks(readings: readonly Reading[], context: ClaimContext): Promise<boolean> {
  const { machines, bus, fork, stop, steal } = context;
  const going = readings.flatMap(({ facts: { host }, fence }) =>
    fence.isHeld && !steal ? [] : fence.works.filter(({ state }) => state === 'running').map(work => ({ host, work })),
  );
  const waited = await inLanes(going, fork, async ({ host, work }) => {
    bus.emit({ type: 'note', host, text: `waiting for ${work.step}, which an interrupted run began` });
    const result = await machines.get(host)?.wait(work, stop);
    const end = result?.code === 0 ? 'ended well' : `failed (exit ${result?.code}): ${lastLine(result?.stderr)}`;
    bus.emit({ type: 'note', host, text: `${work.step} of the interrupted run ${end}` });
  });
  valuesOf(waited);
  return going.length > 0;
}

function lastLine(text = ''): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

/** Throws HL_FENCE where another run is alive, before anybody is asked anything. */
export function refuseHeld({ readings }: Readings, { steal }: ClaimContext): void {
  const held = readings.filter(({ fence }) => fence.isHeld);
  if (held.length > 0 && !steal)
    throw together(held.map(({ facts: { host }, fence }) => fenceError(host, 'held', fence.fence.who)));
}

/** Takes every machine of the run, or none. The first control plane decides between two that begin at the same moment. */
export async function claim({ readings }: Readings, context: ClaimContext): Promise<void> {
  const { machines, fork, stop, steal } = context;
  const first = controlPlanesOf(context.goal)[0]?.name;
  const order = [...readings].sort((a, b) => Number(b.facts.host === first) - Number(a.facts.host === first));
  const taken: Machine[] = [];
  const take = async (reading: Reading): Promise<void> => {
    const machine = machines.get(reading.facts.host);
    if (!machine) throw new Error(`${reading.facts.host} was read and is no machine of this run`);
    await machine.claim(reading, steal, stop);
    taken.push(machine);
  };
  try {
    for (const reading of order.slice(0, 1)) await take(reading);
    valuesOf(await inLanes(order.slice(1), fork, take));
  } catch (error) {
    await letGo(taken, context);
    throw stop.aborted ? new HomelabError('HL_CANCELLED', 'interrupted; nothing had begun') : error;
  }
}

export async function letGo(machines: readonly Machine[], { fork }: ClaimContext): Promise<void> {
  await inLanes(machines, fork, machine => machine.release());
}
