// A file that fits into memory, by one GET: an index, a key, a chart. Tried again where only the network was at fault.
import { HomelabError } from '../model/errors.ts';
import type { Http } from './http.ts';
import { type Patience, persist, refuseStatus, usualPatience } from './persist.ts';

export interface FetchOptions {
  readonly http: Http;
  readonly signal: AbortSignal;
  readonly patience?: Patience;
  readonly mostBytes: number;
}

export async function fetchBytes(url: string, options: FetchOptions): Promise<Buffer> {
  const bytes = await fetchOne(url, options, [200]);
  if (!bytes) throw new Error(`${url} was there and had nothing`);
  return bytes;
}

/** Undefined: the server says 404. */
export function fetchIfThere(url: string, options: FetchOptions): Promise<Buffer | undefined> {
  return fetchOne(url, options, [200, 404]);
}

async function fetchOne(
  url: string,
  { http, signal, patience = usualPatience, mostBytes }: FetchOptions,
  ok: readonly number[],
): Promise<Buffer | undefined> {
  return persist(url, patience, signal, async () => {
    const answer = await http.get(url, {}, signal);
    await refuseStatus(answer, url, ok);
    if (answer.status === 404) {
      await answer.discard();
      return undefined;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > mostBytes) {
        throw new HomelabError('HL_DOWNLOAD', `${url} is too big to be what was asked for`, {
          hint: 'a proxy or a portal may stand in between; open the address in a browser and see',
        });
      }
    }
    return Buffer.concat(chunks);
  });
}
