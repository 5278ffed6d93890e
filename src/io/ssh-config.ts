// Where a machine is and how to log in there, from the inventory, ~/.ssh/config and OpenSSH's defaults.
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Host } from '../model/cluster.ts';
import { connectError, type Place } from './ssh-errors.ts';

export interface SshEnv {
  readonly home: string;
  readonly sshAuthSock?: string | undefined;
}

/** One machine on the way: bastions first, the machine itself last. */
export interface Hop extends Place {
  readonly user: string;
  readonly identityFiles: readonly string[];
  readonly identitiesOnly: boolean;
  readonly agentSocket: string | undefined;
  /** Looked through in order; a newly trusted key is appended to the first. */
  readonly knownHosts: readonly string[];
  /** The name that known_hosts has it under: 'address', '[address]:port' or its HostKeyAlias. */
  readonly knownAs: string;
  /** Host key from the inventory; beats every known_hosts file. */
  readonly pinned: string | undefined;
  readonly bastion: boolean;
}

/**
 * Precedence, strongest first:
 *
 * 1. the inventory (`ssh:` of the host, which already includes the cluster-wide `ssh:`): address, user, port, identityFile,
 *    knownHosts, hostKey, proxyJump;
 * 2. ~/.ssh/config and /etc/ssh/ssh_config as `ssh -G` resolves them: what they say for the host's name (`Host k8s-cp`) beats
 *    what they say for its address, which beats `Host *`. Read are User, Port, IdentityFile, IdentitiesOnly, IdentityAgent,
 *    ProxyJump, UserKnownHostsFile, GlobalKnownHostsFile, HostKeyAlias. HostName does not override the inventory's address;
 * 3. OpenSSH's defaults: the local user's name, port 22, ~/.ssh/id_*, ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
 *
 * Bastions: `[user@]host[:port]`, several separated by commas, nearest first. What the text leaves out comes from 2. (HostName
 * and a ProxyJump of the first one included) and 3.; the inventory's identityFile is offered to them after their own.
 * StrictHostKeyChecking is not read: no setting makes homelab accept a host key silently. ProxyCommand is refused.
 * The agent comes before key files. Without an `ssh` binary, 2. is left out.
 */
export async function resolveRoute(host: Host, env: SshEnv): Promise<readonly Hop[]> {
  const place = placeOf(host.name, host.name, host.address, host.ssh.port ?? 22);
  const config = await configOf(place, host, env);
  const port = host.ssh.port ?? config.port ?? 22;
  const jump = host.ssh.proxyJump ?? config.proxyJump;
  if (jump === undefined && config.proxyCommand !== undefined) throw proxyCommandRefused(place);
  const machine: Hop = {
    ...placeOf(host.name, host.name, host.address, port),
    user: host.ssh.user ?? config.user ?? userInfo().username,
    identityFiles: host.ssh.identityFile === undefined ? config.identityFiles : [expand(host.ssh.identityFile, env)],
    identitiesOnly: config.identitiesOnly,
    agentSocket: agentOf(config, env),
    knownHosts: host.ssh.knownHosts === undefined ? config.knownHosts : [expand(host.ssh.knownHosts, env)],
    knownAs: config.hostKeyAlias ?? knownAs(host.address, port),
    pinned: host.ssh.hostKey,
    bastion: false,
  };
  return [...(await resolveJumps(host, jump ?? 'none', env, 0)), machine];
}

async function resolveJumps(host: Host, jumps: string, env: SshEnv, depth: number): Promise<readonly Hop[]> {
  if (jumps === 'none' || jumps === '') return [];
  if (depth > 8)
    throw connectError(placeOf(host.name, host.name, host.address, 22), 'config', 'ProxyJump goes in circles');
  const hops: Hop[] = [];
  for (const [index, text] of jumps.split(',').entries()) {
    const { user, name, port } = parseJump(text.trim());
    const asked = placeOf(host.name, `bastion ${name}`, name, port ?? 22);
    const config = readConfig(asked, (await askSsh(asked, name, env)) ?? new Map(), env);
    if (config.proxyCommand !== undefined) throw proxyCommandRefused(asked);
    if (index === 0 && config.proxyJump) hops.push(...(await resolveJumps(host, config.proxyJump, env, depth + 1)));
    const address = config.hostName ?? name;
    const at = port ?? config.port ?? 22;
    const extra = host.ssh.identityFile === undefined ? [] : [expand(host.ssh.identityFile, env)];
    const known = host.ssh.knownHosts === undefined ? [] : [expand(host.ssh.knownHosts, env)];
    hops.push({
      ...placeOf(host.name, `bastion ${name}`, address, at),
      user: user ?? config.user ?? userInfo().username,
      identityFiles: [...config.identityFiles, ...extra],
      identitiesOnly: config.identitiesOnly,
      agentSocket: agentOf(config, env),
      knownHosts: [...known, ...config.knownHosts],
      knownAs: config.hostKeyAlias ?? knownAs(address, at),
      pinned: undefined,
      bastion: true,
    });
  }
  return hops;
}

/** '[user@]host[:port]', 'ssh://' and '[v6]:port' as OpenSSH's ProxyJump takes them. */
export function parseJump(text: string): { user: string | undefined; name: string; port: number | undefined } {
  const match = /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([^\]]+)\]|([^:]+|[^:]*:[^:]*:.*?))(?::(\d+))?\/?$/.exec(text);
  const name = match?.[2] ?? match?.[3] ?? text;
  return { user: match?.[1], name, port: match?.[4] === undefined ? undefined : Number(match[4]) };
}

