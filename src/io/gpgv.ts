// Signatures of apt repositories, checked by gpgv where this machine has it.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { HomelabError } from '../model/errors.ts';

export interface SignedText {
  /** For messages: the repository's address. */
  readonly of: string;
  /** InRelease, or Release with `detached`. */
  readonly text: Buffer;
  readonly detached?: Buffer | undefined;
  /** ASCII-armored public keys. */
  readonly key: string;
}

/** The text that was signed; undefined where this machine has no gpgv. Throws HL_BUNDLE for a signature that is not the key's. */
export async function verifySigned(
  { of, text, detached, key }: SignedText,
  signal: AbortSignal,
): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'homelab-gpgv-'));
  try {
    const at = (name: string) => join(folder, name);
    await writeFile(at('key.gpg'), withoutArmor(key));
    await writeFile(at('signed'), text);
    if (detached) await writeFile(at('signature'), detached);
    const files = detached ? [at('signature'), at('signed')] : ['--output', at('text'), at('signed')];
    const result = await execa('gpgv', ['--keyring', at('key.gpg'), ...files], {
      reject: false,
      cancelSignal: signal,
      env: { GNUPGHOME: folder, LC_ALL: 'C' },
    });
    if (result.code === 'ENOENT') return undefined;
    if (result.exitCode !== 0) {
      throw new HomelabError('HL_BUNDLE', `${of} is not signed by the key that was given`, {
        context: { stderr: result.stderr },
        hint: "check repository.key in the inventory against the repository's own page; a proxy on the way may have changed the index",
      });
    }
    return detached ? text.toString('utf8') : await readFile(at('text'), 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** RFC 9580 §6.2: gpgv reads keys only without it. Several blocks may stand one after the other. */
export function withoutArmor(key: string): Buffer {
  const blocks = key.matchAll(/-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g);
  return Buffer.concat(
    [...blocks].map(([, block = '']) => {
      const body = block.replace(/\r/g, '');
      // Headers end with an empty line; the last line may be a checksum that begins with =.
      const lines = body.includes('\n\n') ? body.slice(body.indexOf('\n\n') + 2) : body;
      return Buffer.from(lines.replace(/^=[A-Za-z0-9+/]{4}$/m, ''), 'base64');
    }),
  );
}
