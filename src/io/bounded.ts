// Waiting that ends: by a limit, by an AbortSignal, or by the thing waited for.

/** Settles with `work`, or rejects with `late()` after `ms`, or with `aborted()` once the signal says so. */
export function bounded<T>(
  work: Promise<T>,
  limits: {
    readonly ms: number;
    readonly signal?: AbortSignal | undefined;
    late(): Error;
    aborted(): Error;
  },
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => finish(() => reject(limits.aborted()));
    const timer = setTimeout(() => finish(() => reject(limits.late())), Math.max(0, limits.ms));
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      limits.signal?.removeEventListener('abort', abort);
      settle();
    };
    limits.signal?.addEventListener('abort', abort, { once: true });
    if (limits.signal?.aborted) abort();
    work.then(
      value => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    );
  });
}

/** A duration as messages give it: '2.5 s'. */
export function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 100) / 10)} s`;
}
