// Files of the operator's disk, as far as bundles need them: moved and copied so that nobody sees half of one.
import { copyFile, mkdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { diskError } from './download.ts';

/** Bytes; undefined for what is no file. */
export async function fileSize(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}

export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw diskError(error, path) ?? error;
  }
}

export async function moveInto(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  await rename(from, to);
}

export async function copyInto(from: string, to: string): Promise<void> {
  if (resolve(from) === resolve(to)) return;
  await makeFolder(dirname(to));
  try {
    await copyFile(from, `${to}.partial`);
    await rename(`${to}.partial`, to);
  } catch (error) {
    throw diskError(error, to, await fileSize(from)) ?? error;
  }
}

/** Beside its place first, then there. */
export async function writeInto(to: string, bytes: Buffer): Promise<void> {
  await makeFolder(dirname(to));
  try {
    await writeFile(`${to}.partial`, bytes);
    await rename(`${to}.partial`, to);
  } catch (error) {
    throw diskError(error, to, bytes.length) ?? error;
  }
}

export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

export async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, 'utf8'));
}

/** What an ordinary user may still write beside `path`. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
