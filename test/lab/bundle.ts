// The lab's bundle: Kubernetes and all it needs, built here from public sources, as images and as a Debian repository.
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { HomelabError } from '../../src/model/errors.ts';
import { downloadDebian } from './bundle/debian.ts';
import { buildGoModule, isBuilt } from './bundle/go.ts';
import {
  builtFile,
  duration,
  type Entry,
  imageEntries,
  packImage,
  progress,
  removeTree,
  sumOf,
} from './bundle/pack.ts';
import { packageFile, writePackage } from './bundle/package.ts';
import { labCache, labSources } from './bundle/places.ts';
import { type Missing, missingForBuilding } from './bundle/prerequisites.ts';
import {
  architecture,
  debianGroups,
  goModulesOf,
  hostTools,
  imagesOf,
  packagesOf,
  recipeHash,
  versions,
} from './bundle/recipe.ts';
import { isDefault, type Release, releaseOf } from './bundle/releases.ts';
import { writeRepository } from './bundle/repository.ts';
import { run } from './bundle/run.ts';
import { withLock } from './lock.ts';
import type { Log } from './run.ts';

export interface BundleOptions {
  readonly log: Log;
  readonly signal?: AbortSignal;
  /** A version of releases.ts; the lab's own without it. */
  readonly kubernetes?: string | undefined;
}

/** Where the bundle is or will be. Its name is the hash of what it is made of; an existing folder is always a whole one. */
export function bundlePath(kubernetes?: string): string {
  return path.join(labCache(), `bundle-${recipeHash(releaseOf(kubernetes))}`);
}

/** What has to be done before `ensureBundle` can work; nothing when the bundle is there already. */
export async function checkPrerequisites(kubernetes?: string): Promise<readonly Missing[]> {
  return existsSync(bundlePath(kubernetes)) ? [] : await missingForBuilding();
}

/** Builds the bundle unless it is there (about 10 minutes on two cores). A second caller waits for the first. */
export async function ensureBundle(options: BundleOptions): Promise<{ readonly dir: string; readonly fresh: boolean }> {
  const dir = bundlePath(options.kubernetes);
  if (existsSync(dir)) return { dir, fresh: false };

  const missing = await missingForBuilding();
  if (missing.length > 0) {
    throw new HomelabError('HL_BUNDLE', 'This machine cannot build the lab bundle yet', {
      hint: missing.map(({ fix }) => fix).join('; '),
      context: { details: missing.map(({ what, fix }) => `missing: ${what} (${fix})`) },
    });
  }
  await mkdir(labCache(), { recursive: true });
  return withLock(`${labCache()}/bundle`, options, async () => {
    if (existsSync(dir)) return { dir, fresh: false };
    const umask = process.umask(0o022);
    try {
      await build(dir, options);
    } finally {
      process.umask(umask);
    }
    return { dir, fresh: true };
  });
}

/** Folders of one build. `work` is thrown away at the end; `parts` outlives it, so that only what has changed is compiled again. */
interface Site {
  readonly release: Release;
  readonly parts: string;
  readonly caches: string;
  readonly work: string;
  readonly out: string;
  readonly signal: AbortSignal | undefined;
}

