// Side by side, but not all at once.
import { HomelabError, PhaseFailed } from '../model/errors.ts';

/** Runs `work` for every item, at most `width` at a time; settles when all have. Never rejects: failures come back in place. */
export async function inLanes<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<readonly PromiseSettledResult<R>[]> {
  if (items.length > 0 && !(width >= 1)) throw new RangeError(`${width} lanes would do nothing`);
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

/** The values, or all failures together. */
export function valuesOf<R>(results: readonly PromiseSettledResult<R>[]): readonly R[] {
  const reasons = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (reasons.length > 0) throw together(reasons);
  return results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
}

/** One failure is told as it is, several together. One that is not ours (a bug) is thrown before all others. */
export function together(reasons: readonly unknown[]): Error {
  const ours = reasons.filter(reason => reason instanceof HomelabError);
  const bug = reasons.find(reason => !(reason instanceof HomelabError));
  if (bug !== undefined) return bug instanceof Error ? bug : new Error(String(bug));
  return ours.length === 1 && ours[0] ? ours[0] : new PhaseFailed(`${ours.length} failures`, ours);
}
