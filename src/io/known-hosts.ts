// known_hosts, read through ssh-keygen (hashed names, wildcards, markers) and appended to.
import { appendFile, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';

export interface KnownKey {
  readonly marker: 'none' | 'revoked' | 'cert-authority';
  readonly type: string;
  readonly blob: Buffer;
  readonly file: string;
  readonly line: number;
}

/** Every entry for the name, in file order; 'no ssh-keygen' when the client tools are missing. */
export async function findKnownKeys(
  name: string,
  files: readonly string[],
): Promise<readonly KnownKey[] | 'no ssh-keygen'> {
  const found: KnownKey[] = [];
  for (const file of files) {
    if (!(await exists(file))) continue;
    const result = await execa('ssh-keygen', ['-F', name, '-f', file], {
      reject: false,
      stdin: 'ignore',
      timeout: 10_000,
    });
    if (result.code === 'ENOENT') return 'no ssh-keygen';
    found.push(...parseFound(result.stdout, file));
  }
  return found;
}

/** `# Host NAME found: line N [REVOKED|CA]`, then the entry as it stands in the file. */
export function parseFound(output: string, file: string): readonly KnownKey[] {
  const keys: KnownKey[] = [];
  let line = 0;
  for (const text of output.split('\n')) {
    const header = /^# Host .* found: line (\d+)/.exec(text);
    if (header) {
      line = Number(header[1]);
      continue;
    }
    const words = text.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined;
    const [, type, base64] = words;
    if (type === undefined || base64 === undefined) continue;
    keys.push({
      marker: marker === '@revoked' ? 'revoked' : marker === '@cert-authority' ? 'cert-authority' : 'none',
      type,
      blob: Buffer.from(base64, 'base64'),
      file,
      line,
    });
  }
  return keys;
}

/** One write of one line, so that hosts which are trusted side by side cannot tear each other's entries. */
export async function appendKnownKey(file: string, name: string, type: string, blob: Buffer): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const gap = (await endsInsideLine(file)) ? '\n' : '';
  await appendFile(file, `${gap}${name} ${type} ${blob.toString('base64')}\n`, { mode: 0o600 });
}

async function endsInsideLine(file: string): Promise<boolean> {
  if (!(await exists(file))) return false;
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    if (size === 0) return false;
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] !== 0x0a;
  } finally {
    await handle.close();
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    found => found.isFile(),
    () => false,
  );
}
