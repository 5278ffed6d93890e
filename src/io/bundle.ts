// A bundle on the operator's disk: every file is proven to be the one that was listed before any machine gets it.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import type { Bundle, BundleEntry } from '../model/bundle.ts';
import { HomelabError } from '../model/errors.ts';

const entrySchema = z.strictObject({
  kind: z.enum(['deb', 'image', 'chart', 'tool']),
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+:/@-]*$/, 'expected a name or an image reference'),
  version: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+:~-]*$/, 'expected a version'),
  arch: z.string().regex(/^[a-z0-9]+$/, "expected Debian's name of an architecture: amd64, arm64, all"),
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL makes node:fs throw, line breaks forge output
  file: z.string().regex(/^[^\x00-\x1f\x7f]+$/, 'expected a path relative to the bundle'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits'),
  bytes: z.int().min(1),
});

const bundleSchema = z.strictObject({
  apiVersion: z.literal('homelab/v1'),
  kind: z.literal('Bundle'),
  entries: z.array(entrySchema),
});

/** An entry as bundle.json has it: its file is relative to the bundle. */
export type Listed = z.output<typeof entrySchema>;

/** Enough to keep a disk busy; hashing itself is one thread. */
const readersAtOnce = 4;

/** Throws HL_BUNDLE with every problem, HL_CANCELLED when the signal aborts. */
export async function loadBundle(dir: string, options: { readonly signal: AbortSignal }): Promise<Bundle> {
  const { signal } = options;
  const root = resolve(dir);
  const listed = await readBundleList(root);
  const problems: string[] = [...duplicates(listed)];
  const entries: (BundleEntry | undefined)[] = [];
  const queue = listed.entries();
  const worker = async (): Promise<void> => {
    for (const [index, entry] of queue) {
      if (signal.aborted) return;
      const verified = await verify(root, entry, signal);
      if (typeof verified === 'string') problems.push(`entries[${index}]  ${entry.file}  ${verified}`);
      else entries[index] = verified;
    }
  };
  await Promise.all(Array.from({ length: readersAtOnce }, worker));
  if (signal.aborted) throw new HomelabError('HL_CANCELLED', `Checking bundle ${root} was cancelled`);
  if (problems.length > 0) throw broken(root, problems.toSorted(byIndex));
  return { dir: root, entries: entries.filter(entry => entry !== undefined) };
}

/** What bundle.json lists; the files are not looked at. */
export async function readBundleList(dir: string): Promise<readonly Listed[]> {
  const root = resolve(dir);
  const path = join(root, 'bundle.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new HomelabError('HL_BUNDLE', `Bundle ${root} has no readable bundle.json (${codeOf(error)})`, {
      hint: 'Name the folder that holds bundle.json; homelab bundle make --out DIR makes one',
      cause: error,
    });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw broken(root, [`bundle.json  is not JSON: ${error instanceof Error ? error.message : 'unreadable'}`]);
  }
  const parsed = bundleSchema.safeParse(json);
  if (parsed.success) return parsed.data.entries;
  throw broken(
    root,
    parsed.error.issues.map(issue => `bundle.json  ${z.core.toDotPath(issue.path) || '(document)'}  ${issue.message}`),
  );
}

/** Beside its place first, then there: a reader sees the old list or the new one. */
export async function writeBundleList(dir: string, entries: readonly Listed[], name = 'bundle.json'): Promise<void> {
  const content = { apiVersion: 'homelab/v1', kind: 'Bundle', entries: entries.toSorted(byName) };
  const path = join(resolve(dir), name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, `${JSON.stringify(content, null, 2)}\n`, { flush: true });
  await rename(`${path}.new`, path);
}

/** The entries whose files are there and whole, of one list; none where there is no list. */
export async function intactEntries(dir: string, name: string, signal: AbortSignal): Promise<readonly Listed[]> {
  const root = resolve(dir);
  const text = await readFile(join(root, name), 'utf8').catch(() => undefined);
  if (text === undefined) return [];
  const parsed = bundleSchema.safeParse(parseJson(text));
  const found: Listed[] = [];
  for (const entry of parsed.success ? parsed.data.entries : []) {
    if (typeof (await verify(root, entry, signal)) !== 'string') found.push(entry);
  }
  return found;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function byName(left: Listed, right: Listed): number {
  const key = ({ kind, name, version, arch }: Listed) => [kind, name, version, arch].join(' ');
  return key(left) < key(right) ? -1 : 1;
}

function duplicates(entries: readonly Listed[]): readonly string[] {
  const seen = new Map<string, number>();
  return entries.flatMap((entry, index) => {
    const id = [entry.kind, entry.name, entry.version, entry.arch].join(' ');
    const first = seen.get(id);
    if (first === undefined) seen.set(id, index);
    return first === undefined ? [] : [`entries[${index}]  ${entry.file}  ${id} is entries[${first}] already`];
  });
}

/** The entry with its absolute path, or what is wrong with the file. */
async function verify(root: string, listed: Listed, signal: AbortSignal): Promise<BundleEntry | string> {
  const { file, ...entry } = listed;
  const path = resolve(root, file);
  if (isAbsolute(file) || leaves(root, path)) return 'is outside the bundle';
  try {
    // A link may lead out of the folder where the path does not.
    if (leaves(await realpath(root), await realpath(path))) return 'is a link that leads outside the bundle';
    const found = await stat(path);
    if (!found.isFile()) return 'is not a file';
    if (found.size !== entry.bytes) return `expected ${entry.bytes} bytes, found ${found.size}`;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash, { signal });
    const sum = hash.digest('hex');
    return sum === entry.sha256 ? { ...entry, path } : `expected sha256 ${entry.sha256}, found ${sum}`;
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'is missing' : `cannot be read (${codeOf(error)})`;
  }
}

function leaves(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way);
}

function broken(root: string, details: readonly string[]): HomelabError {
  const count = details.length === 1 ? '1 problem' : `${details.length} problems`;
  return new HomelabError('HL_BUNDLE', `Bundle ${root} has ${count}`, {
    hint: 'Copy the listed files again from where the bundle was made, or make the bundle again',
    context: { details },
  });
}

/** Problems arrive in the order in which files were read. */
function byIndex(left: string, right: string): number {
  return left.localeCompare(right, 'en', { numeric: true });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
