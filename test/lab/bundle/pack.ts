// What every bundle of the lab is packed with: images, the lines of bundle.json, and words about how far it is.
import { existsSync } from 'node:fs';
import { cp, mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { cancelled, type Log } from '../run.ts';
import { addFiles, writeBareRoot, writeImage } from './image.ts';
import { architecture, type ImageSpec, prunedFolders } from './recipe.ts';
import { writeDebianRoot } from './root.ts';
import { run } from './run.ts';
import { sumsOf } from './sums.ts';

/** A line of bundle.json: what `homelab --bundle` reads. */
export interface Entry {
  readonly kind: 'deb' | 'image' | 'chart' | 'tool';
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  /** Relative to the bundle. */
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** Says what is done now, how long that takes as a rule, and how far we are; afterwards how long it took. */
export function progress(total: number, log: Log, signal: AbortSignal | undefined) {
  let done = 0;
  return async <T>(name: string, what: string, expect: string, action: () => Promise<T>): Promise<T> => {
    if (signal?.aborted) throw cancelled();
    done += 1;
    log(`${name}: ${what} (${expect}; ${done} of ${total} steps)`);
    const started = Date.now();
    const alive = setInterval(() => log(`${name}: at work for ${duration(Date.now() - started)}`), 60_000);
    try {
      const result = await action();
      log(`${name}: done in ${duration(Date.now() - started)}`);
      return result;
    } finally {
      clearInterval(alive);
    }
  };
}

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export interface Packing {
  readonly spec: ImageSpec;
  readonly binaries: ReadonlyMap<string, string>;
  /** Built folders by the names that `spec.folders` uses. */
  readonly folders: ReadonlyMap<string, string>;
  /** Debian's packages. */
  readonly repository: string;
  readonly work: string;
  readonly out: string;
  readonly signal: AbortSignal | undefined;
}

export async function packImage({ spec, binaries, folders, repository, work, out, signal }: Packing): Promise<void> {
  const root = path.join(work, 'root');
  await removeTree(root);
  const files = new Map(Object.entries(spec.files).map(([target, name]) => [target, builtFile(binaries, name)]));
  if (spec.debian === undefined) {
    await writeBareRoot(root, files);
  } else {
    const pruned = [...prunedFolders, ...(spec.pruned ?? [])];
    await writeDebianRoot({ root, repository, packages: spec.debian, pruned, signal });
    await addFiles(root, files);
  }
  for (const [target, name] of Object.entries(spec.folders ?? {})) {
    await cp(builtFile(folders, name), path.join(root, target), { recursive: true });
  }
  for (const [target, to] of Object.entries(spec.links ?? {})) {
    await mkdir(path.dirname(path.join(root, target)), { recursive: true });
    await symlink(to, path.join(root, target));
  }
  await writeImage({
    reference: spec.reference,
    architecture: architecture(),
    entrypoint: spec.entrypoint,
    ...(spec.user === undefined ? {} : { user: spec.user }),
    env: spec.env ?? [],
    root,
    keepOwners: spec.debian !== undefined,
    scratch: path.join(work, 'image'),
    file: path.join(out, imageFile(spec.reference)),
    signal,
  });
  await removeTree(root);
}

export async function imageEntries(out: string, images: readonly ImageSpec[]): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const { reference } of images) {
    const file = imageFile(reference);
    const version = reference.slice(reference.lastIndexOf(':') + 1);
    entries.push({ kind: 'image', name: reference, version, arch: architecture(), file, ...(await sumOf(out, file)) });
  }
  return entries;
}

function imageFile(reference: string): string {
  const [name = ''] = (reference.split('/').at(-1) ?? '').split(':');
  return `images/${name}.tar.gz`;
}

export async function sumOf(out: string, file: string): Promise<Pick<Entry, 'sha256' | 'bytes'>> {
  const { sha256, bytes } = await sumsOf(path.join(out, file));
  return { sha256, bytes };
}

export function builtFile(built: ReadonlyMap<string, string>, name: string): string {
  const file = built.get(name);
  if (file === undefined) throw new Error(`the recipe wants ${name}, which nothing builds`);
  return file;
}

/** Go's caches have a million small files; never across a mount, whatever a killed debootstrap may have left. */
export async function removeTree(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  await run(['rm', '-rf', '--one-file-system', '--', folder]);
}