async function build(dir: string, { log, signal, kubernetes }: BundleOptions): Promise<void> {
  const release = releaseOf(kubernetes);
  const [goModules, packages, images] = [goModulesOf(release), packagesOf(release), imagesOf(release)];
  const cache = labCache();
  const work = path.join(cache, 'bundle-work');
  const site: Site = {
    release,
    parts: path.join(cache, 'bundle-parts'),
    caches: path.join(cache, 'bundle-go'),
    work,
    out: path.join(work, 'bundle'),
    signal,
  };
  const step = progress(goModules.length + 5, log, signal);
  const started = Date.now();
  await removeTree(work);
  for (const folder of [site.parts, site.caches, 'apt/pool', 'images', 'bin']) {
    await mkdir(path.resolve(site.out, folder), { recursive: true });
  }

  const pool = path.join(site.out, 'apt', 'pool');
  await step('debian', 'downloading packages', 'about 1 min', () =>
    downloadDebian({ scratch: path.join(work, 'apt'), pool, groups: debianGroups, signal }),
  );

  const binaries = new Map<string, string>();
  for (const module of goModules) {
    const count = Object.keys(module.commands).length;
    const commands = count === 1 ? '1 command' : `${count} commands`;
    const isThere = isBuilt(site.parts, module);
    const what = isThere ? `${commands} built before` : `building ${commands}`;
    await step(module.name, what, isThere ? 'at once' : module.expect, async () => {
      const source = path.join(labSources(), 'go', module.name);
      const built = await buildGoModule({ module, source, parts: site.parts, caches: site.caches, signal });
      for (const [name, file] of built) binaries.set(name, file);
    });
  }

  await step('packages', `packing ${packages.length} and signing the repository`, 'about 20 s', async () => {
    for (const spec of packages) {
      await writePackage({
        spec,
        architecture: architecture(),
        binaries,
        scratch: path.join(work, 'deb'),
        pool,
        signal,
      });
    }
    await writeRepository(path.join(site.out, 'apt'), signal);
  });

  await step('images', `packing ${images.length}`, 'about 1 min', async () => {
    await compilePause(site, binaries);
    await checkImageList(site, binaries);
    for (const spec of images) {
      await packImage({
        spec,
        binaries,
        folders: new Map(),
        repository: path.join(site.out, 'apt'),
        work,
        out: site.out,
        signal,
      });
    }
  });

  await step('bundle', 'writing sums', 'about 5 s', async () => {
    for (const name of hostTools) {
      const target = path.join(site.out, 'bin', name);
      await copyFile(builtFile(binaries, name), target);
      await chmod(target, 0o755);
    }
    // The lab's own machines install from the apt repository, so that its key, its holds and its versions are real. A running cluster gets a
    // later release whole, from the bundle alone.
    const packageList = isDefault(release) ? [] : await packageEntries(site);
    const entries = [...packageList, ...(await imageEntries(site.out, images))];
    const content = { apiVersion: 'homelab/v1', kind: 'Bundle', entries };
    await writeFile(path.join(site.out, 'bundle.json'), `${JSON.stringify(content, null, 2)}\n`);
    await rename(site.out, dir);
  });
  await step('caches', "removing Go's and what else only building needed", 'about 30 s', async () => {
    await removeTree(work);
    await removeTree(site.caches);
  });
  log(`bundle: ready after ${duration(Date.now() - started)}: ${dir}`);
}

async function compilePause(site: Site, binaries: Map<string, string>): Promise<void> {
  const file = path.join(site.work, 'pause');
  const source = path.join(labSources(), 'pause', 'pause.c');
  const flags = ['-static', '-Os', '-s', '-Wall', '-Wextra', '-Werror', `-DVERSION="${versions.pause}"`];
  await run(['gcc', ...flags, '-o', file, source], { signal: site.signal });
  binaries.set('pause', file);
}

/** The images we pack are the ones that this kubeadm will look for; anything else is found here and not by a pod that hangs. */
async function checkImageList({ release, signal }: Site, binaries: ReadonlyMap<string, string>): Promise<void> {
  const kubeadm = builtFile(binaries, 'kubeadm');
  const output = await run([kubeadm, 'config', 'images', 'list', '--kubernetes-version', release.kubernetes], {
    signal,
  });
  const wanted = output.trim().split('\n').sort();
  const packed = imagesOf(release)
    .map(({ reference }) => reference)
    .sort();
  if (wanted.join() !== packed.join()) {
    throw new Error(`kubeadm wants ${wanted.join(', ')}\nthe recipe packs ${packed.join(', ')}`);
  }
}

async function packageEntries({ release, out }: Site): Promise<readonly Entry[]> {
  const arch = architecture();
  const entries: Entry[] = [];
  for (const spec of packagesOf(release)) {
    const { name, version } = spec;
    const file = `apt/pool/${packageFile(spec, arch)}`;
    entries.push({ kind: 'deb', name, version, arch, file, ...(await sumOf(out, file)) });
  }
  return entries;
}
