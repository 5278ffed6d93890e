// Whose key is good, whose is not, and what the user is told to type.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprintOf } from '../../src/io/host-keys.ts';
import { parseKnownHosts } from '../../src/io/known-hosts.ts';
import { dial, failure, homeWith, hostAt, tempDir } from './ssh-rig.ts';
import { keygen, publicKey, type Sshd, startSshd, withoutSshd } from './sshd.ts';

describe.skipIf(withoutSshd)(`host keys of a real sshd${withoutSshd ? ` (${withoutSshd})` : ''}`, () => {
  let sshd: Sshd;
  let stranger: string;
  beforeAll(async () => {
    sshd = await startSshd({ keys: ['ed25519', 'ecdsa', 'rsa'] });
    stranger = publicKey(keygen(join(tempDir(), 'stranger')));
  });
  afterAll(() => sshd?.stop());

  const name = () => `[127.0.0.1]:${sshd.port}`;
  const known = (...lines: readonly string[]) => ({ home: homeWith({ known_hosts: `${lines.join('\n')}\n` }) });
  const host = (ssh = {}) => hostAt(sshd.port, { identityFile: sshd.identityFile, ...ssh });
  const accepted = async (...args: Parameters<typeof dial>) => {
    const { remote, notes } = await dial(...args);
    expect((await remote.exec('echo in', { timeoutMs: 10_000 })).stdout).toBe('in\n');
    await remote.close();
    return notes;
  };
  const sum = (line: string) => fingerprintOf(Buffer.from(line.split(' ')[1] ?? '', 'base64'));

  test('trap 1: a machine whose key nobody vouched for is refused, with what to type', async () => {
    const error = await failure(dial(host()));
    expect(error).toMatchObject({ code: 'HL_SSH_HOST_KEY_UNKNOWN', exitCode: 4 });
    expect(error.message).toContain(sum(sshd.hostKey('ed25519')));
    expect(error.hint).toContain(`ssh-keyscan -p ${sshd.port} -t ed25519 127.0.0.1 >>`);
    expect(error.hint).toContain(`hostKey: "${sum(sshd.hostKey('ed25519'))}"`);
    expect(error.hint).toContain('--trust-new-host-keys');
  });

  test('a known key is accepted, plain and hashed', async () => {
    const env = known('# a comment', `${name()} ${sshd.hostKey('ed25519')}`);
    await accepted(host(), { env });
    execFileSync('ssh-keygen', ['-q', '-H', '-f', join(env.home, '.ssh/known_hosts')], { stdio: 'ignore' });
    expect(readFileSync(join(env.home, '.ssh/known_hosts'), 'utf8')).not.toContain('127.0.0.1');
    await accepted(host(), { env });
  });

  test('a machine known by one type of key only is asked for that type', async () => {
    for (const type of ['ed25519', 'ecdsa', 'rsa'] as const) {
      await accepted(host(), { env: known(`${name()} ${sshd.hostKey(type)}`) });
    }
  });

  test('the known_hosts file of the inventory takes the place of the user’s own', async () => {
    const file = join(tempDir(), 'known');
    writeFileSync(file, `${name()} ${sshd.hostKey('ed25519')}\n`);
    await accepted(host({ knownHosts: file }), { env: known(`${name()} ${stranger}`) });
  });

  test('a changed key is a hard stop that names both fingerprints and the line', async () => {
    const env = known('', `${name()} ${stranger}`);
    for (const trustNewHostKeys of [false, true]) {
      const error = await failure(dial(host(), { env, trustNewHostKeys }));
      expect(error.code).toBe('HL_SSH_HOST_KEY_CHANGED');
      const details = error.context.details?.join('\n');
      expect(details).toContain(sum(sshd.hostKey('ed25519')));
      expect(details).toContain(sum(stranger));
      expect(details).toContain(`${join(env.home, '.ssh/known_hosts')}:2`);
      expect(error.hint).toContain(`ssh-keygen -R '${name()}'`);
    }
    expect(readFileSync(join(env.home, '.ssh/known_hosts'), 'utf8')).toBe(`\n${name()} ${stranger}\n`);
  });

  test('a machine known by another type of key only is changed, not new', async () => {
    const single = await startSshd({ keys: ['ecdsa'] });
    try {
      const env = known(`[127.0.0.1]:${single.port} ${stranger}`);
      const target = hostAt(single.port, { identityFile: single.identityFile });
      const error = await failure(dial(target, { env, trustNewHostKeys: true }));
      expect(error.code).toBe('HL_SSH_HOST_KEY_CHANGED');
    } finally {
      await single.stop();
    }
  });

  test('a revoked key is refused although another line knows it', async () => {
    const key = sshd.hostKey('ed25519');
    const error = await failure(dial(host(), { env: known(`${name()} ${key}`, `@revoked ${name()} ${key}`) }));
    expect(error.code).toBe('HL_SSH_HOST_KEY_CHANGED');
    expect(error.message).toMatch(/revoked/);
    expect(error.context.details?.join('\n')).toMatch(/known_hosts:2/);
  });

  test('a certificate authority is no key, and is said to be unsupported', async () => {
    const error = await failure(dial(host(), { env: known(`@cert-authority ${name()} ${sshd.hostKey('ed25519')}`) }));
    expect(error.code).toBe('HL_SSH_HOST_KEY_UNKNOWN');
    expect(error.context.details?.join('\n')).toMatch(/known_hosts:1 is a @cert-authority.*not supported/);
  });

  test('with trust, a new key is saved once, privately, on a line of its own', async () => {
    const home = homeWith({ known_hosts: `elsewhere ${stranger}` });
    const notes = await accepted(host(), { env: { home }, trustNewHostKeys: true });
    const file = join(home, '.ssh/known_hosts');
    expect(notes).toEqual([expect.stringContaining(`saved in ${file}: ssh-ed25519 SHA256:`)]);
    expect(readFileSync(file, 'utf8')).toBe(`elsewhere ${stranger}\n${name()} ${sshd.hostKey('ed25519')}\n`);
    expect(await accepted(host(), { env: { home } })).toEqual([]);

    const fresh = join(tempDir(), 'new/known_hosts');
    await accepted(host({ knownHosts: fresh }), { trustNewHostKeys: true });
    expect(statSync(fresh).mode & 0o777).toBe(0o600);
  });

  test('a pinned fingerprint is enough, whichever type of key it is', async () => {
    for (const type of ['ed25519', 'ecdsa', 'rsa'] as const) {
      await accepted(host({ hostKey: sum(sshd.hostKey(type)) }), { env: known(`${name()} ${stranger}`) });
    }
  });

  test('a pinned key line is enough', async () => {
    await accepted(host({ hostKey: sshd.hostKey('ecdsa') }));
    await accepted(host({ hostKey: `${name()} ${sshd.hostKey('rsa')} comment` }));
  });

  test('a pin that does not fit is a changed key, whatever known_hosts says', async () => {
    const env = known(`${name()} ${sshd.hostKey('ed25519')}`);
    for (const hostKey of [stranger, sum(stranger)]) {
      const error = await failure(dial(host({ hostKey }), { env, trustNewHostKeys: true }));
      expect(error.code).toBe('HL_SSH_HOST_KEY_CHANGED');
      expect(error.context.details?.join('\n')).toContain(`${sum(stranger)} (hostKey in the inventory)`);
      expect(error.hint).toContain('correct hostKey of node-1 in the inventory');
    }
    expect((await failure(dial(host({ hostKey: 'MD5:aa:bb' })))).code).toBe('HL_INVENTORY');
  });

  test('an impostor that holds no private key for the known key does not get in', async () => {
    const other = await startSshd();
    try {
      const target = hostAt(other.port, { identityFile: other.identityFile, hostKey: sshd.hostKey('ed25519') });
      expect((await failure(dial(target))).code).toBe('HL_SSH_HOST_KEY_CHANGED');
    } finally {
      await other.stop();
    }
  });
});

