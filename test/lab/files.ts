// Where the lab keeps things, and the few file operations that more than one part needs.
import { chmod, chown, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';

/** One folder per lab. Guests' disks are here: it has to be a real filesystem, not an overlay. */
export function stateRoot(): string {
  return path.resolve(process.env['HOMELAB_LAB_STATE'] || '/var/lib/homelab-lab');
}

export function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  // ESRCH: a file of /proc whose process ended between open and read. ENODEV: the same for a control group.
  return code === 'ENOENT' || code === 'ESRCH' || code === 'ENODEV';
}

export async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whole or not at all: what a killed `up` leaves is the old text or the new one. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

export interface GuestFile {
  readonly path: string;
  readonly content: string;
  readonly mode?: number;
  readonly owner?: number;
}

/** Writes files under a root folder, making folders as needed. */
export async function writeFiles(root: string, files: readonly GuestFile[]): Promise<void> {
  for (const file of files) {
    const target = path.join(root, file.path);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, file.content);
    await chmod(target, file.mode ?? 0o644);
    if (file.owner !== undefined) await chown(target, file.owner, file.owner);
  }
}

export async function hostBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}
