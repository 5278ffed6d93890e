// What the upgrade drill says of homelab's own time.
import { expect, test } from 'vitest';
import type { RunEvent } from '../src/model/events.ts';
import { phaseTimes, renderTimes } from './drill/own-time.ts';

const at = (second: number): string => new Date(second * 1000).toISOString();
const command = (from: number, to: number): RunEvent => ({
  type: 'remote-command',
  time: at(to),
  host: 'k8s-cp',
  what: 'facts',
  durationMs: (to - from) * 1000,
});
const phase = (name: string, from: number, to: number, outcome: 'changed' | 'unchanged'): RunEvent => ({
  type: 'phase-finished',
  time: at(to),
  phase: name,
  outcome,
  durationMs: (to - from) * 1000,
});

test('commands side by side count once, and only what lies within the phase', () => {
  const times = phaseTimes([
    command(0, 20),
    command(12, 30),
    command(14, 16),
    phase('k8s-cp', 10, 50, 'changed'),
    command(50, 60),
    phase('nothing', 50, 60, 'unchanged'),
  ]);
  expect(times).toEqual([{ phase: 'k8s-cp', ms: 40_000, remoteMs: 20_000 }]);
  expect(renderTimes(times)).toMatch(/^k8s-cp +0\.7 min, of that homelab's own 50\.0 %$/);
});