describe('known_hosts', () => {
  const lines = (text: string, name: string) =>
    parseKnownHosts(text, name, 'f').map(({ marker, type, line }) => ({ marker, type, line }));

  test('is read with its markers and lines', () => {
    const text =
      '# h ssh-ed25519 AAAA\n\nh,other ssh-ed25519 AAAA comment\n@revoked h ssh-rsa BBBB\n@cert-authority * ssh-rsa CC\nx';
    expect(lines(text, 'h')).toEqual([
      { marker: 'none', type: 'ssh-ed25519', line: 3 },
      { marker: 'revoked', type: 'ssh-rsa', line: 4 },
      { marker: 'cert-authority', type: 'ssh-rsa', line: 5 },
    ]);
  });

  test.each([
    ['192.168.0.*', '192.168.0.10', true],
    ['192.168.0.*', '192x168.0.10', false],
    ['node-?', 'node-1', true],
    ['node-?', 'node-10', false],
    ['Node-1', 'node-1', true],
    ['*.example,!bad.example', 'good.example', true],
    ['*.example,!bad.example', 'bad.example', false],
    ['!bad.example', 'good.example', false],
    ['[127.0.0.1]:2222', '[127.0.0.1]:2222', true],
    ['127.0.0.1', '[127.0.0.1]:2222', false],
    ['[*]:2222', '[127.0.0.1]:2222', true],
    ['|1|not base64|at all', 'h', false],
  ])('%s for %s, as ssh-keygen -F says: %s', (pattern, name, isFound) => {
    const key = publicKey(keygen(join(tempDir(), 'key')))
      .split(' ')
      .slice(0, 2)
      .join(' ');
    expect(lines(`${pattern} ${key}\n`, name)).toHaveLength(isFound ? 1 : 0);
    const file = join(tempDir(), 'known_hosts');
    writeFileSync(file, `${pattern} ${key}\n`);
    expect(spawnSync('ssh-keygen', ['-F', name, '-f', file], { stdio: 'ignore' }).status === 0).toBe(isFound);
  });
});
