// A diagnosis for people: the sentence they need first, then why, what to type, what follows from it, and what nobody could look at.
import type { Change } from '../doctor/changes.ts';
import type { Diagnosed, Diagnosis, Unseen } from '../doctor/diagnose.ts';
import { layers } from '../doctor/rule.ts';
import type { Snapshot } from '../doctor/snapshot.ts';
import type { Style } from './summary.ts';
import { count, duration, hostList, oneLine } from './text.ts';

export interface DiagnosisOptions extends Style {
  /** Everything of every finding, and each consequence. */
  readonly verbose: boolean;
  readonly tookMs: number;
  /** With --since: what is new. */
  readonly changes: readonly Change[] | undefined;
}

export function formatDiagnosis(diagnosis: Diagnosis, snapshot: Snapshot, options: DiagnosisOptions): string {
  const { color, verbose } = options;
  const { broken, worthDoing, notes, unseen, bugs } = diagnosis;
  const [first, ...others] = broken;
  const parts: readonly (readonly string[])[] = [
    first ? causeLines(first, { ...options, verbose: true }, verbose) : [healthLine(diagnosis, snapshot, options)],
    ...(others.length > 0
      ? [
          [color.bold('Also broken, for another reason:')],
          ...others.map(each => indent(causeLines(each, options, verbose))),
        ]
      : []),
    changeLines(options),
    titled(
      color.bold('Worth doing:'),
      worthDoing.flatMap(each => adviceLines(each, options)),
    ),
    titled(
      color.bold('Worth knowing:'),
      verbose ? notes.flatMap(each => adviceLines(each, options)) : shortNotes(notes, options),
    ),
    titled(color.bold('Could not look:'), unseenLines(unseen, verbose)),
    titled(
      color.red('Our own fault, please report it:'),
      bugs.map(({ rule, says }) => `  rule ${rule}: ${oneLine(verbose ? says : (says.split('\n')[0] ?? ''))}`),
    ),
    [statusLine(diagnosis, snapshot, options)],
  ];
  return `${parts
    .filter(lines => lines.length > 0)
    .map(lines => lines.join('\n'))
    .join('\n\n')}\n`;
}

function healthLine({ unseen }: Diagnosis, snapshot: Snapshot, { color, marks }: DiagnosisOptions): string {
  const reached = snapshot.machines.some(({ unreached }) => !unreached);
  if (!reached && snapshot.api.state !== 'answers') return color.red('Nothing could be looked at.');
  const rest = unseen.length > 0 ? ', as far as could be seen' : '';
  return `${color.green(marks.ok)} Nothing is broken${rest}.`;
}

function causeLines(each: Diagnosed, options: DiagnosisOptions, all: boolean): readonly string[] {
  const { color, verbose } = options;
  const evidence = verbose ? each.evidence : each.evidence.slice(0, 1);
  const cure = verbose ? each.cure : each.cure.slice(0, 2);
  const certainty = each.unexplained ? 'no cause known' : each.certainty;
  return [
    `${color.red(color.bold(oneLine(each.says)))}  ${color.dim(`(${certainty}, ${each.rule})`)}`,
    ...rows(
      'evidence',
      evidence.flatMap(({ says, from, again }) => [
        `${oneLine(from)}: ${oneLine(says)}`,
        ...(verbose ? [color.dim(`  ${oneLine(again)}`)] : []),
      ]),
      options,
    ),
    ...rows(
      'settled by',
      each.certainty !== 'certain' && each.settledBy !== undefined ? [oneLine(each.settledBy)] : [],
      options,
    ),
    ...rows('cure', cure.map(oneLine), options),
    ...rows(
      'fix',
      each.fix
        ? [`homelab doctor --fix would: ${each.fix.title.charAt(0).toLowerCase()}${each.fix.title.slice(1)}`]
        : [],
      options,
    ),
    ...rows('explains', consequenceLines(each.consequences, all), options),
  ];
}

const mostConsequences = 3;

