import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noColor } from '../../src/render/color.ts';
import { type FrameSize, frameOf, type Lane, type PhaseState } from '../../src/render/frame.ts';
import { unicodeMarks } from '../../src/render/marks.ts';

const style = { color: noColor, marks: unicodeMarks };
const title = 'Install conntrack, ethtool, iptables, socat, ca-certificates and whatever else there is';

function lane(state: Lane['state'], text = title): Lane {
  return { steps: 2, done: 0, state, text, step: 'host-base/some-machine/prerequisites', since: 0 };
}

function stateOf(lanes: readonly Lane[], evidence: readonly string[] = []): PhaseState {
  return {
    heading: 'host-base  Prepare the machines',
    startedAt: 0,
    lanes: new Map(lanes.map((each, index) => [`node-${index}`, each])),
    steps: lanes.length * 2,
    finished: 0,
    evidence,
  };
}

const frame = (state: PhaseState, size: FrameSize, pastTimes?: ReadonlyMap<string, number>): readonly string[] =>
  frameOf(state, 65_000, size, '⠋', { ...style, ...(pastTimes ? { pastTimes } : {}) });

const states = fc.constantFrom<Lane['state']>('waiting', 'running', 'failed', 'done');
const anyState = fc
  .record({
    lanes: fc.array(states, { maxLength: 120, size: 'max' }),
    evidence: fc.array(
      fc.string({ maxLength: 200 }).map(text => text.replace(/\s/g, ' ')),
      { maxLength: 8 },
    ),
  })
  .map(({ lanes, evidence }) =>
    stateOf(
      lanes.map(each => lane(each)),
      evidence,
    ),
  );
const anySize = fc.record({ columns: fc.integer({ min: 20, max: 220 }), rows: fc.integer({ min: 1, max: 60 }) });

describe('a picture of a phase', () => {
  it('never has more lines than the screen has rows, with one for the cursor', () => {
    fc.assert(fc.property(anyState, anySize, (state, size) => frame(state, size).length <= Math.max(1, size.rows - 1)));
  });

  it('never has a line that is longer than the screen is wide', () => {
    fc.assert(
      fc.property(anyState, anySize, (state, size) =>
        frame(state, size).every(line => [...line].length < size.columns),
      ),
    );
  });

  it('always shows a machine that failed, and all of them where half of the screen is enough', () => {
    fc.assert(
      fc.property(anyState, fc.integer({ min: 3, max: 60 }), (state, rows) => {
        const failed = [...state.lanes.values()].filter(each => each.state === 'failed').length;
        const shown = frame(state, { columns: 80, rows }).filter(line => line.startsWith('  ✖ ')).length;
        expect(shown).toBeGreaterThanOrEqual(Math.min(failed, Math.max(1, Math.floor((rows - 8) / 2))));
      }),
    );
  });

  it('counts every machine, shown or not, also of a few', () => {
    const lines = frame(stateOf([lane('done'), lane('done'), lane('running'), lane('waiting')]), {
      columns: 80,
      rows: 24,
    });
    expect(lines.at(-1)).toBe('  1 running, 2 done, 1 waiting');
    expect(lines).toHaveLength(3);
  });

  it('cuts the title, not the time that a step takes', () => {
    const [, line] = frame(stateOf([lane('running')]), { columns: 60, rows: 24 });
    expect(line).toBe('  › node-0  Install conntrack, ethtool, iptables, …  1m 05s');
  });

  it('says what a step took the last time, and nothing of one that never ran', () => {
    const size = { columns: 80, rows: 24 };
    const [, known] = frame(
      stateOf([lane('running')]),
      size,
      new Map([['host-base/some-machine/prerequisites', 41_000]]),
    );
    const [, unknown] = frame(stateOf([lane('running')]), size, new Map([['host-base/other/prerequisites', 41_000]]));
    expect(known).toMatch(/ {2}1m 05s \(last time 41s\)$/);
    expect(unknown).toMatch(/… {2}1m 05s$/);
  });

  it('says what it does when all steps are done, until the first proof comes', () => {
    const done = { ...stateOf([lane('done')]), finished: 2 };
    const size = { columns: 80, rows: 24 };
    expect(frame(done, size)).toContain('    all steps are done: reading back and proving');
    expect(frame({ ...done, evidence: ['✔ answers'] }, size).join()).not.toContain('reading back');
  });

  it('gives the evidence less room than the machines on a small screen', () => {
    const many = stateOf(
      Array.from({ length: 20 }, () => lane('running')),
      ['one', 'two', 'three', 'four'],
    );
    const machines = (rows: number) =>
      frame(many, { columns: 80, rows }).filter(line => line.startsWith('  › ')).length;
    expect(machines(24)).toBe(16);
    expect(machines(10)).toBe(5);
    expect(frame(many, { columns: 80, rows: 24 }).filter(line => line.startsWith('    '))).toHaveLength(4);
    // Of two, the newest.
    expect(frame(many, { columns: 80, rows: 11 }).slice(-3, -1)).toEqual(['    three', '    four']);
  });
});
