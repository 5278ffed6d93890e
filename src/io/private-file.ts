// Files that hold secrets: mode 0600 from their first byte on, replaced whole or not at all.
import { chmod, copyFile, mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HomelabError } from '../model/errors.ts';

/** Where the path is a link, the file that it leads to is replaced. */
export async function writePrivate(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const target = await realpath(path).catch(() => path);
  const fresh = `${target}.homelab-new`;
  await rm(fresh, { force: true });
  const handle = await open(fresh, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, target);
}

/** Rewrites a file ('' where there is none) and keeps what was there as PATH.homelab-backup. Locked as kubectl locks it. */
export async function rewritePrivate(path: string, change: (before: string) => string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const lock = `${path}.lock`;
  const held = await open(lock, 'wx', 0o600).catch((cause: unknown) => {
    throw new HomelabError('HL_USAGE', `${path} is being changed by somebody else: ${lock} is there`, {
      cause,
      hint: `wait until kubectl has ended; if none runs: rm ${lock}, then the same command again`,
    });
  });
  try {
    const before = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const after = change(before ?? '');
    if (after === before) return;
    if (before !== undefined) {
      await copyFile(path, `${path}.homelab-backup`);
      await chmod(`${path}.homelab-backup`, 0o600);
    }
    await writePrivate(path, after);
  } finally {
    await held.close();
    await rm(lock, { force: true });
  }
}
