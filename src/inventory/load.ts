// The inventory file: read with a limit, checked, and every problem as one error.
import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Cluster } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import { maxBytes } from './decode.ts';
import type { Edit } from './edit.ts';
import { renderIssue, shown } from './issue.ts';
import { type InventoryContext, parseInventory } from './parse.ts';
import { usualProfile } from './profiles.ts';
import { readYaml } from './yaml.ts';

/** More lines than these help nobody. */
const maxDetails = 100;

export interface LoadOptions {
  readonly home?: string;
  /** Versions need not be in it: it is only to say how machines are reached. */
  readonly isSketch?: boolean;
}

export async function loadInventory(path: string, options: LoadOptions = {}): Promise<Cluster> {
  return clusterFrom(await readInventory(path), path, options);
}

/** The inventory's text, and what an edit makes of it. Nothing is written. */
export interface EditedInventory {
  readonly before: string;
  readonly edit: Edit;
  /** As it is after the edit; as it was where the edit is for a person to make. */
  readonly cluster: Cluster;
}

export async function editInventory(
  path: string,
  edit: (text: string, context: InventoryContext) => Edit,
): Promise<EditedInventory> {
  const bytes = await readInventory(path);
  const cluster = clusterFrom(bytes, path);
  const before = Buffer.from(bytes).toString('utf8');
  const found = edit(before, contextOf(path));
  return {
    before,
    edit: found,
    cluster: found.kind === 'edited' ? clusterFrom(Buffer.from(found.text), path) : cluster,
  };
}

function contextOf(path: string, { home = homedir(), isSketch = false }: LoadOptions = {}): InventoryContext {
  return {
    file: path,
    dir: dirname(resolve(path)),
    home,
    readText: file => readFileSync(file, 'utf8'),
    ...(isSketch ? { assumedProfile: usualProfile } : {}),
  };
}

function clusterFrom(bytes: Uint8Array, path: string, options?: LoadOptions): Cluster {
  const parsed = parseInventory(bytes, contextOf(path, options));
  if (parsed.ok) return parsed.cluster;
  const { issues } = parsed;
  const details = issues.slice(0, maxDetails).map(renderIssue);
  if (issues.length > maxDetails) details.push(`… and ${issues.length - maxDetails} more`);
  throw new HomelabError('HL_INVENTORY', `Inventory ${shown(path)} has ${count(issues.length)}`, {
    hint: `Correct ${shown(path)}, then check it: homelab validate -i ${shown(path)}`,
    context: { details },
  });
}

/** What is wrong with a text that would be the inventory at this path. */
export function problemsOf(text: string, path: string): readonly string[] {
  const parsed = parseInventory(Buffer.from(text), contextOf(path));
  return parsed.ok ? [] : parsed.issues.slice(0, maxDetails).map(renderIssue);
}

/** The inventory as it is written, once it was found valid. */
export async function readRaw(path: string): Promise<unknown> {
  return readYaml(await readInventory(path), path).value;
}

function count(issues: number): string {
  return issues === 1 ? '1 problem' : `${issues} problems`;
}

async function readInventory(path: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    return await readLimited(handle);
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await handle?.close();
  }
}

/** One byte more than allowed, so that the parser refuses it; not `readFile`, which never ends on /dev/zero. */
async function readLimited(handle: FileHandle): Promise<Uint8Array> {
  const buffer = Buffer.alloc(maxBytes + 1);
  let length = 0;
  while (length < buffer.byteLength) {
    const { bytesRead } = await handle.read(buffer, length, buffer.byteLength - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

function unreadable(path: string, cause: unknown): HomelabError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
  if (code === 'ENOENT') {
    return new HomelabError('HL_INVENTORY', `Inventory ${shown(path)} not found`, {
      hint: 'Name it with -i FILE; to begin: homelab init',
      cause,
    });
  }
  const what = code === 'EISDIR' ? 'is a directory' : `cannot be read (${code})`;
  return new HomelabError('HL_INVENTORY', `Inventory ${shown(path)} ${what}`, {
    hint: 'Name a file you may read with -i FILE; to begin: homelab init',
    cause,
  });
}
