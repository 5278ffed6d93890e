// Archives on this computer, with real certificates and real encryption.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Archive, readArchive, requireKey, tryOpen } from '../../src/io/archive.ts';
import { keepNewest, receiveArchive, writableFolder } from '../../src/io/archive-folder.ts';
import { archivePattern } from '../../src/model/backup.ts';
import { recipientHash } from '../../src/transitions/backup.ts';
import { failureOf } from '../run-context.ts';

const folder = mkdtempSync(join(tmpdir(), 'homelab-archive-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });

function pair(name: string): { readonly key: string; readonly certificate: string } {
  const place = ['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)];
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '36500', '-subj', '/CN=backup', ...place);
  return { key: readFileSync(at(`${name}.key`), 'utf8'), certificate: readFileSync(at(`${name}.crt`), 'utf8') };
}
const ours = pair('ours');
const theirs = pair('theirs');
const sum = (data: Buffer) => ({ sha256: createHash('sha256').update(data).digest('hex'), bytes: data.length });

/** As a control plane makes it, of any content. */
function archiveOf(content: string, over: object = {}): Buffer {
  const plain = Buffer.from(content);
  writeFileSync(at('plain'), plain);
  const oaep = ['-keyopt', 'rsa_padding_mode:oaep', '-keyopt', 'rsa_oaep_md:sha256'];
  openssl(
    ...['cms', '-encrypt', '-binary', '-stream', '-outform', 'DER', '-aes-256-gcm', '-recip', at('ours.crt'), ...oaep],
    ...['-in', at('plain'), '-out', at('payload')],
  );
  const payload = readFileSync(at('payload'));
  const manifest = {
    format: 1,
    cluster: 'homelab',
    homelab: '0.1.0',
    recipient: recipientHash(ours.certificate),
    made: '2026-11-22T03:00:00Z',
    host: 'k8s-cp',
    caHash: 'a'.repeat(64),
    kubernetes: 'v1.31.1',
    etcd: '3.5.15-0',
    snapshot: { hash: 1, revision: 2, totalKey: 3, totalSize: 4 },
    configuration: '',
    plain: sum(plain),
    payload: sum(payload),
    ...over,
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(manifest)}\n`), payload]);
}

async function written(data: Buffer, name = 'archive'): Promise<Archive> {
  writeFileSync(at(name), data);
  return readArchive(at(name));
}

const never = new AbortController().signal;

describe('an archive', () => {
  const whole = archiveOf('etcd and keys\n'.repeat(100_000));

  it('says what it is without a key, and opens with its own', async () => {
    const archive = await written(whole);
    expect(archive.manifest).toMatchObject({ cluster: 'homelab', kubernetes: 'v1.31.1', snapshot: { revision: 2 } });
    expect(archive.sha256).toBe(sum(whole).sha256);
    expect(() => requireKey(ours.key, archive)).not.toThrow();
    expect(await tryOpen(archive, ours.key, never)).toBe('opened');
  });

  it('holds nothing in clear but what it says of itself', () => {
    expect(whole.includes('etcd and keys')).toBe(false);
  });

  it('that was cut short is refused with what is there of it', async () => {
    expect(await failureOf(written(whole.subarray(0, whole.length - 1000)))).toMatchObject({
      code: 'HL_REFUSED',
      message: expect.stringMatching(/cut short: \d+ of \d+ bytes/),
      hint: expect.stringContaining('homelab backup --fetch'),
    });
  });

  it('with another byte in it is refused', async () => {
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 500] = (damaged[damaged.length - 500] ?? 0) ^ 1;
    expect(await failureOf(written(damaged))).toMatchObject({
      code: 'HL_REFUSED',
      message: expect.stringContaining('its sum is another'),
    });
  });

  it('whose sums were made to fit does not open', async () => {
    const head = whole.indexOf('\n') + 1;
    const payload = Buffer.from(whole.subarray(head));
    payload[payload.length - 500] = (payload[payload.length - 500] ?? 0) ^ 1;
    const manifest = { ...JSON.parse(whole.subarray(0, head).toString()), payload: sum(payload) };
    const archive = await written(Buffer.concat([Buffer.from(`${JSON.stringify(manifest)}\n`), payload]));
    expect(await failureOf(tryOpen(archive, ours.key, never))).toMatchObject({ code: 'HL_VERIFY' });
  });

  it.each([
    ['another key', theirs.key, 'was encrypted for another key'],
    ['no key', 'hunter2', 'is no private key'],
  ])('and %s: refused before it is tried', async (_, key, message) => {
    const archive = await written(whole);
    const failure = await failureOf(Promise.resolve().then(() => requireKey(key, archive)));
    expect(failure).toMatchObject({ code: 'HL_REFUSED', message: expect.stringContaining(message) });
    expect(JSON.stringify(failure)).not.toContain('hunter2');
  });

  it('and a key under a password: what unlocks it is said', async () => {
    openssl('pkey', '-in', at('ours.key'), '-aes256', '-passout', 'pass:x', '-out', at('locked.key'));
    const archive = await written(whole);
    const failure = await failureOf(
      Promise.resolve().then(() => requireKey(readFileSync(at('locked.key'), 'utf8'), archive)),
    );
    expect(failure).toMatchObject({
      message: expect.stringContaining('locked'),
      hint: expect.stringContaining('openssl pkey'),
    });
  });

  it.each([
    ['something else', Buffer.from('hello\n')],
    ['a line without an end', Buffer.from('{"format":1')],
    ['another format', archiveOf('x', { format: 2 })],
  ])('is not %s', async (_, data) => {
    expect(await failureOf(written(data))).toMatchObject({
      code: 'HL_USAGE',
      message: expect.stringContaining('is no backup of homelab'),
    });
  });

  it('that is not there is a mistake of usage', async () => {
    expect(await failureOf(readArchive(at('nowhere')))).toMatchObject({ code: 'HL_USAGE' });
  });
});

describe('the folder of archives', () => {
  async function* pieces(data: Buffer): AsyncGenerator<Buffer> {
    yield data.subarray(0, 100);
    yield data.subarray(100);
  }

  it('gets one under its name, for its owner alone, once it was found whole', async () => {
    const place = await writableFolder(join(folder, 'backups'));
    const target = join(place, 'homelab-20261122T030000Z.backup');
    const archive = await receiveArchive(target, pieces(archiveOf('content')));
    expect(archive.path).toBe(target);
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect(statSync(place).mode & 0o777).toBe(0o700);
    const later = join(place, 'homelab-20261123T030000Z.backup');
    expect(await failureOf(receiveArchive(later, pieces(archiveOf('content').subarray(0, -1))))).toMatchObject({
      code: 'HL_REFUSED',
    });
    expect(await readdir(place)).not.toContain('homelab-20261123T030000Z.backup');
  });

  it('that cannot be written is named, with what to type', async () => {
    writeFileSync(at('a-file'), '');
    expect(await failureOf(writableFolder(at('a-file/backups')))).toMatchObject({
      code: 'HL_USAGE',
      message: `backups cannot be written into ${at('a-file/backups')}`,
      hint: expect.stringContaining('--out DIR'),
    });
  });

  it('keeps the newest of this cluster, and what is not its', async () => {
    const place = await writableFolder(join(folder, 'kept'));
    const mine = ['20261120', '20261121', '20261122'].map(day => `homelab-${day}T030000Z.backup`);
    const others = ['homelab-2-20261101T030000Z.backup', 'notes.txt', 'homelab-20261101T030000Z.backup.partial'];
    for (const name of [...mine, ...others]) writeFileSync(join(place, name), '');
    expect(await keepNewest(place, archivePattern('homelab'), 2)).toBe(1);
    expect((await readdir(place)).toSorted()).toEqual([...mine.slice(1), ...others].toSorted());
    expect(await keepNewest(place, archivePattern('homelab'), 7)).toBe(0);
  });
});
