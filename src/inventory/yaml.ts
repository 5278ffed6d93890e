// YAML bytes to a value and a map of where everything stands, or findings. js-yaml is used here and in tree.ts only.
import { constructFromEvents, EVENT_ID, type Event, parseEvents, YAMLException } from 'js-yaml';
import { decodeUtf8 } from './decode.ts';
import type { Finding, Issue, Path } from './issue.ts';
import { renderPath } from './issue.ts';
import { type Position, positionsIn } from './position.ts';
import { buildTree, type Node } from './tree.ts';

export interface Source {
  /** Undefined when no value could be made. */
  readonly value: unknown;
  /** Found on the way; with a value, the rest of the checks go on. */
  readonly issues: readonly Issue[];
  /** True: `value` is worth checking. */
  readonly readable: boolean;
  place(finding: Finding): Issue;
  /** A scalar as it was written, for `1.30`, which loads as 1.3. */
  sourceOf(path: Path): string | undefined;
  lineOf(path: Path): number;
  /** Of a scalar, with its quotes. */
  spanOf(path: Path): { readonly from: number; readonly to: number } | undefined;
  /** Where the first key of a mapping stands. */
  firstKeyOf(path: Path): number | undefined;
}

export function readYaml(bytes: Uint8Array, file: string): Source {
  const decoded = decodeUtf8(bytes);
  if (!decoded.ok) return unreadable(file, decoded, decoded.expectation);
  const text = decoded.text;
  const position = positionsIn(text);
  let events: Event[];
  try {
    events = parseEvents(text, {});
  } catch (error) {
    return unreadable(file, position(offsetOf(error)), reasonOf(error));
  }
  const { root, findings, fatal } = buildTree(events, text);
  const issues = findings.map(({ offset, ...finding }) => issueAt(file, position(offset), finding));
  const source = (value: unknown, more: readonly Issue[], readable: boolean): Source => ({
    value,
    issues: [...issues, ...more],
    readable,
    place: finding => issueAt(file, position(offsetIn(root, finding)), finding),
    sourceOf: path => nodeAt(root, path)?.source,
    lineOf: path => position(offsetIn(root, { path })).line,
    spanOf(path) {
      const node = nodeAt(root, path);
      if (node?.kind !== 'scalar' || node.source === '') return undefined;
      const isQuoted = /["']/.test(text.charAt(node.at));
      return { from: node.at, to: node.at + node.source.length + (isQuoted ? 2 : 0) };
    },
    firstKeyOf: path => nodeAt(root, path)?.entries.values().next().value?.keyAt,
  });
  const stop = (offset: number, expectation: string): Source =>
    source(undefined, [issueAt(file, position(offset), { path: [], expectation })], false);

  if (fatal) return source(undefined, [], false);
  if (!root) return stop(0, 'expected an inventory, the file is empty: copy inventory/homelab.yaml');
  const documents = events.filter(event => event.type === EVENT_ID.DOCUMENT).length;
  if (documents > 1) return stop(secondDocument(events) ?? 0, 'expected one document, another one begins here');
  try {
    // Duplicate keys were reported by the tree, all of them; js-yaml would stop at the first.
    const [value] = constructFromEvents(events, { source: text, json: findings.length > 0 });
    return source(value, [], true);
  } catch (error) {
    return stop(offsetOf(error), reasonOf(error));
  }
}

function unreadable(file: string, position: Position, expectation: string): Source {
  const issue = issueAt(file, position, { path: [], expectation });
  return {
    value: undefined,
    issues: [issue],
    readable: false,
    place: finding => issueAt(file, position, finding),
    sourceOf: () => undefined,
    lineOf: () => position.line,
    spanOf: () => undefined,
    firstKeyOf: () => undefined,
  };
}

function issueAt(
  file: string,
  { line, column }: Position,
  { path, shownPath, expectation, suggestion }: Finding,
): Issue {
  return { file, line, column, path: renderPath(shownPath ?? path), expectation, suggestion };
}

/** The value's place; of a missing one, the place of what should hold it. */
function offsetIn(root: Node | undefined, { path, of }: Pick<Finding, 'path' | 'of'>): number {
  let node = root;
  for (const [index, part] of path.entries()) {
    const entry = typeof part === 'string' ? node?.entries.get(part) : undefined;
    const next = typeof part === 'string' ? entry?.node : node?.items[part];
    if (!next) break;
    if (of === 'key' && entry && index === path.length - 1) return entry.keyAt;
    node = next;
  }
  return node?.at ?? 0;
}

function nodeAt(root: Node | undefined, path: Path): Node | undefined {
  return path.reduce<Node | undefined>(
    (node, part) => (typeof part === 'string' ? node?.entries.get(part)?.node : node?.items[part]),
    root,
  );
}

function secondDocument(events: readonly Event[]): number | undefined {
  const start = events.findLastIndex(event => event.type === EVENT_ID.DOCUMENT);
  const first = events[start + 1];
  if (first && 'start' in first) return first.start;
  return first && 'valueStart' in first && first.valueStart !== -1 ? first.valueStart : undefined;
}

function offsetOf(error: unknown): number {
  return error instanceof YAMLException ? (error.mark?.position ?? 0) : 0;
}

/** js-yaml's reasons name tags, and an unquoted password that begins with "!" is one: those are replaced. */
function reasonOf(error: unknown): string {
  if (!(error instanceof YAMLException)) return 'this YAML cannot be read';
  const { reason } = error;
  if (/\btag\b/.test(reason)) return 'YAML tags (!…) are not used here; quote the value if it is to begin with "!"';
  if (/tab characters/.test(reason)) return 'tabs cannot indent YAML: use spaces';
  if (/null byte/.test(reason)) return 'NUL bytes cannot stand in YAML';
  if (/maxDepth/.test(reason)) return 'nested deeper than 100 levels';
  if (/deficient indentation|unexpected end/.test(reason)) {
    return `this is not YAML: ${reason}; a quote or bracket may be open above`;
  }
  return `this is not YAML: ${reason}`;
}
