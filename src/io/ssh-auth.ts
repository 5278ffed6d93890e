// Which keys a login offers: the agent's first, then key files that need no passphrase.
import { readFile } from 'node:fs/promises';
import type {
  AnyAuthMethod,
  AuthHandlerMiddleware,
  BaseAgent,
  IdentityCallback,
  ParsedKey,
  SignCallback,
  SigningRequestOptions,
} from 'ssh2';
import { HomelabError } from '../model/errors.ts';
import type { Hop } from './ssh-route.ts';
import { ssh2 } from './ssh2.ts';

interface KeyFile {
  readonly path: string;
  readonly state: 'usable' | 'encrypted' | 'missing' | 'unreadable';
  readonly text: string;
}

/** One login's offers, and the story of them for the error. */
export interface Credentials {
  readonly handler: AuthHandlerMiddleware;
  readonly usesAgent: boolean;
  failure(banner: string): HomelabError;
}

export async function credentialsOf(hop: Hop, options: { readonly withoutAgent: boolean }): Promise<Credentials> {
  const files = await Promise.all(hop.identityFiles.map(readKeyFile));
  const socket = options.withoutAgent ? undefined : hop.agentSocket;
  const agentKeys: string[] = [];
  const methods: AnyAuthMethod[] = [];
  if (socket !== undefined) {
    const agent = orderedAgent(ssh2.createAgent(socket), await publicHalves(files), hop.identitiesOnly, agentKeys);
    methods.push({ type: 'agent', username: hop.user, agent });
  }
  for (const file of files) {
    if (file.state === 'usable') methods.push({ type: 'publickey', username: hop.user, key: file.text });
  }
  // With nothing to offer, 'none' still makes the server name the methods it would take.
  if (methods.length === 0) methods.push({ type: 'none', username: hop.user });

  let allowed: readonly string[] = [];
  return {
    usesAgent: socket !== undefined,
    // ssh2 takes the return value, too: https://github.com/mscdex/ssh2#client-methods (authHandler); `false` ends the login.
    handler: left => {
      if (left?.length) allowed = left;
      return methods.shift() ?? false;
    },
    failure: banner => authError(hop, files, { socket, agentKeys, allowed, banner }),
  };
}

async function readKeyFile(path: string): Promise<KeyFile> {
  try {
    const text = await readFile(path, 'utf8');
    const key = ssh2.utils.parseKey(text);
    if (!(key instanceof Error)) return { path, state: 'usable', text };
    return { path, state: /encrypted|passphrase/i.test(key.message) ? 'encrypted' : 'unreadable', text: '' };
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return { path, state: missing ? 'missing' : 'unreadable', text: '' };
  }
}

async function publicHalves(files: readonly KeyFile[]): Promise<readonly Buffer[]> {
  const halves = await Promise.all(files.map(file => readFile(`${file.path}.pub`, 'utf8').catch(() => '')));
  return halves.filter(text => text !== '').map(text => Buffer.from(text.split(/\s+/)[1] ?? '', 'base64'));
}

/**
 * The agent with the configured identities first (and alone, with IdentitiesOnly): sshd hangs up after six keys (MaxAuthTries).
 * An agent that does not answer has no keys; as an error it would end the login before the key files had their turn.
 */
function orderedAgent(
  inner: BaseAgent,
  preferred: readonly Buffer[],
  onlyPreferred: boolean,
  offered: string[],
): BaseAgent {
  const rank = (key: ParsedKey) => {
    const at = preferred.findIndex(half => half.equals(key.getPublicSSH()));
    return at < 0 ? preferred.length : at;
  };
  class OrderedAgent extends ssh2.BaseAgent {
    override getIdentities(callback: IdentityCallback): void {
      inner.getIdentities((error, keys) => {
        const usable = (error || !keys ? [] : keys)
          .flatMap(toParsed)
          .filter(key => !onlyPreferred || rank(key) < preferred.length)
          .sort((a, b) => rank(a) - rank(b));
        offered.push(...usable.map(key => key.comment || key.type));
        callback(null, usable);
      });
    }

    override sign(key: Signer, data: Buffer, options: SigningRequestOptions | SignCallback, done?: SignCallback): void {
      if (typeof options === 'function') inner.sign(key, data, options);
      else inner.sign(key, data, options, done);
    }
  }
  return new OrderedAgent();
}

type Signer = string | Buffer | ParsedKey;
type Identities = NonNullable<Parameters<IdentityCallback>[1]>;

function toParsed(key: Identities[number]): readonly ParsedKey[] {
  if (typeof key === 'object' && 'getPublicSSH' in key) return [key];
  const raw = typeof key === 'string' || Buffer.isBuffer(key) ? key : key.pubKey;
  if (typeof raw === 'object' && 'getPublicSSH' in raw) return [raw];
  const parsed = ssh2.utils.parseKey(typeof raw === 'string' || Buffer.isBuffer(raw) ? raw : raw.pubKey);
  return parsed instanceof Error ? [] : [parsed];
}

function authError(
  hop: Hop,
  files: readonly KeyFile[],
  story: {
    readonly socket: string | undefined;
    readonly agentKeys: readonly string[];
    readonly allowed: readonly string[];
    readonly banner: string;
  },
): HomelabError {
  const encrypted = files.find(file => file.state === 'encrypted');
  const usable = files.filter(file => file.state === 'usable');
  const details = [
    story.socket === undefined
      ? 'agent     none (SSH_AUTH_SOCK is not set)'
      : `agent     ${story.agentKeys.length} keys${story.agentKeys.length > 0 ? `: ${story.agentKeys.join(', ')}` : ''}`,
    ...files.map(file => `key file  ${file.path} (${file.state === 'usable' ? 'refused' : file.state})`),
    ...(story.allowed.length > 0 ? [`server    takes ${story.allowed.join(', ')}`] : []),
    ...(story.banner.trim() === '' ? [] : [`server    ${story.banner.trim()}`]),
  ];
  const hint =
    encrypted && usable.length === 0
      ? `${encrypted.path} has a passphrase: ${story.socket === undefined ? 'eval "$(ssh-agent)" && ' : ''}ssh-add ${encrypted.path}`
      : usable.length === 0 && story.agentKeys.length === 0
        ? 'there is no key to log in with: set ssh.identityFile in the inventory, or ssh-keygen -t ed25519 and ssh-copy-id'
        : `ssh-copy-id -p ${hop.port} ${usable[0] ? `-i ${usable[0].path} ` : ''}${hop.user}@${hop.address}`;
  return new HomelabError('HL_SSH_AUTH', `${hop.label} did not let ${hop.user} log in`, {
    hint,
    context: { host: hop.host, details },
  });
}
