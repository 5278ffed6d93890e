// Somebody who runs homelab: the engine as it is, on simulated machines, over a network that loses, delays and repeats.
import { createEventBus } from '../../src/engine/events.ts';
import type { Machine } from '../../src/engine/machine.ts';
import { apply, type RunContext, type RunResult } from '../../src/engine/run.ts';
import type { Station } from '../../src/engine/station.ts';
import { createWorker } from '../../src/engine/worker.ts';
import { HomelabError } from '../../src/model/errors.ts';
import type { Clock, ExecResult } from '../../src/model/ports.ts';
import { bareWorld } from '../sample.ts';
import type { Session, SimulatedMachine } from './machine.ts';
import { goal, phases } from './phases.ts';
import type { Chance, Time } from './time.ts';

export interface Weather {
  /** Probabilities per message. */
  readonly lose: number;
  readonly repeat: number;
  readonly slow: number;
}

const keepaliveMs = 30_000;

export class Operator {
  readonly run: string;
  #dead = false;
  #frozenUntil = 0;
  readonly #time: Time;
  readonly #chance: Chance;
  readonly #weather: Weather;
  readonly #sessions: Session[] = [];

  constructor(run: string, time: Time, chance: Chance, weather: Weather) {
    this.run = run;
    this.#time = time;
    this.#chance = chance;
    this.#weather = weather;
  }

  /** SIGKILL: its connections end, and it hears of nothing any more. */
  kill(): void {
    this.#dead = true;
    for (const session of this.#sessions) session.alive = false;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /** SIGSTOP: its connections stay. */
  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#time.now + ms);
  }

  /** A plain run of everything. Never settles when the operator is killed. */
  apply(machines: readonly SimulatedMachine[], steal = false): Promise<RunResult> {
    const clock: Clock = { now: () => this.#time.now, sleep: (ms, signal) => this.#sleep(ms, signal) };
    const signal = new AbortController().signal;
    const context: RunContext = {
      goal,
      phases,
      isChosen: () => true,
      machines: new Map(machines.map(machine => [machine.name, this.#machine(machine, clock)])),
      bus: createEventBus({ clock: { now: () => 0 }, redact: text => text, sinks: [] }),
      clock,
      fork: 10,
      stop: signal,
      abort: signal,
      steal,
      rehearsal: undefined,
      approve: async () => undefined,
      isApproved: () => true,
    };
    return apply(context);
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => reject(new Error('woken'));
      signal?.addEventListener('abort', wake, { once: true });
      this.#time.after(ms, () =>
        this.#hears(() => {
          signal?.removeEventListener('abort', wake);
          resolve();
        }),
      );
    });
  }

  // What reaches a process that is stopped waits; what reaches a dead one is lost.
  #hears(deliver: () => void): void {
    if (this.#dead) return;
    const wait = this.#frozenUntil - this.#time.now;
    if (wait > 0) this.#time.after(wait, () => this.#hears(deliver));
    else deliver();
  }

