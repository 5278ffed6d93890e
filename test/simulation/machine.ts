// A machine in virtual time: files, a unit that has read them, the fence by its rule, works that go on by themselves, and power cuts.
import { type FenceReading, freeFence } from '../../src/engine/fence.ts';
import { refusedCode, refusedMark, type Work } from '../../src/engine/fence-script.ts';
import type { Json } from '../../src/model/cluster.ts';
import { type Fence, type FenceRequest, granted, isHeld, judge, leaseSeconds, noFence } from '../../src/model/fence.ts';
import type { ExecResult } from '../../src/model/ports.ts';
import type { Chance, Time } from './time.ts';

/** One end of a connection, as the machine's sshd knows it. */
export interface Session {
  alive: boolean;
}

interface Going {
  readonly step: string;
  readonly run: string;
  readonly seq: number;
  readonly ended: Promise<ExecResult>;
}

const result = (code: number, stderr = ''): ExecResult => ({ code, stdout: '', stderr, durationMs: 0 });

export class SimulatedMachine {
  readonly name: string;
  bootId: string;
  isUp = true;
  /** How many of the next works find the disk full. */
  diskFull = 0;
  /** Every work that was begun, for the laws. */
  readonly begun: { readonly run: string; readonly seq: number }[] = [];
  /** Laws that were broken. */
  readonly broken: string[] = [];

  readonly #time: Time;
  readonly #chance: Chance;
  readonly #files = new Map<string, { readonly content: string; readonly changedAt: number }>();
  #unitStartedAt: number | undefined;
  #fence: Fence = noFence;
  #holder: Session | undefined;
  #going: Going | undefined;
  #last: Going | undefined;
  /** When each run was heard of last, by book-keeping of its own. */
  readonly #heard = new Map<string, number>();
  /** Who claimed it last, by book-keeping of its own. */
  #owner = '-';
  #boots = 0;
  #bootedAt = 0;

  constructor(name: string, time: Time, chance: Chance) {
    this.name = name;
    this.#time = time;
    this.#chance = chance;
    this.bootId = `${name}-boot-0`;
  }

