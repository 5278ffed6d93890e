// A snapshot as a folder: what doctor saw, to be looked at again elsewhere; and plain `kubectl get -o json` lists, as anybody saves them.
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { factNames, machineFacts } from '../doctor/machine-facts.ts';
import { isName, name, reference } from '../doctor/objects/common.ts';
import { type KindName, kindNames } from '../doctor/objects/kinds.ts';
import { type AnyList, joined, kindNamed, listsOf, readItems } from '../doctor/objects/read.ts';
import type { MachineLook, Snapshot } from '../doctor/snapshot.ts';
import { HomelabError } from '../model/errors.ts';

const role = z.enum(['control-plane', 'worker', 'unknown']);
/** Words as `command()` writes them: it is typed again. */
const typed = /^(?:(?:[A-Za-z0-9_./:=@%+,-]|'[^']*'|\\')+ ?)+$/;
/** A folder may be called anything. */
const told = (from: string): string => from.replaceAll(/[^\p{L}\p{N}._: -]/gu, '_');
/** snapshot.json. */
export const written = z.object({
  format: z.literal(1),
  at: z.number(),
  api: z.object({
    state: z.enum(['answers', 'silent', 'not asked']),
    says: z.string(),
    from: z.string().transform(told),
  }),
  /** Kinds that no file stands for, or not whole. */
  lists: z.record(
    z.string(),
    z.object({
      state: z.enum(['absent', 'unknown', 'seen']),
      why: z.string().default(''),
      unreadable: z.number().default(0),
    }),
  ),
  machines: z.array(
    z.object({
      name,
      address: reference,
      role,
      unreached: z
        .object({
          kind: z.enum(['no answer', 'refused', 'not asked']),
          says: z.string(),
          tookConnection: z.boolean().optional(),
        })
        .optional(),
      missed: z.partialRecord(z.enum(factNames as readonly [string, ...string[]]), z.string()).default({}),
    }),
  ),
  logs: z.array(
    z.object({
      pod: z.string().refine(value => value.split('/').every(isName)),
      container: name,
      lines: z.array(z.string()),
    }),
  ),
  declared: z
    .object({
      cluster: z.string(),
      version: reference,
      endpoint: reference,
      hosts: z.array(z.object({ name, address: reference, role: z.enum(['control-plane', 'worker']) })),
    })
    .optional(),
  openRuns: z.array(z.object({ run: name, command: z.string().regex(typed), startedAt: z.string(), says: z.string() })),
});

/** Writes one file a kind and one a machine, and snapshot.json for the rest. Throws HL_USAGE when the folder has something in it. */
export async function saveSnapshot(folder: string, snapshot: Snapshot): Promise<void> {
  await mkdir(join(folder, 'machines'), { recursive: true, mode: 0o700 });
  const before = (await readdir(folder)).filter(name => name !== 'machines');
  if (before.length > 0) {
    throw new HomelabError('HL_USAGE', `${folder} is not empty`, { hint: 'name a folder that does not exist yet' });
  }
  const write = (name: string, value: unknown) =>
    writeFile(join(folder, name), `${JSON.stringify(value, undefined, 1)}\n`, { mode: 0o600 });
  const { lists, machines, ...rest } = snapshot;
  for (const name of kindNames) {
    const look = lists[name];
    if (look.state === 'seen') await write(`${name}.json`, { apiVersion: 'v1', kind: 'List', items: look.items });
  }
  for (const { name, facts } of machines) await write(join('machines', `${name}.json`), facts);
  await write('snapshot.json', {
    format: 1,
    ...rest,
    lists: Object.fromEntries(
      kindNames.map(name => {
        const look = lists[name];
        const { state } = look;
        return [
          name,
          look.state === 'unknown'
            ? { state, why: look.why }
            : look.state === 'seen'
              ? { state, unreadable: look.unreadable }
              : { state },
        ];
      }),
    ),
    machines: machines.map(({ facts: _, ...each }) => each),
  });
}

/** What a folder holds. What in it cannot be read is not looked at, and says so; throws HL_USAGE where there is nothing to read. */
export async function loadSnapshot(folder: string): Promise<Snapshot> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new HomelabError('HL_USAGE', `${folder} cannot be read`, {
      cause,
      hint: 'a folder that homelab doctor --save DIR wrote, or one with kubectl get -o json lists: nodes.json, pods.json',
    });
  });
  const files = names.filter(name => name.endsWith('.json') && name !== 'snapshot.json').sort();
  const own = names.includes('snapshot.json') ? await ownPart(folder) : undefined;
  if (files.length === 0 && !own) {
    throw new HomelabError('HL_USAGE', `${folder} holds nothing that doctor reads`, {
      hint: 'save lists there, for example: kubectl get nodes -o json > nodes.json; kubectl get pods -A -o json > pods.json',
    });
  }
  const found = new Map<KindName, AnyList>();
  for (const file of files) {
    for (const [kind, look] of await listsIn(folder, file)) found.set(kind, joined(found.get(kind), look));
  }
  for (const [name, look] of Object.entries(own?.lists ?? {})) {
    const kind = kindNamed(name);
    if (kind === undefined) continue;
    const mine = found.get(kind);
    if (mine === undefined)
      found.set(
        kind,
        look.state === 'absent'
          ? { state: 'absent' }
          : { state: 'unknown', why: look.why || `no ${name}.json in this folder` },
      );
    else if (mine.state === 'seen' && look.unreadable > 0)
      found.set(kind, { ...mine, unreadable: mine.unreadable + look.unreadable });
  }
  const lists = listsOf(found, 'not in this folder');
  const at = own?.at ?? (newest(found) || (await stat(folder)).mtimeMs);
  const facts = names.includes('machines')
    ? await machineFiles(join(folder, 'machines'))
    : new Map<string, FactsFile>();
  const machines =
    own?.machines ??
    [...new Set([...nodesOf(found), ...facts.keys()].map(name => name))].map(name => ({
      ...machineOf(found, name),
      missed: {},
    }));
  return {
    at,
    api: own?.api ?? {
      state: files.length > 0 ? 'answers' : 'not asked',
      says: 'saved lists',
      from: told(basename(folder)),
    },
    lists,
    logs: own?.logs ?? [],
    declared: own?.declared,
    openRuns: own?.openRuns ?? [],
    machines: machines.map((each): MachineLook => {
      const mine = facts.get(each.name);
      const { unreached, ...machine } = each;
      if (mine?.trouble !== undefined)
        return { ...machine, unreached: { kind: 'not asked', says: mine.trouble }, facts: {} };
      if (unreached) return { ...machine, unreached, facts: mine?.facts ?? {} };
      if (mine) return { ...machine, facts: mine.facts };
      return {
        ...machine,
        unreached: { kind: 'not asked', says: `no machines/${each.name}.json in this folder` },
        facts: {},
      };
    }),
  };
}

