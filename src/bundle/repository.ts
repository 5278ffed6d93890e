// A repository's packages for an architecture, believed as far as its signature goes.

import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { fetchBytes, fetchIfThere } from '../io/fetch.ts';
import { verifySigned } from '../io/gpgv.ts';
import type { Http } from '../io/http.ts';
import type { Patience } from '../io/persist.ts';
import type { Repository } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import {
  type IndexedDeb,
  type IndexFile,
  indexFiles,
  parseIndex,
  parseRelease,
  withoutSignature,
} from './apt-index.ts';

/** No index of a distribution is bigger. */
const mostBytes = 256 * 2 ** 20;

export interface RepositoryOptions {
  readonly http: Http;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  readonly patience?: Patience;
}

export interface OpenRepository {
  /** The packages of these names. */
  index(names: readonly string[], arch: string): Promise<readonly IndexedDeb[]>;
  /** Where a file of the index is. */
  addressOf(deb: IndexedDeb): string;
}

/** Fetches Release and checks its signature; `repository` has its placeholders filled in. */
export async function openAptRepository(repository: Repository, options: RepositoryOptions): Promise<OpenRepository> {
  const base = repository.url.replace(/\/*$/, '/');
  if (!/^https?:/.test(base)) {
    throw new HomelabError('HL_USAGE', `a bundle cannot be made from ${repository.url}`, {
      hint: 'packages are fetched over http or https; name such a repository in the inventory, or use --profile',
    });
  }
  const isFlat = repository.suite.endsWith('/');
  const top = new URL(isFlat ? repository.suite.replace(/^\//, '') : `dists/${repository.suite}/`, base).href;
  const files = parseRelease(await releaseText(repository, top, options));
  if (files.length === 0) {
    throw new HomelabError('HL_BUNDLE', `${top}InRelease names no file with a sha256`, {
      hint: 'the address may be wrong, or a proxy answered instead: open it in a browser and see',
    });
  }
  return {
    async index(names, arch) {
      const found = indexFiles(files, isFlat ? [] : repository.components, arch);
      if (found.length === 0) {
        throw new HomelabError('HL_BUNDLE', `${repository.url} has no packages for ${arch}`, {
          hint: 'leave that architecture out of --arch, or name a repository that has it',
        });
      }
      const texts = await Promise.all(found.map(file => indexText(new URL(file.path, top).href, file, options)));
      return texts.flatMap(text => parseIndex(text, names, arch));
    },
    addressOf: deb => new URL(deb.filename, base).href,
  };
}

async function releaseText(repository: Repository, top: string, options: RepositoryOptions): Promise<string> {
  const { signal, say } = options;
  const inline = await fetchIfThere(`${top}InRelease`, { ...options, mostBytes });
  const text = inline ?? (await fetchBytes(`${top}Release`, { ...options, mostBytes }));
  if (repository.key.kind === 'none') {
    say(`${repository.url}: the inventory trusts it unsigned (key: none)`);
    return inline ? withoutSignature(text.toString('utf8')) : text.toString('utf8');
  }
  const key =
    repository.key.kind === 'text'
      ? repository.key.text
      : (await fetchBytes(repository.key.url, { ...options, mostBytes })).toString('utf8');
  const detached = inline ? undefined : await fetchBytes(`${top}Release.gpg`, { ...options, mostBytes });
  const signed = await verifySigned({ of: repository.url, text, detached, key }, signal);
  if (signed !== undefined) return signed;
  say(`${repository.url}: its signature was NOT checked, this machine has no gpgv (apt install gpgv)`);
  return inline ? withoutSignature(text.toString('utf8')) : text.toString('utf8');
}

async function indexText(url: string, file: IndexFile, options: RepositoryOptions): Promise<string> {
  const bytes = await fetchBytes(url, { ...options, mostBytes });
  const sum = createHash('sha256').update(bytes).digest('hex');
  if (sum !== file.sha256) {
    throw new HomelabError('HL_BUNDLE', `${url} is not what the repository signed`, {
      context: { details: [`expected sha256 ${file.sha256}`, `found sha256    ${sum}`] },
      hint: 'the mirror may be in the middle of an update: run the same command again in a few minutes',
    });
  }
  return (file.path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}
