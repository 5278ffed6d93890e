// The run as lines that stay true in a log file: every line names its machine, nothing is drawn twice.
import type { EventSink, RunEvent } from '../model/events.ts';
import type { Evidence } from '../model/plan.ts';
import { planSummary } from './plan.ts';
import { createSummary, opening, type Style, type SummaryOptions } from './summary.ts';
import { count, duration, oneLine } from './text.ts';

export interface PlainOptions extends SummaryOptions {
  readonly stderr: { write(text: string): unknown };
}

/** Longer names push their line to the right instead of everybody's. */
const widestHost = 24;

export function createPlainRenderer({ stderr, ...options }: PlainOptions): EventSink {
  const { color } = options;
  const summary = createSummary(options);
  let width = 0;

  const at = (host: string, text: string): string => {
    const name = `[${oneLine(host)}]`;
    return `${color.cyan(name)}${' '.repeat(Math.max(0, width - name.length))} ${text}`;
  };

  const linesOf = (event: RunEvent): readonly string[] => {
    switch (event.type) {
      case 'run-started':
        width = Math.max(...event.hosts.map(host => Math.min(host.length, widestHost)), 0) + 2;
        return opening(event, options);
      case 'plan':
        return [`plan: ${planSummary(event)}`, ...event.notes.map(note => noteLine(note, at))];
      case 'phase-started': {
        const steps = event.steps.length === 0 ? 'nothing to change' : count(event.steps.length, 'step');
        return ['', color.bold(`== ${oneLine(event.phase)}: ${oneLine(event.title)} (${steps})`)];
      }
      case 'step-started':
        return [at(event.host, `${color.dim(options.marks.running)} ${oneLine(event.title)}`)];
      case 'step-finished':
        return [at(event.host, stepLine(event, options))];
      case 'evidence':
        return evidenceLines(event.evidence, event.simulated, options).map(line => at(event.evidence.host, line));
      case 'phase-finished': {
        const paint = { unchanged: color.dim, changed: color.green, failed: color.red }[event.outcome];
        return [paint(`== ${oneLine(event.phase)} ${event.outcome}, ${duration(event.durationMs)}`)];
      }
      case 'note':
        return [noteLine(event, at)];
      case 'prediction':
        return differenceLines(event.phase, event.differences, options);
      case 'machines':
      case 'remote-command':
        // The journal has them; people read what they were for.
        return [];
      case 'certificates':
      case 'layers':
        // On stdout.
        return [];
      case 'hand-over':
        // At the end, below everything else.
        return [];
      case 'error':
        // Said in full at the end, where people look.
        return [];
      case 'run-finished':
        return summary.closing(event);
      default:
        return unknownEvent(event);
    }
  };

  return {
    name: 'the output',
    handle(event) {
      summary.see(event);
      const text = linesOf(event);
      if (text.length > 0) stderr.write(text.map(line => `${line}\n`).join(''));
    },
    async close() {},
  };
}

/** '✔ Join as a worker (9.8s)'; with the reason when it did not work. */
export function stepLine(event: RunEvent & { readonly type: 'step-finished' }, { color, marks }: Style): string {
  const mark = { done: color.green(marks.ok), failed: color.red(marks.failed), skipped: color.yellow(marks.skipped) };
  const time = event.outcome === 'skipped' ? '' : ` (${duration(event.durationMs)})`;
  const why = event.why === undefined || event.outcome === 'done' ? '' : `: ${oneLine(event.why)}`;
  return `${mark[event.outcome]} ${oneLine(event.title)}${time}${why}`;
}

/** What was found; what was expected and how to look again when it is not as it should be. */
export function evidenceLines(evidence: Evidence, simulated: boolean, { color, marks }: Style): readonly string[] {
  const suffix = simulated ? ` ${color.yellow('(simulated)')}` : '';
  const title = oneLine(evidence.title);
  if (evidence.ok) return [`${color.green(marks.ok)} ${title}: ${oneLine(evidence.observed)}${suffix}`];
  return [
    `${color.red(marks.failed)} ${title}: expected ${oneLine(evidence.expected)}, observed ${oneLine(evidence.observed)}${suffix}`,
    `  ${color.dim('look again:')} ${oneLine(evidence.reproduce)}`,
    ...(evidence.hint === undefined ? [] : [`  ${color.dim('mend:')} ${oneLine(evidence.hint)}`]),
  ];
}

export function differenceLines(
  phase: string,
  differences: readonly string[],
  { color, marks }: Style,
): readonly string[] {
  if (differences.length === 0) return [];
  return [
    `${color.red(marks.failed)} ${oneLine(phase)}: not what was predicted`,
    ...differences.map(difference => `    ${oneLine(difference)}`),
  ];
}

export function noteLine(
  note: { readonly host?: string; readonly text: string },
  at: (host: string, text: string) => string,
): string {
  const text = note.text.split('\n').map(oneLine).join('; ').replaceAll(/ {2,}/g, ' ');
  return note.host === undefined ? `note: ${text}` : at(note.host, `note: ${text}`);
}

function unknownEvent(event: never): never {
  throw new TypeError(`unknown event ${JSON.stringify(event)}`);
}
