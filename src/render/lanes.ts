// One phase as the live view sees it: which machine does what, what is proven, how much is left. Pure; tty.ts draws it.
import type { RunEvent } from '../model/events.ts';
import { differenceLines, evidenceLines, noteLine, stepLine } from './plain.ts';
import type { Style } from './summary.ts';
import { count, duration, elapsed, oneLine, truncate } from './text.ts';

export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
}

export interface PhaseView {
  /** An event of this phase, and when it was seen: a rehearsal's own clock can be anywhere. */
  see(event: RunEvent, now: number): void;
  /** What is shown while it runs: the phase, failed and running machines, fresh evidence, counts. */
  frame(now: number, size: FrameSize, spinner: string): readonly string[];
  /** What stays: one line, and below it what went wrong and the notes. */
  ending(): readonly string[];
}

interface Lane {
  readonly steps: number;
  readonly done: number;
  readonly state: 'waiting' | 'running' | 'failed' | 'done';
  readonly text: string;
  readonly since: number;
}

/** Evidence that came last is what people wait for; all of it is in the journal. */
const shownEvidence = 4;
/** Up to this many machines the view needs no counts. */
const fewLanes = 8;

export function createPhaseView(
  started: RunEvent & { readonly type: 'phase-started' },
  startedAt: number,
  style: Style,
): PhaseView {
  const { color, marks } = style;
  const lanes = new Map<string, Lane>();
  for (const { host } of started.steps) {
    const steps = (lanes.get(host)?.steps ?? 0) + 1;
    lanes.set(host, { steps, done: 0, state: 'waiting', text: '', since: startedAt });
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
        lanes.set(event.host, { ...lane, state: 'running', text: oneLine(event.title), since: now });
        return;
      }
      case 'step-finished': {
        const lane = lanes.get(event.host) ?? { steps: 1, done: 0, state: 'running', text: '', since: now };
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

  const frame: PhaseView['frame'] = (now, { columns, rows }, spinner) => {
    const progress = tally.steps > 0 ? `  ${tally.finished}/${count(tally.steps, 'step')}` : '';
    const all = [...lanes.entries()];
    const failed = all.filter(([, lane]) => lane.state === 'failed');
    const running = all.filter(([, lane]) => lane.state === 'running');
    const proofs = evidence.slice(-shownEvidence);
    // One row each for the heading, the counts, the folded rest, and the line the cursor stands on.
    const room = Math.max(2, rows - 4 - proofs.length);
    const shown = [...failed.slice(0, Math.max(1, room - running.length, Math.floor(room / 2))), ...running].slice(
      0,
      room,
    );
    const hidden = failed.length + running.length - shown.length;
    const laneLine = ([host, lane]: readonly [string, Lane]): string =>
      lane.state === 'failed'
        ? `  ${color.red(marks.failed)} ${at(host, lane.text)}`
        : `  ${color.dim(marks.running)} ${at(host, `${lane.text}  ${color.dim(elapsed(now - lane.since))}`)}`;
    const counts = `  ${lanesText(all.map(([, lane]) => lane.state))}`;
    return [
      `${color.cyan(spinner)} ${heading}${progress}  ${color.dim(elapsed(now - startedAt))}`,
      ...shown.map(laneLine),
      ...(hidden > 0 ? [color.dim(`  ${marks.more} and ${hidden} more`)] : []),
      ...proofs.map(line => `    ${line}`),
      ...(all.length > fewLanes ? [color.dim(counts)] : []),
    ]
      .slice(0, Math.max(1, rows - 1))
      .map(line => truncatePainted(line, columns - 1, marks.more));
  };

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

/** '3 running, 1 failed, 40 done, 56 waiting'. */
function lanesText(states: readonly Lane['state'][]): string {
  return (['running', 'failed', 'done', 'waiting'] as const)
    .map(state => ({ state, number: states.filter(each => each === state).length }))
    .filter(({ number }) => number > 0)
    .map(({ state, number }) => `${number} ${state}`)
    .join(', ');
}

/** Cuts a coloured line; one that is too long loses its colours rather than being counted wrongly. */
function truncatePainted(line: string, columns: number, ellipsis: string): string {
  // Foreign control characters were escaped before, so every escape sequence here is chalk's.
  const bare = line.replace(paint, '');
  const cut = truncate(bare, columns, ellipsis);
  return cut === bare ? line : cut;
}

const paint = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');
