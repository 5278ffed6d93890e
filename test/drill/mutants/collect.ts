// Stands in for vitest's describe and it: tests are collected as functions, to be run again under every mutation.
import { expect } from 'vitest';

export { expect };

export interface Collected {
  readonly name: string;
  readonly run: () => unknown;
  readonly before: readonly (() => unknown)[];
}

type Body = (...given: never[]) => unknown;

export const collected: Collected[] = [];
let path: readonly { readonly name: string; readonly before: (() => unknown)[] }[] = [];

/** Begins a file; its `beforeAll` counts for its tests only. */
export function beginFile(name: string): void {
  path = [{ name, before: [] }];
}

export function describe(name: string, body: () => void): void {
  const outer = path;
  path = [...path, { name, before: [] }];
  body();
  path = outer;
}

export function it(name: string, run: () => unknown): void {
  collected.push({
    name: [...path.map(each => each.name), name].join(' > '),
    run,
    before: path.flatMap(({ before }) => before),
  });
}

export function beforeAll(run: () => unknown): void {
  path.at(-1)?.before.push(run);
}

const each =
  (collect: (name: string, run: () => void) => void) =>
  (rows: readonly unknown[]) =>
  (name: string, body: Body): void => {
    for (const row of rows) {
      const given = (Array.isArray(row) ? row : [row]) as never[];
      collect(`${name} ${label(row)}`, () => body(...given));
    }
  };

function label(row: unknown): string {
  if (typeof row === 'string') return row;
  if (Array.isArray(row)) return String(row[0]);
  if (typeof row === 'object' && row !== null && 'name' in row) return String(row.name);
  return typeof row === 'object' && row !== null && 'id' in row ? String(row.id) : '';
}

describe.each = each(describe);
it.each = each(it);
export const test = it;
