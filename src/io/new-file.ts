// A file that was not there before; or, when the user says so, one in the place of another that is kept beside it.
import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HomelabError } from '../model/errors.ts';

export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Never over another one, whoever wrote it meanwhile. `replace`: what is there is kept as PATH.before; resolves with that name. */
export async function writeNew(
  path: string,
  text: string,
  { replace }: { readonly replace: boolean },
): Promise<string | undefined> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const kept = replace && (await isThere(path)) ? `${path}.before` : undefined;
    if (kept !== undefined) await rename(path, kept);
    await writeFile(path, text, { flag: 'wx' });
    return kept;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
    throw new HomelabError('HL_REFUSED', `${path} cannot be written (${code})`, {
      cause,
      hint:
        code === 'EEXIST'
          ? 'somebody else has just made it; name another one with --out FILE'
          : 'name another one with --out FILE',
    });
  }
}
