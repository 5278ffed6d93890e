// From a run's events: how long it would have taken had only its remote commands taken time.
import type { RunEvent } from '../../src/model/events.ts';

export interface RemoteCommand {
  readonly host: string;
  readonly what: string;
  readonly beginMs: number;
  readonly endMs: number;
}

/** The round trips of a run, by their beginning. */
export function remoteCommands(events: readonly RunEvent[]): readonly RemoteCommand[] {
  return events
    .flatMap(event => {
      if (event.type !== 'remote-command') return [];
      const endMs = Date.parse(event.time);
      return [{ host: event.host, what: event.what, beginMs: endMs - event.durationMs, endMs }];
    })
    .toSorted((left, right) => left.beginMs - right.beginMs || left.endMs - right.endMs);
}

/**
 * Between two moments at which no command runs anywhere (barriers: before and after a phase's lanes, between the rounds of a
 * reading) the longest machine lane counts, as the sum of its commands.
 */
export function criticalPathMs(commands: readonly RemoteCommand[]): number {
  let total = 0;
  let busyUntil = Number.NEGATIVE_INFINITY;
  let lanes = new Map<string, number>();
  const close = () => {
    total += Math.max(0, ...lanes.values());
    lanes = new Map();
  };
  for (const { host, beginMs, endMs } of commands) {
    if (beginMs >= busyUntil) close();
    busyUntil = Math.max(busyUntil, endMs);
    lanes.set(host, (lanes.get(host) ?? 0) + endMs - beginMs);
  }
  close();
  return total;
}

/** The longest of the commands whose step has this name, over all machines. */
export function longestMs(commands: readonly RemoteCommand[], step: string): number {
  return Math.max(
    0,
    ...commands.filter(({ what }) => what.endsWith(`/${step}`)).map(each => each.endMs - each.beginMs),
  );
}

export function parseEvents(jsonl: string): readonly RunEvent[] {
  return jsonl
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as RunEvent);
}
