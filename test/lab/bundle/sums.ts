// A file's size and checksums, read once.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

export interface Sums {
  readonly bytes: number;
  /** Lower-case hex, as all of them. */
  readonly sha256: string;
  readonly md5: string;
}

export async function sumsOf(file: string): Promise<Sums> {
  const sha256 = createHash('sha256');
  const md5 = createHash('md5');
  let bytes = 0;
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), async chunks => {
    for await (const chunk of chunks as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      sha256.update(chunk);
      md5.update(chunk);
    }
  });
  return { bytes, sha256: sha256.digest('hex'), md5: md5.digest('hex') };
}
