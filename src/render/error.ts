// A failure as people read it: what failed, where, what the machine said, what to type.
import { errorBodies } from '../engine/events.ts';
import type { Json } from '../model/cluster.ts';
import { noColor, type Palette } from './color.ts';
import { type Marks, unicodeMarks } from './marks.ts';
import { duration, hostList, lines, oneLine } from './text.ts';

export interface ErrorOptions {
  readonly color?: Palette;
  readonly marks?: Marks;
  readonly journalPath?: string | undefined;
  /** The command line that resumes the run. */
  readonly resume?: string | undefined;
  /** Applied before anything is cut: the tail of a private key no longer looks like one. */
  readonly redact: (text: string) => string;
}

const stderrLines = 15;

/** Any thrown value. PhaseFailed: every failure, then the log and one resume line. */
export function formatError(error: unknown, { redact, ...options }: ErrorOptions): string {
  const failures = errorBodies(error).map(body => failureOf(body.error, redact));
  return [...formatFailures(failures, options), ...endOf(failures, options)].map(line => `${line}\n`).join('');
}

/** An `error` event's content, as far as it can be shown. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly host: string | undefined;
  readonly step: string | undefined;
  readonly command: string | undefined;
  readonly exitStatus: number | undefined;
  readonly afterMs: number | undefined;
  readonly stderr: string;
  readonly details: readonly string[];
  readonly stack: string;
}

/** Reads an `error` event; what does not look like one is shown as it is. */
export function failureOf(json: Json, redact: (text: string) => string = text => text): Failure {
  const field = (name: string): Json | undefined =>
    typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as { readonly [key: string]: Json })[name]
      : undefined;
  const text = (name: string): string | undefined => {
    const value = field(name);
    return typeof value === 'string' ? redact(value) : undefined;
  };
  const number = (name: string): number | undefined => {
    const value = field(name);
    return typeof value === 'number' ? value : undefined;
  };
  const details = field('details');
  return {
    code: text('code') ?? 'HL_BUG',
    message: text('message') ?? redact(JSON.stringify(json)),
    hint: text('hint'),
    host: text('host'),
    step: text('step'),
    command: text('command'),
    exitStatus: number('exitStatus'),
    afterMs: number('afterMs'),
    stderr: text('stderr') ?? '',
    details: Array.isArray(details) ? details.map(detail => redact(String(detail))) : [],
    stack: text('stack') ?? '',
  };
}

/** Blocks with an empty line between them; machines that failed in the same words share one. */
export function formatFailures(
  failures: readonly Failure[],
  { color = noColor, marks = unicodeMarks }: { readonly color?: Palette; readonly marks?: Marks },
): readonly string[] {
  return alike(failures).flatMap(([first, ...others], index) => [
    ...(index > 0 ? [''] : []),
    ...block(first, others, color, marks),
  ]);
}

function block(failure: Failure, others: readonly Failure[], color: Palette, marks: Marks): readonly string[] {
  const { code, message, step, host, command, exitStatus, afterMs, hint } = failure;
  const same = others.flatMap(other => other.host ?? []);
  const where = host && `${oneLine(host)}${same.length > 0 ? ` (the same on ${oneLine(hostList(same, 8))})` : ''}`;
  const end = [
    ...(exitStatus === undefined ? [] : [`exit ${exitStatus}`]),
    ...(afterMs === undefined ? [] : [`after ${duration(afterMs)}`]),
  ].join(' ');
  const tail = lines(failure.stderr).slice(-stderrLines);
  const [title = '', ...rest] = lines(message);
  return [
    `${color.red(marks.failed)} ${color.bold(title)}  ${color.dim(`[${oneLine(code)}]`)}`,
    ...rest.map(line => `  ${line}`),
    ...(step
      ? field('step', [`${oneLine(step)}${where ? `   ${color.dim('host')}  ${where}` : ''}`], color)
      : field('host', where ? [where] : [], color)),
    ...field('command', command ? [`${oneLine(command)}${end && `   ${end}`}`] : end ? [end] : [], color),
    ...field('stderr', tail, color),
    ...field('details', failure.details.flatMap(lines), color),
    ...field('stack', lines(failure.stack), color),
    ...field(
      'fix',
      hint ? lines(hint) : code === 'HL_BUG' ? ['this is a bug in homelab: report it with the log'] : [],
      color,
    ),
  ];
}

/** What stands once under all blocks. */
function endOf(
  failures: readonly Failure[],
  { color = noColor, journalPath, resume }: Omit<ErrorOptions, 'redact'>,
): readonly string[] {
  const gap = failures.length > 1 && (journalPath || resume) ? [''] : [];
  return [
    ...gap,
    ...field('log', journalPath ? [oneLine(journalPath)] : [], color),
    ...field('resume', resume ? [resumeText(resume)] : [], color),
  ];
}

/** The command, and why it is safe to type. */
export function resumeText(command: string): string {
  return `${oneLine(command)}   (what is done is not done again)`;
}

/** '  stderr   first line', the other lines below it; nothing without lines. */
export function field(name: string, values: readonly string[], color: Palette): readonly string[] {
  return values.map((value, index) => `  ${color.dim((index === 0 ? name : '').padEnd(9))}${value}`.trimEnd());
}

/** Failures that differ in nothing but their machine's name, in order of appearance. */
export function alike(failures: readonly Failure[]): readonly (readonly [Failure, ...Failure[]])[] {
  const groups = new Map<string, [Failure, ...Failure[]]>();
  failures.forEach((failure, index) => {
    const { host, afterMs: _, ...rest } = failure;
    const key = host ? JSON.stringify(rest).replaceAll(host, '\0') : `#${index}`;
    const group = groups.get(key);
    if (group) group.push(failure);
    else groups.set(key, [failure]);
  });
  return [...groups.values()];
}
