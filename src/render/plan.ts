// The plan as people read it before they say yes: every change on every machine, what is refused, what is worth knowing.
import { type Group, grouped } from '../model/grouped.ts';
import type { Note, PlannedStep, Refusal, Risk } from '../model/plan.ts';
import { noColor, type Palette } from './color.ts';
import { type Marks, unicodeMarks } from './marks.ts';
import { count, hostList, lines, oneLine } from './text.ts';

export interface PlanView {
  readonly steps: readonly PlannedStep[];
  readonly refusals: readonly Refusal[];
  readonly notes: readonly Note[];
}

export interface PlanOptions {
  readonly color?: Palette;
  readonly marks?: Marks;
  /** Whole diffs and whole lists of machines. */
  readonly verbose?: boolean;
}

const foldedLines = 12;
const foldedHosts = 8;

export function formatPlan(plan: PlanView, options: PlanOptions = {}): string {
  const style = {
    color: options.color ?? noColor,
    marks: options.marks ?? unicodeMarks,
    verbose: options.verbose ?? false,
  };
  const sections = [
    ...grouped(plan.steps, step => step.phase).map(steps => phaseLines(steps, style)),
    ...(plan.refusals.length > 0 ? [refusalLines(plan.refusals, style)] : []),
    ...(plan.notes.length > 0 ? [noteLines(plan.notes, style)] : []),
    [style.color.bold(planSummary(plan))],
  ];
  return `${sections.map(section => section.join('\n')).join('\n\n')}\n`;
}

/** '9 steps on 4 machines (2 disruptive), 0 refusals'. */
export function planSummary({ steps, refusals }: Pick<PlanView, 'steps' | 'refusals'>): string {
  const machines = new Set(steps.map(step => step.host)).size;
  const of = (risk: Risk): number => steps.filter(step => step.risk === risk).length;
  const risks = `${of('disruptive')} disruptive${of('destructive') > 0 ? `, ${of('destructive')} destructive` : ''}`;
  return `${count(steps.length, 'step')} on ${count(machines, 'machine')} (${risks}), ${count(refusals.length, 'refusal')}`;
}

type Style = Required<PlanOptions>;
function phaseLines(steps: Group<PlannedStep>, style: Style): readonly string[] {
  // Order is part of the plan: machines share a heading only while their steps stand next to each other.
  const shared = grouped(steps, sameStep);
  const blocks: Group<PlannedStep>[][] = [];
  for (const group of shared) {
    const last = blocks.at(-1);
    if (last?.[0] && hostsOf(last[0]) === hostsOf(group)) last.push(group);
    else blocks.push([group]);
  }
  return [
    style.color.bold(`${steps[0].phase} (${count(steps.length, 'step')})`),
    ...blocks.flatMap(block => [
      `  ${style.color.cyan(`on ${machines(block[0] ?? [], style)}`)}`,
      ...block.flatMap(group => stepLines(group, style)),
    ]),
  ];
}

function stepLines(steps: Group<PlannedStep>, { color, marks, verbose }: Style): readonly string[] {
  const [step] = steps;
  const id = steps.length === 1 ? step.id : step.id.replace(`/${step.host}/`, '/<host>/');
  const risk = step.risk === 'safe' ? '' : `  ${riskMark(step.risk, color)}`;
  const diff = lines(step.diff ?? '');
  // A fold that saves less than a few lines only hides something.
  const shown = verbose || diff.length <= foldedLines + 2 ? diff : diff.slice(0, foldedLines);
  return [
    `    ${oneLine(step.title)}${risk}  ${color.dim(oneLine(id))}`,
    `      ${oneLine(step.why)}`,
    ...shown.map(line => `        ${diffLine(line, color)}`),
    ...(shown.length < diff.length
      ? [`        ${color.dim(`${marks.more} ${count(diff.length - shown.length, 'more line')} (--verbose)`)}`]
      : []),
  ];
}

function riskMark(risk: Exclude<Risk, 'safe'>, color: Palette): string {
  return risk === 'destructive' ? color.red('[DESTRUCTIVE]') : color.yellow('[disruptive]');
}

function diffLine(line: string, color: Palette): string {
  if (/^(\+\+\+|---|@@|Index:|===)/.test(line)) return color.dim(line);
  if (line.startsWith('+')) return color.green(line);
  if (line.startsWith('-')) return color.red(line);
  return line;
}

function refusalLines(refusals: readonly Refusal[], style: Style): readonly string[] {
  const { color, marks } = style;
  return [
    color.bold('refused: nothing is changed while this stands'),
    ...grouped(refusals, ({ host: _, id, ...rest }) => JSON.stringify(rest)).flatMap(group => [
      `  ${color.red(marks.failed)} ${color.cyan(`on ${machines(group, style)}`)}: ${oneLine(group[0].reason)}  ${color.dim(oneLine(group[0].id))}`,
      ...lines(group[0].hint).map((line, index) => `    ${color.dim(index === 0 ? 'fix' : '   ')}  ${line}`),
    ]),
  ];
}

function noteLines(notes: readonly Note[], style: Style): readonly string[] {
  return [
    style.color.bold('notes'),
    ...grouped(notes, note => JSON.stringify([note.text, note.host === undefined])).flatMap(group => {
      const where = group[0].host === undefined ? '' : `${style.color.cyan(`on ${machines(group, style)}`)}: `;
      const [first = '', ...more] = lines(group[0].text);
      return [`  ${where}${first}`, ...more.map(line => `    ${line}`)];
    }),
  ];
}

/** Steps that say the same about several machines. */
function sameStep({ id, host, title, why, diff, risk }: PlannedStep): string {
  return JSON.stringify([id.replace(`/${host}/`, '/'), title, why, diff, risk]);
}

function hostsOf(group: readonly { readonly host?: string }[]): string {
  return JSON.stringify(group.map(item => item.host));
}

function machines(group: readonly { readonly host?: string }[], { verbose }: Style): string {
  const hosts = group.flatMap(item => (item.host === undefined ? [] : oneLine(item.host)));
  return hostList(hosts, verbose ? undefined : foldedHosts);
}
