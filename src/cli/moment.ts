// --since: a time, or the end of a run of homelab's on this computer; 'last' is the newest that was to change something.
import { loadInventory } from '../inventory/load.ts';
import { stateDir } from '../io/journal.ts';
import { lastRun, lastWordOf } from '../io/past-runs.ts';
import { HomelabError } from '../model/errors.ts';
import type { Io, RunOptions } from './session.ts';

/** Milliseconds since the epoch. Throws HL_USAGE for what is neither. */
export async function momentOf(text: string, { inventory }: Pick<RunOptions, 'inventory'>, io: Io): Promise<number> {
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  const { name } = await loadInventory(inventory, { isSketch: true });
  const state = stateDir(io.env);
  const run = text === 'last' ? ((await lastRun(state, name))?.run ?? text) : text;
  const found = await lastWordOf(state, name, run);
  if ('at' in found) return found.at;
  throw new HomelabError('HL_USAGE', `--since: ${JSON.stringify(text)} is no time and no run of this computer's`, {
    hint:
      found.runs.length > 0
        ? `a time (2026-11-22T10:00Z), last, or one of the last runs: ${found.runs.join(', ')}`
        : 'a time: 2026-11-22T10:00Z',
  });
}
