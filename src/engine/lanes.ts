// Side by side, but not all at once.

/** Runs `work` for every item, at most `width` at a time; settles when all have. Never rejects: failures come back in place. */
export async function inLanes<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<readonly PromiseSettledResult<R>[]> {
  const results: PromiseSettledResult<R>[] = [];
  const queue = items.map((item, index) => ({ item, index }));
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      try {
        results[next.index] = { status: 'fulfilled', value: await work(next.item) };
      } catch (reason) {
        results[next.index] = { status: 'rejected', reason };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}

/** The values, or all failures together. A failure that is not ours (a bug) is thrown as it is. */
export function valuesOf<R>(
  results: readonly PromiseSettledResult<R>[],
  fail: (reasons: readonly unknown[]) => Error,
): readonly R[] {
  const reasons = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (reasons.length > 0) throw fail(reasons);
  return results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
}
