// What this computer's journals tell of earlier runs: for people and for doctor, never to decide a change.
import { open, readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import type { OpenRun } from '../doctor/snapshot.ts';
import { HomelabError } from '../model/errors.ts';

const started = z.object({
  type: z.literal('run-started'),
  time: z.string(),
  run: z.string(),
  cluster: z.string().optional(),
  command: z.string(),
  purpose: z.string(),
  simulated: z.boolean(),
});
const finished = z.object({ type: z.literal('run-finished'), outcome: z.string() });
/** Whoever looks monthly has years of them. */
const mostLooked = 50;
const mostBytes = 32 * 1024 * 1024;
const doneStep = z.object({
  type: z.literal('step-finished'),
  id: z.string(),
  outcome: z.literal('done'),
  durationMs: z.number(),
});
const timed = z.object({ time: z.string() });

/** Only the newest run that was to change something says what is still open: a later one that ended well has mended it. */
export async function openRuns(stateDir: string, cluster: string): Promise<readonly OpenRun[]> {
  const journals = await journalsOf(stateDir, cluster);
  for (const path of journals.reverse().slice(0, mostLooked)) {
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

/** The newest run that was to change something, and how it ended. */
export async function lastRun(stateDir: string, cluster: string): Promise<OpenRun | undefined> {
  for (const path of (await journalsOf(stateDir, cluster)).reverse().slice(0, 50)) {
    const { first, last } = await ends(path).catch(() => ({ first: undefined, last: [] }));
    const start = started.safeParse(first).data;
    if (start?.purpose !== 'change' || start.simulated) continue;
    const end = finished.safeParse(last.at(-1)).data;
    const says = end ? end.outcome : 'no end: it was killed, or is still going';
    return { run: start.run, command: start.command, startedAt: start.time, says };
  }
  return undefined;
}

/** Has a run that was to change something ended well, of which this computer knows? */
export async function hasSucceeded(stateDir: string, cluster: string): Promise<boolean> {
  for (const path of (await journalsOf(stateDir, cluster)).reverse()) {
    const { first, last } = await ends(path).catch(() => ({ first: undefined, last: [] }));
    const start = started.safeParse(first).data;
    const end = finished.safeParse(last.at(-1)).data;
    if (start?.purpose === 'change' && !start.simulated && end?.outcome === 'ok') return true;
  }
  return false;
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
  return time === undefined ? { runs: journals.slice(-3).map(runIn) } : { at: Date.parse(time) };
}

/** What each step took when it was last done, in milliseconds by its id: real runs only, and no more than is read in a moment. */
export async function stepTimes(stateDir: string, cluster: string): Promise<ReadonlyMap<string, number>> {
  const times = new Map<string, number>();
  let left = mostBytes;
  for (const path of (await journalsOf(stateDir, cluster)).reverse().slice(0, mostLooked)) {
    const first = started.safeParse((await ends(path).catch(() => undefined))?.first).data;
    if (first?.purpose !== 'change' || first.simulated) continue;
    const text = await readFile(path, 'utf8').catch(() => '');
    left -= text.length;
    if (left < 0) break;
    for (const line of text.split('\n').filter(each => each.includes('"step-finished"'))) {
      const step = doneStep.safeParse(lineOf(line)).data;
      if (step && !times.has(step.id)) times.set(step.id, step.durationMs);
    }
  }
  return times;
}

/** Paths, oldest first. */
export async function journalsOf(stateDir: string, cluster: string): Promise<string[]> {
  return journalsIn(join(stateDir, cluster, 'runs'));
}

/** The newest run that was more than a look; where there is none, the newest. */
export async function lastJournal(stateDir: string, cluster: string): Promise<string | undefined> {
  const newest = (await journalsOf(stateDir, cluster)).reverse();
  for (const path of newest.slice(0, mostLooked)) {
    const first = started.safeParse((await ends(path).catch(() => undefined))?.first).data;
    if (first && first.purpose !== 'look') return path;
  }
  return newest[0];
}

/** The whole of a journal. Throws HL_USAGE when it cannot be read. */
export async function readJournal(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new HomelabError('HL_USAGE', `the journal ${path} cannot be read`, {
      cause,
      hint: 'journals stand in $XDG_STATE_HOME/homelab/CLUSTER/runs',
    });
  });
}

/** The name of a journal's run. */
export function runIn(path: string): string {
  return basename(path, '.jsonl').replace(/^.*-/, '');
}

/** The newest journal beside this one that is older, of a run like it, and of more than a look. */
export async function journalBefore(
  path: string,
  like: { readonly cluster: string; readonly simulated: boolean },
): Promise<string | undefined> {
  const all = await journalsIn(dirname(path));
  const older = all.filter(each => basename(each) < basename(path)).reverse();
  for (const each of older.slice(0, mostLooked)) {
    const first = started.safeParse((await ends(each).catch(() => undefined))?.first).data;
    if (first?.purpose === 'look' || first?.cluster !== like.cluster || first.simulated !== like.simulated) continue;
    return each;
  }
  return undefined;
}

async function journalsIn(folder: string): Promise<string[]> {
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
