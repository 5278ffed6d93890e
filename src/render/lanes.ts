// One phase as the live view sees it: which machine does what, what is proven, how much is left. Pure; tty.ts draws it.
import type { RunEvent } from '../model/events.ts';
import { type FrameSize, type FrameStyle, frameOf, type Lane } from './frame.ts';
import { differenceLines, evidenceLines, noteLine, stepLine } from './plain.ts';
import { count, duration, oneLine } from './text.ts';

export interface PhaseView {
  /** An event of this phase, and when it was seen: a rehearsal's own clock can be anywhere. */
  see(event: RunEvent, now: number): void;
  /** What is shown while it runs: the phase, failed and running machines, fresh evidence, counts. */
  frame(now: number, size: FrameSize, spinner: string): readonly string[];
  /** What stays: one line, and below it what went wrong and the notes. */
  ending(): readonly string[];
}

export function createPhaseView(
  started: RunEvent & { readonly type: 'phase-started' },
  startedAt: number,
  style: FrameStyle,
): PhaseView {
  const { color, marks } = style;
  const lanes = new Map<string, Lane>();
  for (const { host } of started.steps) {
    const steps = (lanes.get(host)?.steps ?? 0) + 1;
    lanes.set(host, { steps, done: 0, state: 'waiting', text: '', step: undefined, since: startedAt });
  }
  const evidence: string[] = [];
  const kept: string[] = [];
  const tally = { steps: started.steps.length, done: 0, finished: 0, proofs: 0, disproofs: 0, simulated: false };
  let outcome: 'unchanged' | 'changed' | 'failed' | 'stopped' = 'stopped';
  let durationMs: number | undefined;
  const heading = `${color.bold(oneLine(started.phase))}  ${oneLine(started.title)}`;
  const at = (host: string, text: string): string => `${color.cyan(oneLine(host))}  ${text}`;

  const see: PhaseView['see'] = (event, now) => {
    switch (event.type) {
      case 'step-started': {
        const lane = lanes.get(event.host) ?? { steps: 1, done: 0 };
        lanes.set(event.host, {
          ...lane,
          state: 'running',
          text: oneLine(event.title),
          step: event.id,
          since: now,
        });
        return;
      }
      case 'step-finished': {
        const lane = lanes.get(event.host) ?? {
          steps: 1,
          done: 0,
          state: 'running',
          text: '',
          step: event.id,
          since: now,
        };
        tally.finished += 1;
        if (event.outcome === 'failed') kept.push(`  ${at(event.host, stepLine(event, style))}`);
        lanes.set(event.host, laneAfter(lane, event));
        if (event.outcome === 'done') tally.done += 1;
        return;
      }
      case 'evidence': {
        const found = evidenceLines(event.evidence, event.simulated, style).map(line => at(event.evidence.host, line));
        evidence.push(...found.slice(0, 1));
        tally.simulated ||= event.simulated;
        if (event.evidence.ok) tally.proofs += 1;
        else {
          tally.disproofs += 1;
          kept.push(...found.map(line => `  ${line}`));
        }
        return;
      }
      case 'prediction':
        kept.push(...differenceLines(event.phase, event.differences, style).map(line => `  ${line}`));
        return;
      case 'note':
        kept.push(`  ${noteLine(event, at)}`);
        return;
      case 'phase-finished':
        outcome = event.outcome;
        durationMs = event.durationMs;
        return;
      default:
        return;
    }
  };

  const frame: PhaseView['frame'] = (now, size, spinner) =>
    frameOf(
      { heading, startedAt, lanes, steps: tally.steps, finished: tally.finished, evidence },
      now,
      size,
      spinner,
      style,
    );

  const ending: PhaseView['ending'] = () => {
    const mark = {
      unchanged: color.green(marks.ok),
      changed: color.green(marks.ok),
      failed: color.red(marks.failed),
      stopped: color.yellow(marks.skipped),
    }[outcome];
    const steps = tally.steps === 0 ? 'unchanged' : `${tally.done}/${count(tally.steps, 'step')}`;
    const facts = [
      outcome === 'unchanged' ? 'unchanged' : outcome === 'stopped' ? `${steps}, stopped` : steps,
      ...(tally.proofs > 0 ? [count(tally.proofs, tally.simulated ? 'simulated proof' : 'proof')] : []),
      ...(tally.disproofs > 0 ? [`${tally.disproofs} not proven`] : []),
      ...(durationMs === undefined ? [] : [duration(durationMs)]),
    ];
    return [`${mark} ${heading}  ${color.dim(facts.join(', '))}`, ...kept];
  };

  return { see, frame, ending };
}

function laneAfter(lane: Lane, event: RunEvent & { readonly type: 'step-finished' }): Lane {
  const done = lane.done + 1;
  if (event.outcome === 'failed') {
    const why = event.why === undefined ? '' : `: ${oneLine(event.why)}`;
    return { ...lane, done, state: 'failed', text: `${oneLine(event.title)}${why}` };
  }
  // Steps skipped after a failure do not make the lane look well again.
  if (lane.state === 'failed') return { ...lane, done };
  return { ...lane, done, state: done >= lane.steps ? 'done' : 'waiting', text: '' };
}
