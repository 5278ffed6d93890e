// Charts of layers: by the digest in their repository's index or their registry's manifest, or packed from the sources of a project
// that publishes none.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Listed } from '../io/bundle.ts';
import { type FetchOptions, fetchBytes } from '../io/fetch.ts';
import { writeInto } from '../io/files.ts';
import { repackFolder } from '../io/tarball.ts';
import type { Registry } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import type { Chart, ChartSource } from '../model/layers.ts';
import { findChart } from './chart-index.ts';
import { type FetchedChart, fetchOciChart } from './chart-oci.ts';
import { idOf } from './debs.ts';
import { inPool } from './pool.ts';
import type { MakeTools } from './tools.ts';

/** Of an index, or of a project's sources: some have thousands of versions. */
const mostBytes = 64 * 2 ** 20;

export interface FetchCharts extends MakeTools {
  readonly dir: string;
  readonly registries: readonly Registry[];
  readonly atOnce: number;
  readonly entries: ReadonlyMap<string, Listed>;
  readonly add: (entry: Listed) => Promise<void>;
}

export async function fetchCharts(charts: readonly Chart[], options: FetchCharts): Promise<void> {
  const { dir, atOnce, entries, add, signal, progress } = options;
  const missing = charts.filter(chart => !chartIn(entries, chart));
  await inPool(missing, atOnce, signal, async (chart, either) => {
    const place = placeOf(chart);
    await add({ ...place, ...(await fetchTo(join(dir, place.file), chart, { ...options, signal: either })) });
    progress.say(`chart ${chart.name} ${chart.version}`);
  });
}

async function fetchTo(path: string, chart: Chart, options: FetchCharts): Promise<FetchedChart> {
  const { source } = chart;
  if (source.kind === 'oci') return fetchOciChart(chart, source.url, path, options);
  const bytes = await archiveOf({ ...chart, source }, { ...options, mostBytes });
  await writeInto(path, bytes);
  return { sha256: sumOf(bytes), bytes: bytes.length };
}

export function chartIn(entries: ReadonlyMap<string, Listed>, chart: Chart): Listed | undefined {
  return entries.get(idOf(placeOf(chart)));
}

function placeOf({ name, version }: Chart) {
  return { kind: 'chart', name, version, arch: 'all', file: `charts/${name}-${version}.tgz` } as const;
}

async function archiveOf(
  chart: Chart & { readonly source: Exclude<ChartSource, { kind: 'oci' }> },
  options: FetchOptions & Pick<FetchCharts, 'signal' | 'progress'>,
): Promise<Buffer> {
  const { signal, progress } = options;
  const { name, version, source } = chart;
  if (source.kind === 'archive') {
    const sources = await fetchBytes(source.url, options);
    progress.say(`chart ${name} ${version}: out of ${source.url}, which has no published sum; only TLS vouches for it`);
    return repackFolder(source.url, sources, source.folder, signal);
  }
  const index = await fetchBytes(`${source.url.replace(/\/*$/, '/')}index.yaml`, options);
  const { url, sha256 } = findChart(index.toString('utf8'), chart, source.url);
  const bytes = await fetchBytes(url, options);
  if (sha256 === undefined) progress.say(`chart ${name} ${version}: ${source.url} has no sum of it; only TLS vouches`);
  else if (sumOf(bytes) !== sha256) {
    throw new HomelabError('HL_BUNDLE', `${url} is not what its repository lists`, {
      context: { details: [`expected sha256 ${sha256}`, `found sha256    ${sumOf(bytes)}`] },
      hint: 'a proxy on the way may be stale or broken; run the same command again',
    });
  }
  return bytes;
}

function sumOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
