// Work on several things at once; the first failure stops the others, which keep what they have.

/** `work` gets a signal of its own: aborted with the given one, or when another one failed. */
export async function inPool<T, R>(
  items: readonly T[],
  atOnce: number,
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<readonly R[]> {
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  const results: R[] = [];
  const queue = items.entries();
  let first: unknown;
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      if (either.aborted) return;
      try {
        results[index] = await work(item, either);
      } catch (error) {
        if (!failing.signal.aborted) first = error;
        failing.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failing.signal.aborted) throw first;
  signal.throwIfAborted();
  return results;
}
