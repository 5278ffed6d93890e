// --since: a time, or the end of a run of homelab's on this computer.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadInventory } from '../inventory/load.ts';
import { stateDir } from '../io/journal.ts';
import { HomelabError } from '../model/errors.ts';
import type { Io, RunOptions } from './session.ts';

/** Milliseconds since the epoch. Throws HL_USAGE for what is neither. */
export async function momentOf(text: string, { inventory }: Pick<RunOptions, 'inventory'>, io: Io): Promise<number> {
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const time = Date.parse(text);
    if (!Number.isNaN(time)) return time;
  }
  const { name } = await loadInventory(inventory, { isSketch: true });
  const folder = join(stateDir(io.env), name, 'runs');
  const runs = (await readdir(folder).catch(() => [])).filter(each => each.endsWith('.jsonl')).sort();
  const file = /^[0-9a-f]+$/.test(text) ? runs.find(each => each.endsWith(`-${text}.jsonl`)) : undefined;
  if (file === undefined) {
    throw new HomelabError('HL_USAGE', `--since: ${JSON.stringify(text)} is no time and no run of this computer's`, {
      hint:
        runs.length > 0
          ? `a time (2026-11-22T10:00Z), or one of the last runs: ${runs.slice(-3).map(runOf).join(', ')}`
          : 'a time: 2026-11-22T10:00Z',
    });
  }
  const last = (await readFile(join(folder, file), 'utf8')).trimEnd().split('\n').at(-1) ?? '';
  const { time } = JSON.parse(last) as { readonly time: string };
  return Date.parse(time);
}

function runOf(file: string): string {
  return file.replace(/^.*-/, '').replace('.jsonl', '');
}
