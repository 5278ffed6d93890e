// Runs of this computer that did not come to their end, as their journals tell: for people and for doctor, never to decide a change.
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

/** Only the newest run that was to change something says what is still open: a later one that ended well has mended it. */
export async function openRuns(stateDir: string, cluster: string): Promise<readonly OpenRun[]> {
  const folder = join(stateDir, cluster, 'runs');
  const names = (await readdir(folder).catch(() => []))
    .filter(name => name.endsWith('.jsonl'))
    .sort()
    .reverse();
  for (const name of names.slice(0, 50)) {
    const { first, last } = await ends(join(folder, name)).catch(() => ({ first: undefined, last: undefined }));
    const start = started.safeParse(first).data;
    if (start?.purpose !== 'change' || start.simulated) continue;
    const end = finished.safeParse(last).data;
    if (end?.outcome === 'ok') return [];
    const says = end ? `ended ${end.outcome}` : 'its journal ends without an end: it was killed, or is still going';
    // The journal has the whole line; what is told begins with the program's name anyway.
    const command = start.command.replace(/^homelab /, '');
    return [{ run: start.run, command, startedAt: start.time, says }];
  }
  return [];
}

/** The first and the last line, without what lies between: journals of upgrades are long. */
async function ends(path: string): Promise<{ readonly first: unknown; readonly last: unknown }> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const part = 65_536;
    const head = Buffer.alloc(Math.min(part, size));
    await file.read(head, 0, head.length, 0);
    const tail = Buffer.alloc(Math.min(part, size));
    await file.read(tail, 0, tail.length, size - tail.length);
    return {
      first: lineOf(head.toString('utf8').split('\n')[0]),
      last: lineOf(tail.toString('utf8').trimEnd().split('\n').at(-1)),
    };
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
