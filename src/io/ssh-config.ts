// What ~/.ssh/config and OpenSSH's defaults say about a name, as `ssh -G` resolves them.
import { execFile } from 'node:child_process';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Host } from '../model/cluster.ts';
import { connectError, type Place } from './ssh-errors.ts';

export interface SshEnv {
  readonly home: string;
  readonly sshAuthSock?: string | undefined;
}

export interface Config {
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
export async function configOf(place: Place, host: Host, env: SshEnv): Promise<Config> {
  const [nobody, byName, byAddress] = await Promise.all([
    askOnce(place, 'homelab-matches-nothing.invalid', env),
    askOnce(place, host.name, env),
    askOnce(place, host.address, env),
  ]);
  const merged = new Map(byAddress);
  for (const [key, values] of byName ?? []) {
    if (values.join('\n') !== (nobody?.get(key) ?? []).join('\n')) merged.set(key, values);
  }
  return readConfig(place, merged, env);
}

/** What config and defaults say about one name, for a bastion. */
export async function configOfName(place: Place, name: string, env: SshEnv): Promise<Config> {
  return readConfig(place, (await askOnce(place, name, env)) ?? new Map(), env);
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

const asked = new WeakMap<SshEnv, Map<string, Promise<Answers | undefined>>>();

// Every machine asks about nobody, and most about the same bastion.
function askOnce(place: Place, name: string, env: SshEnv): Promise<Answers | undefined> {
  const known = asked.get(env) ?? new Map<string, Promise<Answers | undefined>>();
  asked.set(env, known);
  const answer = known.get(name) ?? askSsh(place, name, env);
  known.set(name, answer);
  return answer;
}

/** `ssh -G NAME`; undefined when there is no ssh client. ssh takes the home directory from passwd, so another one is named. */
async function askSsh(place: Place, name: string, env: SshEnv): Promise<Answers | undefined> {
  const other = env.home === homedir() ? [] : ['-F', join(env.home, '.ssh/config')];
  const result = await runSsh(['-G', ...other, '--', name]);
  if (result === undefined) return undefined;
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

/** Undefined when there is no ssh client. */
function runSsh(
  args: readonly string[],
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string } | undefined> {
  return new Promise(resolve => {
    const child = execFile('ssh', args, { timeout: 10_000 }, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') resolve(undefined);
      else resolve({ exitCode: error ? Number(error.code ?? 255) : 0, stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** '~' is the home directory we were given, also where ssh has put the one from passwd. */
export function expand(path: string, env: SshEnv): string {
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
