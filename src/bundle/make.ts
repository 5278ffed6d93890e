// `bundle make`: what is wanted, minus what is there, fetched several at a time; the list is written once all of it is whole.
import { basename, join } from 'node:path';
import { intactEntries, type Listed, writeBundleList } from '../io/bundle.ts';
import { download } from '../io/download.ts';
import { isThere, makeFolder, moveInto, removeTree } from '../io/files.ts';
import { askKubeadm } from '../io/kubeadm.ts';
import { cancelled } from '../io/persist.ts';
import { HomelabError } from '../model/errors.ts';
import { upstreamVersion } from '../resources/packages.ts';
import { newest } from './apt-index.ts';
import { type ImageRef, parseImageRef } from './image-ref.ts';
import { fetchImages } from './images.ts';
import { inPool } from './pool.ts';
import { openAptRepository } from './repository.ts';
import { type MakeTools, roomFor } from './tools.ts';
import { placed, type Software, type Source, type WantedDeb, wantedDebs } from './wanted.ts';

export interface MakeRequest {
  readonly dir: string;
  readonly software: Software;
  /** Debian's names. */
  readonly arches: readonly string[];
  readonly os: { readonly id: string; readonly codename: string };
  /** Undefined: kubeadm itself is asked. */
  readonly images: readonly string[] | undefined;
}

export interface Made {
  /** Entries of the bundle now. */
  readonly entries: number;
  /** Of those, fetched by this run. */
  readonly fetched: number;
}

/** Everything on its way stands in here, so that a bundle without it is a finished one. */
const workFolder = '.partial';
const workList = `${workFolder}/bundle.json`;
const atOnce = 4;

export async function makeBundle(request: MakeRequest, tools: MakeTools): Promise<Made> {
  try {
    return await make(request, tools);
  } catch (error) {
    throw tools.signal.aborted ? cancelled() : error;
  }
}

async function make(request: MakeRequest, tools: MakeTools): Promise<Made> {
  const { dir, software, arches } = request;
  const { signal } = tools;
  const isHalf = await isThere(join(dir, workFolder));
  const entries = merged([
    ...(await intactEntries(dir, 'bundle.json', signal)),
    ...(await intactEntries(dir, workList, signal)),
  ]);
  const before = entries.size;
  let writing = Promise.resolve();
  const add = (entry: Listed): Promise<void> => {
    entries.set(idOf(entry), entry);
    // One after the other: several downloads end at the same time.
    writing = writing.then(() => writeBundleList(dir, [...entries.values()], workList));
    return writing;
  };
  await makeFolder(join(dir, workFolder));
  if (!software.containerd.repository) {
    tools.progress.say(
      `${software.containerd.package} is left to the machines' own repositories: the inventory names none for it (containerd.repository)`,
    );
  }
  for (const source of wantedDebs(software)) {
    const missing = arches.filter(arch => isHalf || missingOf(source, arch, entries).length > 0);
    if (missing.length > 0) await fetchDebs(source, missing, request, tools, entries, add);
  }
  const refs = await imagesOf(request, tools, entries);
  const wanted = arches.flatMap(arch =>
    refs.filter(ref => !has(entries, 'image', ref.name, arch)).map(ref => ({ ref, arch })),
  );
  if (wanted.length > 0) {
    await fetchImages(wanted, software.containerd.registries, {
      dir,
      work: join(dir, workFolder),
      atOnce,
      add,
      ...tools,
    });
  }
  signal.throwIfAborted();
  await writeBundleList(dir, [...entries.values()]);
  await removeTree(join(dir, workFolder));
  return { entries: entries.size, fetched: entries.size - before };
}

const idOf = ({ kind, name, version, arch }: Listed): string => [kind, name, version, arch].join(' ');
const merged = (list: readonly Listed[]) => new Map(list.map(entry => [idOf(entry), entry]));

function has(entries: ReadonlyMap<string, Listed>, kind: Listed['kind'], name: string, arch: string, version?: string) {
  return [...entries.values()].find(
    entry =>
      entry.kind === kind &&
      entry.name === name &&
      [arch, 'all'].includes(entry.arch) &&
      (version === undefined || upstreamVersion(entry.version) === version),
  );
}

function missingOf(source: Source, arch: string, entries: ReadonlyMap<string, Listed>): readonly WantedDeb[] {
  return source.debs.filter(deb => !deb.optional && !has(entries, 'deb', deb.name, arch, deb.version));
}

async function fetchDebs(
  source: Source,
  arches: readonly string[],
  { dir, os }: MakeRequest,
  tools: MakeTools,
  entries: ReadonlyMap<string, Listed>,
  add: (entry: Listed) => Promise<void>,
): Promise<void> {
  const { http, signal, progress } = tools;
  const repository = placed(source.repository, os);
  const opened = await openAptRepository(repository, { ...tools, say: progress.say });
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
    const path = join(dir, workFolder, `${deb.sha256}.deb`);
    await download(
      { what: address, path, sha256: deb.sha256, bytes: deb.bytes, get: headers => http.get(address, headers, either) },
      { ...tools, signal: either, onBytes: progress.got },
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

async function imagesOf(
  { dir, software, arches, images }: MakeRequest,
  { ownArch, signal }: MakeTools,
  entries: ReadonlyMap<string, Listed>,
): Promise<readonly ImageRef[]> {
  if (images) return images.map(parseImageRef);
  const { version, kubeProxy } = software.kubernetes;
  const kubeadm =
    ownArch === undefined ? undefined : has(entries, 'deb', 'kubeadm', ownArch, version.replace(/^v/, ''));
  if (!kubeadm) {
    throw new HomelabError(
      'HL_USAGE',
      `kubeadm for ${arches.join(', ')} cannot run on this machine, and only it knows its images`,
      {
        hint: `on a machine where it runs: kubeadm config images list --kubernetes-version ${version} > images.txt; then add --images images.txt here (or add this machine's architecture to --arch)`,
      },
    );
  }
  const names = await askKubeadm(join(dir, kubeadm.file), version, signal);
  return names.filter(name => kubeProxy || !name.includes('/kube-proxy:')).map(parseImageRef);
}
