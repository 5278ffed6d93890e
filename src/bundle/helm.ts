// Helm of a bundle: control planes without one are given it, and this machine asks it what charts want.
import { join } from 'node:path';
import type { Listed } from '../io/bundle.ts';
import { download, sumOf } from '../io/download.ts';
import { fileSize, moveInto } from '../io/files.ts';
import { extractFile } from '../io/tarball.ts';
import { HomelabError } from '../model/errors.ts';
import { type HelmRelease, helmArchive } from '../resources/helm-tool.ts';
import { idOf } from './debs.ts';
import type { MakeTools } from './tools.ts';

export interface FetchHelm extends MakeTools {
  readonly dir: string;
  readonly work: string;
  readonly entries: ReadonlyMap<string, Listed>;
  readonly add: (entry: Listed) => Promise<void>;
}

export async function fetchHelm(helm: HelmRelease, arches: readonly string[], options: FetchHelm): Promise<void> {
  const { dir, work, entries, add, http, signal, progress } = options;
  const missing = arches
    .filter(arch => !helmIn(entries, helm, arch))
    .map(arch => ({ arch, sha256: sumFor(helm, arch) }));
  for (const { arch, sha256 } of missing) {
    const what = helmArchive(helm, arch);
    const archive = join(work, `${sha256}.tar.gz`);
    await download(
      { what, path: archive, sha256, get: headers => http.get(what, headers, signal) },
      { ...options, onBytes: progress.got },
    );
    const taken = join(work, `helm-${arch}`);
    await extractFile(archive, `linux-${arch}/helm`, taken, signal);
    const place = placeOf(helm, arch);
    await moveInto(taken, join(dir, place.file));
    const file = join(dir, place.file);
    await add({ ...place, sha256: await sumOf(file, signal), bytes: (await fileSize(file)) ?? 0 });
    progress.say(`helm ${helm.version} ${arch}`);
  }
}

export function helmIn(entries: ReadonlyMap<string, Listed>, helm: HelmRelease, arch: string): Listed | undefined {
  return entries.get(idOf(placeOf(helm, arch)));
}

function placeOf({ version }: HelmRelease, arch: string) {
  return { kind: 'tool', name: 'helm', version, arch, file: `tools/helm-${version}-${arch}` } as const;
}

function sumFor({ version, sums }: HelmRelease, arch: string): string {
  const sum = sums[arch];
  if (sum !== undefined) return sum;
  throw new HomelabError('HL_USAGE', `the sum of Helm ${version} for ${arch} is not known, and layers want Helm`, {
    hint: `leave ${arch} out of --arch, and install Helm 3.13 or newer on control planes of it yourself`,
  });
}
