// One picture of a running phase: the heading, failed and running machines, fresh evidence, and the others as counts. Never more than the screen holds.
import type { Style } from './summary.ts';
import { count, duration, elapsed, oneLine, truncate } from './text.ts';

export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
}

export interface Lane {
  readonly steps: number;
  readonly done: number;
  readonly state: 'waiting' | 'running' | 'failed' | 'done';
  readonly text: string;
  /** The step that is going on. */
  readonly step: string | undefined;
  readonly since: number;
}

export interface PhaseState {
  readonly heading: string;
  readonly startedAt: number;
  readonly lanes: ReadonlyMap<string, Lane>;
  readonly steps: number;
  readonly finished: number;
  /** Painted lines, the newest last. */
  readonly evidence: readonly string[];
}

export interface FrameStyle extends Style {
  /** What steps took in earlier runs, in milliseconds, by their ids. Nothing is expected of a step that never ran. */
  readonly pastTimes?: ReadonlyMap<string, number>;
}

/** Evidence that came last is what people wait for; all of it is in the journal. */
const mostEvidence = 4;
/** A screen is shared so that at least this many machines are seen. */
const leastLanes = 6;
/** Names are aligned up to here; a longer one pushes its own line. */
const widestHost = 24;
/** Less than this of a title says nothing: then the time goes instead. */
const leastTitle = 12;

export function frameOf(
  state: PhaseState,
  now: number,
  { columns, rows }: FrameSize,
  spinner: string,
  style: FrameStyle,
): readonly string[] {
  const { color, marks } = style;
  const all = [...state.lanes.entries()];
  const failed = all.filter(([, lane]) => lane.state === 'failed');
  const running = all.filter(([, lane]) => lane.state === 'running');
  const counts = all.length > 1 ? [color.dim(`  ${countsOf(all.map(([, lane]) => lane.state))}`)] : [];
  // The last row is the cursor's; heading and counts have theirs.
  const free = Math.max(1, rows - 2 - counts.length);
  const proofs = Math.min(mostEvidence, Math.max(0, free - leastLanes));
  const evidence = proofs > 0 ? state.evidence.slice(-proofs) : [];
  const room = free - evidence.length;
  const wanted = failed.length + running.length;
  const shownRoom = Math.max(1, wanted > room ? room - 1 : room);
  const shown = [
    ...failed.slice(0, Math.max(1, shownRoom - running.length, Math.floor(shownRoom / 2))),
    ...running,
  ].slice(0, shownRoom);
  const width = Math.max(0, ...shown.map(([host]) => Math.min(host.length, widestHost)));
  const progress = state.steps > 0 ? `  ${state.finished}/${count(state.steps, 'step')}` : '';
  const isProving = state.steps > 0 && wanted === 0 && state.finished === state.steps;
  return [
    `${color.cyan(spinner)} ${state.heading}${progress}  ${color.dim(elapsed(now - state.startedAt))}`,
    ...shown.map(([host, lane]) => laneLine(host.padEnd(width), lane, now, columns - 1, style)),
    ...(wanted > shown.length ? [color.dim(`  ${marks.more} and ${wanted - shown.length} more`)] : []),
    ...(isProving && evidence.length === 0 ? [color.dim('    all steps are done: reading back and proving')] : []),
    ...evidence.map(line => `    ${line}`),
    ...counts,
  ]
    .slice(0, Math.max(1, rows - 1))
    .map(line => truncatePainted(line, columns - 1, marks.more));
}

/** A title that is too long is cut before the time is. */
function laneLine(host: string, lane: Lane, now: number, columns: number, style: FrameStyle): string {
  const { color, marks, pastTimes } = style;
  const name = color.cyan(oneLine(host).padEnd(host.length));
  if (lane.state === 'failed') return `  ${color.red(marks.failed)} ${name}  ${lane.text}`;
  const past = lane.step === undefined ? undefined : pastTimes?.get(lane.step);
  const time = `${elapsed(now - lane.since)}${past === undefined ? '' : ` (last time ${duration(past)})`}`;
  const room = columns - host.length - time.length - 8;
  const title = room < leastTitle ? lane.text : truncate(lane.text, room, marks.more);
  return `  ${color.dim(marks.running)} ${name}  ${title}  ${color.dim(time)}`;
}

/** '3 running, 1 failed, 40 done, 56 waiting'. */
function countsOf(states: readonly Lane['state'][]): string {
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