function consequenceLines(consequences: readonly Diagnosed[], all: boolean): readonly string[] {
  const flat = consequences.flatMap(withThose);
  const shown = all ? flat : flat.slice(0, mostConsequences);
  const left = flat.length - shown.length;
  return [
    ...shown.map(({ says, rule }) => `${oneLine(says)} (${rule})`),
    ...(left > 0 ? [`and ${left} more (--verbose lists them)`] : []),
  ];
}

function withThose(each: Diagnosed): readonly Diagnosed[] {
  return [each, ...each.consequences.flatMap(withThose)];
}

function adviceLines(each: Diagnosed, options: DiagnosisOptions): readonly string[] {
  const cure = each.cure[0];
  return [
    `  ${oneLine(each.says)}  ${options.color.dim(`(${each.rule})`)}`,
    ...(cure === undefined || (each.severity === 'note' && !options.verbose)
      ? []
      : [options.color.dim(`    ${oneLine(cure)}`)]),
  ];
}

const mostNotes = 3;

function shortNotes(notes: readonly Diagnosed[], options: DiagnosisOptions): readonly string[] {
  const left = notes.length - mostNotes;
  return [
    ...notes.slice(0, mostNotes).flatMap(each => adviceLines(each, options)),
    ...(left > 0 ? [`  and ${left} more (--verbose lists them)`] : []),
  ];
}

// Many kinds that were not in a folder, or many parts that one machine did not say, are one line.
function unseenLines(unseen: readonly Unseen[], verbose: boolean): readonly string[] {
  const byReason = new Map<string, string[]>();
  for (const { what, why } of unseen) byReason.set(why, [...(byReason.get(why) ?? []), what]);
  return [...byReason].map(
    ([why, what]) => `  ${hostList(what.map(oneLine), verbose ? Number.POSITIVE_INFINITY : 6)}: ${oneLine(why)}`,
  );
}

function statusLine(diagnosis: Diagnosis, snapshot: Snapshot, { color, tookMs }: DiagnosisOptions): string {
  const bad = new Set(diagnosis.broken.flatMap(withThose).flatMap(({ about }) => about));
  const machines = snapshot.machines.map(({ name, unreached, facts, missed }) => {
    if (bad.has(`machine:${name}`)) return color.red(`${oneLine(name)} broken`);
    // It let us in and told nothing.
    const isMute = Object.keys(facts).length === 0 && Object.keys(missed).length > 0;
    return unreached || isMute ? color.yellow(`${oneLine(name)} not seen`) : `${oneLine(name)} ok`;
  });
  const troubled = layers.flatMap(layer => {
    const causes = diagnosis.broken.filter(each => each.layer === layer).length;
    return causes > 0 ? [`${layer} ${causes}`] : [];
  });
  return [
    `machines ${shortened(machines)}`,
    `causes ${troubled.length > 0 ? troubled.join(', ') : 'none'}`,
    `${count(diagnosis.asked, 'rule')} asked, ${duration(tookMs)}`,
  ].join(color.dim(' | '));
}

function shortened(machines: readonly string[]): string {
  return machines.length === 0 ? 'none' : hostList(machines, 12);
}

function rows(name: string, values: readonly string[], { color }: DiagnosisOptions): readonly string[] {
  return values.map((value, index) => `  ${color.dim((index === 0 ? name : '').padEnd(11))}${value}`);
}

const mostChanges = 30;

function changeLines({ changes, verbose, color }: DiagnosisOptions): readonly string[] {
  if (changes === undefined) return [];
  if (changes.length === 0) return [color.bold('Nothing has changed since then.')];
  const shown = verbose ? changes : changes.slice(-mostChanges);
  const left = changes.length - shown.length;
  return [
    color.bold('Changed since then:'),
    ...(left > 0 ? [`  ${left} earlier ones (--verbose lists them)`] : []),
    ...shown.map(({ at, where, says }) => `  ${at}  ${oneLine(where)}: ${oneLine(says)}`),
  ];
}

function titled(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [title, ...lines];
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map(line => `  ${line}`);
}