  #machine(machine: SimulatedMachine, clock: Clock): Machine {
    const station = this.#station(machine);
    const worker = createWorker(station, { run: this.run, who: this.run, clock, onNote: () => undefined });
    const look = (read: () => void, signal: AbortSignal) =>
      worker.again(async () => {
        await station.exec('', { timeoutMs: 1000 });
        read();
      }, signal);
    return {
      host: machine.name,
      commands: () => 0,
      async observe(signal) {
        let found: ReturnType<Machine['observe']> | undefined;
        await look(() => {
          const bare = bareWorld(goal).facts.get(machine.name);
          if (!bare) throw new Error(`${machine.name} is no machine of the goal`);
          const facts = { ...bare, bootId: machine.bootId };
          found = Promise.resolve({ ...unknown, facts, fence: machine.reading(station.run) });
        }, signal);
        if (!found) throw new Error('nothing was read');
        return found;
      },
      async read(resources, signal) {
        let states: ReturnType<SimulatedMachine['state']>[] = [];
        await look(() => {
          states = resources.map(({ key }) => machine.state(key));
        }, signal);
        return new Map(resources.map(({ key }, index) => [key, states[index] ?? null]));
      },
      claim: ({ facts, fence }, steal, signal) => worker.claim({ reading: fence, bootId: facts.bootId }, steal, signal),
      async run(step, signal) {
        const { code, stderr } = await worker.work(step.id, step.action.script, step.action.timeoutMs, signal);
        if (code !== 0) throw new HomelabError('HL_STEP_FAILED', `${step.id}: ${stderr}`);
      },
      wait: (work, signal) => worker.again(() => station.wait(work.unit, { timeoutMs: 1000 }), signal),
      release: () => worker.release(),
      prove: async () => [],
      exec: async () => ({ code: 0, stdout: '', stderr: '', durationMs: 0 }),
      close: async () => undefined,
    };
  }

  #station(machine: SimulatedMachine): Station & { readonly run: string } {
    let session = this.#connect();
    const lost = () => new HomelabError('HL_SSH_LOST', `the connection to ${machine.name} was lost`);
    // A message there, what the machine does with it, a message back; on the way anything may happen.
    const send = (act: () => ExecResult | Promise<ExecResult>): Promise<ExecResult> =>
      new Promise((resolve, reject) => {
        const mine = session;
        const fail = (ms: number) => {
          mine.alive = false;
          this.#time.after(ms, () => this.#hears(() => reject(lost())));
        };
        if (!mine.alive) return fail(0);
        if (this.#chance.happens(this.#weather.lose)) return fail(keepaliveMs);
        const arrive = () => {
          if (!machine.isUp) return fail(keepaliveMs);
          const boot = machine.bootId;
          let isAnswered = false;
          void Promise.resolve(act()).then(answer => {
            isAnswered = true;
            if (machine.bootId !== boot || this.#chance.happens(this.#weather.lose)) return fail(keepaliveMs);
            this.#time.after(this.#latency(), () => this.#hears(() => resolve(answer)));
          });
          // Whatever was under way when the power went is answered by silence.
          const watch = () => {
            if (isAnswered) return;
            if (machine.bootId === boot && machine.isUp) this.#time.after(keepaliveMs, watch);
            else fail(0);
          };
          this.#time.after(keepaliveMs, watch);
        };
        this.#time.after(this.#latency(), arrive);
        if (this.#chance.happens(this.#weather.repeat))
          this.#time.after(this.#latency() + this.#chance.below(90_000), () => {
            if (machine.isUp) void act();
          });
      });
    return {
      host: machine.name,
      run: this.run,
      ask: (request, { bootId, who }) => send(() => machine.ask(request, bootId, who, session)),
      work: (work, run, { bootId, who }) => send(() => machine.work(work, run, bootId, who, session)),
      wait: () => send(() => machine.wait()),
      exec: () => send(() => ({ code: 0, stdout: '', stderr: '', durationMs: 0 })),
      upload: async () => undefined,
      reconnect: async ({ timeoutMs }) => {
        const deadline = this.#time.now + timeoutMs;
        while (!machine.isUp) {
          if (this.#time.now > deadline) throw lost();
          await this.#sleep(2_000);
        }
        await this.#sleep(this.#latency());
        session = this.#connect();
      },
      close: async () => undefined,
    };
  }

  #connect(): Session {
    const session = { alive: true };
    this.#sessions.push(session);
    return session;
  }

  #latency(): number {
    return this.#chance.happens(this.#weather.slow) ? this.#chance.below(40_000) : 1 + this.#chance.below(20);
  }
}

const unknown = {
  nodes: 'unknown',
  live: 'unknown',
  servingRequests: [],
  proofs: {},
  etcd: 'unknown',
  workloads: 'unknown',
} as const;
