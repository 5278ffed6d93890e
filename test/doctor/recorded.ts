// States of a real cluster as kubectl printed them; the folder's name is what was done to it (test/fixtures/doctor/recorded).
import { join } from 'node:path';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { loadSnapshot } from '../../src/io/snapshot-folder.ts';
import { root } from '../sample.ts';

export const states = [
  'healthy-no-dns-image',
  'broken-pods',
  'worker-cordoned',
  'worker-kubelet-stopped',
  'worker-link-down',
] as const;

export function recorded(state: (typeof states)[number]): Promise<Snapshot> {
  return loadSnapshot(join(root, 'test/fixtures/doctor/recorded', state));
}
