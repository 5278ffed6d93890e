// How long each phase took, and how much of that a machine was at work for it: the rest is what homelab itself costs.
import type { RunEvent } from '../../src/model/events.ts';

export interface PhaseTime {
  readonly phase: string;
  readonly ms: number;
  /** While at least one remote command was under way. */
  readonly remoteMs: number;
}

/** Of the phases that changed something, in order. */
export function phaseTimes(events: readonly RunEvent[]): readonly PhaseTime[] {
  const commands = events.flatMap(each => {
    if (each.type !== 'remote-command') return [];
    const end = Date.parse(each.time);
    return [{ begin: end - each.durationMs, end }];
  });
  return events.flatMap(each => {
    if (each.type !== 'phase-finished' || each.outcome === 'unchanged') return [];
    const end = Date.parse(each.time);
    const begin = end - each.durationMs;
    return [{ phase: each.phase, ms: each.durationMs, remoteMs: covered(commands, begin, end) }];
  });
}

/** Milliseconds from begin to end in which there is a command, or several. */
function covered(commands: readonly { readonly begin: number; readonly end: number }[], begin: number, end: number) {
  let ms = 0;
  let upTo = begin;
  for (const each of commands.toSorted((a, b) => a.begin - b.begin)) {
    const from = Math.max(each.begin, upTo);
    const to = Math.min(each.end, end);
    if (to <= from) continue;
    ms += to - from;
    upTo = to;
  }
  return ms;
}

export function renderTimes(times: readonly PhaseTime[]): string {
  return times
    .map(({ phase, ms, remoteMs }) => {
      const own = ms === 0 ? 0 : (100 * (ms - remoteMs)) / ms;
      return `${phase.padEnd(32)} ${(ms / 60_000).toFixed(1).padStart(5)} min, of that homelab's own ${own.toFixed(1)} %`;
    })
    .join('\n');
}
