// One SSH connection: dialled, host key verified, logged in.
import type { Duplex } from 'node:stream';
import { NodeSSH } from 'node-ssh';
import { HomelabError } from '../model/errors.ts';
import { bounded, seconds } from './bounded.ts';
import { algorithmsFor, describeKey, type HostKeyPolicy, hostKeyPolicy, refusal, typeOf } from './host-keys.ts';
import { appendKnownKey } from './known-hosts.ts';
import { type Credentials, credentialsOf } from './ssh-auth.ts';
import { dial } from './ssh-dial.ts';
import { cancelledError, classifyDial, connectError } from './ssh-errors.ts';
import type { Hop } from './ssh-route.ts';
import { type Link, watch } from './ssh-watch.ts';

/** Keys that no known_hosts file has: all of them, none, or those that it says yes to ('k8s-cp (192.168.0.10 port 22)', 'ssh-ed25519 SHA256:…'). */
export type TrustNewHostKeys = boolean | ((machine: string, key: string) => boolean);

export interface LinkOptions {
  /** performance.now() time by which the machine must have taken the connection. */
  readonly deadline: number;
  /** And by which it must have let us in. */
  readonly loginDeadline: number;
  readonly signal: AbortSignal | undefined;
  readonly trustNewHostKeys: TrustNewHostKeys;
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

async function login(
  hop: Hop,
  socket: Duplex,
  policy: HostKeyPolicy,
  credentials: Credentials,
  options: LinkOptions,
): Promise<Attempt> {
  const ssh = new NodeSSH();
  const ms = options.loginDeadline - performance.now();
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
      if (verdict.kind === 'unknown' && isTrusted(options.trustNewHostKeys, hop, blob)) {
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
        late: () =>
          hop.bastion
            ? connectError(hop, 'timeout', `no login within ${seconds(ms)}`)
            : connectError(hop, 'slow', `within ${seconds(ms)}`),
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

function isTrusted(trust: TrustNewHostKeys, { label }: Hop, blob: Buffer): boolean {
  return typeof trust === 'boolean' ? trust : trust(label, describeKey(blob));
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