async function ownPart(folder: string) {
  const path = join(folder, 'snapshot.json');
  const { value, trouble } = await jsonIn(path);
  const read = written.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new HomelabError(
    'HL_USAGE',
    `${path} is not a snapshot of homelab's: ${trouble ?? `${issue?.path.join('.')}: ${issue?.message}`}`,
    {
      hint: `make it anew (homelab doctor --save DIR), or remove ${path}: the lists beside it are read without it`,
    },
  );
}

async function listsIn(folder: string, file: string): Promise<readonly (readonly [KindName, AnyList])[]> {
  const named = kindNamed(basename(file, '.json'));
  const { value, trouble } = await jsonIn(join(folder, file));
  if (trouble !== undefined)
    return named === undefined ? [] : [[named, { state: 'unknown', why: `${file}: ${trouble}` }]];
  return readItems(value, named, file);
}

interface FactsFile {
  readonly facts: MachineLook['facts'];
  readonly trouble?: string;
}

async function machineFiles(folder: string): Promise<ReadonlyMap<string, FactsFile>> {
  const found = new Map<string, FactsFile>();
  for (const file of (await readdir(folder)).sort()) {
    if (!file.endsWith('.json') || !isName(file)) continue;
    const { value, trouble } = await jsonIn(join(folder, file));
    const read = machineFacts.safeParse(value);
    const [issue] = read.error?.issues ?? [];
    const why = trouble ?? (issue ? `${issue.path.join('.')}: ${issue.message}` : undefined);
    found.set(
      basename(file, '.json'),
      why === undefined ? { facts: read.data ?? {} } : { facts: {}, trouble: `machines/${file}: ${why}` },
    );
  }
  return found;
}

/** A saved file is never larger than this; 5,000 pods are 60 MiB. */
const limitBytes = 512 * 1024 * 1024;

async function jsonIn(path: string): Promise<{ readonly value?: unknown; readonly trouble?: string }> {
  try {
    if ((await stat(path)).size > limitBytes) return { trouble: 'larger than 512 MiB' };
    // A NUL fits into no command that is told.
    return { value: JSON.parse((await readFile(path, 'utf8')).replaceAll('\\u0000', '\\ufffd')) };
  } catch (error) {
    return {
      trouble:
        error instanceof SyntaxError
          ? `no JSON: ${error.message}`
          : `cannot be read: ${error instanceof Error ? error.message : error}`,
    };
  }
}

function seen(found: ReadonlyMap<KindName, AnyList>, kind: KindName): readonly unknown[] {
  const look = found.get(kind);
  return look?.state === 'seen' ? look.items : [];
}

const timed = z.object({ spec: z.object({ renewTime: z.string() }).optional(), lastTimestamp: z.string().optional() });

// Kubelets renew their leases every 10 s: the newest one is when the lists were made, within that.
function newest(found: ReadonlyMap<KindName, AnyList>): number {
  const times = [...seen(found, 'leases'), ...seen(found, 'events')].flatMap(item => {
    const { data } = timed.safeParse(item);
    return [data?.spec?.renewTime, data?.lastTimestamp].flatMap(text => (text ? [Date.parse(text)] : []));
  });
  return Math.max(0, ...times.filter(time => !Number.isNaN(time)));
}

const named = z.object({
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }),
  status: z.object({ addresses: z.array(z.object({ type: z.string(), address: z.string() })) }),
});

function nodesOf(found: ReadonlyMap<KindName, AnyList>): readonly string[] {
  return seen(found, 'nodes').flatMap(item => named.safeParse(item).data?.metadata.name ?? []);
}

function machineOf(
  found: ReadonlyMap<KindName, AnyList>,
  name: string,
): Pick<MachineLook, 'name' | 'address' | 'role'> & { readonly unreached?: MachineLook['unreached'] } {
  const node = seen(found, 'nodes')
    .flatMap(item => named.safeParse(item).data ?? [])
    .find(each => each.metadata.name === name);
  const address = node?.status.addresses.find(({ type }) => type === 'InternalIP')?.address ?? '';
  const isControlPlane = node && 'node-role.kubernetes.io/control-plane' in node.metadata.labels;
  return { name, address, role: node ? (isControlPlane ? 'control-plane' : 'worker') : 'unknown' };
}
