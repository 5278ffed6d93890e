// Reads parsed YAML of unknown shape: cross-checks must work while other parts of the inventory are wrong.
import type { Json } from '../model/cluster.ts';
import type { Path } from './issue.ts';

/** Own properties only: an inventory may hold any key. */
export function at(raw: unknown, path: Path): unknown {
  let value = raw;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

export function textAt(raw: unknown, path: Path): string | undefined {
  const value = at(raw, path);
  return typeof value === 'string' ? value : undefined;
}

export function listAt(raw: unknown, path: Path): readonly unknown[] {
  const value = at(raw, path);
  return Array.isArray(value) ? value : [];
}

/** Calls back for every value, the containers too. */
export function eachValue(value: unknown, visit: (value: unknown, path: Path) => void, path: Path = []): void {
  visit(value, path);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    eachValue(inner, visit, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

/** A copy that is JSON by type; the parser makes nothing else. */
export function toJson(value: unknown): Json {
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}
