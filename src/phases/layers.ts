// A layer as a phase: its namespace, its release, its own objects, its evidence. It happens on a control plane, and only where the inventory wants it.
import type { Layer } from '../layers/layer.ts';
import { valuesOf } from '../layers/values.ts';
import type { Host } from '../model/cluster.ts';
import type { Phase, Resource, Want } from '../model/plan.ts';
import { minorOf } from '../model/versions.ts';
import { controlPlaneOf, type Goal, type World } from '../model/world.ts';
import { besideRelease } from '../resources/beside-release.ts';
import { namespace } from '../resources/namespace.ts';
import { object } from '../resources/object.ts';
import { release } from '../resources/release.ts';
import type { ReleaseOptions } from '../resources/release-script.ts';
import { noRoomFor } from './capacity.ts';
import type { PhaseName } from './names.ts';
import { proxyVariables } from './proxy.ts';

export function layerPhase(layer: Layer, name: PhaseName): Phase {
  return {
    ...name,
    wants: (world, host) => layerWants(layer, world, host),
    probes: world => (world.cluster.layers[layer.name] === undefined ? [] : layer.probes(world)),
  };
}

export function layerWants(layer: Layer, world: World, host: Host): readonly Want[] {
  const wanted = world.cluster.layers[layer.name];
  if (wanted === undefined || host.name !== controlPlaneOf(world).name) return [];
  const beside = (resource: Resource) => besideRelease(resource, layer.release, layer.namespace);
  return [
    ...(layer.podSecurity === undefined ? [] : [beside(namespace(layer.namespace, layer.podSecurity))]),
    release({ ...releaseOptions(layer, wanted.version, world), noRoom: noRoomFor(layer, world) }),
    ...(layer.objects?.(world.cluster) ?? []).map(object).map(beside),
  ];
}

export function releaseOptions(layer: Layer, version: string, { cluster, bundle }: Goal): ReleaseOptions {
  const chart = layer.chart(version);
  const values = valuesOf(layer, cluster);
  return {
    name: layer.release,
    namespace: layer.namespace,
    chart,
    values,
    beforeUpgrade: layer.beforeUpgrade?.(values),
    kubernetes: minorOf(cluster.kubernetes.version),
    file: bundle?.entries.find(
      ({ kind, name, version }) => kind === 'chart' && name === chart.name && version === chart.version,
    ),
    proxy: proxyVariables(cluster),
    isFelt: layer.isFelt ?? false,
    minorsAtOnce: layer.minorsAtOnce,
    remedies: layer.remedies ?? [],
  };
}
