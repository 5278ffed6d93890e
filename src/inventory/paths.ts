// Paths of files on the operator's disk, as an inventory writes them.
import { isAbsolute, resolve } from 'node:path';
import type { Problem } from './issue.ts';

/** What paths are relative to. */
export interface Places {
  /** The inventory's folder. */
  readonly dir: string;
  readonly home: string;
}

export function pathProblem(path: string): Problem | undefined {
  if (path.trim() === '') return { expectation: 'expected the path of a file' };
  if (/\p{Cc}/u.test(path)) return { expectation: 'expected a path without control characters' };
  if (/^~[^/]/.test(path)) return { expectation: "expected ~/ for your own home; another user's is written out" };
  return undefined;
}

/** `~` is the home, anything relative starts at the inventory: so it works from every folder. */
export function expandPath(path: string, places: Places): string {
  if (path === '~' || path.startsWith('~/')) return resolve(places.home, path.slice(2));
  return isAbsolute(path) ? resolve(path) : resolve(places.dir, path);
}
