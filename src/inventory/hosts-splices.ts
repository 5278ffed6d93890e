// How an entry of `hosts` is added to or taken from its list, as replacements in the text; the list's own style is kept.
import { dump } from 'js-yaml';
import { type BlockLayout, type FlowLayout, type HostsLayout, lineEnd, lineStart } from './hosts-layout.ts';

/** Replaces what stands between two offsets of the text as it was. */
export interface Splice {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

export function addEntry(text: string, layout: HostsLayout, host: unknown): readonly Splice[] {
  return layout.style === 'block' ? addToBlock(text, layout, host) : addToFlow(text, layout, host);
}

export function removeEntry(text: string, layout: HostsLayout, index: number): readonly Splice[] {
  const entry = layout.entries[index];
  if (!entry) return [];
  if (layout.style === 'flow') return removeFromFlow(text, layout, index);
  return [{ from: entry.start, to: entry.end, insert: '' }];
}

/** A block mapping behind its dash; `gap`: from the dash to the keys. */
export function renderEntry(host: unknown, indent: string, gap: number, eol = '\n'): string {
  const [first = '', ...rest] = dump(host, { ...style, flowLevel: 1 })
    .trimEnd()
    .split('\n');
  return [`${indent}-${' '.repeat(gap - 1)}${first}`, ...rest.map(line => `${indent}${' '.repeat(gap)}${line}`)].join(
    eol,
  );
}

const style = { lineWidth: -1, quoteStyle: 'double' } as const;

function inline(host: unknown): string {
  return dump(host, { ...style, flowLevel: 0 }).trimEnd();
}

function addToBlock(text: string, { entries, column }: BlockLayout, host: unknown): readonly Splice[] {
  const last = entries.at(-1);
  if (!last) return [];
  const eol = eolOf(text, last.start);
  const indent = text.slice(last.start, last.start + column);
  const { keyColumn } = last;
  const entry =
    keyColumn === undefined ? `${indent}- ${inline(host)}` : renderEntry(host, indent, keyColumn - column, eol);
  const endsLine = /[\r\n]/.test(text.charAt(last.end - 1));
  return [{ from: last.end, to: last.end, insert: endsLine ? entry + eol : eol + entry }];
}

function addToFlow(text: string, { entries, close }: FlowLayout, host: unknown): readonly Splice[] {
  const last = entries.at(-1);
  if (!last) return [];
  // In JSON, and where keys are quoted as in JSON, the new entry is JSON too.
  const entry = /^\{\s*"/.test(text.slice(last.start, last.end)) ? JSON.stringify(host) : inline(host);
  const from = lineStart(text, last.start);
  const indent = text.slice(from, last.start);
  const { end } = lineEnd(text, last.end);
  const closes = close <= end;
  const eol = eolOf(text, last.start);
  const behind = (last.comma ?? last.end - 1) + 1;
  if (indent.trim() !== '') {
    // On a line with others.
    if (last.comma === undefined) return [{ from: behind, to: behind, insert: `, ${entry}` }];
    return [{ from: behind, to: behind, insert: ` ${entry},` }];
  }
  if (closes || lineEnd(text, behind).end !== end) {
    const [before, after] = last.comma === undefined ? [',', ''] : ['', ','];
    return [{ from: behind, to: behind, insert: `${before}${eol}${indent}${entry}${after}` }];
  }
  // Behind the comment that the last entry may have on its line.
  return [
    ...(last.comma === undefined ? [{ from: last.end, to: last.end, insert: ',' }] : []),
    { from: end, to: end, insert: `${eol}${indent}${entry}${last.comma === undefined ? '' : ','}` },
  ];
}

function removeFromFlow(text: string, { entries }: FlowLayout, index: number): readonly Splice[] {
  const entry = entries[index];
  if (!entry) return [];
  const { start } = entry;
  const to = entry.comma === undefined ? entry.end : entry.comma + 1;
  const from = lineStart(text, start);
  const { end, next } = lineEnd(text, to);
  const isFirst = text.slice(from, start).trim() === '';
  const rest = text.slice(to, end);
  if (isFirst && /^\s*(#.*)?$/.test(rest)) return [{ from, to: next, insert: '' }];
  if (rest.trim() !== '' && !/^\s*[#\]]/.test(rest)) return [{ from: start, to: to + rest.search(/\S/), insert: '' }];
  // The last one on its line: the comma before it goes with it, when that stands on this line and closes nothing else.
  const comma = entries[index - 1]?.comma;
  if (entry.comma === undefined && comma !== undefined && comma >= from) return [{ from: comma, to, insert: '' }];
  const blank = /[ \t]*$/.exec(text.slice(from, start))?.[0].length ?? 0;
  return [{ from: isFirst ? start : start - blank, to, insert: '' }];
}

/** The line break in use around an offset. */
function eolOf(text: string, offset: number): string {
  return (/\r\n|\n|\r/.exec(text.slice(offset)) ?? /\r\n|\n|\r/.exec(text))?.[0] ?? '\n';
}
