import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadInventory } from '../../src/inventory/load.ts';
import { manifestOf, recipient } from '../backup-sample.ts';
import { inventoryPath } from '../sample.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'homelab-backup-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

writeFileSync(join(folder, 'backup.crt'), recipient);
const example = readFileSync(inventoryPath, 'utf8');

function inventoryWith(section: string): string {
  const file = join(folder, 'homelab.yaml');
  writeFileSync(file, `${example}\n${section}\n`);
  return file;
}
const full = 'backup: {recipient: backup.crt, key: "$' + '{file:backup.key}"}';

async function archiveOf(over: object = {}, cut = 0): Promise<string> {
  const payload = Buffer.from('not looked into before it is on the machine');
  const sum = { sha256: createHash('sha256').update(payload).digest('hex'), bytes: payload.length };
  const manifest = { ...manifestOf(await loadInventory(inventoryWith(full))), format: 1, payload: sum, ...over };
  const file = join(folder, 'homelab.backup');
  writeFileSync(file, `${JSON.stringify(manifest)}\n${payload.subarray(0, payload.length - cut)}`);
  return file;
}

describe('homelab backup', () => {
  it('says what to type where the inventory does not say for whom', async () => {
    const { code, stderr } = await runCli(['backup', '-i', inventoryPath]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/openssl req -x509 .*-keyout backup\.key -out backup\.crt/);
  });

  it('does not begin where its folder cannot be written', async () => {
    const { code, stderr } = await runCli(['backup', '-i', inventoryWith(full), '--out', '/dev/null/backups']);
    expect(code).toBe(2);
    expect(stderr).toContain('backups cannot be written into /dev/null/backups');
    expect(stderr).not.toContain('k8s-cp');
  });
});

describe('homelab restore', () => {
  const restore = (file: string, inventory: string, ...more: readonly string[]) =>
    runCli(['restore', file, '-i', inventory, '--rehearse', ...more]);

  it('rehearses the whole way to a proven cluster', async () => {
    const file = await archiveOf();
    const { code, stderr } = await restore(file, inventoryWith(full), '--yes');
    expect([code, stderr]).toEqual([0, expect.stringContaining('Restore the control plane as it was at 2026-11-22')]);
    expect(stderr).not.toContain('Initialise the control plane');
  });

  it('asks, and says so where nobody can answer', async () => {
    const { code, stderr } = await restore(await archiveOf(), inventoryWith(full));
    expect([code, stderr]).toEqual([2, expect.stringContaining('--yes')]);
  });

  it.each<[string, object, number, string]>([
    ['is cut short', {}, 5, 'it is cut short'],
    ["is another cluster's", { cluster: 'other' }, 0, "the backup's cluster is other"],
    ['is of another version', { kubernetes: 'v1.29.0' }, 0, "the backup's Kubernetes version is v1.29.0"],
  ])('refuses one that %s, without asking a machine', async (_, over, cut, message) => {
    const { code, stderr } = await restore(await archiveOf(over, cut), inventoryWith(full), '--yes');
    expect([code, stderr]).toEqual([5, expect.stringContaining(message)]);
    expect(stderr).not.toContain('k8s-cp');
  });

  it('needs to know where the private key is', async () => {
    const file = await archiveOf();
    const { code, stderr } = await restore(file, inventoryWith('backup: {recipient: backup.crt}'), '--yes');
    expect([code, stderr]).toEqual([3, expect.stringContaining('backup.key')]);
  });

  it('of a file that is none says so', async () => {
    const { code } = await restore(inventoryPath, inventoryWith(full), '--yes');
    expect([code, existsSync(inventoryPath)]).toEqual([2, true]);
  });
});
