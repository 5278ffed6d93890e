// Where things are: the lab's own files in the repository, and the cache folder where bundles are kept.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** The repository's folder test/lab, from the sources as well as from dist/. */
export function labSources(): string {
  for (let folder = path.dirname(fileURLToPath(import.meta.url)); ; folder = path.dirname(folder)) {
    const lab = path.join(folder, 'test', 'lab');
    if (existsSync(path.join(lab, 'pause', 'pause.c'))) return lab;
    if (folder === path.dirname(folder)) throw new Error('test/lab is not beside this program: run it from a checkout');
  }
}

/** The folder for everything the lab builds once and keeps. */
export function labCache(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const own = env['HOMELAB_LAB_CACHE'];
  if (own) return path.resolve(own);
  return path.join(env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'homelab-lab');
}
