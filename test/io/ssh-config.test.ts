// Where a login comes from: inventory over ~/.ssh/config over defaults; agents, key files, bastions.
import { execFileSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseJump, resolveRoute } from '../../src/io/ssh-route.ts';
import { dial, failure, homeWith, hostAt, tempDir } from './ssh-rig.ts';
import { keygen, publicKey, type Sshd, startSshd, withoutSshd } from './sshd.ts';

const agents: (() => void)[] = [];
afterEach(() => {
  vi.unstubAllEnvs();
  for (const stop of agents.splice(0)) stop();
});

function startAgent(...keys: readonly string[]): string {
  const socket = join(tempDir(), 'agent');
  const pid = /SSH_AGENT_PID=(\d+)/.exec(execFileSync('ssh-agent', ['-s', '-a', socket], { encoding: 'utf8' }))?.[1];
  agents.push(() => process.kill(Number(pid)));
  for (const key of keys) execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
  return socket;
}

const unset = { user: undefined, port: undefined } as const;
const machine = async (...args: Parameters<typeof resolveRoute>) => (await resolveRoute(...args)).at(-1);

describe('precedence', () => {
  test('what config says for the name beats what it says for the address, which beats Host *', async () => {
    const home = homeWith({
      config: [
        'Host node-1\n  User byname',
        'Host 127.0.0.1\n  User byaddress\n  Port 2201',
        'Host *\n  User anybody\n  Port 2200\n  IdentityFile ~/.ssh/%r_key\n  IdentitiesOnly yes\n  HostName 10.9.9.9',
      ].join('\n'),
    });
    expect(await machine(hostAt(0, unset), { home })).toMatchObject({
      user: 'byname',
      port: 2201,
      address: '127.0.0.1',
      identitiesOnly: true,
      knownAs: '[127.0.0.1]:2201',
    });
  });

  test('the inventory beats config', async () => {
    const home = homeWith({ config: 'Host *\n  User other\n  Port 1\n  IdentityFile ~/.ssh/other\n  ProxyJump b\n' });
    const inventory = { user: 'admin', port: 22, identityFile: '~/.ssh/mine', proxyJump: 'none', knownHosts: '~/kh' };
    expect(await resolveRoute(hostAt(22, inventory), { home })).toMatchObject([
      { user: 'admin', port: 22, identityFiles: [join(home, '.ssh/mine')], knownHosts: [join(home, 'kh')] },
    ]);
  });

  test('bastions come from ProxyJump, each with its own part of config', async () => {
    const home = homeWith({
      config: 'Host outer\n  HostName 192.0.2.1\n  User gate\n  ProxyJump edge\nHost edge\n  HostName 192.0.2.9\n',
    });
    const route = await resolveRoute(hostAt(22, { proxyJump: 'outer,me@inner:2222' }), { home });
    expect(route.map(hop => `${hop.user}@${hop.address}:${hop.port}`).slice(1)).toEqual([
      'gate@192.0.2.1:22',
      'me@inner:2222',
      'root@127.0.0.1:22',
    ]);
    expect(route[0]?.address).toBe('192.0.2.9');
    const circle = homeWith({ config: 'Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n' });
    expect((await failure(resolveRoute(hostAt(22, { proxyJump: 'a' }), { home: circle }))).message).toMatch(/circles/);
  });

  test('a ProxyCommand is refused, not ignored', async () => {
    const home = homeWith({ config: 'Host node-1\n  ProxyCommand nc %h %p\n' });
    expect((await failure(resolveRoute(hostAt(22), { home }))).message).toMatch(/ProxyCommand/);
  });

  test('a broken config is reported in ssh’s own words', async () => {
    const error = await failure(resolveRoute(hostAt(22), { home: homeWith({ config: 'Nonsense yes\n' }) }));
    expect(error.message).toMatch(/Bad configuration option: nonsense/);
  });

  test('without an ssh client the inventory and the defaults do', async () => {
    vi.stubEnv('PATH', tempDir());
    const home = homeWith();
    expect(await machine(hostAt(22), { home })).toMatchObject({
      user: 'root',
      identityFiles: expect.arrayContaining([join(home, '.ssh/id_ed25519')]),
      knownHosts: expect.arrayContaining([join(home, '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts']),
    });
  });

  test('jump texts are read as OpenSSH reads them', () => {
    expect(parseJump('b')).toEqual({ user: undefined, name: 'b', port: undefined });
    expect(parseJump('u@b:2222')).toEqual({ user: 'u', name: 'b', port: 2222 });
    expect(parseJump('ssh://u@b:2222')).toEqual({ user: 'u', name: 'b', port: 2222 });
    expect(parseJump('u@x@b')).toEqual({ user: 'u@x', name: 'b', port: undefined });
    expect(parseJump('[2001:db8::1]:22')).toEqual({ user: undefined, name: '2001:db8::1', port: 22 });
  });
});

describe.skipIf(withoutSshd)(`logging in to a real sshd${withoutSshd ? ` (${withoutSshd})` : ''}`, () => {
  let sshd: Sshd;
  let bastion: Sshd;
  let locked: string;
  beforeAll(async () => {
    locked = keygen(join(tempDir(), 'locked'), 'ed25519', 'passphrase');
    sshd = await startSshd({ authorized: [publicKey(locked)] });
    bastion = await startSshd({ keys: ['ecdsa'] });
  });
  afterAll(async () => {
    await sshd?.stop();
    await bastion?.stop();
  });

  const host = (ssh = {}) => hostAt(sshd.port, { hostKey: sshd.hostKey('ed25519'), ...ssh });
  const loggedIn = async (...args: Parameters<typeof dial>) => {
    const { remote } = await dial(...args);
    const { stdout } = await remote.exec('echo "$SSH_CONNECTION"', { timeoutMs: 10_000 });
    await remote.close();
    return stdout;
  };
  const knownTo = (...hosts: readonly (readonly [Sshd, 'ed25519' | 'ecdsa'])[]) =>
    hosts.map(([server, type]) => `[127.0.0.1]:${server.port} ${server.hostKey(type)}\n`).join('');

  test('trap 11: user, port, key and known_hosts come from ~/.ssh/config', async () => {
    const home = homeWith({
      config: `Host node-1\n  User root\n  Port ${sshd.port}\n  IdentityFile ${sshd.identityFile}\n`,
      known_hosts: knownTo([sshd, 'ed25519']),
    });
    await loggedIn(hostAt(0, unset), { env: { home } });
  });

  test('trap 11: the agent is asked first, its configured key before its others', async () => {
    const crowd = Array.from({ length: 8 }, (_, index) => keygen(join(tempDir(), `key${index}`)));
    const env = { home: homeWith(), sshAuthSock: startAgent(...crowd, sshd.identityFile) };
    await loggedIn(host({ identityFile: sshd.identityFile }), { env });

    // Only the public half here: the agent alone can sign.
    const half = join(tempDir(), 'half');
    copyFileSync(`${sshd.identityFile}.pub`, `${half}.pub`);
    await loggedIn(host({ identityFile: half }), { env });
  });

  test('too many keys in the agent do not hide the key file', async () => {
    const crowd = Array.from({ length: 8 }, (_, index) => keygen(join(tempDir(), `key${index}`)));
    await loggedIn(host({ identityFile: sshd.identityFile }), {
      env: { home: homeWith(), sshAuthSock: startAgent(...crowd) },
    });
  });

  test('an agent that does not answer does not hide the key file', async () => {
    const env = { home: homeWith(), sshAuthSock: join(tempDir(), 'gone') };
    await loggedIn(host({ identityFile: sshd.identityFile }), { env });
  });

  test('a key file with a passphrase and no agent says ssh-add', async () => {
    const error = await failure(dial(host({ identityFile: locked })));
    expect(error).toMatchObject({ code: 'HL_SSH_AUTH', exitCode: 4 });
    expect(error.hint).toContain(`ssh-add ${locked}`);
    expect(error.context.details).toContain(`key file  ${locked} (encrypted)`);
  });

  test('a refused login lists what was tried and what the server takes', async () => {
    const wrong = keygen(join(tempDir(), 'wrong'));
    const error = await failure(dial(host({ identityFile: wrong })));
    expect(error.code).toBe('HL_SSH_AUTH');
    expect(error.context.details).toEqual([
      'agent     none (SSH_AUTH_SOCK is not set)',
      `key file  ${wrong} (refused)`,
      expect.stringContaining('server    takes publickey'),
    ]);
    expect(error.hint).toContain(`ssh-copy-id -p ${sshd.port} -i ${wrong} root@127.0.0.1`);
    const none = await failure(dial(host({ identityFile: join(tempDir(), 'absent') })));
    expect(none.hint).toMatch(/no key to log in with/);
    const rubbish = join(tempDir(), 'rubbish');
    writeFileSync(rubbish, 'not a key');
    expect((await failure(dial(host({ identityFile: rubbish })))).context.details?.[1]).toMatch(/unreadable/);
  });

  test('trap 11: a bastion is passed through, and both host keys are verified', async () => {
    const through = (knownHosts: string) => ({
      ...host({ hostKey: undefined, identityFile: sshd.identityFile }),
      ssh: {
        ...host().ssh,
        hostKey: undefined,
        identityFile: sshd.identityFile,
        knownHosts,
        proxyJump: `root@127.0.0.1:${bastion.port}`,
      },
    });
    const file = (text: string) => {
      const path = join(tempDir(), 'known_hosts');
      writeFileSync(path, text);
      return path;
    };
    // The bastion takes the same login key.
    const home = homeWith({ config: `Host 127.0.0.1\n  IdentityFile ${bastion.identityFile}\n` });
    const env = { home };
    const both = knownTo([sshd, 'ed25519'], [bastion, 'ecdsa']);
    expect(await loggedIn(through(file(both)), { env })).toMatch(/^127\.0\.0\.1 /);

    const noBastion = await failure(dial(through(file(knownTo([sshd, 'ed25519']))), { env }));
    expect(noBastion.code).toBe('HL_SSH_HOST_KEY_UNKNOWN');
    expect(noBastion.message).toMatch(/bastion 127\.0\.0\.1/);
    expect(noBastion.context.host).toBe('node-1');

    const noMachine = await failure(dial(through(file(knownTo([bastion, 'ecdsa']))), { env }));
    expect(noMachine.code).toBe('HL_SSH_HOST_KEY_UNKNOWN');
    expect(noMachine.message).toMatch(/node-1/);
  });

  test('two bastions in a row work, and a machine that refuses behind them is refused', async () => {
    const home = homeWith({
      config: `Host *\n  IdentityFile ${bastion.identityFile}\n  IdentityFile ${sshd.identityFile}\n`,
      known_hosts: knownTo([sshd, 'ed25519'], [bastion, 'ecdsa']),
    });
    const jumps = `root@127.0.0.1:${bastion.port},root@127.0.0.1:${sshd.port}`;
    await loggedIn(host({ proxyJump: jumps }), { env: { home } });
    const error = await failure(dial(hostAt(1, { proxyJump: jumps }), { env: { home } }));
    expect(error.message).toMatch(/node-1 .* refused the connection/);
  });
});
