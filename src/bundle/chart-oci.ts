// A chart out of a registry: its manifest, and of that the one layer that is its archive (helm.sh/docs/topics/registries).
import { download } from '../io/download.ts';
import { HomelabError } from '../model/errors.ts';
import { type Chart, chartRepository } from '../model/layers.ts';
import { parseManifest } from './image-manifest.ts';
import { type OpenOptions, openAsTold } from './open-repository.ts';

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
// helm/helm@v4.2.4 pkg/registry/constants.go
const configType = 'application/vnd.cncf.helm.config.v1+json';
const archiveType = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip';

export interface FetchedChart {
  readonly sha256: string;
  readonly bytes: number;
}

/** Its archive comes to `path`. */
export async function fetchOciChart(
  chart: Chart,
  url: string,
  path: string,
  options: OpenOptions,
): Promise<FetchedChart> {
  const { name, version } = chart;
  const at = chartRepository(chart, url);
  const repository = openAsTold(at.registry, at.repository, options);
  // A tag has no '+'.
  const { bytes } = await repository.manifest(version.replaceAll('+', '_'), manifestType);
  const manifest = parseManifest(bytes.toString('utf8'));
  const isChart = manifest?.kind === 'image' && manifest.config.mediaType === configType;
  const archive = isChart ? manifest.blobs.find(({ mediaType }) => mediaType === archiveType) : undefined;
  if (!archive) {
    throw new HomelabError('HL_BUNDLE', `${url}/${name} ${version} is no Helm chart`, {
      hint: 'an image may have the same name; correct the address of the chart',
    });
  }
  const sha256 = archive.digest.slice('sha256:'.length);
  const get = (headers: Readonly<Record<string, string>>) => repository.blob(archive.digest, headers);
  await download({ what: `chart ${name} ${version} of ${url}`, path, sha256, bytes: archive.size, get }, options);
  return { sha256, bytes: archive.size };
}
