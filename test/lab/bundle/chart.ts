// A chart as Helm packs it, but the same bytes each time.
import { createReadStream, createWriteStream } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { dump, load } from 'js-yaml';
import { tar } from './image.ts';
import type { ChartSpec } from './layers.ts';

/** Writes NAME-VERSION.tgz below `out`; its file name. */
export async function writeChart(options: {
  readonly spec: ChartSpec;
  readonly from: string;
  readonly scratch: string;
  readonly out: string;
  readonly signal: AbortSignal | undefined;
}): Promise<string> {
  const { spec, from, scratch, out, signal } = options;
  const { name, version, chartYaml } = spec;
  await rm(scratch, { recursive: true, force: true });
  const tree = path.join(scratch, 'tree');
  await mkdir(tree, { recursive: true });
  await cp(from, path.join(tree, name), { recursive: true });
  const chartFile = path.join(tree, name, 'Chart.yaml');
  if (chartYaml !== undefined) await writeFile(chartFile, chartYaml);
  if (spec.isKinds) await shortenKinds(path.join(tree, name, 'templates'));
  const found = /^version: *["']?([^"'\s]+)/m.exec(await readFile(chartFile, 'utf8'))?.[1];
  if (found !== version)
    throw new Error(`the chart ${name} is ${found ?? 'without a version'}, the recipe says ${version}`);
  const archive = path.join(scratch, 'chart.tar');
  await tar(tree, archive, { keepOwners: false, signal });
  const file = `${name}-${version}.tgz`;
  await pipeline(createReadStream(archive), createGzip({ level: 9 }), createWriteStream(`${archive}.gz`), { signal });
  await rename(`${archive}.gz`, path.join(out, file));
  await rm(scratch, { recursive: true });
  return file;
}

/** CRDs without their descriptions, as upstream publishes them too: with them Helm's record of the release outgrows a Secret. */
async function shortenKinds(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name);
    const kind = load(await readFile(file, 'utf8'));
    await writeFile(file, dump(withoutDescriptions(kind), { lineWidth: -1, noRefs: true }));
  }
}

/** A property of that name is a mapping, and stays. */
export function withoutDescriptions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDescriptions);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key, inner]) => key !== 'description' || typeof inner !== 'string');
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutDescriptions(inner)]));
}
