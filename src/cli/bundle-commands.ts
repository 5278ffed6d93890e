// `homelab bundle …`: from options to exit code. Loaded when such a command runs.
import { readFile } from 'node:fs/promises';
import { addFiles } from '../bundle/add.ts';
import { makeBundle } from '../bundle/make.ts';
import type { Software, WantedRelease } from '../bundle/wanted.ts';
import { createRedactor } from '../engine/redact.ts';
import { createVault } from '../engine/vault.ts';
import { loadInventory } from '../inventory/load.ts';
import { defaults, profileOf, profiles } from '../inventory/profiles.ts';
import { dockerRepository, kubernetesRepository } from '../inventory/repositories.ts';
import { type Listed, loadBundle, readBundleList } from '../io/bundle.ts';
import { createHttp } from '../io/http.ts';
import { layers } from '../layers/index.ts';
import { valuesOf } from '../layers/values.ts';
import type { Cluster } from '../model/cluster.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import { layerNames } from '../model/layers.ts';
import { createProgress, formatBytes, formatTable } from '../render/progress.ts';
import { pinnedHelm } from '../resources/helm-tool.ts';
import type { Io } from './session.ts';
import { onInterrupt } from './signals.ts';

export interface MakeOptions {
  readonly out: string;
  readonly inventory?: string;
  readonly profile?: string;
  readonly arch: readonly string[];
  readonly os: string;
  readonly images?: string;
}

export async function runBundleMake(options: MakeOptions, io: Io): Promise<number> {
  const { software, releases } = await wantedOf(options);
  const [id = '', codename = ''] = options.os.split('/');
  const redactor = createRedactor();
  const vault = createVault({ env: io.env, readFile: path => readFile(path, 'utf8'), learn: redactor.add });
  const images = options.images === undefined ? undefined : await readList(options.images);
  const progress = createProgress({ stderr: io.stderr, now: Date.now });
  const http = createHttp({
    env: io.env,
    cas: software.containerd.registries.flatMap(({ ca }) => (ca === undefined ? [] : [ca])),
  });
  return interruptibly(io, async signal => {
    try {
      const { out: dir, arch: arches } = options;
      const request = { dir, software, releases, helm: pinnedHelm, arches, os: { id, codename }, images };
      const made = await makeBundle(request, {
        http,
        signal,
        progress,
        resolveSecret: vault.resolve,
        ownArch: process.platform === 'linux' ? debianArch(process.arch) : undefined,
      });
      progress.end();
      const fetched = made.fetched === 0 ? 'nothing had to be fetched' : `${made.fetched} fetched`;
      io.stdout.write(`${options.out}: ${made.entries} entries, ${fetched}\n`);
    } finally {
      await http.close().catch(() => undefined);
    }
  });
}

export async function runBundleAdd(dir: string, files: readonly string[], io: Io): Promise<number> {
  return interruptibly(io, async signal => {
    const added = await addFiles(dir, files, signal);
    io.stdout.write(table(added));
  });
}

export async function runBundleList(dir: string, options: { readonly output?: string }, io: Io): Promise<number> {
  const entries = await readBundleList(dir);
  if (options.output === 'json') {
    io.stdout.write(`${JSON.stringify({ bundle: dir, entries, totals: totalsOf(entries) })}\n`);
    return exitCodes.ok;
  }
  const { debs, images, charts, tools, bytes } = totalsOf(entries);
  const layers = charts + tools === 0 ? '' : `, ${charts} charts, ${tools} tools`;
  io.stdout.write(`${table(entries)}${debs} packages, ${images} images${layers}, ${formatBytes(bytes)}\n`);
  return exitCodes.ok;
}

export async function runBundleVerify(dir: string, io: Io): Promise<number> {
  return interruptibly(io, async signal => {
    const { entries } = await loadBundle(dir, { signal });
    io.stdout.write(`${dir}: ${entries.length} files, each with the sum that bundle.json lists\n`);
  });
}

/** The first Ctrl-C is enough: what was fetched is kept. */
async function interruptibly(io: Io, work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const interruption = onInterrupt(() => io.stderr.write('\nstopping; what was fetched is kept\n'));
  try {
    await work(interruption.stop);
    return exitCodes.ok;
  } catch (error) {
    const code = interruption.exitCode();
    if (code === undefined) throw error;
    io.stderr.write('run the same command again: it goes on from here\n');
    return code;
  } finally {
    interruption.release();
  }
}

interface Wanted {
  readonly software: Software;
  readonly releases: readonly WantedRelease[];
}

async function wantedOf({ inventory, profile }: MakeOptions): Promise<Wanted> {
  if (inventory !== undefined && profile !== undefined) {
    throw new HomelabError('HL_USAGE', '--profile and --inventory exclude each other', {
      hint: 'the inventory names its own versions; --profile is for a bundle without one',
    });
  }
  if (profile === undefined) {
    const cluster = await loadInventory(inventory ?? 'inventory/homelab.yaml');
    return { software: cluster, releases: releasesOf(cluster) };
  }
  return { software: softwareOf(profile), releases: [] };
}

/** Each with the values that bootstrap would give it. */
export function releasesOf(cluster: Cluster): readonly WantedRelease[] {
  return layerNames.flatMap(name => {
    const wanted = cluster.layers[name];
    if (wanted === undefined) return [];
    const { [name]: layer } = layers;
    const { release, namespace } = layer;
    return [{ layer: name, release, namespace, chart: layer.chart(wanted.version), values: valuesOf(layer, cluster) }];
  });
}

function softwareOf(profile: string): Software {
  const versions = profileOf(profile);
  if (!versions) {
    throw new HomelabError('HL_USAGE', `--profile: there is no profile ${JSON.stringify(profile)}`, {
      hint: `one of: ${Object.keys(profiles).join(', ')}`,
    });
  }
  return {
    kubernetes: {
      version: versions.kubernetes,
      repository: kubernetesRepository(versions.kubernetes),
      kubeProxy: true,
    },
    containerd: {
      version: versions.containerd,
      package: defaults.containerdPackage,
      repository: dockerRepository,
      registries: [],
    },
  };
}

async function readList(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new HomelabError('HL_USAGE', `--images: ${path} cannot be read`, { cause, hint: 'one image a line' });
  });
  return text
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim())
    .filter(line => line !== '');
}

function table(entries: readonly Listed[]): string {
  const rows = entries.map(({ kind, name, version, arch, bytes }) => [kind, name, version, arch, formatBytes(bytes)]);
  return formatTable([['KIND', 'NAME', 'VERSION', 'ARCH', 'SIZE'], ...rows]);
}

function totalsOf(entries: readonly Listed[]) {
  const count = (wanted: Listed['kind']) => entries.filter(({ kind }) => kind === wanted).length;
  return {
    debs: count('deb'),
    images: count('image'),
    charts: count('chart'),
    tools: count('tool'),
    bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function debianArch(arch: string): string {
  return arch === 'x64' ? 'amd64' : arch === 'arm' ? 'armhf' : arch;
}
