import { describe, expect, it } from 'vitest';
import { parsePlanFile, renderPlanFile, unapproved } from '../../src/cli/approval.ts';
import { intend, planFrom } from '../../src/engine/plan.ts';
import type { PlannedStep } from '../../src/model/plan.ts';
import { phases } from '../../src/phases/index.ts';
import { bareWorld, everything, untouched } from '../sample.ts';

const asIs = (text: string) => text;
const plan = planFrom(intend(bareWorld(), phases, everything), untouched(bareWorld()));
const text = renderPlanFile('homelab', new Date(0), plan, asIs);
const file = parsePlanFile(text, 'today.plan', 'homelab');

describe('a plan as a file', () => {
  it('covers every step of the plan that it was made of', () => {
    expect(unapproved(plan.steps, file)).toEqual([]);
  });

  it('is the same file for the same plan', () => {
    expect(renderPlanFile('homelab', new Date(0), plan, asIs)).toBe(text);
  });

  it('can be read by people: reasons and diffs, and neither scripts nor secrets', () => {
    expect(text).toContain('this machine belongs to no cluster');
    expect(text).toContain('+ kind: InitConfiguration');
    expect(text).not.toMatch(/JOIN_TOKEN%%|systemctl restart/);
    // A script that is a file's content is shown; what is run is not.
    const run = plan.steps.map(({ action }) => JSON.stringify(action.script).slice(1, -1));
    expect(run.filter(script => script !== '' && text.includes(script))).toEqual([]);
  });

  const changes: readonly (readonly [string, Partial<PlannedStep>])[] = [
    ['its reason', { why: 'something else' }],
    ['its diff', { diff: '+ another line' }],
    ['its risk', { risk: 'disruptive' }],
    ['its id', { id: 'phase/host/other' }],
  ];
  it.each(changes)('does not cover a step with %s changed', (_, change) => {
    const [first, ...rest] = plan.steps;
    if (!first) throw new Error('a bare machine has steps');
    const other = { ...first, ...change };
    expect(unapproved([other, ...rest], file)).toEqual([other]);
  });

  it('covers a step whose title was written better', () => {
    expect(
      unapproved(
        plan.steps.map(step => ({ ...step, title: 'Better' })),
        file,
      ),
    ).toEqual([]);
  });
});
