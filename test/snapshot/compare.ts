// Two snapshots side by side: a line for everything that one has otherwise than the other.
import type { Json } from '../../src/model/cluster.ts';
import type { Snapshot } from './snapshot.ts';

export interface Difference {
  readonly place: string;
  readonly item: string;
  readonly first: string;
  readonly second: string;
}

export function compare(first: Snapshot, second: Snapshot): readonly Difference[] {
  return union(first.places, second.places).flatMap(place => {
    const [a, b] = [first.places[place] ?? {}, second.places[place] ?? {}];
    return union(a, b).flatMap(item => {
      const [left, right] = [leaves(a[item]), leaves(b[item])];
      return union(left, right)
        .filter(path => left[path] !== right[path])
        .map(path => ({ place, item: `${item}${path}`, first: left[path] ?? '–', second: right[path] ?? '–' }));
    });
  });
}

/** Every leaf by its path; the value itself where it is none. */
function leaves(value: Json | undefined, path = ''): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null) return { [path]: String(value) };
  const entries: readonly (readonly [string, Json])[] = Array.isArray(value)
    ? value.map((each, index) => [`[${index}]`, each] as const)
    : Object.entries(value).map(([key, each]) => [` ${key}`, each] as const);
  if (entries.length === 0) return { [path]: 'empty' };
  return Object.assign({}, ...entries.map(([key, each]) => leaves(each, `${path}${key}`)));
}

function union(a: object, b: object): readonly string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

const width = 60;

/** For people; says also when there is none, and of how many things. */
export function renderComparison(first: Snapshot, second: Snapshot): string {
  const found = compare(first, second);
  const things = Object.values(first.places).reduce((sum, items) => sum + Object.keys(items).length, 0);
  const places = Object.keys(first.places).length;
  if (found.length === 0) return `${first.lab} and ${second.lab} are equal: ${things} things in ${places} places`;
  return [
    `${found.length} differences between ${first.lab} and ${second.lab} (${things} things in ${places} places):`,
    ...found.flatMap(each => [`${each.place}: ${each.item}`, `  - ${cut(each.first)}`, `  + ${cut(each.second)}`]),
  ].join('\n');
}

function cut(text: string): string {
  const [line = ''] = text.split('\n');
  return line.length < text.length || line.length > width * 3 ? `${line.slice(0, width * 3)} …` : line;
}
