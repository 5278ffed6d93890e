import { describe, expect, it } from 'vitest';
import type { EventBody, RunEvent } from '../../src/model/events.ts';
import type { PlannedStep } from '../../src/model/plan.ts';
import { noColor, paletteFor } from '../../src/render/color.ts';
import { createPhaseView, type PhaseView } from '../../src/render/lanes.ts';
import { unicodeMarks } from '../../src/render/marks.ts';

const size = { columns: 80, rows: 24 };
const time = '2026-11-21T19:50:08.000Z';

const steps: readonly PlannedStep[] = Array.from({ length: 100 }, (_, index) => {
  const host = `node-${String(index).padStart(2, '0')}`;
  return {
    id: `containerd/${host}/package`,
    phase: 'containerd',
    host,
    title: 'Install containerd.io 2.1.5',
    why: 'it is not installed',
    risk: 'safe',
    deadlineMs: 60_000,
  };
});

function view(color = noColor): PhaseView {
  return createPhaseView({ time, type: 'phase-started', phase: 'containerd', title: 'Run containerd', steps }, 0, {
    color,
    marks: unicodeMarks,
  });
}

function start({ id, host, title, deadlineMs }: PlannedStep): RunEvent {
  return { time, type: 'step-started', id, host, title, deadlineMs };
}

function finish({ id, host, title }: PlannedStep, outcome: 'done' | 'failed', why?: string): RunEvent {
  const body: EventBody = { type: 'step-finished', id, host, title, outcome, durationMs: 5, ...(why ? { why } : {}) };
  return { time, ...body };
}

describe('a phase on a hundred machines', () => {
  it('shows failed and running machines first, counts the rest, and fits the screen', async () => {
    const phase = view();
    for (const step of steps.slice(0, 60)) phase.see(start(step), 0);
    for (const step of steps.slice(0, 25)) phase.see(finish(step, 'done'), 1000);
    for (const step of steps.slice(25, 27)) phase.see(finish(step, 'failed', 'the apt lock is held'), 2000);
    const frame = phase.frame(65_000, size, '⠋');
    expect(frame.length).toBeLessThan(size.rows);
    await expect(`${frame.join('\n')}\n`).toMatchFileSnapshot('../golden/render/lanes-100.txt');
  });

  it('fits whatever the screen is', () => {
    const phase = view();
    for (const step of steps) phase.see(start(step), 0);
    for (const rows of [1, 2, 5, 10, 200]) {
      for (const columns of [40, 80]) {
        const frame = phase.frame(1000, { columns, rows }, '⠋');
        expect(frame.length).toBeLessThanOrEqual(Math.max(1, rows - 1));
        expect(frame.every(line => line.length < columns)).toBe(true);
      }
    }
  });

  it('cuts coloured lines by what is seen of them, when nothing else helps', async () => {
    const color = await paletteFor({ isTTY: true }, {});
    const phase = view(color);
    const [first] = steps;
    if (!first) throw new Error('there are steps');
    phase.see(start(first), 0);
    const frame = phase.frame(1000, size, '⠋');
    expect(frame[1]).toContain('\u001b[36mnode-00\u001b[39m');
    expect(phase.frame(1000, { columns: 20, rows: 24 }, '⠋')[1]).toBe('  › node-00  Insta…');
  });

  it('keeps a failed machine failed when its later steps are skipped', () => {
    const phase = view();
    const [first] = steps;
    if (!first) throw new Error('there are steps');
    phase.see(start(first), 0);
    phase.see(finish(first, 'failed', 'no'), 0);
    phase.see(
      { time, type: 'step-finished', id: 'x', host: first.host, title: 'Next', outcome: 'skipped', durationMs: 0 },
      0,
    );
    expect(phase.frame(0, size, '⠋')).toContain('  ✖ node-00  Install containerd.io 2.1.5: no');
  });
});
