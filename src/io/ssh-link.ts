// One SSH connection: dialled, host key verified, logged in, and watched until it ends.
import { connect as tcpConnect } from 'node:net';
import type { Duplex } from 'node:stream';
import { NodeSSH } from 'node-ssh';
import type { Client } from 'ssh2';
import { HomelabError } from '../model/errors.ts';
import { bounded } from './bounded.ts';
import { algorithmsFor, describeKey, type HostKeyPolicy, hostKeyPolicy, refusal, typeOf } from './host-keys.ts';
import { appendKnownKey } from './known-hosts.ts';
import { type Credentials, credentialsOf } from './ssh-auth.ts';
import type { Hop } from './ssh-config.ts';
import { cancelledError, classifyDial, connectError } from './ssh-errors.ts';

export interface Link {
  readonly host: string;
  readonly client: Client;
  /** Why the connection ended; undefined while it lives. */
  lost(): string | undefined;
  /** Calls once when it ends, at once when it has ended; returns how to stop listening. */
  onLost(listener: (reason: string) => void): () => void;
  /** Ends it, also when the peer is silent. */
  close(): Promise<void>;
}

export interface LinkOptions {
  /** performance.now() time by which it must stand. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
  readonly trustNewHostKeys: boolean;
  readonly onNote: (text: string) => void;
  readonly keepaliveMs: number;
  readonly closeMs: number;
}

type Attempt =
  | { readonly kind: 'open'; readonly link: Link }
  | {
      readonly kind: 'failed';
      readonly error: HomelabError;
      readonly shownType?: string;
      readonly agentTrouble: boolean;
    };

/** Opens a connection to `hop`, directly or through the bastion `via`. */
export async function openLink(hop: Hop, via: Link | undefined, options: LinkOptions): Promise<Link> {
  const policy = await hostKeyPolicy(hop);
  let types = policy.types;
  let withoutAgent = false;
  let mismatch: HomelabError | undefined;
  for (;;) {
    const credentials = await credentialsOf(hop, { withoutAgent });
    const socket = await dial(hop, via, options);
    const attempt = await login(hop, socket, { ...policy, types }, credentials, options);
    if (attempt.kind === 'open') return attempt.link;
    const { shownType } = attempt;
    if (shownType !== undefined && policy.anyTypeMayMatch && types.length > 1) {
      mismatch ??= attempt.error;
      types = types.filter(type => type !== shownType);
    } else if (attempt.agentTrouble && !withoutAgent) {
      withoutAgent = true;
    } else {
      throw mismatch ?? attempt.error;
    }
  }
}

function dial(hop: Hop, via: Link | undefined, options: LinkOptions): Promise<Duplex> {
  const work = via ? forward(hop, via) : dialTcp(hop);
  const ms = options.deadline - performance.now();
  return bounded(work.stream, {
    ms,
    signal: options.signal,
    late: () => connectError(hop, 'timeout', `no connection within ${seconds(ms)}`),
    aborted: () => cancelledError(hop.host),
  }).catch((error: unknown) => {
    work.cancel();
    throw classifyDial(hop, error);
  });
}

function dialTcp(hop: Hop): { readonly stream: Promise<Duplex>; cancel(): void } {
  const socket = tcpConnect({ host: hop.address, port: hop.port, noDelay: true });
  const stream = new Promise<Duplex>((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    // Stays on: between here and ssh2's own listener an error must not be uncaught.
    socket.on('error', reject);
  });
  return { stream, cancel: () => socket.destroy() };
}

function forward(hop: Hop, via: Link): { readonly stream: Promise<Duplex>; cancel(): void } {
  const stream = new Promise<Duplex>((resolve, reject) => {
    via.onLost(reason => reject(new Error(`the bastion was lost: ${reason}`)));
    via.client.forwardOut('127.0.0.1', 0, hop.address, hop.port, (error, channel) => {
      if (error) reject(error);
      else resolve(channel.on('error', () => {}));
    });
  });
  return { stream, cancel: () => stream.then(channel => channel.destroy()).catch(() => {}) };
}

async function login(
  hop: Hop,
  socket: Duplex,
  policy: HostKeyPolicy,
  credentials: Credentials,
  options: LinkOptions,
): Promise<Attempt> {
  const ssh = new NodeSSH();
  const ms = options.deadline - performance.now();
  let banner = '';
  let refused: { readonly error: HomelabError; readonly type: string } | undefined;
  let newKey: Buffer | undefined;
  const ready = ssh.connect({
    sock: socket,
    username: hop.user,
    authHandler: credentials.handler,
    // Ciphers stay ssh2's default: aes128-gcm first where the CPU has AES, chacha20-poly1305 where it has not.
    algorithms: { serverHostKey: algorithmsFor(policy.types) },
    keepaliveInterval: options.keepaliveMs,
    keepaliveCountMax: 3,
    readyTimeout: 0,
    hostVerifier: (blob: Buffer) => {
      const verdict = policy.judge(blob);
      if (verdict.kind === 'unknown' && options.trustNewHostKeys) {
        // A rekey asks again: only the key accepted first is good.
        if (newKey !== undefined && !newKey.equals(blob)) return false;
        newKey = blob;
        return true;
      }
      const error = refusal(hop, verdict, blob, policy);
      if (error) refused = { error, type: typeOf(blob) };
      return error === undefined;
    },
  });
  const client = ssh.connection;
  if (client === null) throw new Error('node-ssh made no client');
  const link = watch(hop.host, client, socket, options);
  client.on('banner', text => {
    banner += text;
  });
  // The signature over the key was checked by now: from here on it is the machine's own.
  const saved = new Promise<void>((resolve, reject) => {
    client.once('handshake', () => {
      if (newKey === undefined) resolve();
      else saveKey(hop, newKey, options).then(resolve, reject);
    });
  });
  saved.catch(() => {});
  try {
    await bounded(
      ready.then(() => saved),
      {
        ms,
        signal: options.signal,
        late: () => connectError(hop, 'timeout', `no login within ${seconds(ms)}`),
        aborted: () => cancelledError(hop.host),
      },
    );
    return { kind: 'open', link };
  } catch (error) {
    socket.destroy();
    if (refused) return { kind: 'failed', error: refused.error, shownType: refused.type, agentTrouble: false };
    return { kind: 'failed', ...sortLogin(hop, error, banner, credentials) };
  }
}

function sortLogin(
  hop: Hop,
  error: unknown,
  banner: string,
  credentials: Credentials,
): { readonly error: HomelabError; readonly agentTrouble: boolean } {
  if (error instanceof HomelabError) return { error, agentTrouble: false };
  const message = error instanceof Error ? error.message : String(error);
  const level = error instanceof Error && 'level' in error ? error.level : undefined;
  // pam_nologin, for as long as a machine boots: https://www.freedesktop.org/software/systemd/man/latest/systemd-user-sessions.service.html
  if (/system is (booting up|going down)|not permitted to log in/i.test(`${banner}\n${message}`)) {
    return { error: connectError(hop, 'booting', banner.trim() || message, error), agentTrouble: false };
  }
  const tooMany = /too many authentication failures/i.test(message);
  if (level === 'client-authentication' || level === 'agent' || tooMany) {
    const agentTrouble = credentials.usesAgent && (level === 'agent' || tooMany);
    return { error: credentials.failure([banner, tooMany ? message : ''].join('\n')), agentTrouble };
  }
  return { error: classifyDial(hop, error), agentTrouble: false };
}

async function saveKey(hop: Hop, blob: Buffer, options: LinkOptions): Promise<void> {
  const file = hop.knownHosts[0];
  if (file === undefined) return;
  await appendKnownKey(file, hop.knownAs, typeOf(blob), blob);
  options.onNote(`new host key of ${hop.label} accepted and saved in ${file}: ${describeKey(blob)}`);
}

// node-ssh takes its `error` listener away once the login is done, so that a reset would be an uncaught exception:
// https://github.com/steelbrain/node-ssh src/index.ts. This listener stays.
function watch(host: string, client: Client, socket: Duplex, options: LinkOptions): Link {
  const listeners = new Set<(reason: string) => void>();
  let reason: string | undefined;
  const end = (why: string) => {
    if (reason !== undefined) return;
    reason = why;
    for (const listener of listeners) listener(why);
    listeners.clear();
  };
  client.setMaxListeners(0);
  client.on('error', error => end(reasonOf(error, options.keepaliveMs)));
  client.on('end', () => end('the machine closed the connection'));
  client.on('close', () => end('the connection was closed'));
  return {
    host,
    client,
    lost: () => reason,
    onLost(listener) {
      if (reason !== undefined) listener(reason);
      else listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      end('homelab closed it');
      if (!socket.destroyed) {
        await new Promise<void>(resolve => {
          const timer = setTimeout(resolve, options.closeMs);
          socket.once('close', () => {
            clearTimeout(timer);
            resolve();
          });
          client.end();
        });
      }
      socket.destroy();
    },
  };
}

function reasonOf(error: Error, keepaliveMs: number): string {
  if (error.message === 'Keepalive timeout') return `it has not answered for ${seconds(3 * keepaliveMs)}`;
  if (/ECONNRESET/.test(error.message)) return 'connection reset';
  return error.message;
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 100) / 10)} s`;
}
