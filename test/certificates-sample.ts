// What a control plane says of its certificates, recorded: kubeadm v1.31.1's files, openssl's servers in place of etcd and API server.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './sample.ts';

const day = 24 * 3600;

/**
 * `before`: as kubeadm made them. `after`: apiserver and super-admin.conf renewed, the files but these two days older, nothing
 * restarted. `external`: ca.key taken away, then everything else renewed.
 */
export type Recorded = 'before' | 'after' | 'external';

/** The recording, read so many days later. */
export function recorded(name: Recorded, daysLater = 0): string {
  const text = readFileSync(join(root, 'test/fixtures/certificates', `${name}.txt`), 'utf8');
  return text.replace(/^clock (\d+)$/m, (_, clock: string) => `clock ${Number(clock) + daysLater * day}`);
}
