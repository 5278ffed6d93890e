// Waits for a machine that is rebooting: only what may pass by itself is tried again.
import type { Host } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import type { Clock, Connect, Remote } from '../model/ports.ts';
import { isTransient } from './ssh-errors.ts';

export interface PatientOptions {
  /** For all attempts together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly clock: Clock;
  /** For one attempt; a machine that is switched off answers nothing at all. */
  readonly attemptMs?: number;
  readonly pauseMs?: number;
}

/** Connects as soon as the machine lets us in. Refused, silent, reset, unreachable or still booting: again; anything else ends it. */
export async function connectPatiently(connect: Connect, host: Host, options: PatientOptions): Promise<Remote> {
  const { clock, attemptMs = 10_000, pauseMs = 1_000 } = options;
  const begin = clock.now();
  const signal = options.signal ? { signal: options.signal } : {};
  for (;;) {
    const leftMs = options.timeoutMs - (clock.now() - begin);
    try {
      return await connect(host, { timeoutMs: Math.max(1, Math.min(attemptMs, leftMs)), ...signal });
    } catch (error) {
      if (!isTransient(error)) throw error;
      if (clock.now() - begin + pauseMs >= options.timeoutMs) throw gaveUp(error, clock.now() - begin);
    }
    await clock.sleep(pauseMs, options.signal);
  }
}

function gaveUp(error: unknown, waitedMs: number): unknown {
  if (!(error instanceof HomelabError)) return error;
  return new HomelabError(error.code, `${error.message}, for ${Math.round(waitedMs / 1000)} s`, {
    hint: error.hint,
    context: error.context,
    cause: error.cause,
  });
}
