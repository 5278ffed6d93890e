// One schedule of bad luck: who runs when, what strikes, and what must be true in the end. Its seed is all there is to it.
import { HomelabError, PhaseFailed } from '../../src/model/errors.ts';
import { SimulatedMachine } from './machine.ts';
import { Operator, type Weather } from './operator.ts';
import { goal, wanted } from './phases.ts';
import { type Chance, chanceOf, Time } from './time.ts';

export interface Outcome {
  readonly seed: number;
  /** What struck, in words. */
  readonly faults: readonly string[];
  /** How the runs under bad luck ended: 'ok', an error's code, 'killed'. */
  readonly ends: readonly string[];
  /** Plain runs until everything was in order. */
  readonly reruns: number;
  /** Laws that were broken; none, or there is a bug. */
  readonly broken: readonly string[];
}

const fair: Weather = { lose: 0, repeat: 0, slow: 0 };
const mostReruns = 6;

export async function schedule(seed: number): Promise<Outcome> {
  const chance = chanceOf(seed);
  const time = new Time();
  const machines = goal.cluster.hosts.map(({ name }) => new SimulatedMachine(name, time, chance));
  const weather = chance.happens(0.5)
    ? { lose: chance.next() * 0.05, repeat: chance.next() * 0.2, slow: chance.next() * 0.05 }
    : fair;
  const operators = Array.from({ length: chance.happens(0.4) ? 2 : 1 }, (_, index) => ({
    operator: new Operator(`run-${index}`, time, chance, weather),
    startMs: index * chance.below(30_000),
    steal: index > 0 && chance.happens(0.2),
  }));
  const faults = strike(
    chance,
    time,
    machines,
    operators.map(({ operator }) => operator),
  );
  const broken: string[] = [];
  const ends = await time.until(
    Promise.all(
      operators.map(async ({ operator, startMs, steal }) => {
        await new Promise<void>(resolve => time.after(startMs, resolve));
        const killed = new Promise<string>(resolve => {
          const look = () => (operator.isDead ? resolve('killed') : time.after(1_000, look));
          look();
        });
        const ended = operator.apply(machines, steal).then(() => 'ok', endOf(broken));
        return Promise.race([ended, killed]);
      }),
    ),
  );
  // Long works and long pauses are no bad luck: nothing may stand in the way of a run that nothing strikes.
  if (faults.length === 0 && weather === fair && operators.length === 1 && ends[0] !== 'ok')
    broken.push(`a run that nothing struck ended with ${ends[0]}`);
  const reruns = await settle(time, chance, machines, broken);
  for (const machine of machines) {
    broken.push(...machine.broken.map(text => `${machine.name}: ${text}`));
    for (const [key, state] of Object.entries(wanted)) {
      if (machine.state(key) !== state) broken.push(`${machine.name}: ${key} is ${JSON.stringify(machine.state(key))}`);
    }
  }
  return { seed, faults, ends, reruns, broken };
}

// Plain runs, with time between them, as a person would.
async function settle(
  time: Time,
  chance: Chance,
  machines: readonly SimulatedMachine[],
  broken: string[],
): Promise<number> {
  for (let rerun = 1; rerun <= mostReruns; rerun += 1) {
    const operator = new Operator(`rerun-${rerun}`, time, chance, fair);
    const end = await time.until(operator.apply(machines).then(({ steps }) => steps, endOf(broken)));
    if (end === 0) return rerun;
    if (typeof end === 'string') await time.until(new Promise<void>(resolve => time.after(61_000, resolve)));
  }
  broken.push(`not in order after ${mostReruns} plain runs`);
  return mostReruns;
}

function endOf(broken: string[]): (error: unknown) => string {
  return error => {
    const ours = error instanceof PhaseFailed ? error.errors[0] : error;
    if (ours instanceof HomelabError) return ours.code;
    broken.push(`an error of our own: ${error instanceof Error ? error.stack : String(error)}`);
    return 'bug';
  };
}

function strike(
  chance: Chance,
  time: Time,
  machines: readonly SimulatedMachine[],
  operators: readonly Operator[],
): readonly string[] {
  const one = <T>(list: readonly T[]): T => {
    const found = list[chance.below(list.length)];
    if (found === undefined) throw new Error('nothing to choose from');
    return found;
  };
  const kinds = [
    () => {
      const operator = one(operators);
      return [`${operator.run} is killed`, () => operator.kill()] as const;
    },
    () => {
      const operator = one(operators);
      const ms = 1_000 + chance.below(240_000);
      return [`${operator.run} is stopped for ${ms} ms`, () => operator.freeze(ms)] as const;
    },
    () => {
      const machine = one(machines);
      const ms = 1_000 + chance.below(90_000);
      return [
        `${machine.name} loses power for ${ms} ms`,
        () => (machine.isUp ? machine.cutPower(ms) : undefined),
      ] as const;
    },
    () => {
      const machine = one(machines);
      return [
        `the disk of ${machine.name} is full`,
        () => {
          machine.diskFull += 1;
        },
      ] as const;
    },
  ];
  return Array.from({ length: chance.below(4) }, () => {
    const [text, act] = one(kinds)();
    const at = chance.below(chance.happens(0.7) ? 4_000 : 120_000);
    time.after(at, act);
    return `${at} ms: ${text}`;
  });
}
