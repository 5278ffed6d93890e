// What this computer's journals tell of earlier runs: for people and for doctor, never to decide a change.
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { OpenRun } from '../doctor/snapshot.ts';

const started = z.object({
  type: z.literal('run-started'),
  time: z.string(),
  run: z.string(),
  command: z.string(),
  purpose: z.string(),
  simulated: z.boolean(),
});
const finished = z.object({ type: z.literal('run-finished'), outcome: z.string() });
const timed = z.object({ time: z.string() });

/** Only the newest run that was to change something says what is still open: a later one that ended well has mended it. */
export async function openRuns(stateDir: string, cluster: string): Promise<readonly OpenRun[]> {
  const journals = await journalsOf(stateDir, cluster);
  for (const path of journals.reverse().slice(0, 50)) {
    const { first, last } = await ends(path).catch(() => ({ first: undefined, last: [] }));
    const start = started.safeParse(first).data;
    if (start?.purpose !== 'change' || start.simulated) continue;
    const end = finished.safeParse(last.at(-1)).data;
    if (end?.outcome === 'ok') return [];
    const says = end ? `ended ${end.outcome}` : 'its journal ends without an end: it was killed, or is still going';
    // The journal has the whole line; what is told begins with the program's name anyway.
    const command = start.command.replace(/^homelab /, '');
    return [{ run: start.run, command, startedAt: start.time, says }];
  }
  return [];
}

/** When a run said its last, milliseconds since the epoch; otherwise the names of the last runs there are. A journal may be cut in its last line. */
export async function lastWordOf(
  stateDir: string,
  cluster: string,
  run: string,
): Promise<{ readonly at: number } | { readonly runs: readonly string[] }> {
  const journals = await journalsOf(stateDir, cluster);
  const path = /^[0-9a-f]+$/.test(run) ? journals.find(each => each.endsWith(`-${run}.jsonl`)) : undefined;
  const { last } = path === undefined ? { last: [] } : await ends(path);
  const time = last.flatMap(line => timed.safeParse(line).data?.time ?? []).at(-1);
  return time === undefined
    ? { runs: journals.slice(-3).map(each => each.replace(/^.*-/, '').replace('.jsonl', '')) }
    : { at: Date.parse(time) };
}

/** Paths, oldest first. */
async function journalsOf(stateDir: string, cluster: string): Promise<string[]> {
  const folder = join(stateDir, cluster, 'runs');
  const names = (await readdir(folder).catch(() => [])).filter(name => name.endsWith('.jsonl')).sort();
  return names.map(name => join(folder, name));
}

const partBytes = 65_536;

/** The first line and the last ones, without what lies between: journals of upgrades are long. */
async function ends(path: string): Promise<{ readonly first: unknown; readonly last: readonly unknown[] }> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const part = async (from: number): Promise<readonly string[]> => {
      const bytes = Buffer.alloc(Math.min(partBytes, size));
      await file.read(bytes, 0, bytes.length, from);
      return bytes.toString('utf8').trimEnd().split('\n');
    };
    return { first: lineOf((await part(0))[0]), last: (await part(Math.max(0, size - partBytes))).map(lineOf) };
  } finally {
    await file.close();
  }
}

function lineOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
