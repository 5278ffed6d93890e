// Reads a .deb without dpkg: an ar archive (deb(5)) whose tar members the machine's own tar takes apart.

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { HomelabError } from '../model/errors.ts';

export interface DebFields {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
}

/** Throws HL_BUNDLE for a file that is none. */
export async function readDeb(path: string): Promise<DebFields> {
  return unpacked(path, 'control.tar', async (tar, folder) => {
    await untar(path, tar, folder);
    const text = await readFile(join(folder, 'control'), 'utf8');
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.+)$`, 'm').exec(text)?.[1]?.trim() ?? '';
    const fields = { name: field('Package'), version: field('Version'), arch: field('Architecture') };
    if (fields.name === '' || fields.version === '' || fields.arch === '') throw notDeb(path);
    return fields;
  });
}

/** Its files, in a folder that is gone afterwards. */
export async function withFilesOf<T>(path: string, work: (folder: string) => Promise<T>): Promise<T> {
  return unpacked(path, 'data.tar', async (tar, folder) => {
    await untar(path, tar, folder);
    return work(folder);
  });
}

async function untar(path: string, tar: string, folder: string): Promise<void> {
  const result = await execa('tar', ['-xf', tar, '-C', folder, '--no-same-owner'], { reject: false });
  if (result.failed) {
    throw new HomelabError('HL_BUNDLE', `${path} cannot be unpacked`, {
      context: { stderr: result.stderr || String(result.shortMessage) },
      hint: 'tar with xz and zstd is needed here: apt install tar xz-utils zstd',
    });
  }
}

/** The member whose name begins so, as a file of its own: tar recognises the compression of files only. */
async function unpacked<T>(
  path: string,
  member: string,
  work: (tar: string, folder: string) => Promise<T>,
): Promise<T> {
  const { start, bytes, name } = await memberOf(path, member);
  const folder = await mkdtemp(join(tmpdir(), 'homelab-deb-'));
  try {
    const tar = join(folder, name);
    await pipeline(createReadStream(path, { start, end: start + bytes - 1 }), createWriteStream(tar));
    return await work(tar, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function memberOf(path: string, wanted: string): Promise<{ start: number; bytes: number; name: string }> {
  const handle = await open(path);
  try {
    const read = async (at: number, length: number) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at);
      return buffer.toString('latin1', 0, bytesRead);
    };
    if ((await read(0, 8)) !== '!<arch>\n') throw notDeb(path);
    for (let at = 8; ; ) {
      const head = await read(at, 60);
      const bytes = Number(head.slice(48, 58));
      if (head.length < 60 || !head.endsWith('`\n') || Number.isNaN(bytes)) throw notDeb(path);
      const name = head.slice(0, 16).trim().replace(/\/$/, '');
      if (name.startsWith(wanted)) return { start: at + 60, bytes, name };
      at += 60 + bytes + (bytes % 2);
    }
  } finally {
    await handle.close();
  }
}

function notDeb(path: string): HomelabError {
  return new HomelabError('HL_BUNDLE', `${path} is not a Debian package`, {
    hint: 'give .deb files, or image tars as docker save, skopeo copy or ctr images export make them',
  });
}
