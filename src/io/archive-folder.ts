// The folder on this computer where backups are kept: writable or said so, filled piece by piece, thinned out.
import { constants } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HomelabError } from '../model/errors.ts';
import { type Archive, readArchive } from './archive.ts';

/** Made where it is not there. Throws HL_USAGE where it cannot be written into. */
export async function writableFolder(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK | constants.X_OK);
    return folder;
  } catch (cause) {
    throw new HomelabError('HL_USAGE', `backups cannot be written into ${folder}`, {
      cause,
      context: { details: [cause instanceof Error ? cause.message : String(cause)] },
      hint: 'name a folder that you may write to: homelab backup --out DIR',
    });
  }
}

/** Writes an archive, mode 0600; it has its own name once it was found whole. */
export async function receiveArchive(target: string, pieces: AsyncIterable<Buffer>): Promise<Archive> {
  const partial = `${target}.partial`;
  await rm(partial, { force: true });
  const file = await open(partial, 'wx', 0o600);
  try {
    for await (const piece of pieces) await file.write(piece);
    await file.sync();
  } finally {
    await file.close();
  }
  const archive = await readArchive(partial);
  await rename(partial, target);
  return { ...archive, path: target };
}

/** Removes all but the last `keep` by name; how many. */
export async function keepNewest(folder: string, pattern: RegExp, keep: number): Promise<number> {
  const names = (await readdir(folder)).filter(name => pattern.test(name)).toSorted();
  const old = names.slice(0, Math.max(0, names.length - keep));
  await Promise.all(old.map(name => rm(join(folder, name), { force: true })));
  return old.length;
}
