// A file from the network to its place: resumed where an earlier try ended, and there only once its sum is right.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HomelabError } from '../model/errors.ts';
import type { HttpAnswer } from './http.ts';
import { cancelled, type Patience, persist, refuseStatus, Transient, usualPatience } from './persist.ts';

export interface Download {
  /** For messages: 'kubeadm_1.31.1-1.1_amd64.deb from https://…'. */
  readonly what: string;
  readonly path: string;
  readonly sha256: string;
  /** Undefined: not known beforehand. */
  readonly bytes?: number | undefined;
  /** One GET with these headers on top of its own. */
  get(headers: Readonly<Record<string, string>>): Promise<HttpAnswer>;
}

export interface DownloadOptions {
  readonly signal: AbortSignal;
  readonly patience?: Patience;
  /** Bytes that arrived now. */
  readonly onBytes?: (count: number) => void;
}

/** Nothing is fetched when the file stands there with the right sum. */
export async function download(wanted: Download, options: DownloadOptions): Promise<void> {
  const { path, sha256, bytes } = wanted;
  const { signal, patience = usualPatience } = options;
  if (await hasSum(path, sha256, signal)) return;
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.partial`;
  try {
    await persist(wanted.what, patience, signal, forgive => oneTry(wanted, partial, forgive, options));
    const sum = await sumOf(partial, signal);
    if (sum !== sha256) {
      // Going on from wrong bytes would never end well.
      await rm(partial, { force: true });
      throw new HomelabError('HL_BUNDLE', `${wanted.what} is not what it should be`, {
        context: { details: [`expected sha256 ${sha256}`, `found sha256    ${sum}`] },
        hint: 'the mirror or a proxy on the way may be stale or broken; run the same command again, or use another mirror',
      });
    }
    // Not flushed: whoever uses the file checks its sum, and what a power cut took is fetched again.
    await rename(partial, path);
  } catch (error) {
    throw diskError(error, path, bytes) ?? (signal.aborted ? cancelled() : error);
  }
}

async function oneTry(
  { what, bytes, get }: Download,
  partial: string,
  forgive: () => void,
  { signal, onBytes = () => undefined }: DownloadOptions,
): Promise<void> {
  let have = await sizeOf(partial);
  if (bytes !== undefined && have > bytes) {
    await rm(partial, { force: true });
    have = 0;
  }
  if (bytes !== undefined && have === bytes) return;
  const answer = await get(have > 0 ? { range: `bytes=${have}-` } : {});
  if (answer.status === 416) {
    await answer.discard();
    // The server has no more than we do: either that was all, or it is another file by now. The sum tells.
    if (answer.header('content-range') === `bytes */${have}`) return;
    await rm(partial, { force: true });
    throw new Transient('the server has less than was fetched before');
  }
  await refuseStatus(answer, what, have > 0 ? [200, 206] : [200]);
  const goesOn = answer.status === 206 && answer.header('content-range')?.startsWith(`bytes ${have}-`) === true;
  if (answer.status === 206 && !goesOn) {
    await answer.discard();
    await rm(partial, { force: true });
    throw new Transient('the server sent another part than was asked for');
  }
  const length = Number(answer.header('content-length') ?? Number.NaN);
  const expected = Number.isNaN(length) ? bytes : length + (goesOn ? have : 0);
  let written = goesOn ? have : 0;
  answer.body.on('data', (chunk: Buffer) => {
    written += chunk.length;
    onBytes(chunk.length);
    forgive();
  });
  await pipeline(answer.body, createWriteStream(partial, { flags: goesOn ? 'a' : 'w' }), { signal });
  if (expected !== undefined && written < expected) {
    throw new Transient(`the connection ended after ${written} of ${expected} bytes`);
  }
}

/** Hex sha256 of a file. */
export async function sumOf(path: string, signal: AbortSignal): Promise<string> {
  const hash: Hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { signal });
  return hash.digest('hex');
}

export async function hasSum(path: string, sha256: string, signal: AbortSignal): Promise<boolean> {
  if ((await sizeOf(path)) === 0) return false;
  return (await sumOf(path, signal)) === sha256;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

/** What a full or unwritable disk means; undefined for anything else. */
export function diskError(error: unknown, path: string, bytes?: number): HomelabError | undefined {
  const inner = error instanceof HomelabError ? error.cause : error;
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : '';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const size = bytes === undefined ? '' : ` (the file has ${bytes} bytes)`;
    return new HomelabError('HL_BUNDLE', `the disk is full: ${path} could not be written${size}`, {
      hint: `make room (df -h ${dirname(path)}), then run the same command again: it goes on from here`,
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM' || code === 'ENOTDIR') {
    return new HomelabError('HL_BUNDLE', `${path} cannot be written (${code})`, {
      hint: 'name a folder that you may write to',
      cause: error,
    });
  }
  return undefined;
}
