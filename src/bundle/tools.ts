// What making a bundle is given, and the question whether there is room for it.
import { freeBytes } from '../io/files.ts';
import type { Http } from '../io/http.ts';
import type { Patience } from '../io/persist.ts';
import type { SecretRef } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';

export interface MakeTools {
  readonly http: Http;
  readonly signal: AbortSignal;
  readonly resolveSecret: (ref: SecretRef) => Promise<string>;
  readonly progress: Progress;
  /** Debian's name of this machine's architecture; undefined: no Linux, kubeadm cannot run here. */
  readonly ownArch: string | undefined;
  readonly patience?: Patience;
}

/** Who tells the person how far it is. */
export interface Progress {
  say(text: string): void;
  /** So many bytes more will be fetched. */
  expect(bytes: number): void;
  got(bytes: number): void;
}

/** Throws before anything is fetched that could not be kept. */
export async function roomFor(dir: string, bytes: number): Promise<void> {
  const free = await freeBytes(dir);
  if (free > bytes) return;
  const mib = (count: number) => `${Math.ceil(count / 2 ** 20)} MiB`;
  throw new HomelabError('HL_BUNDLE', `${dir} has room for ${mib(free)}, and ${mib(bytes)} are needed`, {
    hint: 'make room, or name another folder with --out, then run the same command again',
  });
}
