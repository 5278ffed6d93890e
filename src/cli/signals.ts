// Ctrl-C once: finish what has begun, begin nothing new. Twice: leave.

export interface Interruption {
  /** Aborts at the first signal. */
  readonly stop: AbortSignal;
  /** Aborts at the second. */
  readonly abort: AbortSignal;
  /** 130 after SIGINT, 143 after SIGTERM or SIGHUP; undefined while nobody interrupted. */
  exitCode(): number | undefined;
  release(): void;
}

/** `say` is told what the first signal did. The listener stays on: one that is gone lets the next signal kill us mid-step. */
export function onInterrupt(say: (text: string) => void): Interruption {
  const stop = new AbortController();
  const abort = new AbortController();
  let code: number | undefined;
  const listen = (signal: NodeJS.Signals) => {
    code ??= signal === 'SIGINT' ? 130 : 143;
    if (!stop.signal.aborted) {
      stop.abort();
      say('finishing what has begun; press Ctrl-C again to leave at once');
      return;
    }
    abort.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, listen);
  return {
    stop: stop.signal,
    abort: abort.signal,
    exitCode: () => code,
    release() {
      for (const signal of signals) process.off(signal, listen);
    },
  };
}
