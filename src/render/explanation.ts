// What `homelab explain` says: a heading, rows, and the commands as they are.
import type { Palette } from './color.ts';
import { escapeControl, oneLine } from './text.ts';

export interface Explanation {
  readonly kind: 'phase' | 'step' | 'check' | 'error' | 'rule';
  readonly name: string;
  readonly title: string;
  readonly rows: readonly (readonly [label: string, text: string])[];
  readonly script?: { readonly title: string; readonly text: string };
}

const width = 96;
const labelWidth = 10;

export function formatExplanations(all: readonly Explanation[], color: Palette): string {
  return `${all.map(each => linesOf(each, color).join('\n')).join('\n\n')}\n`;
}

function linesOf({ kind, name, title, rows, script }: Explanation, color: Palette): readonly string[] {
  return [
    `${color.bold(oneLine(name))}  ${color.dim(`(${kind})`)}`,
    ...wrapped(title, 2),
    ...rows.flatMap(([label, text]) =>
      wrapped(text, labelWidth + 2).map((line, index) =>
        index === 0 ? `  ${color.dim(label.padEnd(labelWidth))}${line.trimStart()}` : line,
      ),
    ),
    ...(script ? ['', ...wrapped(script.title, 2)] : []),
    ...(script && script.text !== ''
      ? escapeControl(script.text.trimEnd())
          .split('\n')
          .map(line => `    ${line}`)
      : []),
  ];
}

function wrapped(text: string, indent: number): readonly string[] {
  const lines: string[] = [];
  for (const word of oneLine(text).split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) lines.push(`${' '.repeat(indent)}${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
