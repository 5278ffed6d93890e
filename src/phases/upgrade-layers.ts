// Layers that must be new before Kubernetes is: brought to the inventory's version, for the Kubernetes that still runs. The others follow
// with bootstrap's own phases after the last hop, where all are rendered anew for the new minor.
import { layers } from '../layers/index.ts';
import type { Layer } from '../layers/layer.ts';
import type { Phase, Want } from '../model/plan.ts';
import type { World } from '../model/world.ts';
import { layerWants } from './layers.ts';
import { addedImages } from './node-software.ts';

const first: readonly Layer[] = Object.values(layers).filter(({ upgrades }) => upgrades === 'before-kubernetes');

/** Their images, where the bundle has them: every machine has them before the first pod of the new version is made. */
export const layerImages: Phase = {
  id: 'layer-images',
  title: "Bring the bundle's images of layers",
  summary: 'on every machine, before anything is changed',
  asked: true,
  wants: addedImages,
  probes: () => [],
};

export const layersBefore: Phase = {
  id: 'layers-before',
  title: 'Upgrade the layers that must be new first',
  summary: 'those whose rule it is, each proven before the first machine is emptied',
  asked: true,
  wants(world, host): readonly Want[] {
    const now = asItRuns(world);
    return now ? first.flatMap(layer => layerWants(layer, now, host)) : [];
  },
  probes(world) {
    const now = asItRuns(world);
    return now ? first.filter(({ name }) => now.cluster.layers[name]).flatMap(layer => layer.probes(now)) : [];
  },
};

// Once the upgrade is noted as begun this is over: a run that goes on does not render them for a minor in between.
function asItRuns(world: World): World | undefined {
  const { live, upgrading, cluster } = world;
  if (live === 'unknown' || upgrading !== undefined) return undefined;
  return { ...world, cluster: { ...cluster, kubernetes: { ...cluster.kubernetes, version: live.version } } };
}
