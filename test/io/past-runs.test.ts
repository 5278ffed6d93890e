// What journals tell of earlier runs, also of those that were killed in the middle of a line.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { journalBefore, lastWordOf, openRuns, stepTimes } from '../../src/io/past-runs.ts';

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

type Line = Readonly<Record<string, unknown>>;
const start = (run: string, more: Line = {}): Line => ({
  type: 'run-started',
  time: '2026-11-22T10:00:00.000Z',
  run,
  command: 'homelab bootstrap --yes',
  purpose: 'change',
  simulated: false,
  ...more,
});
const end = (outcome: string): Line => ({ type: 'run-finished', time: '2026-11-22T10:05:00.000Z', outcome });

/** Journals of a cluster called home, oldest first; `tail` stands behind the last line of the last one. */
function state(runs: readonly (readonly Line[])[], tail = ''): string {
  const dir = mkdtempSync(join(tmpdir(), 'homelab-runs-'));
  made.push(dir);
  mkdirSync(join(dir, 'home/runs'), { recursive: true });
  runs.forEach((lines, index) => {
    const text = lines.map(line => `${JSON.stringify(line)}\n`).join('');
    const name = `2026-11-22T1${index}-00-00Z-${lines[0]?.['run'] ?? 'none'}.jsonl`;
    writeFileSync(join(dir, 'home/runs', name), index === runs.length - 1 ? text + tail : text);
  });
  return dir;
}

describe('a run that is open', () => {
  const note: Line = { type: 'note', time: '2026-11-22T10:01:00.000Z', text: 'x' };

  it('is the newest that was to change something and did not end well', async () => {
    const dir = state(
      [
        [start('aa'), end('failed')],
        [start('bb'), note],
      ],
      '{"type":"step-st',
    );
    expect(await openRuns(dir, 'home')).toEqual([
      {
        run: 'bb',
        command: 'bootstrap --yes',
        startedAt: '2026-11-22T10:00:00.000Z',
        says: expect.stringContaining('killed'),
      },
    ]);
  });

  it.each([
    [
      'a later one ended well',
      [
        [start('aa'), end('failed')],
        [start('bb'), end('ok')],
      ],
    ],
    ['it only looked', [[start('aa', { purpose: 'look' }), end('failed')]]],
    ['it was a rehearsal', [[start('aa', { simulated: true }), end('failed')]]],
    ['there was none', []],
  ])('is none where %s', async (_, runs) => {
    expect(await openRuns(state(runs), 'home')).toEqual([]);
  });
});

describe('the last word of a run', () => {
  it('is the time of its last whole line', async () => {
    const dir = state([[start('aa'), end('ok')], [start('bb')]], '{"type":"step-st');
    expect(await lastWordOf(dir, 'home', 'aa')).toEqual({ at: Date.parse('2026-11-22T10:05:00Z') });
    expect(await lastWordOf(dir, 'home', 'bb')).toEqual({ at: Date.parse('2026-11-22T10:00:00Z') });
  });

  it('is the names of the last runs for one that there is not', async () => {
    const dir = state(['aa', 'bb', 'cc', 'dd'].map(run => [start(run), end('ok')]));
    expect(await lastWordOf(dir, 'home', 'ee')).toEqual({ runs: ['bb', 'cc', 'dd'] });
  });
});

describe('what steps took', () => {
  const step = (id: string, durationMs: number, outcome = 'done'): Line => ({
    type: 'step-finished',
    time: '2026-11-22T10:01:00.000Z',
    id,
    outcome,
    durationMs,
  });

  it('is what they took when they were last done, in real runs, also in one that was cut off', async () => {
    const dir = state(
      [
        [start('aa'), step('containerd/node-1/package', 40_000), step('workers/node-1/join', 9_000)],
        [start('bb'), step('containerd/node-1/package', 20_000), step('workers/node-1/join', 60_000, 'failed')],
        [start('cc', { simulated: true }), step('containerd/node-1/package', 0)],
      ],
      '{"type":"step-finished","id":"x',
    );
    expect([...(await stepTimes(dir, 'home'))]).toEqual([
      ['containerd/node-1/package', 20_000],
      ['workers/node-1/join', 9_000],
    ]);
  });

  it('is unknown where nothing ran', async () => {
    expect((await stepTimes('/nowhere', 'home')).size).toBe(0);
  });
});

describe('the journal before', () => {
  const like = { cluster: 'home', simulated: false };

  it('is the newest older one of a run like it, past looks, rehearsals and what is damaged', async () => {
    const dir = state([
      [start('aa', { cluster: 'home' })],
      [start('bb', { cluster: 'home', purpose: 'look' })],
      [start('cc', { cluster: 'home', simulated: true })],
      [start('dd', { cluster: 'other' })],
      [],
      [start('ff', { cluster: 'home' })],
      [start('gg', { cluster: 'home' })],
    ]);
    const before = await journalBefore(join(dir, 'home/runs/2026-11-22T15-00-00Z-ff.jsonl'), like);
    expect(before).toBe(join(dir, 'home/runs/2026-11-22T10-00-00Z-aa.jsonl'));
    expect(await journalBefore(before ?? '', like)).toBeUndefined();
  });
});
