// States of a real cluster and its machines as doctor saw them; the folder's name is what was done to it (test/tools/record-doctor.ts).
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { loadSnapshot } from '../../src/io/snapshot-folder.ts';
import { root } from '../sample.ts';

const folder = join(root, 'test/fixtures/doctor/lab');

export const labStates: readonly string[] = readdirSync(folder).sort();

/** Kinds that doctor learned after these states were recorded, when there were none of them. */
const younger = ['horizontalpodautoscalers'] as const;

export async function labState(name: string): Promise<Snapshot> {
  const snapshot = await loadSnapshot(join(folder, name));
  if (snapshot.api.state !== 'answers') return snapshot;
  const none = { state: 'seen', items: [], unreadable: 0 } as const;
  const missing = younger.filter(kind => snapshot.lists[kind].state === 'unknown');
  return { ...snapshot, lists: { ...snapshot.lists, ...Object.fromEntries(missing.map(kind => [kind, none])) } };
}
