// The way to a machine and how to log in at every hop: inventory over ssh config over defaults.
import { userInfo } from 'node:os';
import type { Host } from '../model/cluster.ts';
import { type Config, configOf, configOfName, expand, type SshEnv } from './ssh-config.ts';
import { connectError, type Place } from './ssh-errors.ts';

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
    const config = await configOfName(asked, name, env);
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

function agentOf(config: Config, env: SshEnv): string | undefined {
  if (config.identityAgent === 'none') return undefined;
  if (config.identityAgent === undefined || config.identityAgent === 'SSH_AUTH_SOCK')
    return env.sshAuthSock || undefined;
  return expand(config.identityAgent, env);
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
