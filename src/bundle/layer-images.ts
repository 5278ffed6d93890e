// Images of layers: each chart of the bundle is rendered here, with the values that bootstrap would give it.
import { join } from 'node:path';
import type { Listed } from '../io/bundle.ts';
import { withHelm } from '../io/helm.ts';
import { HomelabError } from '../model/errors.ts';
import { imagesIn } from './chart-images.ts';
import { chartIn } from './charts.ts';
import type { WantedRelease } from './wanted.ts';

export interface AskCharts {
  readonly dir: string;
  readonly entries: ReadonlyMap<string, Listed>;
  /** For this machine. */
  readonly helm: Listed;
  /** 'v1.31.1'. */
  readonly kubernetes: string;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

export async function askCharts(
  releases: readonly WantedRelease[],
  { dir, entries, helm, kubernetes, signal, say }: AskCharts,
): Promise<readonly string[]> {
  return withHelm(join(dir, helm.file), signal, async render => {
    const found: string[] = [];
    for (const { layer, release, namespace, chart, values } of releases) {
      const entry = chartIn(entries, chart);
      if (!entry) throw new Error(`chart ${chart.name} was to be in the bundle by now`);
      const made = await render({ chart: join(dir, entry.file), release, namespace, kubernetes, values });
      signal.throwIfAborted();
      const images = made.manifest === undefined ? undefined : parsed(made.manifest);
      if (!images) {
        throw new HomelabError('HL_BUNDLE', `Helm makes nothing of chart ${chart.name} ${chart.version}`, {
          context: { stderr: made.stderr },
          hint: `correct layers.${layer} of the inventory (version, values); homelab profiles lists sets that were tested together`,
        });
      }
      say(`chart ${chart.name} ${chart.version}: ${images.length === 1 ? '1 image' : `${images.length} images`}`);
      found.push(...images);
    }
    return [...new Set(found)];
  });
}

function parsed(manifest: string): readonly string[] | undefined {
  try {
    return imagesIn(manifest);
  } catch {
    return undefined;
  }
}
