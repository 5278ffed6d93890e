// Where the machines stand in an inventory's text: the extent of each entry of `hosts`, in block or flow style.
import { COLLECTION_STYLE, EVENT_ID, type Event, getScalarValue, parseEvents, SCALAR_STYLE } from 'js-yaml';

export interface BlockEntry {
  /** Begins with the line of its dash, ends behind its last line; comments below it count as its own when they are indented deeper. */
  readonly start: number;
  readonly end: number;
  /** Column of the first key of a block mapping; undefined for what stands on one line: a flow mapping, an alias. */
  readonly keyColumn: number | undefined;
}

export interface FlowEntry {
  readonly start: number;
  readonly end: number;
  /** Of the comma behind it. */
  readonly comma: number | undefined;
}

export interface BlockLayout {
  readonly style: 'block';
  /** Of the dashes. */
  readonly column: number;
  readonly entries: readonly BlockEntry[];
}

export interface FlowLayout {
  readonly style: 'flow';
  readonly entries: readonly FlowEntry[];
  /** Of the closing bracket. */
  readonly close: number;
}

export type HostsLayout = BlockLayout | FlowLayout;

interface Child {
  readonly at: number;
  readonly isBlockMap: boolean;
}

interface Found {
  readonly start: number;
  readonly isFlow: boolean;
  readonly children: readonly Child[];
  /** What a look for brackets, commas and comments must jump over: start to end. */
  readonly opaque: ReadonlyMap<number, number>;
}

/** Of readable YAML without a byte order mark; undefined where `hosts` is no list that is written out there. */
export function hostsLayout(text: string): HostsLayout | undefined {
  const found = findHosts(parseEvents(text, {}), text);
  if (!found) return undefined;
  const layout = found.isFlow ? flowLayout(text, found) : blockLayout(text, found);
  return layout?.entries.length === found.children.length ? layout : undefined;
}

/** Where the line of an offset begins. */
export function lineStart(text: string, offset: number): number {
  return Math.max(text.lastIndexOf('\n', offset - 1), text.lastIndexOf('\r', offset - 1)) + 1;
}

/** Where the line of an offset ends, without and with its line break. */
export function lineEnd(text: string, offset: number): { readonly end: number; readonly next: number } {
  const match = /\r\n|\n|\r/g;
  match.lastIndex = offset;
  const found = match.exec(text);
  return found ? { end: found.index, next: found.index + found[0].length } : { end: text.length, next: text.length };
}

function findHosts(events: readonly Event[], text: string): Found | undefined {
  const opaque = new Map<number, number>();
  const children: Child[] = [];
  let list: { readonly start: number; readonly isFlow: boolean } | undefined;
  let depth = 0;
  // In the top mapping (depth 2: document, mapping) keys and values alternate.
  let isKey = true;
  let key = '';
  let isInHosts = false;
  for (const event of events) {
    if (event.type === EVENT_ID.DOCUMENT) {
      depth += 1;
      continue;
    }
    if (event.type === EVENT_ID.POP) {
      depth -= 1;
      if (depth === 2) isInHosts = false;
      continue;
    }
    if (event.anchorStart !== -1) opaque.set(event.anchorStart, event.anchorEnd);
    if (event.type === EVENT_ID.SCALAR && event.valueStart !== -1) {
      const quotes = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED ? 1 : 0;
      opaque.set(event.valueStart - quotes, event.valueEnd + quotes);
    }
    if (depth === 3 && isInHosts) children.push(childOf(event));
    const opens = event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE;
    if (depth === 2) {
      if (isKey) key = event.type === EVENT_ID.SCALAR ? getScalarValue(text, event) : '';
      else if (key === 'hosts' && event.type === EVENT_ID.SEQUENCE) {
        if (list) return undefined;
        list = { start: event.start, isFlow: event.style === COLLECTION_STYLE.FLOW };
        isInHosts = true;
      }
      isKey = !isKey;
    }
    if (opens) depth += 1;
  }
  return list && { ...list, children, opaque };
}

function childOf(event: Exclude<Event, { readonly type: typeof EVENT_ID.POP | typeof EVENT_ID.DOCUMENT }>): Child {
  const isBlockMap = event.type === EVENT_ID.MAPPING && event.style === COLLECTION_STYLE.BLOCK;
  return { at: 'start' in event ? event.start : -1, isBlockMap };
}

function blockLayout(text: string, { start, children }: Found): HostsLayout | undefined {
  const column = start - lineStart(text, start);
  const entries: { start: number; end: number; keyColumn: number | undefined }[] = [];
  for (let at = start - column; at < text.length; ) {
    const { end, next } = lineEnd(text, at);
    const line = text.slice(at, end);
    const indent = line.search(/[^ ]/);
    const rest = line.slice(Math.max(0, indent));
    if (indent === column && /^-(?=[ \t]|$)/.test(rest)) {
      const child = children[entries.length];
      const keyColumn = child?.isBlockMap ? child.at - lineStart(text, child.at) : undefined;
      entries.push({ start: at, end: next, keyColumn });
    } else if (rest.trim() !== '' && indent > column) {
      const entry = entries.at(-1);
      // Not on a line of its own: `? hosts` or a document that begins with dashes.
      if (!entry) return undefined;
      entry.end = next;
    } else if (rest.trim() !== '' && !rest.startsWith('#')) break;
    at = next;
  }
  return { style: 'block', column, entries };
}

function flowLayout(text: string, { start, opaque }: Found): HostsLayout | undefined {
  const entries: FlowEntry[] = [];
  let depth = 0;
  let first = -1;
  let last = -1;
  const finish = (comma: number | undefined): void => {
    if (first !== -1) entries.push({ start: first, end: last, comma });
    first = -1;
  };
  for (let at = start + 1; at < text.length; ) {
    const character = text.charAt(at);
    const jump = opaque.get(at);
    if (jump === undefined && character === '#' && /\s/.test(text.charAt(at - 1))) {
      at = lineEnd(text, at).end;
      continue;
    }
    if (depth === 0 && character === ']' && jump === undefined) {
      finish(undefined);
      return { style: 'flow', entries, close: at };
    }
    const next = jump !== undefined && jump > at ? jump : at + 1;
    if (depth === 0 && character === ',' && jump === undefined) finish(at);
    else if (!/\s/.test(character)) {
      if (first === -1) first = at;
      last = next;
      if (jump === undefined) depth += '[{'.includes(character) ? 1 : ']}'.includes(character) ? -1 : 0;
    }
    at = next;
  }
  return undefined;
}
