// Writes a tar that is the same bytes for the same content: no dates, no owners.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface TarMember {
  /** Fewer than 100 bytes. */
  readonly name: string;
  /** Bytes, or a file of the disk. */
  readonly content: Buffer | { readonly path: string; readonly bytes: number };
}

/** Beside its place first, then there. */
export async function writeTar(
  path: string,
  members: readonly TarMember[],
  signal: AbortSignal,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const count = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  };
  const partial = `${path}.partial`;
  await pipeline(Readable.from(blocks(members)), count, createWriteStream(partial), { signal });
  await rename(partial, path);
  return { sha256: hash.digest('hex'), bytes };
}

async function* blocks(members: readonly TarMember[]): AsyncGenerator<Buffer> {
  for (const { name, content } of members) {
    const size = Buffer.isBuffer(content) ? content.length : content.bytes;
    yield header(name, size);
    if (Buffer.isBuffer(content)) yield content;
    else yield* createReadStream(content.path);
    yield Buffer.alloc((512 - (size % 512)) % 512);
  }
  yield Buffer.alloc(1024);
}

// POSIX ustar.
function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  if (Buffer.byteLength(name) >= 100) throw new Error(`too long a name for a tar: ${name}`);
  block.write(name, 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\0', 257);
  block.write('00', 263);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
