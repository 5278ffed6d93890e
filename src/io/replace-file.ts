// Puts a new text in a local file's place at once: no reader sees half of it, and nobody's edit in between is lost.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HomelabError } from '../model/errors.ts';

/** `before`: the text that was read and edited. A link is followed; mode and, where that is allowed, owner stay. */
export async function replaceFile(path: string, before: string, after: string): Promise<void> {
  try {
    await replace(path, before, after);
  } catch (cause) {
    if (cause instanceof HomelabError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
    throw new HomelabError('HL_REFUSED', `${path} cannot be written (${code}); it is as it was`, {
      cause,
      hint: `make it and its folder writable for you: ls -ld ${path} ${dirname(path)}`,
    });
  }
}

async function replace(path: string, before: string, after: string): Promise<void> {
  const target = await realpath(path);
  // Renaming over it would be allowed where only the folder is writable: a file that was made read-only is meant so.
  await access(target, constants.W_OK);
  const { mode, uid, gid } = await stat(target);
  const beside = join(dirname(target), `.homelab.${randomBytes(6).toString('hex')}`);
  try {
    const file = await open(beside, 'wx', 0o600);
    try {
      await file.writeFile(after);
      if (process.getuid?.() === 0) await file.chown(uid, gid);
      await file.chmod(mode & 0o7777);
      await file.sync();
    } finally {
      await file.close();
    }
    if (!(await readFile(target)).equals(Buffer.from(before))) {
      throw new HomelabError('HL_REFUSED', `${path} was changed by somebody else while homelab worked on it`, {
        hint: 'run the same command again: it reads the file anew',
      });
    }
    await rename(beside, target);
  } finally {
    await rm(beside, { force: true });
  }
}
