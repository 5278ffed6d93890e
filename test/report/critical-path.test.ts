import { describe, expect, it } from 'vitest';
import { criticalPath } from '../../src/report/critical-path.ts';
import { parseJournal } from '../../src/report/journal.ts';
import { type Deed, type Outcome, runOf } from '../../src/report/run.ts';
import { bigRun, journalOf } from './big-run.ts';

function deed(name: string, from: number, to: number, outcome: Outcome = 'done'): Deed {
  const [phase = '', host = ''] = name.split('/');
  return { id: name, phase, host, title: name, outcome, why: undefined, from, to, durationMs: to - from };
}

const idsOf = (deeds: readonly Deed[]) => criticalPath(deeds).map(({ id }) => id);

describe('the critical path', () => {
  it('is the slowest machine of every phase, because a phase is a barrier', () => {
    expect(
      idsOf([deed('a/one/x', 0, 10), deed('a/two/x', 0, 30), deed('b/one/x', 35, 90), deed('b/two/x', 35, 50)]),
    ).toEqual(['a/two/x', 'b/one/x']);
  });

  it('follows a machine through its steps, also when another one ends in the same moment', () => {
    expect(
      idsOf([deed('a/one/x', 0, 10), deed('a/two/x', 0, 10), deed('a/one/y', 10, 40), deed('a/two/y', 10, 20)]),
    ).toEqual(['a/one/x', 'a/one/y']);
  });

  it('goes over to the machine that a later one had to wait for', () => {
    expect(idsOf([deed('a/one/x', 0, 50), deed('a/two/x', 0, 20), deed('a/three/x', 20, 80)])).toEqual([
      'a/two/x',
      'a/three/x',
    ]);
  });

  it('leaves out what was left out, and takes what has no end', () => {
    expect(
      idsOf([
        deed('a/one/x', 0, 10, 'failed'),
        deed('a/one/y', 10, 10, 'skipped'),
        deed('b/two/x', 12, 60, 'unfinished'),
      ]),
    ).toEqual(['a/one/x', 'b/two/x']);
  });

  it('ends with steps of no length, and is empty without steps', () => {
    expect(idsOf([deed('a/one/x', 5, 5), deed('a/one/y', 5, 5), deed('a/two/x', 5, 5)])).toHaveLength(3);
    expect(idsOf([])).toEqual([]);
  });

  it('of a hundred machines, ten at a time, leads without a gap from the first step of each phase to its last', () => {
    const run = runOf(parseJournal(journalOf(bigRun({ machines: 100 })), text => text));
    for (const { deeds } of run?.phases ?? []) {
      const path = criticalPath(deeds);
      const first = Math.min(...deeds.map(({ from }) => from));
      const last = Math.max(...deeds.map(({ to }) => to));
      expect(path.reduce((sum, { durationMs }) => sum + durationMs, 0)).toBe(deeds.length > 0 ? last - first : 0);
    }
  });
});
