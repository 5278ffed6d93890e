import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadInventory, readRaw } from '../../src/inventory/load.ts';
import { HomelabError } from '../../src/model/errors.ts';
import { recipient } from '../backup-sample.ts';
import { minimal } from './helpers.ts';

const signer = execFileSync(
  'openssl',
  ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=backup', '-keyout', '/dev/null'],
  { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
);

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'homelab-inventory-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

async function failure(path: string): Promise<HomelabError> {
  const error = await loadInventory(path).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof HomelabError)) throw new Error(`expected a HomelabError, got ${String(error)}`);
  return error;
}

describe('loading an inventory file', () => {
  test('gives the cluster; paths start at the file’s folder and the given home', async () => {
    const text = `${minimal}ssh: {identityFile: keys/id, knownHosts: ~/known}\nkubernetes: {repository: {url: "https://mirror/deb", key: mirror.asc}}\n`;
    write('mirror.asc', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n');
    const cluster = await loadInventory(write('good.yaml', text), { home: '/home/me' });
    expect(cluster.hosts[0]?.ssh).toMatchObject({ identityFile: join(dir, 'keys/id'), knownHosts: '/home/me/known' });
    expect(cluster.kubernetes.repository.key).toEqual({ kind: 'text', text: '-----BEGIN PGP PUBLIC KEY BLOCK-----\n' });
  });

  test('reads for whom backups are encrypted; the key stays a reference, the text a part of every backup', async () => {
    write('backup.crt', recipient);
    const text = `${minimal}backup: {recipient: backup.crt, key: "\${file:backup.key}", schedule: "Mon,Thu 03:00"}\n`;
    const { backup } = await loadInventory(write('backup.yaml', text));
    expect(backup).toEqual({
      recipient,
      key: { kind: 'file', path: join(dir, 'backup.key') },
      schedule: 'Mon,Thu 03:00',
      keep: 7,
      inventory: text,
    });
  });

  test.each([
    ['several certificates', `${recipient}${recipient}`, 'expected one certificate'],
    ['its private key too', `${recipient}-----BEGIN PRIVATE KEY-----\n`, 'expected PEM certificates alone'],
    ['a key that only signs', signer, 'expected a certificate with an RSA key'],
  ])('refuses %s as recipient of backups', async (_, pem, message) => {
    write('bad.crt', pem);
    const { context } = await failure(write('bad-backup.yaml', `${minimal}backup: {recipient: bad.crt}\n`));
    expect(context.details).toEqual([expect.stringContaining(message)]);
    expect(JSON.stringify(context)).not.toContain('BEGIN');
  });

  test('takes a sketch without versions only where it is to say how machines are reached', async () => {
    const sketch = write('sketch.yaml', minimal.replace(/profile: .*\n/, ''));
    expect((await failure(sketch)).context.details).toHaveLength(2);
    expect((await loadInventory(sketch, { isSketch: true })).hosts).toHaveLength(2);
    expect(await readRaw(sketch)).not.toHaveProperty('profile');
  });

  test('throws all issues as one error with exit code 3, one line each', async () => {
    const path = write(
      'bad.yaml',
      minimal.replace('kind: Cluster', 'kind: Clutser').replace('192.168.0.11', 'nowhere'),
    );
    const error = await failure(path);
    expect(error).toMatchObject({ code: 'HL_INVENTORY', exitCode: 3 });
    expect(error.context.details).toEqual([
      `${path}:2:7  kind  expected Cluster, not "Clutser"  (did you mean "Cluster"?)`,
      `${path}:7:48  hosts[1].address  expected an IPv4 address such as 192.168.0.10, not "nowhere"`,
    ]);
    expect(error.hint).toContain('homelab validate -i');
  });

  test('lists a hundred issues and counts the rest', async () => {
    const keys = Array.from({ length: 150 }, (_, index) => `unknown${index}: 1\n`);
    const error = await failure(write('many.yaml', minimal + keys.join('')));
    expect(error.message).toContain('150 problems');
    expect(error.context.details).toHaveLength(101);
    expect(error.context.details?.at(-1)).toBe('… and 50 more');
  });

  test.each([
    ['is not there', () => join(dir, 'missing.yaml'), /not found/],
    ['is a directory', () => dir, /is a directory/],
    ['lies below a file', () => join(write('file', ''), 'inventory.yaml'), /cannot be read \(ENOTDIR\)/],
    ['has a NUL in its name', () => `${dir}/a\0b`, /cannot be read/],
    ['never ends', () => '/dev/zero', /has 1 problem/],
    ['is five megabytes long', () => write('big.yaml', Buffer.alloc(5 * 1024 * 1024, 'a')), /has 1 problem/],
  ])('says so when the file %s', async (_, path, message) => {
    const error = await failure(path());
    expect(error).toMatchObject({ code: 'HL_INVENTORY', exitCode: 3 });
    expect(error.message).toMatch(message);
    expect(error.hint).toContain('-i ');
  });

  test('points to init when there is no file', async () => {
    mkdirSync(join(dir, 'empty'));
    expect((await failure(join(dir, 'empty', 'homelab.yaml'))).hint).toContain('homelab init');
  });
});
