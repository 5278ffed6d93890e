// What the SSH tests share: hosts, a home directory, a link that can be cut, and servers that misbehave.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type Socket, connect as tcpConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Ssh2 from 'ssh2';
import { afterAll } from 'vitest';
import { type ConnectSettings, createConnect } from '../../src/io/ssh.ts';
import type { Host, SshTarget } from '../../src/model/cluster.ts';
import { HomelabError } from '../../src/model/errors.ts';
import type { Remote } from '../../src/model/ports.ts';
import { keygen, publicKey } from './sshd.ts';

const ssh2: typeof Ssh2 = createRequire(createRequire(import.meta.url).resolve('node-ssh'))('ssh2');

const tempDirs: string[] = [];
afterAll(() => {
  for (const dir of tempDirs) rmSync(dir, { recursive: true, force: true });
});

/** Removed when the test file is done. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'homelab-ssh-'));
  tempDirs.push(dir);
  return dir;
}

/** A home directory with ~/.ssh and what stands in it. */
export function homeWith(files: Readonly<Record<string, string>> = {}): string {
  const home = tempDir();
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, '.ssh', name), text, { mode: 0o600 });
  return home;
}

export function hostAt(port: number, ssh: Partial<SshTarget> = {}): Host {
  return {
    name: 'node-1',
    role: 'worker',
    address: '127.0.0.1',
    labels: {},
    taints: [],
    nicPower: { level: 1, remedies: [] },
    ssh: {
      user: 'root',
      port,
      identityFile: undefined,
      knownHosts: undefined,
      hostKey: undefined,
      proxyJump: undefined,
      sudoPassword: undefined,
      ...ssh,
    },
  };
}

export interface Dialled {
  readonly remote: Remote;
  readonly notes: readonly string[];
}

/** Connects with short timings. The home directory is empty unless one is given. */
export async function dial(
  host: Host,
  settings: Partial<ConnectSettings> = {},
  timeoutMs = 10_000,
  loginMs = timeoutMs,
): Promise<Dialled> {
  const notes: string[] = [];
  const connect = createConnect({
    trustNewHostKeys: false,
    resolveSecret: async () => 'correct horse',
    env: { home: homeWith() },
    onNote: text => notes.push(text),
    ...settings,
    timings: { keepaliveMs: 200, graceMs: 15_000, lingerMs: 300, closeMs: 300, ...settings.timings },
  });
  return { remote: await connect(host, { timeoutMs, loginMs }), notes };
}

/** The HomelabError that the work ends with; anything else fails the test. */
export async function failure(work: Promise<unknown>): Promise<HomelabError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof HomelabError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

export interface Proxy {
  readonly port: number;
  /** Resets both ends. */
  cut(): void;
  /** Passes nothing on any more, and closes nothing. */
  stall(): void;
  stop(): void;
}

export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const server = createServer(client => {
    const upstream = tcpConnect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const each = (act: (socket: Socket) => void) => {
    for (const socket of sockets) act(socket);
  };
  return {
    port: portOf(server),
    cut: () => each(socket => socket.resetAndDestroy()),
    stall: () => each(socket => socket.unpipe().removeAllListeners('data').pause()),
    stop: () => {
      each(socket => socket.destroy());
      server.close();
    },
  };
}

export interface FakeServer {
  readonly port: number;
  readonly hostKey: string;
  readonly identityFile: string;
  /** Command lines as they came in: what `ps` on the machine would show. */
  readonly commands: readonly string[];
  stop(): void;
}

/** An SSH server inside this process; `onExec` takes the command, by default it is run by `shell`. */
export async function startFake(
  options: {
    readonly shell?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly onExec?: (channel: Ssh2.ServerChannel, client: Ssh2.Connection) => void;
    readonly onSession?: (accept: () => Ssh2.Session, reject: () => void) => void;
    readonly onAuth?: (context: Ssh2.AuthContext) => void;
    readonly banner?: string;
  } = {},
): Promise<FakeServer> {
  const dir = tempDir();
  const hostKeyFile = keygen(join(dir, 'host'));
  const identityFile = keygen(join(dir, 'login'));
  const commands: string[] = [];
  const clients = new Set<Ssh2.Connection>();
  const server = new ssh2.Server(
    { hostKeys: [readFileSync(hostKeyFile)], ...(options.banner === undefined ? {} : { banner: options.banner }) },
    client => {
      clients.add(client);
      client.on('error', () => {});
      client.on('authentication', context => (options.onAuth ? options.onAuth(context) : context.accept()));
      client.on('session', (accept, reject) => {
        if (options.onSession) return options.onSession(accept, reject);
        accept().on('exec', (acceptExec, _reject, info) => {
          commands.push(info.command);
          const channel = acceptExec();
          channel.on('error', () => {});
          if (options.onExec) options.onExec(channel, client);
          else runIn(options.shell ?? '/bin/sh', info.command, channel, options.env);
        });
      });
    },
  );
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: portOf(server),
    hostKey: publicKey(hostKeyFile),
    identityFile,
    commands,
    stop: () => {
      for (const client of clients) client.end();
      server.close();
    },
  };
}

// As sshd does it: the user's login shell gets the command line as one -c argument.
function runIn(
  shell: string,
  line: string,
  channel: Ssh2.ServerChannel,
  env: Readonly<Record<string, string>> = {},
): void {
  const child = spawn(shell, ['-c', line], { env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...env } });
  child.on('error', error => {
    channel.stderr.write(`${error.message}\n`);
    channel.exit(127);
    channel.end();
  });
  child.stdin.on('error', () => {});
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.on('close', (code, signal) => {
    if (signal) channel.exit(signal.slice(3), false, '');
    else channel.exit(code ?? 1);
    channel.end();
  });
}

export function fakeHost(server: FakeServer, ssh: Partial<SshTarget> = {}): Host {
  return hostAt(server.port, { identityFile: server.identityFile, hostKey: server.hostKey, ...ssh });
}

function portOf(server: { address(): unknown }): number {
  const address = server.address();
  if (typeof address === 'object' && address !== null && 'port' in address) return Number(address.port);
  throw new Error('no port');
}
