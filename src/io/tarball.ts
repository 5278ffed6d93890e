// What is in a .tar.gz, taken out by the machine's own tar.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { HomelabError } from '../model/errors.ts';

/** One file of it. */
export async function extractFile(archive: string, member: string, to: string, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const result = await execa('tar', ['-xzOf', archive, member], {
    stdout: { file: to },
    reject: false,
    cancelSignal: signal,
  });
  if (result.failed) throw lacks(archive, member, result.stderr || String(result.shortMessage), signal);
}

/** One folder of a project's sources, which all stand in a folder of their own, as a .tar.gz. `of`: for messages. */
export async function repackFolder(of: string, archive: Buffer, folder: string, signal: AbortSignal): Promise<Buffer> {
  const work = await mkdtemp(join(tmpdir(), 'homelab-sources-'));
  const options = { reject: false, cancelSignal: signal, encoding: 'buffer' } as const;
  try {
    const unpack = ['-xzf', '-', '-C', work, '--strip-components=1', '--no-same-owner'];
    const unpacked = await execa('tar', unpack, { ...options, input: archive });
    const pack = ['-czf', '-', '-C', join(work, dirname(folder)), basename(folder)];
    const packed = unpacked.failed ? unpacked : await execa('tar', pack, options);
    if (!packed.failed) return Buffer.from(packed.stdout);
    throw lacks(of, folder, Buffer.from(packed.stderr ?? []).toString('utf8') || String(packed.shortMessage), signal);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function lacks(archive: string, member: string, stderr: string, signal: AbortSignal): Error {
  signal.throwIfAborted();
  return new HomelabError('HL_BUNDLE', `${archive} does not give ${member}`, {
    context: { stderr },
    hint: 'the version may be laid out otherwise: give another one; where tar is missing: apt install tar gzip',
  });
}
