// The first look at a machine: the facts that every run reads, and what tells people which machine this is. One remote command, read-only.
import { randomBytes } from 'node:crypto';
import { HomelabError } from '../model/errors.ts';
import type { Card, Disk, FirstLook, Route } from '../model/first-look.ts';
import type { ExecOptions, Remote } from '../model/ports.ts';
import { clockFragment, factFragments, parseReading } from './facts.ts';
import { type Fragment, type Frame, joinFragments, splitFrames } from './frames.ts';

export const sizeFragments: readonly Fragment[] = [
  { id: 'size', script: `nproc; awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo` },
  { id: 'disks', script: 'lsblk -J -b -d -o NAME,SIZE,ROTA,TYPE,RM' },
  {
    id: 'cards',
    script: `for path in /sys/class/net/*; do
  [ -e "$path/device" ] || continue
  driver=$(readlink "$path/device/driver") || driver=unknown
  speed=$(cat "$path/speed" 2>/dev/null) || speed=0
  if [ -d "$path/wireless" ]; then kind=wifi; else kind=wired; fi
  printf '%s %s %s %s\\n' "\${path##*/}" "\${driver##*/}" "$speed" "$kind"
done`,
  },
  { id: 'routes', script: 'ip -j -4 route show table all type unicast' },
];

/** `others`: sh that prints units of another Kubernetes, one a line. */
export function firstLookFragments(others: string): readonly Fragment[] {
  return [...factFragments, ...sizeFragments, { id: 'others', script: others }, clockFragment];
}

/** Throws HL_OBSERVE for a machine that is no Debian or Ubuntu, and whatever a connection throws. */
export async function lookFirst(remote: Remote, others: string, limits: ExecOptions): Promise<FirstLook> {
  const fragments = firstLookFragments(others);
  const mark = `@${randomBytes(9).toString('hex')}`;
  const sentMs = Date.now();
  const result = await remote.exec(joinFragments(fragments, mark), limits);
  if (result.code === 124) {
    throw new HomelabError(
      'HL_OBSERVE',
      `${remote.host} did not finish answering within ${limits.timeoutMs / 1000} s`,
      {
        context: { host: remote.host },
        hint: `see what it is busy with: ssh ${remote.host}, then top`,
      },
    );
  }
  return parseFirstLook(remote.host, splitFrames(result, fragments, mark), sentMs, Date.now());
}

/** What cannot be read of a machine's size is left out; what it is must be known. */
export function parseFirstLook(
  host: string,
  frames: ReadonlyMap<string, Frame>,
  sentMs: number,
  receivedMs: number,
): FirstLook {
  const { facts } = parseReading(host, '', frames, sentMs, receivedMs);
  const said = (id: string): string => {
    const frame = frames.get(id);
    return frame?.code === 0 ? frame.stdout.trim() : '';
  };
  const [processors = 0, memoryMiB = 0] = said('size').split('\n').map(Number);
  return {
    facts,
    processors,
    memoryMiB,
    disks: facts.container ? [] : parseDisks(said('disks')),
    cards: linesOf(said('cards')).map(cardFrom),
    routes: parseRoutes(said('routes')),
    others: linesOf(said('others')),
  };
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter(line => line.trim() !== '');
}

function cardFrom(line: string): Card {
  const [name = '', driver = 'unknown', speed = '0', kind] = line.split(' ');
  return { name, driver, speedMbps: Math.max(0, Number(speed) || 0), wifi: kind === 'wifi' };
}

interface BlockJson {
  readonly name?: string;
  readonly size?: number | string;
  readonly rota?: boolean | string;
  readonly type?: string;
  readonly rm?: boolean | string;
}

// Older util-linux writes "1" where newer ones write true.
const isSet = (value: boolean | string | undefined): boolean => value === true || value === '1';

function parseDisks(text: string): readonly Disk[] {
  const { blockdevices = [] } = parsed<{ readonly blockdevices?: readonly BlockJson[] }>(text) ?? {};
  return blockdevices
    .filter(({ type, rm, name }) => type === 'disk' && !isSet(rm) && !/^(zram|nbd|ram|fd)\d/.test(name ?? ''))
    .map(({ name = '', size, rota }) => ({ name, bytes: Number(size) || 0, rotates: isSet(rota) }))
    .filter(({ bytes }) => bytes > 0);
}

function parseRoutes(text: string): readonly Route[] {
  const routes = parsed<readonly { readonly dst?: string; readonly dev?: string }[]>(text) ?? [];
  return routes.map(({ dst = 'default', dev = '' }) => ({ to: dst, dev }));
}

function parsed<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
