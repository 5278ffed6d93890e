import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/model/events.ts';
import { criticalPathMs, longestMs, remoteCommands } from './critical-path.ts';

const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();

function command(host: string, what: string, beginMs: number, endMs: number): RunEvent {
  return { time: at(endMs), type: 'remote-command', host, what, durationMs: endMs - beginMs };
}

describe('criticalPathMs', () => {
  it('takes the longest lane between two barriers', () => {
    const events = [
      command('a', 'facts', 0, 100),
      command('b', 'facts', 0, 150),
      // Nothing runs from 150 to 200: a barrier.
      command('a', 'p/a/one', 200, 300),
      command('b', 'p/b/one', 200, 240),
      command('a', 'p/a/two', 310, 400),
      command('b', 'p/b/two', 245, 390),
    ];
    expect(criticalPathMs(remoteCommands(events))).toBe(150 + 190);
  });

  it('counts commands of one machine after the other as they are', () => {
    expect(criticalPathMs(remoteCommands([command('a', 'x', 0, 10), command('a', 'y', 20, 50)]))).toBe(40);
  });

  it('is nothing for a run without remote commands', () => {
    expect(criticalPathMs([])).toBe(0);
  });
});

describe('longestMs', () => {
  it('finds the slowest of the steps of that name', () => {
    const events = [command('b', 'workers/b/join', 0, 30), command('c', 'workers/c/join', 0, 45)];
    expect(longestMs(remoteCommands(events), 'join')).toBe(45);
  });
});
