// What a machine says of its fence, and of the works of runs that were interrupted.
import { HomelabError } from '../model/errors.ts';
import { type Fence, isHeld, leaseSeconds, noFence, type Verdict } from '../model/fence.ts';
import type { ExecResult } from '../model/ports.ts';
import { fenceReading, refusedCode, refusedMark } from './fence-script.ts';
import type { Fragment, Frame } from './frames.ts';

/** A work that is there: going on, or ended and not yet asked about. */
export interface LeftWork {
  readonly unit: string;
  readonly step: string;
  readonly run: string;
  readonly state: 'running' | 'ended';
  /** systemd's word and the exit status: 'success 0'. */
  readonly result: string;
}

export interface FenceReading {
  readonly fence: Fence;
  /** Of another run, and alive. */
  readonly isHeld: boolean;
  readonly works: readonly LeftWork[];
}

export const fenceFragment: Fragment = { id: 'fence', script: fenceReading() };

export const freeFence: FenceReading = { fence: noFence, isHeld: false, works: [] };

/** `run` is the one that asks. */
export function parseFence(frame: Frame | undefined, run: string): FenceReading {
  if (frame === undefined) return freeFence;
  const [first = '', ...rest] = frame.code === 0 ? frame.stdout.trimEnd().split('\n') : [];
  const match = /^(\d+) (\S+) (\d+) (\d+) (alive|gone|unknown) (\d+) (.*)$/.exec(first);
  if (!match) {
    // Taken for a free one it would be refused at every claim, and nobody would know why.
    throw new HomelabError('HL_OBSERVE', 'the record of who may change a machine cannot be read', {
      context: { stderr: frame.stderr || frame.stdout },
      hint: 'look at /run/homelab/record on it; when no homelab is at work: sudo rm -r /run/homelab',
    });
  }
  const [, serial, holder = '-', seq, until, session, now, who = '-'] = match;
  const works = rest.map((line): LeftWork => {
    const [unit = '', state = '', owner = '', result = '', step = ''] = line.split('\t');
    return { unit, state: state === 'running' ? 'running' : 'ended', run: owner, result, step };
  });
  const fence: Fence = {
    serial: Number(serial),
    run: holder,
    seq: Number(seq),
    until: Number(until),
    session: session === 'gone' || session === 'alive' ? session : 'unknown',
    // A work of a dead holder is waited for; only its silence or its connection says whether it lives.
    working: works.some(({ state }) => state === 'running'),
    who,
  };
  return { fence, isHeld: holder !== run && isHeld(fence, Number(now)), works };
}

/** What the fence answered; undefined for anything that is not about it. */
export function verdictOf({
  code,
  stderr,
}: Pick<ExecResult, 'code' | 'stderr'>): { readonly verdict: Verdict; readonly who: string } | undefined {
  const match = code === refusedCode ? new RegExp(`^${refusedMark} ([a-z]+) (.*)$`, 'm').exec(stderr) : null;
  return match ? { verdict: match[1] as Verdict, who: match[2] ?? '' } : undefined;
}

const reasons: Readonly<Record<Exclude<Verdict, 'ok' | 'begun'>, (who: string) => string>> = {
  rebooted: () => 'it has booted since this run looked at it',
  changed: () => 'another run has changed it since this run looked at it',
  held: who => `another run is at work on it (${who})`,
  busy: () => 'a step of another run is still going on there',
  taken: who => `this run no longer holds it${who === '-' ? '' : `: it was taken over (${who})`}`,
  lapsed: () => `this run was silent for more than ${leaseSeconds} s, and a silent run may change nothing`,
  late: () => 'the command arrived too late: its step is over, and what came of it is gone',
};

/** Nothing was changed by the command that got this answer. */
export function fenceError(host: string, verdict: Verdict, who: string): HomelabError {
  const reason = verdict === 'ok' || verdict === 'begun' ? verdict : reasons[verdict](who);
  return new HomelabError('HL_FENCE', `${host} was left as it is: ${reason}`, {
    context: { host },
    hint:
      verdict === 'held'
        ? 'wait until that run has ended; if you know that nobody is at it: the same command with --steal-lock'
        : 'run the same command again: it looks anew and goes on from here',
  });
}
