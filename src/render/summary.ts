// What a run says about itself at its beginning and at its end; tty and plain share it.
import type { EventBody, RunEvent } from '../model/events.ts';
import { accessLines } from './access.ts';
import type { Palette } from './color.ts';
import { type Failure, failureOf, formatFailures, resumeText } from './error.ts';
import type { Marks } from './marks.ts';
import { count, duration, hostList, oneLine } from './text.ts';

export interface Style {
  readonly color: Palette;
  readonly marks: Marks;
}

export interface SummaryOptions extends Style {
  readonly journalPath?: string | undefined;
}

export interface RunSummary {
  /** Every event of the run, in order. */
  see(event: RunEvent): void;
  /** The closing lines. */
  closing(finished: EventBody & { readonly type: 'run-finished' }): readonly string[];
}

/** The opening lines. On a terminal so many machines are named as its width holds. */
export function opening(
  started: EventBody & { readonly type: 'run-started' },
  { color }: Style,
  columns = Number.POSITIVE_INFINITY,
): readonly string[] {
  const name = `homelab ${oneLine(started.version)}`;
  const machines = count(started.hosts.length, 'machine');
  const rest = `, cluster ${oneLine(started.cluster)}, ${machines}`;
  const lists = [6, 5, 4, 3, 2].map(most => ` (${hostList(started.hosts.map(oneLine), most)})`);
  const list = lists.find(each => name.length + rest.length + each.length <= columns) ?? '';
  return [
    `${color.bold(name)}${rest}${list}`,
    `${color.dim(commandLine(started.command))}`,
    ...(started.simulated ? [color.yellow('simulated: machines are predicted, none is touched')] : []),
  ];
}

export function createSummary({ color, marks, journalPath }: SummaryOptions): RunSummary {
  let command = 'homelab';
  let isLook = false;
  const outcomes = { done: 0, failed: 0, skipped: 0 };
  const completed: string[] = [];
  let running: string | undefined;
  let compared = 0;
  const failures: Failure[] = [];
  let handOver: (EventBody & { readonly type: 'hand-over' }) | undefined;

  const see = (event: RunEvent): void => {
    switch (event.type) {
      case 'run-started':
        command = commandLine(event.command);
        isLook = event.purpose === 'look';
        return;
      case 'phase-started':
        running = event.phase;
        return;
      case 'phase-finished':
        if (event.outcome !== 'failed') completed.push(event.phase);
        // A failed phase stays the one the run stopped in.
        if (event.outcome !== 'failed') running = undefined;
        return;
      case 'step-finished':
        outcomes[event.outcome] += 1;
        return;
      case 'prediction':
        compared += event.compared;
        return;
      case 'error':
        failures.push(failureOf(event.error));
        return;
      case 'hand-over':
        handOver = event;
        return;
      case 'machines':
      case 'plan':
      case 'step-started':
      case 'evidence':
      case 'note':
      case 'certificates':
      case 'layers':
      case 'remote-command':
      case 'run-finished':
        return;
      default:
        unknownEvent(event);
    }
  };

  const closing: RunSummary['closing'] = finished => {
    const { outcome, durationMs, simulated } = finished;
    const nothing = outcome === 'ok' && finished.steps === 0;
    if (outcome === 'ok' && isLook)
      return [`${color.green(marks.ok)} looked in ${duration(durationMs)}, changed nothing on the machines`];
    const title = {
      ok: `${color.green(marks.ok)} ${okTitle(nothing, simulated)} in ${duration(durationMs)}`,
      failed: `${color.red(marks.failed)} failed after ${duration(durationMs)} (exit ${finished.exitCode})`,
      cancelled: `${color.yellow(marks.skipped)} interrupted after ${duration(durationMs)} (exit ${finished.exitCode})`,
    }[outcome];
    // An interrupted run has one error more, which says that it was interrupted.
    const told = failures.filter(({ code }) => !(outcome === 'cancelled' && code === 'HL_CANCELLED'));
    const blocks = formatFailures(told, { color, marks });
    const row = (name: string, value: string | undefined): readonly string[] => closingRow(name, value, color);
    return [
      '',
      ...blocks,
      ...(blocks.length > 0 ? [''] : []),
      `${title}${simulated ? `  ${color.yellow('(simulated)')}` : ''}`,
      ...row('steps', stepCounts(finished.steps, outcomes)),
      ...(outcome === 'ok' ? [] : row('completed', completed.map(oneLine).join(', ') || 'no phase')),
      ...(outcome === 'ok' ? [] : row('stopped in', running && oneLine(running))),
      ...row('prediction', `${count(finished.predictionErrors, 'error')} (${count(compared, 'value')} compared)`),
      ...row('commands', commandCounts(finished.remoteCommands)),
      ...row('journal', journalPath && oneLine(journalPath)),
      ...(outcome === 'ok' ? [] : row('resume', resumeText(command))),
      ...(simulated
        ? [color.yellow('simulated: machines were predicted, none was touched; nothing above is proof')]
        : []),
      ...(outcome === 'ok' && handOver ? handOverLines(handOver, color) : []),
    ];
  };

  return { see, closing };
}

function handOverLines(
  { access, next }: EventBody & { readonly type: 'hand-over' },
  color: Palette,
): readonly string[] {
  const width = Math.max(...next.map(({ type }) => type.length), 0);
  return [
    '',
    ...accessLines(access, color),
    '',
    color.bold('next'),
    ...next.map(({ type, why }) => `  ${oneLine(type).padEnd(width)}  ${color.dim(oneLine(why))}`),
  ];
}

/** `run-started` has the whole command line or only its part after the program's name. */
function commandLine(command: string): string {
  return oneLine(command.startsWith('homelab') ? command : `homelab ${command}`);
}

/** A prediction proves nothing. */
function okTitle(nothing: boolean, simulated: boolean): string {
  if (simulated) return nothing ? 'nothing to change' : 'rehearsed';
  return nothing ? 'nothing to change, all proven' : 'done and proven';
}

function stepCounts(steps: number, outcomes: { readonly failed: number; readonly skipped: number }): string {
  const others = [
    ...(outcomes.failed > 0 ? [`${outcomes.failed} failed`] : []),
    ...(outcomes.skipped > 0 ? [`${outcomes.skipped} skipped`] : []),
  ];
  return [`${steps} done`, ...others].join(', ');
}

function commandCounts(commands: Readonly<Record<string, number>>): string {
  const [most] = Object.entries(commands).sort(([, a], [, b]) => b - a);
  return most ? `at most ${most[1]} on one machine (${oneLine(most[0])})` : 'none';
}

function closingRow(name: string, value: string | undefined, color: Palette): readonly string[] {
  return value === undefined || value === '' ? [] : [`  ${color.dim(name.padEnd(12))}${value}`];
}

function unknownEvent(event: never): never {
  throw new TypeError(`unknown event ${JSON.stringify(event)}`);
}
