// Files arrive whole, private and root-owned, or not at all.
import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { dial, failure, hostAt, startProxy, tempDir } from './ssh-rig.ts';
import { type Sshd, startSshd, withoutSshd } from './sshd.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe.skipIf(withoutSshd)(`uploads to a real sshd${withoutSshd ? ` (${withoutSshd})` : ''}`, () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd?.stop());
  const opened = async (port = sshd.port) => {
    const target = hostAt(port, { identityFile: sshd.identityFile, hostKey: sshd.hostKey('ed25519') });
    const { remote } = await dial(target);
    cleanups.push(() => remote.close());
    return remote;
  };
  const file = (content: string | Buffer) => {
    const dir = tempDir();
    const local = join(dir, 'local');
    writeFileSync(local, content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { dir, local, options: { sha256, timeoutMs: 20_000 } };
  };

  test('trap 10: a file arrives as written, 0600, in a directory that is made', async () => {
    const bytes = Buffer.from(Array.from({ length: 5_000_000 }, (_, index) => (index * 7 + (index >> 8)) & 255));
    const { dir, local, options } = file(bytes);
    const target = join(dir, "new dir/it's here");
    const remote = await opened();
    await remote.upload(local, target, options);
    expect(readFileSync(target).equals(bytes)).toBe(true);
    expect(statSync(target)).toMatchObject({ uid: 0, mode: 0o100600 });
    expect(readdirSync(join(dir, 'new dir'))).toEqual(["it's here"]);
    expect((await remote.exec('echo next', { timeoutMs: 5_000 })).stdout).toBe('next\n');
  });

  test('an empty file is a file', async () => {
    const { dir, local, options } = file('');
    await (await opened()).upload(local, join(dir, 'copy'), options);
    expect(statSync(join(dir, 'copy')).size).toBe(0);
  });

  test('a file that is there already is not sent again', async () => {
    const { dir, local, options } = file('content');
    const copy = join(dir, 'copy');
    const remote = await opened();
    await remote.upload(local, copy, options);
    const before = statSync(copy).ino;
    await remote.upload(local, copy, options);
    expect(statSync(copy).ino).toBe(before);
    // The same bytes where others may change them, or behind a link, are not had.
    chmodSync(copy, 0o666);
    await remote.upload(local, copy, options);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    rmSync(copy);
    symlinkSync(local, copy);
    await remote.upload(local, copy, options);
    expect(readFileSync(local, 'utf8')).toBe('content');
    expect(statSync(copy).ino).not.toBe(statSync(local).ino);
  });

  test('a wrong sum is an error and leaves nothing behind', async () => {
    const { dir, local, options } = file('content');
    const error = await failure(
      (await opened()).upload(local, join(dir, 'copy'), { ...options, sha256: 'ab'.repeat(32) }),
    );
    expect(error.code).toBe('HL_BUNDLE');
    expect(error.message).toContain(options.sha256);
    expect(readdirSync(dir)).toEqual(['local']);
  });

  test('a local file that cannot be read is said before anything is sent', async () => {
    const { dir, options } = file('');
    const error = await failure((await opened()).upload(join(dir, 'absent'), join(dir, 'copy'), options));
    expect(error.code).toBe('HL_BUNDLE');
    expect(error.hint).toContain('ls -l');
  });

  test('a target that cannot be written is the machine’s own words', async () => {
    const { local, options } = file('content');
    const error = await failure((await opened()).upload(local, '/proc/homelab/copy', options));
    expect(error.code).toBe('HL_STEP_FAILED');
    expect(error.context.stderr).toMatch(/proc\/homelab/);
  });

  test('a disk that fills up is noticed', async () => {
    const { local, options } = file(Buffer.alloc(3_000_000, 1));
    const remote = await opened();
    const small = tempDir();
    const mounted = await remote.exec(`mount -t tmpfs -o size=1m none ${small}`, { timeoutMs: 5_000 });
    if (mounted.code !== 0) return;
    try {
      const error = await failure(remote.upload(local, join(small, 'copy'), options));
      expect(error.code).toBe('HL_STEP_FAILED');
      expect(error.context.stderr).toMatch(/No space left|of 3000000 bytes/);
      expect(readdirSync(small)).toEqual([]);
    } finally {
      await remote.exec(`umount ${small}`, { timeoutMs: 5_000 });
    }
  });

  test('what its guard does not let through is not written; what was let through and then is not any more gets no name', async () => {
    const { dir, local, options } = file('content');
    const folder = join(dir, 'cache');
    const remote = await opened();
    const never = await failure(
      remote.upload(local, join(folder, 'copy'), { ...options, guard: 'echo never >&2; exit 93' }),
    );
    expect(never).toMatchObject({ context: { exitStatus: 93, stderr: 'never\n' } });
    expect(readdirSync(dir)).toEqual(['local']);
    // As when another run takes the machine while the file is on its way. Its own stdin is not the file's.
    const once = `cat; echo asked >> ${dir}/asked; [ "$(wc -l < ${dir}/asked)" = 1 ] || { echo taken >&2; exit 93; }`;
    const taken = await failure(remote.upload(local, join(folder, 'copy'), { ...options, guard: once }));
    expect(taken).toMatchObject({ context: { exitStatus: 93, stderr: 'taken\n' } });
    expect(readdirSync(folder)).toEqual([]);
    expect(readFileSync(join(dir, 'asked'), 'utf8')).toBe('asked\nasked\n');
    await remote.upload(local, join(folder, 'copy'), { ...options, guard: 'true' });
    expect(readFileSync(join(folder, 'copy'), 'utf8')).toBe('content');
  });

  test('an upload that is cut off leaves nothing', async () => {
    const { dir, local, options } = file(Buffer.alloc(60_000_000, 7));
    const proxy = await startProxy(sshd.port);
    cleanups.push(() => proxy.stop());
    const remote = await opened(proxy.port);
    const copying = failure(remote.upload(local, join(dir, 'copy'), options));
    setTimeout(() => proxy.cut(), 60);
    expect((await copying).code).toBe('HL_SSH_LOST');
    // sshd tells what it runs there when it notices.
    await vi.waitFor(() => expect(readdirSync(dir)).toEqual(['local']), { timeout: 10_000 });
  });

  test('what an upload left behind when the power failed goes with the next one', async () => {
    const { dir, local, options } = file('new');
    writeFileSync(join(dir, 'copy.xFbODAnBLG'), 'half');
    writeFileSync(join(dir, 'copy.tar'), 'another file');
    await (await opened()).upload(local, join(dir, 'copy'), options);
    expect(readdirSync(dir)).toEqual(['copy', 'copy.tar', 'local']);
  });

  test('an abort ends an upload at once', async () => {
    const { dir, local, options } = file(Buffer.alloc(60_000_000, 7));
    const control = new AbortController();
    const copying = failure((await opened()).upload(local, join(dir, 'copy'), { ...options, signal: control.signal }));
    setTimeout(() => control.abort(), 60);
    expect((await copying).code).toBe('HL_CANCELLED');
  });

  test('an upload that takes too long is a timeout', async () => {
    const { dir, local, options } = file(Buffer.alloc(60_000_000, 7));
    const error = await failure((await opened()).upload(local, join(dir, 'copy'), { ...options, timeoutMs: 60 }));
    expect(error.code).toBe('HL_STEP_TIMEOUT');
  });
});