interface Config {
  readonly hostName: string | undefined;
  readonly user: string | undefined;
  readonly port: number | undefined;
  readonly proxyJump: string | undefined;
  readonly proxyCommand: string | undefined;
  readonly identityFiles: readonly string[];
  readonly identitiesOnly: boolean;
  readonly identityAgent: string | undefined;
  readonly knownHosts: readonly string[];
  readonly hostKeyAlias: string | undefined;
}

type Answers = ReadonlyMap<string, readonly string[]>;

// OpenSSH matches `Host` against the one name it was given; we have two. A key counts as said about the name when its value
// differs from what a name nobody has configured would get.
async function configOf(place: Place, host: Host, env: SshEnv): Promise<Config> {
  const [nobody, byName, byAddress] = await Promise.all([
    askSsh(place, 'homelab-matches-nothing.invalid', env),
    askSsh(place, host.name, env),
    askSsh(place, host.address, env),
  ]);
  const merged = new Map(byAddress);
  for (const [key, values] of byName ?? []) {
    if (values.join('\n') !== (nobody?.get(key) ?? []).join('\n')) merged.set(key, values);
  }
  return readConfig(place, merged, env);
}

function readConfig(place: Place, answers: Answers, env: SshEnv): Config {
  const one = (key: string) => {
    const value = answers.get(key)?.[0];
    return value === undefined || value === 'none' ? undefined : value;
  };
  const files = (key: string) => (answers.get(key) ?? []).filter(file => file !== 'none');
  const split = (key: string) => files(key).flatMap(line => line.split(/\s+/));
  const identities = answers.has('identityfile') ? files('identityfile') : defaultIdentities;
  const knownHosts = answers.has('userknownhostsfile')
    ? [...split('userknownhostsfile'), ...split('globalknownhostsfile')]
    : defaultKnownHosts;
  return {
    hostName: one('hostname'),
    user: one('user'),
    port: one('port') === undefined ? undefined : Number(one('port')),
    proxyJump: one('proxyjump'),
    proxyCommand: one('proxycommand'),
    identityFiles: identities.map(file => expandTokens(expand(file, env), place, one('user'), env)),
    identitiesOnly: one('identitiesonly') === 'yes',
    identityAgent: answers.get('identityagent')?.[0],
    knownHosts: knownHosts.map(file => expand(file, env)),
    hostKeyAlias: one('hostkeyalias'),
  };
}

const defaultIdentities = ['~/.ssh/id_rsa', '~/.ssh/id_ecdsa', '~/.ssh/id_ed25519'];
const defaultKnownHosts = ['~/.ssh/known_hosts', '~/.ssh/known_hosts2', '/etc/ssh/ssh_known_hosts'];

/** `ssh -G NAME`; undefined when there is no ssh client. ssh takes the home directory from passwd, so another one is named. */
async function askSsh(place: Place, name: string, env: SshEnv): Promise<Answers | undefined> {
  const other = env.home === homedir() ? [] : ['-F', join(env.home, '.ssh/config')];
  const result = await execa('ssh', ['-G', ...other, '--', name], { reject: false, stdin: 'ignore', timeout: 10_000 });
  if (result.code === 'ENOENT') return undefined;
  // A home directory without ~/.ssh/config is no error when it is the user's own; make it none for another one.
  if (result.exitCode !== 0 && other.length > 0 && /Can't open user config file/.test(result.stderr)) return new Map();
  if (result.exitCode !== 0) throw connectError(place, 'config', `ssh -G ${name} failed: ${result.stderr.trim()}`);
  const answers = new Map<string, string[]>();
  for (const line of result.stdout.split('\n')) {
    const space = line.indexOf(' ');
    if (space < 0) continue;
    const key = line.slice(0, space).toLowerCase();
    answers.set(key, [...(answers.get(key) ?? []), line.slice(space + 1)]);
  }
  return answers;
}

function agentOf(config: Config, env: SshEnv): string | undefined {
  if (config.identityAgent === 'none') return undefined;
  if (config.identityAgent === undefined || config.identityAgent === 'SSH_AUTH_SOCK')
    return env.sshAuthSock || undefined;
  return expand(config.identityAgent, env);
}

function expand(path: string, env: SshEnv): string {
  if (path === '~' || path.startsWith('~/')) return join(env.home, path.slice(1));
  const real = homedir();
  return real !== env.home && path.startsWith(`${real}/`) ? join(env.home, path.slice(real.length)) : path;
}

function expandTokens(path: string, place: Place, user: string | undefined, env: SshEnv): string {
  const tokens: Readonly<Record<string, string>> = {
    '%%': '%',
    '%d': env.home,
    '%h': place.address,
    '%n': place.address,
    '%p': String(place.port),
    '%r': user ?? userInfo().username,
    '%u': userInfo().username,
  };
  return path.replace(/%./g, token => tokens[token] ?? token);
}

function knownAs(address: string, port: number): string {
  return port === 22 ? address.toLowerCase() : `[${address.toLowerCase()}]:${port}`;
}

function placeOf(host: string, name: string, address: string, port: number): Place {
  return { host, label: `${name} (${address} port ${port})`, address, port };
}

function proxyCommandRefused(place: Place) {
  return connectError(
    place,
    'config',
    'ssh config has a ProxyCommand for it, which homelab does not run; set ssh.proxyJump',
  );
}