  state(key: string): Json {
    if (!key.startsWith('unit:')) return this.#files.get(key)?.content ?? '';
    const started = this.#unitStartedAt;
    const newest = Math.max(...[...this.#files.values()].map(({ changedAt }) => changedAt), -1);
    return started === undefined ? 'off' : newest > started ? 'stale' : 'on';
  }

  reading(run: string): FenceReading {
    const fence = this.#now();
    if (fence.serial === 0 && !this.#last) return freeFence;
    const last = this.#last;
    const works = last
      ? [
          {
            unit: last.step,
            step: last.step,
            run: last.run,
            state: this.#going ? ('running' as const) : ('ended' as const),
            result: 'success 0',
          },
        ]
      : [];
    return { fence, isHeld: fence.run !== run && isHeld(fence, this.#uptime()), works };
  }

  ask(request: FenceRequest, bootId: string, who: string, session: Session): ExecResult {
    const refused = this.#judge(request, bootId);
    if (refused) return refused;
    this.#check(request, bootId);
    this.#fence = granted(this.#now(), request, who, this.#uptime());
    this.#holder = session;
    this.#heard.set(request.run, this.#time.now);
    if (request.kind === 'claim') this.#owner = request.run;
    return result(0);
  }

  /** Ends when the work has ended; the promise of a machine without power never does. */
  async work(work: Work, run: string, bootId: string, who: string, session: Session): Promise<ExecResult> {
    const request = { kind: 'work', run, seq: work.seq } as const;
    const verdict = judge(this.#now(), request, this.#moment(bootId));
    if (verdict === 'begun') return this.#last?.ended ?? result(refusedCode, `${refusedMark} late -`);
    const silentMs = this.#time.now - (this.#heard.get(run) ?? 0);
    const answer = this.ask(request, bootId, who, session);
    if (answer.code !== 0) return answer;
    if (this.#going) this.broken.push(`${work.step} began while ${this.#going.step} was going on`);
    if (this.#owner !== run) this.broken.push(`${work.step} of ${run} began after ${this.#owner} had taken it`);
    if (silentMs > (leaseSeconds + 2) * 1000) this.broken.push(`${work.step} began after ${silentMs} ms of silence`);
    if (this.begun.some(each => each.run === run && each.seq === work.seq))
      this.broken.push(`${work.step} was begun twice`);
    this.begun.push({ run, seq: work.seq });
    const going: Going = { step: work.step, run, seq: work.seq, ended: this.#run(work) };
    this.#going = going;
    this.#last = going;
    return going.ended;
  }

  wait(): Promise<ExecResult> {
    return this.#last?.ended ?? Promise.resolve(result(refusedCode, `${refusedMark} late -`));
  }

  /** Everything in memory is gone; what was being written may be whole, torn or not there. */
  cutPower(downMs: number): void {
    this.isUp = false;
    const going = this.#going;
    if (going) this.#tear(going.step);
    this.#boots += 1;
    this.#fence = noFence;
    this.#holder = undefined;
    this.#going = undefined;
    this.#last = undefined;
    this.#time.after(downMs, () => {
      this.bootId = `${this.name}-boot-${this.#boots}`;
      this.#bootedAt = this.#time.now;
      // An enabled unit starts with the machine and reads what is there.
      if (this.#unitStartedAt !== undefined) this.#unitStartedAt = this.#time.now;
      this.isUp = true;
    });
  }

  #run(work: Work): Promise<ExecResult> {
    const boot = this.#boots;
    const full = this.diskFull > 0;
    if (full) this.diskFull -= 1;
    // Most are over in a moment; some go on for longer than a lease.
    const durationMs = this.#chance.happens(0.1) ? 5_000 + this.#chance.below(120_000) : 20 + this.#chance.below(400);
    return new Promise(resolve => {
      this.#time.after(durationMs, () => {
        if (boot !== this.#boots) return;
        this.#going = undefined;
        if (full) this.#tear(work.step);
        else this.#effect(work.script);
        resolve(full ? result(1, 'No space left on device') : result(0));
      });
    });
  }

  #effect(key: string): void {
    if (key.startsWith('unit:')) this.#unitStartedAt = this.#time.now;
    else this.#files.set(key, { content: 'wanted', changedAt: this.#time.now });
  }

  #tear(step: string): void {
    const key = step.slice(step.lastIndexOf('/') + 1);
    if (this.#chance.happens(0.3)) this.#effect(key);
    else if (!key.startsWith('unit:') && this.#chance.happens(0.5))
      this.#files.set(key, { content: 'torn', changedAt: this.#time.now });
  }

  // The laws, by book-keeping of its own: what no rule may grant.
  #check(request: FenceRequest, bootId: string): void {
    if (bootId !== this.bootId) this.broken.push(`${request.kind} of ${request.run} was made for another boot`);
    if (request.kind !== 'claim' || this.#fence.run === request.run) return;
    if (this.#going) this.broken.push(`${request.run} took it while ${this.#going.step} was going on`);
    const silentMs = this.#time.now - (this.#heard.get(this.#fence.run) ?? Number.NEGATIVE_INFINITY);
    if (this.#holder?.alive && !request.steal && this.#fence.run !== '-' && silentMs < (leaseSeconds - 1) * 1000)
      this.broken.push(`${request.run} took it from ${this.#fence.run}, which is alive`);
  }

  #judge(request: FenceRequest, bootId: string): ExecResult | undefined {
    const verdict = judge(this.#now(), request, this.#moment(bootId));
    return verdict === 'ok' || verdict === 'begun'
      ? undefined
      : result(refusedCode, `${refusedMark} ${verdict} ${this.#fence.who}`);
  }

  #moment(expectedBootId: string) {
    return { now: this.#uptime(), bootId: this.bootId, expectedBootId };
  }

  #uptime(): number {
    return Math.floor((this.#time.now - this.#bootedAt) / 1000);
  }

  #now(): Fence {
    const session = this.#holder === undefined ? 'unknown' : this.#holder.alive ? 'alive' : 'gone';
    return { ...this.#fence, session, working: this.#going !== undefined };
  }
}
