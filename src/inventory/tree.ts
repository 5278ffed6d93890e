// YAML events to a tree that remembers offsets: js-yaml's own AST has none. Finds what must be refused before values are made.
import {
  EVENT_ID,
  type Event,
  getScalarValue,
  type MappingEvent,
  SCALAR_STYLE,
  type ScalarEvent,
  type SequenceEvent,
} from 'js-yaml';
import { type Finding, type Path, shown } from './issue.ts';
import { isSecret } from './secrets.ts';

/** What aliases may add to a document; a bomb of nine lines adds billions. */
const maxExpanded = 10_000;
const maxDepth = 100;
/** Keys and values. A thousand machines with labels have half as many; a mebibyte of dashes has half a million, each an issue. */
const maxValues = 25_000;

export interface Node {
  readonly kind: 'scalar' | 'map' | 'list';
  readonly at: number;
  /** Scalars: the text as written, so that `1.30` can be shown as 1.30. */
  readonly source: string;
  readonly entries: Map<string, { readonly keyAt: number; readonly node: Node }>;
  readonly items: Node[];
  /** Values in here, aliases expanded; grows until the node is closed. */
  size: number;
  height: number;
}

/** Placed by offset because a duplicate's path leads to the first of the two. */
export type TreeFinding = Finding & { readonly offset: number };

export interface Tree {
  readonly root: Node | undefined;
  readonly findings: readonly TreeFinding[];
  /** Values must not be constructed: they would be endless, huge or ambiguous. */
  readonly fatal: boolean;
}

interface Frame {
  readonly node: Node;
  key: { readonly name: string; readonly at: number } | undefined;
}

/** The tree of the first document. */
export function buildTree(events: readonly Event[], source: string): Tree {
  const findings: TreeFinding[] = [];
  const anchors = new Map<string, Node>();
  const open = new Set<Node>();
  const stack: Frame[] = [];
  let root: Node | undefined;
  let expanded = 0;
  let values = 0;
  let furthest = -1;

  const path = (): Path =>
    stack
      .map(({ node, key }) => (node.kind === 'list' ? node.items.length : key?.name))
      .filter(part => part !== undefined);
  const stop = (offset: number, expectation: string): Tree => ({
    root,
    findings: [...findings, { path: path(), offset, expectation }],
    fatal: true,
  });

  for (const event of events) {
    if (event.type === EVENT_ID.DOCUMENT) {
      if (root) break;
      continue;
    }
    if (event.type === EVENT_ID.POP) {
      const closed = stack.pop();
      if (closed) {
        open.delete(closed.node);
        attach(stack.at(-1), closed.node);
      }
      continue;
    }
    const frame = stack.at(-1);
    let node: Node;
    let offset: number;
    if (event.type === EVENT_ID.ALIAS) {
      offset = event.anchorStart - 1;
      const target = anchors.get(source.slice(event.anchorStart, event.anchorEnd));
      // Names are not repeated here: an unquoted password may begin with an asterisk.
      if (!target) return stop(offset, 'alias (*…) without an anchor; quote the value if it is to begin with "*"');
      if (open.has(target)) return stop(offset, 'alias to something that contains it');
      expanded += target.size;
      if (expanded > maxExpanded) return stop(offset, `aliases expand to more than ${maxExpanded} values`);
      if (stack.length + target.height > maxDepth) return stop(offset, `aliases nest deeper than ${maxDepth} levels`);
      node = target;
    } else {
      node = nodeOf(event, source, frame, furthest);
      offset = node.at;
      if (event.anchorStart !== -1) anchors.set(source.slice(event.anchorStart, event.anchorEnd), node);
    }
    furthest = Math.max(furthest, offset);
    if (++values > maxValues) return stop(offset, `expected at most ${maxValues} keys and values`);
    root ??= node;
    if (frame?.node.kind === 'map' && !frame.key) {
      if (node.kind !== 'scalar') return stop(offset, 'keys must be plain names');
      const name = event.type === EVENT_ID.SCALAR ? getScalarValue(source, event) : node.source;
      const secret = isSecret(path());
      const expectation = keyProblem(name, frame.node.entries.has(name), secret);
      if (expectation) findings.push({ path: secret ? path() : [...path(), name], offset, expectation });
      frame.key = { name, at: offset };
    } else if (event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE) {
      open.add(node);
      stack.push({ node, key: undefined });
    } else {
      attach(frame, node);
    }
  }
  return { root, findings, fatal: false };
}

function keyProblem(name: string, duplicate: boolean, secret: boolean): string | undefined {
  if (name === '__proto__') return 'unknown key "__proto__"';
  if (name === '<<') return 'merge keys (<<) are not supported: write the keys out, or give the whole value an anchor';
  if (duplicate) return secret ? 'this key is given twice' : `key ${shown(name)} is given twice`;
  return undefined;
}

function attach(frame: Frame | undefined, node: Node): void {
  if (!frame) return;
  if (frame.node.kind === 'list') frame.node.items.push(node);
  else if (frame.key) {
    // The last of two duplicates wins, as in the value: both are reported anyway.
    frame.node.entries.set(frame.key.name, { keyAt: frame.key.at, node });
    frame.key = undefined;
  }
  frame.node.size += node.size;
  frame.node.height = Math.max(frame.node.height, node.height + 1);
}

function nodeOf(
  event: SequenceEvent | MappingEvent | ScalarEvent,
  source: string,
  frame: Frame | undefined,
  furthest: number,
): Node {
  const rest = { entries: new Map(), items: [], size: 1, height: 1 };
  if (event.type === EVENT_ID.MAPPING) return { kind: 'map', at: event.start, source: '', ...rest };
  if (event.type === EVENT_ID.SEQUENCE) return { kind: 'list', at: event.start, source: '', ...rest };
  const { valueStart, valueEnd, style } = event;
  if (valueStart === -1) return { kind: 'scalar', at: emptyAt(source, frame, furthest), source: '', ...rest };
  const quoted = style === SCALAR_STYLE.SINGLE_QUOTED || style === SCALAR_STYLE.DOUBLE_QUOTED;
  // A person looks at the opening quote, not at what follows it.
  const at = quoted ? valueStart - 1 : valueStart;
  return { kind: 'scalar', at, source: source.slice(valueStart, valueEnd), ...rest };
}

/** js-yaml gives nothing a place: it is where its key is, or the next dash of the list with nothing behind it. */
function emptyAt(source: string, frame: Frame | undefined, furthest: number): number {
  if (frame?.key) return frame.key.at;
  // A window, because looking to the end for each of 100,000 empty items takes minutes.
  const from = furthest + 1;
  const found = source.slice(from, from + 500).search(/-[ \t]*(#|\r|\n|$)/);
  if (frame?.node.kind === 'list' && found !== -1) return from + found;
  return frame?.node.at ?? Math.max(0, furthest);
}
