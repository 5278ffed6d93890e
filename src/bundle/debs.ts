// Packages of a bundle: which are missing, which of an index they are, and how they get into their place.
import { basename, join } from 'node:path';
import type { Listed } from '../io/bundle.ts';
import { download } from '../io/download.ts';
import { moveInto } from '../io/files.ts';
import { HomelabError } from '../model/errors.ts';
import { upstreamVersion } from '../resources/packages.ts';
import { newest } from './apt-index.ts';
import { inPool } from './pool.ts';
import { openAptRepository } from './repository.ts';
import { type MakeTools, roomFor } from './tools.ts';
import { placed, type Source, type WantedDeb } from './wanted.ts';

/** What makes an entry the same one. */
export const idOf = ({ kind, name, version, arch }: Pick<Listed, 'kind' | 'name' | 'version' | 'arch'>): string =>
  [kind, name, version, arch].join(' ');

/** The entry that will do, if it is there. */
export function has(
  entries: ReadonlyMap<string, Listed>,
  kind: Listed['kind'],
  name: string,
  arch: string,
  version?: string,
) {
  return [...entries.values()].find(
    entry =>
      entry.kind === kind &&
      entry.name === name &&
      [arch, 'all'].includes(entry.arch) &&
      (version === undefined || upstreamVersion(entry.version) === version),
  );
}

export function missingOf(source: Source, arch: string, entries: ReadonlyMap<string, Listed>): readonly WantedDeb[] {
  return source.debs.filter(deb => !deb.optional && !has(entries, 'deb', deb.name, arch, deb.version));
}

export interface FetchDebs extends MakeTools {
  readonly dir: string;
  readonly work: string;
  readonly os: { readonly id: string; readonly codename: string };
  readonly atOnce: number;
  readonly entries: ReadonlyMap<string, Listed>;
  readonly add: (entry: Listed) => Promise<void>;
}

export async function fetchDebs(source: Source, arches: readonly string[], options: FetchDebs): Promise<void> {
  const { dir, work, os, atOnce, entries, add, http, signal, progress } = options;
  const repository = placed(source.repository, os);
  const opened = await openAptRepository(repository, { ...options, say: progress.say });
  const names = source.debs.map(deb => deb.name);
  const perArch = await Promise.all(
    arches.map(async arch => {
      const index = await opened.index(names, arch);
      return source.debs
        .filter(deb => !has(entries, 'deb', deb.name, arch, deb.version))
        .flatMap(deb => {
          const candidates = index.filter(each => each.name === deb.name);
          const found = newest(
            candidates,
            version => deb.version === undefined || upstreamVersion(version) === deb.version,
          );
          if (found) return [found];
          if (deb.optional) return [];
          throw noSuch(
            deb,
            arch,
            repository.url,
            candidates.map(each => each.version),
          );
        });
    }),
  );
  // A package for all architectures is one file.
  const chosen = [...new Map(perArch.flat().map(deb => [deb.sha256, deb])).values()];
  await roomFor(
    dir,
    chosen.reduce((sum, deb) => sum + deb.bytes, 0),
  );
  for (const deb of chosen) progress.expect(deb.bytes);
  await inPool(chosen, atOnce, signal, async (deb, either) => {
    const address = opened.addressOf(deb);
    const file = `debs/${basename(new URL(address).pathname).replaceAll('%3a', '_')}`;
    const path = join(work, `${deb.sha256}.deb`);
    await download(
      { what: address, path, sha256: deb.sha256, bytes: deb.bytes, get: headers => http.get(address, headers, either) },
      { ...options, signal: either, onBytes: progress.got },
    );
    await moveInto(path, join(dir, file));
    const { name, version, arch, sha256, bytes } = deb;
    await add({ kind: 'deb', name, version, arch, file, sha256, bytes });
    progress.say(`${name} ${version} ${arch}`);
  });
}

function noSuch(deb: WantedDeb, arch: string, url: string, versions: readonly string[]): HomelabError {
  const what = [deb.name, deb.version, 'for', arch].filter(Boolean).join(' ');
  return new HomelabError('HL_BUNDLE', `${url} has no ${what}`, {
    context: { details: [`versions there: ${versions.slice(0, 10).join(', ') || 'none'}`] },
    hint: 'choose a version that is there, or name a repository that has it (kubernetes.repository, containerd.repository)',
  });
}
