// States of a real cluster and its machines as doctor saw them; the folder's name is what was done to it (test/tools/record-doctor.ts).
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { loadSnapshot } from '../../src/io/snapshot-folder.ts';
import { root } from '../sample.ts';

const folder = join(root, 'test/fixtures/doctor/lab');

export const labStates: readonly string[] = readdirSync(folder).sort();

export function labState(name: string): Promise<Snapshot> {
  return loadSnapshot(join(folder, name));
}
