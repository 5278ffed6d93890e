// Where machines may be found, when the user says where to look: ~/.ssh/config, known_hosts, or who takes TCP on port 22 of a subnet.
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { connect, isIPv4 } from 'node:net';
import { join } from 'node:path';
import { HomelabError } from '../model/errors.ts';
import { configOfName, type SshEnv } from './ssh-config.ts';

export interface Found {
  readonly name: string | undefined;
  /** IPv4. */
  readonly address: string;
  readonly port: number;
}

export interface Findings {
  readonly found: readonly Found[];
  /** What could not be read, and why. */
  readonly remarks: readonly string[];
}

/** 'ssh-config', 'known-hosts', or a subnet of at most 1024 addresses. */
export async function findMachines(source: string, env: SshEnv, signal: AbortSignal): Promise<Findings> {
  switch (source) {
    case 'ssh-config':
      return fromNames(await configuredNames(env), env);
    case 'known-hosts':
      return fromNames(await knownNames(env), env);
    default:
      return { found: await listening(addressesOf(source), 22, signal), remarks: [] };
  }
}

interface Names {
  readonly names: readonly { readonly name: string; readonly port?: number }[];
  readonly remarks: readonly string[];
}

// Patterns name no machine; what Include brings in is not followed.
async function configuredNames({ home }: SshEnv): Promise<Names> {
  const file = join(home, '.ssh', 'config');
  const lines = await linesOf(file);
  const words = (keyword: RegExp) => lines.flatMap(line => keyword.exec(line.trim())?.[1]?.split(/\s+/) ?? []);
  const names = words(/^Host\s*[\s=]\s*(.+)$/i).filter(name => /^[A-Za-z0-9]/.test(name) && !/[*?!]/.test(name));
  const included = words(/^Include\s*[\s=]\s*(.+)$/i);
  return {
    names: [...new Set(names)].map(name => ({ name })),
    remarks: included.length > 0 ? [`${file} includes ${included.join(', ')}, which was not read`] : [],
  };
}

async function knownNames({ home }: SshEnv): Promise<Names> {
  const file = join(home, '.ssh', 'known_hosts');
  const entries = (await linesOf(file)).map(line => line.trim()).filter(line => line !== '' && !/^[#@]/.test(line));
  const hashed = entries.filter(entry => entry.startsWith('|')).length;
  const names = entries
    .filter(entry => !entry.startsWith('|'))
    .flatMap(entry => entry.split(/\s+/)[0]?.split(',').slice(0, 1) ?? [])
    .filter(name => !/[*?!]/.test(name))
    .map(name => {
      const [, host = name, port] = /^\[(.+)\]:(\d+)$/.exec(name) ?? [];
      return port === undefined ? { name: host } : { name: host, port: Number(port) };
    });
  const unique = [...new Map(names.map(each => [`${each.name} ${each.port ?? ''}`, each])).values()];
  return {
    names: unique,
    remarks: hashed > 0 ? [`${hashed} entries of ${file} are hashed (HashKnownHosts): their names cannot be read`] : [],
  };
}

async function fromNames({ names, remarks }: Names, env: SshEnv): Promise<Findings> {
  const resolved = await Promise.all(names.map(each => addressOf(each, env)));
  return {
    found: resolved.filter(each => typeof each !== 'string'),
    remarks: [...remarks, ...resolved.filter(each => typeof each === 'string')],
  };
}

async function addressOf(
  { name, port }: { readonly name: string; readonly port?: number },
  env: SshEnv,
): Promise<Found | string> {
  const config = await configOfName({ host: name, label: name, address: name, port: 22 }, name, env);
  const target = config.hostName ?? name;
  const address = isIPv4(target) ? target : await ipv4Of(target);
  if (address === undefined) return `${name} has no IPv4 address that this computer knows`;
  return { name: isIPv4(name) ? undefined : name, address, port: port ?? config.port ?? 22 };
}

/** Undefined where this computer does not know the name. */
export async function ipv4Of(name: string): Promise<string | undefined> {
  return lookup(name, { family: 4 }).then(
    ({ address }) => address,
    () => undefined,
  );
}

async function linesOf(file: string): Promise<readonly string[]> {
  return (await readFile(file, 'utf8').catch(() => '')).split('\n');
}

const shortestPrefix = 22;

function addressesOf(subnet: string): readonly string[] {
  const [, address = '', bits = ''] = /^([0-9.]+)\/([0-9]{1,2})$/.exec(subnet) ?? [];
  const prefix = Number(bits);
  if (!isIPv4(address) || bits === '' || prefix > 32 || prefix < shortestPrefix) {
    throw new HomelabError('HL_USAGE', `--scan: ${JSON.stringify(subnet)} is nothing to look through`, {
      hint: `ssh-config, known-hosts, or a subnet from /${shortestPrefix} to /32 such as 192.168.0.0/24`,
    });
  }
  const size = 2 ** (32 - prefix);
  const number = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const base = number - (number % size);
  // The subnet's own address and its broadcast are nobody's.
  const [from, to] = size > 2 ? [base + 1, base + size - 2] : [base, base + size - 1];
  return Array.from({ length: to - from + 1 }, (_, index) =>
    [24, 16, 8, 0].map(shift => Math.floor((from + index) / 2 ** shift) % 256).join('.'),
  );
}

const probesAtATime = 64;
const answerMs = 800;

/** Who takes a TCP connection on the port. Nothing is sent. */
export async function listening(
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const queue = [...addresses];
  const open = new Set<string>();
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift())
      if (await answers(next, port)) open.add(next);
  };
  await Promise.all(Array.from({ length: probesAtATime }, lane));
  if (signal.aborted) throw new HomelabError('HL_CANCELLED', 'interrupted; nothing was written');
  return addresses.filter(address => open.has(address)).map(address => ({ name: undefined, address, port }));
}

function answers(address: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: address, port });
    const end = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.setTimeout(answerMs, () => end(false));
    socket.once('connect', () => end(true));
    socket.on('error', () => end(false));
  });
}
