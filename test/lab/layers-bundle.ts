// The lab's bundle with layers: the cluster's own files, linked, and beside them helm, charts and the images that charts want.
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { z } from 'zod';
import { writeChart } from './bundle/chart.ts';
import { downloadDebian } from './bundle/debian.ts';
import { buildGoModule, isBuilt } from './bundle/go.ts';
import { fromDebian, layerDebian, layerImages } from './bundle/layer-images.ts';
import {
  type LayersRecipe,
  layerCharts,
  layerFiles,
  layerModules,
  layersHash,
  layersRecipe,
  layerTools,
} from './bundle/layers.ts';
import { takeModuleFiles } from './bundle/module-files.ts';
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
import { labCache, labSources } from './bundle/places.ts';
import { type Missing, missingForBuilding } from './bundle/prerequisites.ts';
import { architecture } from './bundle/recipe.ts';
import { writeRepository } from './bundle/repository.ts';
import { run } from './bundle/run.ts';
import { type BundleOptions, ensureBundle } from './bundle.ts';
import { withLock } from './lock.ts';

interface Site {
  readonly recipe: LayersRecipe;
  readonly parts: string;
  readonly caches: string;
  readonly work: string;
  readonly out: string;
  readonly signal: AbortSignal | undefined;
}

const listSchema = z.object({ entries: z.array(z.unknown()) });

export function layersPath(kubernetes?: string): string {
  return path.join(labCache(), `bundle-layers-${layersHash(layersRecipe(kubernetes))}`);
}

export async function checkLayerPrerequisites(): Promise<readonly Missing[]> {
  return existsSync(layersPath()) ? [] : await missingForBuilding();
}

/** Builds it unless it is there (about 20 minutes on two cores, and the cluster's own before). A second caller waits. */
export async function ensureLayers(options: BundleOptions): Promise<string> {
  const dir = layersPath(options.kubernetes);
  if (existsSync(dir)) return dir;
  const { dir: own } = await ensureBundle(options);
  return withLock(`${labCache()}/bundle`, options, async () => {
    if (existsSync(dir)) return dir;
    const umask = process.umask(0o022);
    try {
      await build(own, dir, options);
    } finally {
      process.umask(umask);
    }
    return dir;
  });
}

async function build(own: string, dir: string, { log, signal, kubernetes }: BundleOptions): Promise<void> {
  const cache = labCache();
  const work = path.join(cache, 'bundle-layers-work');
  const caches = path.join(cache, 'bundle-go');
  const recipe = layersRecipe(kubernetes);
  const site: Site = {
    recipe,
    parts: path.join(cache, 'bundle-parts'),
    caches,
    work,
    out: path.join(work, 'bundle'),
    signal,
  };
  const modules = layerModules(recipe.cilium);
  const step = progress(modules.length + 5, log, signal);
  const started = Date.now();
  await removeTree(work);
  const repository = path.join(work, 'apt');
  const pool = path.join(repository, 'pool');
  for (const folder of [
    site.parts,
    caches,
    pool,
    ...['charts', 'images', 'tools'].map(each => path.join(site.out, each)),
  ])
    await mkdir(folder, { recursive: true });

  await step('debian', 'downloading packages', 'about 1 min', async () => {
    await downloadDebian({ scratch: path.join(work, 'download'), pool, groups: layerDebian, signal });
    await writeRepository(repository, signal);
  });
  const binaries = await takeDebian(site, pool);
  for (const module of modules) {
    const isThere = isBuilt(site.parts, module);
    const expect = isThere ? 'at once' : module.expect;
    await step(module.name, isThere ? 'built before' : 'building', expect, async () => {
      const source = path.join(labSources(), 'go', module.name);
      const built = await buildGoModule({ ...site, module, source });
      for (const [name, file] of built) binaries.set(name, file);
    });
  }
  const folders = new Map<string, string>();
  await step('files', 'charts and scripts of the modules', 'about 20 s', async () => {
    for (const files of layerFiles(recipe.cilium)) {
      const folder = await takeModuleFiles(files, site);
      for (const name of Object.keys(files.paths)) {
        for (const map of [binaries, folders]) map.set(`${files.name}/${name}`, path.join(folder, name));
      }
      folders.set(files.name, folder);
    }
  });
  const images = layerImages(recipe.cilium);
  await step('images', `packing ${images.length}`, 'about 2 min', async () => {
    for (const spec of images) {
      await packImage({ spec, binaries, folders, repository, work, out: site.out, signal });
    }
  });
  await step('bundle', 'charts, tools and sums', 'about 10 s', async () => {
    const entries = [
      ...(await imageEntries(site.out, images)),
      ...(await packCharts(site, folders)),
      ...(await packTools(site, binaries)),
    ];
    await join(own, site, entries);
    await rename(site.out, dir);
  });
  await step('caches', "removing Go's and what else only building needed", 'about 30 s', async () => {
    await removeTree(work);
    await removeTree(caches);
  });
  log(`layers: ready after ${duration(Date.now() - started)}: ${dir}`);
}

async function takeDebian({ work, signal }: Site, pool: string): Promise<Map<string, string>> {
  const taken = new Map<string, string>();
  for (const [name, wanted] of Object.entries(fromDebian)) {
    const deb = (await readdir(pool)).find(file => file.startsWith(`${wanted.package}_`));
    if (deb === undefined) throw new Error(`Debian's ${wanted.package} was not downloaded`);
    const folder = path.join(work, `deb-${name}`);
    await run(['dpkg-deb', '--extract', path.join(pool, deb), folder], { signal });
    taken.set(name, path.join(folder, wanted.file));
  }
  return taken;
}

async function packCharts(
  { recipe, work, out, signal }: Site,
  folders: ReadonlyMap<string, string>,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const spec of layerCharts(recipe.cilium)) {
    const from = path.join(builtFile(folders, spec.name), 'chart');
    const scratch = path.join(work, 'chart');
    const name = await writeChart({ spec, from, scratch, out: path.join(out, 'charts'), signal });
    const file = `charts/${name}`;
    entries.push({
      kind: 'chart',
      name: spec.name,
      version: spec.version,
      arch: 'all',
      file,
      ...(await sumOf(out, file)),
    });
  }
  return entries;
}

async function packTools({ out }: Site, binaries: ReadonlyMap<string, string>): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const arch = architecture();
  for (const { name, version, binary } of layerTools) {
    const file = `tools/${name}-${version}-${arch}`;
    await copyFile(builtFile(binaries, binary), path.join(out, file));
    await chmod(path.join(out, file), 0o755);
    entries.push({ kind: 'tool', name, version, arch, file, ...(await sumOf(out, file)) });
  }
  return entries;
}

/** One bundle of both: links cost nothing, and the list is a file of its own. */
async function join(own: string, { out }: Site, entries: readonly Entry[]): Promise<void> {
  await run(['cp', '--archive', '--link', '--', `${own}/.`, out]);
  const list = path.join(out, 'bundle.json');
  const listed = listSchema.parse(JSON.parse(await readFile(list, 'utf8')));
  await rm(list);
  const content = { apiVersion: 'homelab/v1', kind: 'Bundle', entries: [...listed.entries, ...entries] };
  await writeFile(list, `${JSON.stringify(content, null, 2)}\n`);
}
