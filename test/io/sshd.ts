// A real OpenSSH server of the test's own: own config, own host keys, own authorized_keys, a port of its own on 127.0.0.1.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect as tcpConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const sshdPath = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'].find(path => existsSync(path));

/** Why no sshd can be started here; undefined when one can. */
export const withoutSshd =
  sshdPath === undefined ? 'sshd is not installed' : process.getuid?.() === 0 ? undefined : 'sshd needs root';

export type KeyType = 'ed25519' | 'ecdsa' | 'rsa';

export interface Sshd {
  readonly port: number;
  /** For `ssh.identityFile`. */
  readonly identityFile: string;
  /** 'ssh-ed25519 AAAA…' */
  hostKey(type: KeyType): string;
  /** What sshd wrote to stderr. */
  log(): string;
  stop(): Promise<void>;
}

export function keygen(file: string, type: KeyType = 'ed25519', passphrase = ''): string {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', 'homelab-test', '-f', file]);
  return file;
}

export function publicKey(file: string): string {
  return readFileSync(`${file}.pub`, 'utf8').trim().split(' ').slice(0, 2).join(' ');
}

export async function startSshd(
  options: {
    readonly keys?: readonly KeyType[];
    readonly settings?: readonly string[];
    readonly port?: number;
    /** A directory of an earlier one: the same keys again. */
    readonly dir?: string;
    readonly authorized?: readonly string[];
  } = {},
): Promise<Sshd & { readonly dir: string }> {
  if (sshdPath === undefined) throw new Error('sshd is not installed');
  mkdirSync('/run/sshd', { recursive: true });
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'homelab-sshd-'));
  const keys = options.keys ?? ['ed25519'];
  for (const type of keys) if (!existsSync(join(dir, type))) keygen(join(dir, type), type);
  const identityFile = join(dir, 'login');
  if (!existsSync(identityFile)) keygen(identityFile);
  writeFileSync(
    join(dir, 'authorized_keys'),
    `${[publicKey(identityFile), ...(options.authorized ?? [])].join('\n')}\n`,
  );
  const port = options.port ?? (await freePort());
  const config = join(dir, 'sshd_config');
  writeFileSync(
    config,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      ...keys.map(type => `HostKey ${join(dir, type)}`),
      `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
      `PidFile ${join(dir, 'pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      // bash reads ~/.bashrc for remote commands; what stands there on this machine is no part of the test.
      'SetEnv HOME=/nonexistent',
      ...(options.settings ?? []),
      '',
    ].join('\n'),
  );
  const child = spawn(sshdPath, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', chunk => {
    log += chunk;
  });
  await listening(port, child, () => log);
  return {
    dir,
    port,
    identityFile,
    hostKey: type => publicKey(join(dir, type)),
    log: () => log,
    stop: async () => {
      await ended(child);
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function listening(port: number, child: ChildProcess, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`sshd ended: ${log()}`);
    const open = await new Promise<boolean>(resolve => {
      const socket = tcpConnect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise(resolve => setTimeout(resolve, 25));
  }
  throw new Error(`sshd does not listen: ${log()}`);
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}
