// `bundle make`: what is wanted, minus what is there, fetched several at a time; the list is written once all of it is whole.
import { join } from 'node:path';
import { intactEntries, type Listed, writeBundleList } from '../io/bundle.ts';
import { diskError } from '../io/download.ts';
import { isThere, makeFolder, removeTree } from '../io/files.ts';
import { askKubeadm } from '../io/kubeadm.ts';
import { cancelled } from '../io/persist.ts';
import { HomelabError } from '../model/errors.ts';
import type { HelmRelease } from '../resources/helm-tool.ts';
import { fetchCharts } from './charts.ts';
import { fetchDebs, has, idOf, missingOf } from './debs.ts';
import { fetchHelm, helmIn } from './helm.ts';
import { type ImageRef, parseImageRef } from './image-ref.ts';
import { fetchImages } from './images.ts';
import { askCharts } from './layer-images.ts';
import type { MakeTools } from './tools.ts';
import { type Software, type WantedRelease, wantedDebs } from './wanted.ts';

export interface MakeRequest {
  readonly dir: string;
  readonly software: Software;
  /** Debian's names. */
  readonly arches: readonly string[];
  readonly os: { readonly id: string; readonly codename: string };
  /** Of layers; with none, neither charts nor Helm are fetched. */
  readonly releases: readonly WantedRelease[];
  readonly helm: HelmRelease;
  /** Undefined: kubeadm itself is asked, and Helm what the charts want. */
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
    if (tools.signal.aborted) throw cancelled();
    throw diskError(error, request.dir) ?? error;
  }
}

async function make(request: MakeRequest, tools: MakeTools): Promise<Made> {
  const { dir, software, arches, releases, helm } = request;
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
  const work = join(dir, workFolder);
  await makeFolder(work);
  const options = { ...tools, dir, work, os: request.os, atOnce, entries, add };
  if (!software.containerd.repository) {
    tools.progress.say(
      `${software.containerd.package} is left to the machines' own repositories: the inventory names none for it (containerd.repository)`,
    );
  }
  for (const source of wantedDebs(software)) {
    const missing = arches.filter(arch => isHalf || missingOf(source, arch, entries).length > 0);
    if (missing.length > 0) await fetchDebs(source, missing, options);
  }
  if (releases.length > 0) {
    await fetchHelm(helm, arches, options);
    await fetchCharts(
      releases.map(({ chart }) => chart),
      { ...options, registries: software.containerd.registries },
    );
  }
  const refs = await imagesOf(request, tools, entries);
  const wanted = arches.flatMap(arch =>
    refs.filter(ref => !has(entries, 'image', ref.name, arch)).map(ref => ({ ref, arch })),
  );
  if (wanted.length > 0) {
    await fetchImages(wanted, software.containerd.registries, options);
  }
  signal.throwIfAborted();
  await writeBundleList(dir, [...entries.values()]);
  await removeTree(work);
  return { entries: entries.size, fetched: entries.size - before };
}

const merged = (list: readonly Listed[]) => new Map(list.map(entry => [idOf(entry), entry]));

async function imagesOf(
  { dir, software, arches, images, releases, helm }: MakeRequest,
  { ownArch = '', signal, progress }: MakeTools,
  entries: ReadonlyMap<string, Listed>,
): Promise<readonly ImageRef[]> {
  if (images) return images.map(parseImageRef);
  const { version, kubeProxy } = software.kubernetes;
  const kubeadm = has(entries, 'deb', 'kubeadm', ownArch, version.replace(/^v/, ''));
  const ownHelm = helmIn(entries, helm, ownArch);
  if (!kubeadm || (releases.length > 0 && !ownHelm)) throw cannotAsk(version, arches, releases);
  const ofKubeadm = await askKubeadm(join(dir, kubeadm.file), version, signal);
  const ofCharts = ownHelm
    ? await askCharts(releases, { dir, entries, helm: ownHelm, kubernetes: version, signal, say: progress.say })
    : [];
  const refs = [...ofKubeadm.filter(name => kubeProxy || !name.includes('/kube-proxy:')), ...ofCharts].map(
    parseImageRef,
  );
  return [...new Map(refs.map(ref => [ref.name, ref])).values()];
}

function cannotAsk(version: string, arches: readonly string[], releases: readonly WantedRelease[]): HomelabError {
  const [who, whom, more] =
    releases.length === 0
      ? ['kubeadm', 'it knows its images', '']
      : ['kubeadm and Helm', 'they know the images', ' and, for layers, helm template … | grep image:'];
  return new HomelabError('HL_USAGE', `${who} for ${arches.join(', ')} cannot run on this machine, and only ${whom}`, {
    hint: `on a machine where it runs: kubeadm config images list --kubernetes-version ${version} > images.txt${more}; then add --images images.txt here (or add this machine's architecture to --arch)`,
  });
}
