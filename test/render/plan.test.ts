import { describe, expect, it } from 'vitest';
import type { PlannedStep } from '../../src/model/plan.ts';
import { paletteFor } from '../../src/render/color.ts';
import { formatPlan } from '../../src/render/plan.ts';
import { notes, plannedSteps, refusals } from './sample-run.ts';

const step: PlannedStep = {
  id: 'host-base/node-0/swap',
  phase: 'host-base',
  host: 'node-0',
  title: 'Switch swap off',
  why: 'swap is on',
  risk: 'safe',
  deadlineMs: 1000,
};

function on(count: number): readonly PlannedStep[] {
  return Array.from({ length: count }, (_, index) => ({
    ...step,
    id: `host-base/node-${index}/swap`,
    host: `node-${index}`,
  }));
}

describe('the plan', () => {
  it('says every step, refusal and note once', async () => {
    await expect(formatPlan({ steps: plannedSteps, refusals, notes })).toMatchFileSnapshot('../golden/render/plan.txt');
  });

  it('folds nothing when it is asked for everything', async () => {
    await expect(formatPlan({ steps: plannedSteps, refusals, notes }, { verbose: true })).toMatchFileSnapshot(
      '../golden/render/plan-verbose.txt',
    );
  });

  it('colours diffs and risks', async () => {
    const color = await paletteFor({ isTTY: true }, {});
    const text = formatPlan({ steps: plannedSteps, refusals, notes }, { color });
    expect(text).toContain('\u001b[32m+version = 3\u001b[39m');
    expect(text).toContain('\u001b[31m-version = 2\u001b[39m');
    expect(text).toContain('\u001b[33m[disruptive]');
  });

  it('is readable for a hundred machines', () => {
    const text = formatPlan({ steps: on(100), refusals: [], notes: [] });
    expect(text).toContain('node-6 and 93 more');
    expect(text.split('\n').length).toBeLessThan(10);
    expect(text).toContain('100 steps on 100 machines (0 disruptive), 0 refusals');
    expect(formatPlan({ steps: on(100), refusals: [], notes: [] }, { verbose: true })).toContain('node-99');
  });

  it('keeps steps apart that differ in their diff', () => {
    const steps = on(2).map((each, index) => ({ ...each, diff: `+${index}` }));
    expect(formatPlan({ steps, refusals: [], notes: [] }).match(/Switch swap off/g)).toHaveLength(2);
  });

  it('names destructive steps', () => {
    const text = formatPlan({ steps: [{ ...step, risk: 'destructive' }], refusals: [], notes: [] });
    expect(text).toContain('Switch swap off  [DESTRUCTIVE]');
    expect(text).toContain('1 step on 1 machine (0 disruptive, 1 destructive), 0 refusals');
  });

  it('keeps the lines of a note, below its machines', () => {
    const text = formatPlan({
      steps: [],
      refusals: [],
      notes: [{ host: 'a', text: 'eno1\n  eee  n/a: no such thing' }],
    });
    expect(text).toContain('\n  on a: eno1\n      eee  n/a: no such thing\n');
  });

  it('sends no control character of a machine to the terminal', () => {
    const hostile = 'x\u001b[2J\u009b2J\u202e';
    const steps = [{ ...step, title: hostile, why: hostile, diff: `+${hostile}\n` }];
    const text = formatPlan({
      steps,
      refusals: [{ id: hostile, host: hostile, reason: hostile, hint: hostile }],
      notes: [{ text: hostile }],
    });
    expect(text).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u);
  });
});
