// Where the upgrade-killed drill kills: all over the upgrade, the same moments for the same seed.
import { expect, test } from 'vitest';
import type { RunEvent } from '../src/model/events.ts';
import { dealt, killMoments, marksOf } from './drill/kill-moments.ts';

const at = (second: number): string => new Date(second * 1000).toISOString();
const host = 'k8s-cp';
const title = '';
const ids = Array.from({ length: 30 }, (_, index) => `phase/${host}/step-${index}`);
const events: readonly RunEvent[] = [
  ...ids.flatMap((id, index): readonly RunEvent[] => [
    { type: 'step-started', time: at(10 * index), id, host, title, deadlineMs: 0 },
    { type: 'note', time: at(10 * index + 3), text: 'no mark' },
    { type: 'step-finished', time: at(10 * index + 6), id, host, title, outcome: 'done', durationMs: 6000 },
  ]),
  {
    ...{ type: 'run-finished', time: at(310), outcome: 'ok', exitCode: 0, steps: 30, predictionErrors: 0 },
    ...{ durationMs: 310_000, simulated: false, remoteCommands: {} },
  },
];
const marks = marksOf(events);

test('every beginning and end of a step is a mark; behind the last one lies the rest of the run', () => {
  expect(marks).toHaveLength(60);
  expect(marks.slice(0, 2)).toEqual([
    { type: 'step-started', id: ids[0], gapMs: 6000 },
    { type: 'step-finished', id: ids[0], gapMs: 4000 },
  ]);
  expect(marks.at(-1)?.gapMs).toBe(14_000);
});

test('moments lie in every part of it, half of them between two marks, the same for the same seed', () => {
  for (let seed = 0; seed < 40; seed += 1) {
    const moments = killMoments(marks, seed, 20);
    expect(new Set(moments.map(({ name }) => name)).size).toBe(20);
    moments.forEach(({ mark, delayMs }, index) => {
      expect(Math.floor(marks.indexOf(mark) / 3)).toBe(index);
      if (index % 2 === 0) expect(delayMs).toBe(0);
      else expect(delayMs).toBeLessThan(mark.gapMs);
    });
    expect(killMoments(marks, seed, 20)).toEqual(moments);
  }
  expect(killMoments(marks, 1, 20)).not.toEqual(killMoments(marks, 2, 20));
});

test('a hop gets moments that lie far from each other, and every one is dealt once', () => {
  expect(dealt([0, 1, 2, 3, 4, 5, 6, 7], 4)).toEqual([
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
  ]);
});
