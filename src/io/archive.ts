// Backup archives on this computer: what they say of themselves, whether they are whole, whether a key opens them.
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { open } from 'node:fs/promises';
import { execa } from 'execa';
import { z } from 'zod';
import type { BackupManifest } from '../model/backup.ts';
import { HomelabError } from '../model/errors.ts';

export interface Archive {
  readonly path: string;
  readonly manifest: BackupManifest;
  /** Of the whole file. */
  readonly sha256: string;
  readonly bytes: number;
  /** Where the encrypted part begins. */
  readonly offset: number;
}

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const sum = z.object({ sha256: hex, bytes: z.int().min(1) });
const manifestSchema = z.object({
  format: z.literal(1),
  cluster: z.string(),
  homelab: z.string(),
  recipient: hex,
  made: z.iso.datetime(),
  host: z.string(),
  caHash: hex,
  kubernetes: z.string().regex(/^v\d+\.\d+\.\d+$/),
  etcd: z.string(),
  snapshot: z.object({ hash: z.number(), revision: z.number(), totalKey: z.number() }),
  configuration: z.base64(),
  plain: sum,
  payload: sum,
});

/** Long enough for any ClusterConfiguration. */
const maxHeadBytes = 1024 * 1024;

/** The manifest in the first line of a file, and where that line ends. Undefined: it is no backup. */
export function parseHead(head: Buffer): { readonly manifest: BackupManifest; readonly offset: number } | undefined {
  const end = head.indexOf('\n');
  if (end < 0) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(head.subarray(0, end).toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = manifestSchema.safeParse(json);
  return parsed.success ? { manifest: parsed.data, offset: end + 1 } : undefined;
}

/** Reads a whole archive. Throws HL_USAGE where there is none, HL_REFUSED for one that is not as it was made. */
export async function readArchive(path: string): Promise<Archive> {
  const file = await open(path).catch((cause: unknown) => {
    throw new HomelabError('HL_USAGE', `the backup ${path} cannot be read`, {
      cause,
      hint: 'name a file that homelab backup made: ls ~/.local/state/homelab/*/backups',
    });
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxHeadBytes), 0, maxHeadBytes, 0);
    const head = parseHead(buffer.subarray(0, bytesRead));
    if (!head) {
      throw new HomelabError('HL_USAGE', `${path} is no backup of homelab's`, {
        hint: 'name a file that homelab backup made: ls ~/.local/state/homelab/*/backups',
      });
    }
    const whole = createHash('sha256').update(buffer.subarray(0, head.offset));
    const payload = createHash('sha256');
    let bytes = head.offset;
    for await (const chunk of file.createReadStream({ start: head.offset, autoClose: false })) {
      whole.update(chunk);
      payload.update(chunk);
      bytes += (chunk as Buffer).length;
    }
    const { manifest, offset } = head;
    const found = { sha256: payload.digest('hex'), bytes: bytes - offset };
    if (found.bytes !== manifest.payload.bytes || found.sha256 !== manifest.payload.sha256) {
      const how =
        found.bytes < manifest.payload.bytes
          ? `it is cut short: ${found.bytes} of ${manifest.payload.bytes} bytes are there`
          : 'its sum is another than when it was made';
      throw new HomelabError('HL_REFUSED', `the backup ${path} is damaged: ${how}`, {
        hint: 'take another one; control planes keep theirs in /var/backups/homelab (homelab backup --fetch brings the newest)',
      });
    }
    return { path, manifest, offset, sha256: whole.digest('hex'), bytes };
  } finally {
    await file.close();
  }
}

/** Throws HL_REFUSED unless this PEM is the private key that the archive was encrypted for. */
export function requireKey(pem: string, { path, manifest }: Archive): void {
  const der = (() => {
    try {
      return createPublicKey(createPrivateKey(pem)).export({ type: 'spki', format: 'der' });
    } catch (cause) {
      const isLocked = pem.includes('ENCRYPTED');
      throw new HomelabError('HL_REFUSED', `backup.key is ${isLocked ? 'locked with a password' : 'no private key'}`, {
        cause,
        hint: isLocked
          ? 'unlock a copy for as long as it is needed: openssl pkey -in LOCKED -out UNLOCKED'
          : 'it is the PEM file that was made together with the certificate of backup.recipient',
      });
    }
  })();
  if (createHash('sha256').update(der).digest('hex') === manifest.recipient) return;
  throw new HomelabError('HL_REFUSED', `the backup ${path} was encrypted for another key than backup.key`, {
    hint: 'write where the key of that time is to be had into the inventory (backup.key), or take another backup',
  });
}

// Node gives a child sockets, which cannot be opened by a name; a here document of the shell can.
const openScript = `key=$(cat)
tail -c "+$2" -- "$1" | openssl cms -decrypt -binary -inform DER -inkey /dev/fd/3 3<<KEY
$key
KEY
`;

/**
 * Opens the archive and throws what is in it away: 'opened' when it is what was encrypted, 'unable' where this computer has no
 * OpenSSL 3. The key travels on stdin.
 */
export async function tryOpen(
  { path, offset, manifest }: Archive,
  key: string,
  signal: AbortSignal,
): Promise<'opened' | 'unable'> {
  const known = await execa('openssl', ['version'], { reject: false });
  if (known.exitCode !== 0 || !/^OpenSSL [3-9]/.test(known.stdout)) return 'unable';
  const child = execa('sh', ['-c', openScript, 'sh', path, String(offset + 1)], {
    input: key,
    buffer: { stdout: false },
    cancelSignal: signal,
    reject: false,
  });
  const hash = createHash('sha256');
  for await (const chunk of child.stdout) hash.update(chunk as Buffer);
  const { exitCode, stderr } = await child;
  if (exitCode === 0 && hash.digest('hex') === manifest.plain.sha256) return 'opened';
  throw new HomelabError('HL_VERIFY', `the backup ${path} does not open with backup.key`, {
    context: { stderr },
    hint: 'make another one: homelab backup',
  });
}
