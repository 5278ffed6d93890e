// Changing one machine: claim it, begin each work once, hold on through lost connections, let it go.
import { HomelabError } from '../model/errors.ts';
import type { FenceRequest } from '../model/fence.ts';
import type { Upload } from '../model/plan.ts';
import type { Clock, ExecResult } from '../model/ports.ts';
import { type FenceReading, fenceError, verdictOf } from './fence.ts';
import { type Asker, cutOffCode } from './fence-script.ts';
import type { Station } from './station.ts';

export interface WorkerOptions {
  /** This run's name, unlike any other's. */
  readonly run: string;
  /** For people: 'anna@laptop: homelab bootstrap'. */
  readonly who: string;
  readonly clock: Clock;
  /** Told when a connection was lost and is had again. */
  readonly onNote: (text: string) => void;
}

export interface Worker {
  /** Throws HL_FENCE when somebody else has it or has changed it since it was looked at. */
  claim(
    seen: { readonly reading: FenceReading; readonly bootId: string },
    steal: boolean,
    signal: AbortSignal,
  ): Promise<void>;
  /** One mutation. Throws HL_FENCE, and HL_SSH_LOST when the machine stays away; any exit code is a result. */
  work(step: string, script: string, timeoutMs: number, signal: AbortSignal): Promise<ExecResult>;
  /** What a step needs beside its script. Throws HL_FENCE as a work does. */
  upload(upload: Upload, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** A script that is not repeated; under a claim only while it holds. */
  exec(script: string, timeoutMs: number, signal: AbortSignal): Promise<ExecResult>;
  /** For what may be asked twice: connects anew when the connection is lost, and asks again. */
  again<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T>;
  release(): Promise<void>;
  close(): Promise<void>;
}

// A quarter of the lease: three signs of life may get lost, or be late on a link that an upload fills.
const beatMs = 15_000;
const askTimeoutMs = 30_000;
/** How long a machine may be away in the middle of a run, milliseconds. */
const awayMs = 60_000;
const mostLosses = 3;
const goingDownMs = 5_000;

export function createWorker(station: Station, { run, who, clock, onNote }: WorkerOptions): Worker {
  const { host } = station;
  let asker: Asker | undefined;
  let seq = 0;
  let beating = new AbortController();

  // One at a time: a sign of life and a question may both find the connection lost.
  let reconnecting: Promise<void> | undefined;
  const reconnect = (signal: AbortSignal): Promise<void> => {
    reconnecting ??= station.reconnect({ timeoutMs: awayMs, signal }).finally(() => {
      reconnecting = undefined;
    });
    return reconnecting;
  };
  const again = async <T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    for (let losses = 0; ; losses += 1) {
      try {
        return await ask();
      } catch (error) {
        const isLost = error instanceof HomelabError && error.code === 'HL_SSH_LOST';
        if (!isLost || signal.aborted || losses === mostLosses) throw error;
        onNote(`${host}: ${error.message}; connecting again`);
        await reconnect(signal).catch((failure: unknown) => {
          // A changed key or a refused login says more; that it is still away says less.
          const isAway = failure instanceof HomelabError && failure.code === 'HL_SSH_CONNECT';
          throw isAway ? error : failure;
        });
      }
    }
  };
  const request = async (what: FenceRequest, from: Asker, signal: AbortSignal): Promise<void> => {
    const result = await again(() => station.ask(what, from, { timeoutMs: askTimeoutMs, signal }), signal);
    const answer = verdictOf(result);
    if (answer) throw fenceError(host, answer.verdict, answer.who);
    if (result.code !== 0) throw unusable(host, result);
  };
  const beat = async (from: Asker, stop: AbortSignal): Promise<void> => {
    while (!stop.aborted) {
      await clock.sleep(beatMs, stop).catch(() => undefined);
      if (stop.aborted) return;
      // Not waited for: one that is late or lost is followed by the next, and what must not go on is refused by the machine.
      void station
        .ask({ kind: 'renew', run }, from, { timeoutMs: askTimeoutMs, signal: stop, beside: true })
        .catch(async (error: unknown) => {
          // A machine that has nothing to do at the moment is not left to lapse.
          if (error instanceof HomelabError && error.code === 'HL_SSH_LOST' && !stop.aborted) await reconnect(stop);
        })
        .catch(() => undefined);
    }
  };
  return {
    again,
    async claim({ reading, bootId }, steal, signal) {
      const from = { who, bootId };
      await request({ kind: 'claim', run, serial: reading.fence.serial, seq: reading.fence.seq, steal }, from, signal);
      asker = from;
      beating = new AbortController();
      void beat(from, beating.signal);
    },
    async work(step, script, timeoutMs, signal) {
      const from = asker;
      if (!from) throw new Error(`${step} was begun on ${host} without a claim`);
      seq += 1;
      const mine = { step, seq, script, timeoutMs };
      const ask = () => again(() => station.work(mine, run, from, { timeoutMs, signal }), signal);
      let result = await ask();
      // A machine that is going down says so before its connection ends. Asked once more, it has booted, or it was something else.
      if (result.code === cutOffCode) {
        await clock.sleep(goingDownMs, signal).catch(() => undefined);
        result = await ask();
      }
      const answer = verdictOf(result);
      if (answer) throw fenceError(host, answer.verdict, answer.who);
      return result;
    },
    async upload(upload, timeoutMs, signal) {
      const from = asker;
      if (!from) throw new Error(`${upload.remotePath} was sent to ${host} without a claim`);
      await again(() => station.upload(upload, run, from, { timeoutMs, signal }), signal).catch((error: unknown) => {
        const { exitStatus: code = 0, stderr = '' } = error instanceof HomelabError ? error.context : {};
        const answer = verdictOf({ code, stderr });
        throw answer ? fenceError(host, answer.verdict, answer.who) : error;
      });
    },
    async exec(script, timeoutMs, signal) {
      const result = await station.exec(
        script,
        { timeoutMs, signal },
        asker === undefined ? undefined : { run, asker },
      );
      const answer = verdictOf(result);
      if (answer) throw fenceError(host, answer.verdict, answer.who);
      return result;
    },
    async release() {
      beating.abort();
      const from = asker;
      asker = undefined;
      // One that cannot be let go of is free once its connection is gone, or its lease over.
      if (from) await station.ask({ kind: 'release', run }, from, { timeoutMs: askTimeoutMs }).catch(() => undefined);
    },
    async close() {
      beating.abort();
      await station.close();
    },
  };
}

function unusable(host: string, { code, stderr }: ExecResult): HomelabError {
  return new HomelabError('HL_STEP_FAILED', `${host} could not be claimed for this run (exit ${code})`, {
    context: { host, exitStatus: code, stderr },
    hint: `on ${host}, as root: mkdir -p /run/homelab && df /run`,
  });
}
