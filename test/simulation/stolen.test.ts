// --steal-lock against a run that is alive: stopped with ^Z for less than its claim holds, and then gone on with.
import { expect, it } from 'vitest';
import { HomelabError, PhaseFailed } from '../../src/model/errors.ts';
import { SimulatedMachine } from './machine.ts';
import { Operator } from './operator.ts';
import { goal, wanted } from './phases.ts';
import { chanceOf, Time } from './time.ts';

const fair = { lose: 0, repeat: 0, slow: 0 };

interface Outcome {
  /** How the three ended: the one that is stopped, one that finds its machines held, one that takes them. */
  readonly stopped: string;
  readonly plain: string;
  readonly thief: string;
  readonly machines: readonly SimulatedMachine[];
}

async function steal(seed: number, stopMs: number): Promise<Outcome> {
  const [time, chance] = [new Time(), chanceOf(seed)];
  const machines = goal.cluster.hosts.map(({ name }) => new SimulatedMachine(name, time, chance));
  const run = async (operator: Operator, isThief = false) =>
    operator.apply(machines, isThief).then(({ steps }) => (steps === 0 ? 'nothing' : 'ok'), codeOf);
  const first = new Operator('stopped', time, chance, fair);
  time.after(stopMs, () => first.freeze(50_000));
  const others = async () => {
    await new Promise<void>(resolve => time.after(stopMs + 1, resolve));
    const plain = await run(new Operator('plain', time, chance, fair));
    return { plain, thief: await run(new Operator('thief', time, chance, fair), true) };
  };
  const [stopped, rest] = await time.until(Promise.all([run(first), others()]));
  return { stopped, ...rest, machines };
}

function codeOf(error: unknown): string {
  const ours = error instanceof PhaseFailed ? error.errors[0] : error;
  if (ours instanceof HomelabError) return ours.code;
  throw error;
}

it('a living run whose machines are taken with --steal-lock changes nothing more, wherever it stood', async () => {
  const ends = new Map<string, number>();
  for (let seed = 0; seed < 100; seed += 1) {
    const { stopped, plain, thief, machines } = await steal(seed, seed * 20);
    const end = `${stopped}, ${plain}, ${thief}`;
    ends.set(end, (ends.get(end) ?? 0) + 1);
    expect(machines.flatMap(({ broken }) => broken)).toEqual([]);
    if (thief !== 'ok') continue;
    for (const machine of machines) {
      const runs = machine.begun.map(each => each.run);
      if (runs.includes('thief')) expect(runs.slice(runs.indexOf('thief')), end).not.toContain('stopped');
      for (const [key, state] of Object.entries(wanted)) expect(machine.state(key)).toBe(state);
    }
  }
  // It held them when the second came, the third took them, and it heard of that when it went on.
  expect(ends.get('HL_FENCE, HL_FENCE, ok') ?? 0).toBeGreaterThan(20);
});
