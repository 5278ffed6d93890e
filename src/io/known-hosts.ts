// known_hosts as sshd(8) describes it: hashed names, wildcards, markers. Read here, and appended to.
import { createHmac } from 'node:crypto';
import { appendFile, mkdir, open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface KnownKey {
  readonly marker: 'none' | 'revoked' | 'cert-authority';
  readonly type: string;
  readonly blob: Buffer;
  readonly file: string;
  readonly line: number;
}

/** Every entry for the name, in file order. A file that is not there or that we may not read knows nobody. */
export async function findKnownKeys(name: string, files: readonly string[]): Promise<readonly KnownKey[]> {
  const found: KnownKey[] = [];
  for (const file of files) {
    if (await exists(file)) found.push(...parseKnownHosts(await readFile(file, 'utf8').catch(() => ''), name, file));
  }
  return found;
}

/** The lines of `text` whose names match. */
export function parseKnownHosts(text: string, name: string, file: string): readonly KnownKey[] {
  return text.split('\n').flatMap((line, index): readonly KnownKey[] => {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined;
    const [names, type, base64] = words;
    if (names === undefined || type === undefined || base64 === undefined || names.startsWith('#')) return [];
    if (!(names.startsWith('|') ? isHashOf(names, name) : isAmong(names, name))) return [];
    return [
      {
        marker: marker === '@revoked' ? 'revoked' : marker === '@cert-authority' ? 'cert-authority' : 'none',
        type,
        blob: Buffer.from(base64, 'base64'),
        file,
        line: index + 1,
      },
    ];
  });
}

/** '|1|SALT|HASH': HMAC-SHA1 of the name. */
function isHashOf(hashed: string, name: string): boolean {
  const [, version, salt = '', hash] = hashed.split('|');
  return version === '1' && createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
}

/** Patterns with * and ?, separated by commas; one with ! that matches rules the line out. */
function isAmong(patterns: string, name: string): boolean {
  const matching = patterns
    .toLowerCase()
    .split(',')
    .filter(pattern => matches(pattern.replace(/^!/, ''), name.toLowerCase()));
  return matching.length > 0 && !matching.some(pattern => pattern.startsWith('!'));
}

function matches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
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
