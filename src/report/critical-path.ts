// Which steps the run's length hangs on. Phases are barriers, a machine's steps follow each other, and --fork lets so many machines at a time:
// all three mean that a step began when another one ended.
import type { Deed } from './run.ts';

/**
 * From the step that ended last backwards: what a step waited for is the step that ended last before it began; its own machine's where
 * two ended in the same moment. In the order of time.
 */
export function criticalPath(deeds: readonly Deed[]): readonly Deed[] {
  const taken = deeds.filter(({ outcome }) => outcome !== 'skipped').sort((one, other) => one.to - other.to);
  const path: Deed[] = [];
  let next = taken.at(-1);
  // Every step on it ends before the next one begins, and none is taken twice: steps of no length would go in circles.
  for (let left: readonly Deed[] = taken; next !== undefined; next = waitedFor(next, left)) {
    const current = next;
    path.push(current);
    left = left.slice(0, left.lastIndexOf(current));
  }
  return path.reverse();
}

/** `before` is sorted by its ends. */
function waitedFor(step: Deed, before: readonly Deed[]): Deed | undefined {
  const ended = before.filter(({ to }) => to <= step.from);
  const last = ended.at(-1);
  return ended.findLast(({ host, to }) => host === step.host && to === last?.to) ?? last;
}
