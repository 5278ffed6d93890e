// Is there room for a layer beside those before it? Requests and volumes against what the nodes say they can give, each node and together.
import { layers } from '../layers/index.ts';
import { type Amount, type Layer, nothing, type Volume } from '../layers/layer.ts';
import { type Cluster, type Host, runsEverything } from '../model/cluster.ts';
import { type LayerName, layerNames } from '../model/layers.ts';
import { shownAmount } from '../model/quantities.ts';
import type { Allocatable, World } from '../model/world.ts';

/**
 * What kubeadm's own pods request: API server 250m, controller manager 200m, scheduler 100m, etcd 100m and 100Mi on a control plane
 * (cmd/kubeadm/app/phases/controlplane/manifests.go, phases/etcd/local.go); CoreDNS twice 100m and 70Mi somewhere (phases/addons/dns).
 */
const controlPlanePods: Amount = { milliCpu: 650, memoryMiB: 100 };
const dnsPods: Amount = { milliCpu: 200, memoryMiB: 140 };

/** Longhorn's storageReservedPercentageForDefaultDisk leaves this much to others. */
const usableShare = 0.75;

interface Place {
  readonly host: Host;
  readonly all: Allocatable;
  readonly free: Amount;
  /** Ordinary pods come there. */
  readonly isOpen: boolean;
}

type NoRoom = { readonly reason: string; readonly hint: string };

/** Undefined: there is room, or nothing is known yet of a node. `among`: all layers, in the order of their installation. */
export function noRoomFor(
  layer: Layer,
  { cluster, nodes }: Pick<World, 'cluster' | 'nodes'>,
  among: Readonly<Record<LayerName, Layer>> = layers,
): NoRoom | undefined {
  if (nodes === 'unknown') return undefined;
  const before = layerNames
    .slice(0, layerNames.indexOf(layer.name))
    .filter(name => cluster.layers[name] !== undefined)
    .map(name => among[name]);
  const costs = [...before, layer].map(each => each.cost(cluster));
  const onEach = costs.reduce((sum, { perNode }) => plus(sum, perNode), nothing);
  const places: Place[] = [];
  for (const host of cluster.hosts) {
    const all = nodes.find(({ name }) => name === host.name)?.allocatable;
    if (!all) return undefined;
    const kubeadm = host.role === 'control-plane' ? controlPlanePods : nothing;
    places.push({ host, all, free: minus(minus(all, kubeadm), onEach), isOpen: isOpen(cluster, host) });
  }
  const { total, largest = total } = layer.cost(cluster);
  const together = costs.reduce((sum, each) => plus(sum, each.total), dnsPods);
  return (
    tooSmall(layer, cluster, places) ??
    noPlaceFor(layer, largest, places) ??
    tooLittle(layer, together, places) ??
    noDisk(
      layer,
      [...before, layer].flatMap(each => each.volumes?.(cluster) ?? []),
      places,
    )
  );
}

function tooSmall(layer: Layer, cluster: Cluster, places: readonly Place[]): NoRoom | undefined {
  const place = places.find(({ free }) => !fits(nothing, free));
  if (!place) return undefined;
  const { perNode } = layer.cost(cluster);
  return {
    reason: `${layer.name} asks for ${shown(perNode)} on each machine, and ${place.host.name} has ${shown(plus(place.free, perNode))} left of ${shown(place.all)}`,
    hint: `give ${place.host.name} more, or ask for less in layers.${layer.name}.values`,
  };
}

function noPlaceFor(layer: Layer, largest: Amount, places: readonly Place[]): NoRoom | undefined {
  const open = places.filter(each => each.isOpen);
  if (fits(largest, nothing) || open.some(({ free }) => fits(largest, free))) return undefined;
  const most = open.toSorted((left, right) => right.free.memoryMiB - left.free.memoryMiB)[0];
  return {
    reason: `a pod of ${layer.name} asks for ${shown(largest)}, and no machine that takes ordinary pods has that left${most ? ` (${most.host.name} has ${shown(most.free)})` : ''}`,
    hint: `add a machine (homelab join-node), or ask for less in layers.${layer.name}.values`,
  };
}

function tooLittle(layer: Layer, together: Amount, places: readonly Place[]): NoRoom | undefined {
  const left = places.filter(each => each.isOpen).reduce((sum, { free }) => plus(sum, free), nothing);
  if (fits(together, left)) return undefined;
  return {
    reason: `with ${layer.name} the layers ask for ${shown(together)} beside what stands on every machine, and the machines that take ordinary pods have ${shown(left)} together`,
    hint: `add a machine (homelab join-node), or leave layers.${layer.name} out`,
  };
}

function noDisk(layer: Layer, volumes: readonly Volume[], places: readonly Place[]): NoRoom | undefined {
  if (layer.volumes === undefined) return undefined;
  const disks = places
    .filter(each => each.isOpen)
    .map(({ all }) => Math.floor(all.diskGiB * usableShare))
    .toSorted((left, right) => right - left);
  const needed = volumes.reduce((sum, { gibibytes, copies }) => sum + gibibytes * copies, 0);
  const has = disks.reduce((sum, each) => sum + each, 0);
  // No two copies of one volume on one machine.
  const lone = volumes.find(({ gibibytes, copies }) => (disks[copies - 1] ?? 0) < gibibytes);
  if (!lone && needed <= has) return undefined;
  return {
    reason: lone
      ? `volume ${lone.name} of ${lone.gibibytes}Gi wants ${lone.copies} machines with that much disk, and there are ${disks.filter(each => each >= lone.gibibytes).length}`
      : `with ${layer.name} volumes want ${needed}Gi, every copy counted, and the machines' disks have ${has}Gi for them`,
    hint: `give the machines larger disks, or ask for less in layers.${layer.name}.values`,
  };
}

function isOpen(cluster: Cluster, host: Host): boolean {
  const isTainted = host.taints.some(({ effect }) => effect !== 'PreferNoSchedule');
  return (host.role === 'worker' || runsEverything(cluster, host)) && !isTainted;
}

function plus(one: Amount, other: Amount): Amount {
  return { milliCpu: one.milliCpu + other.milliCpu, memoryMiB: one.memoryMiB + other.memoryMiB };
}

function minus(one: Amount, other: Amount): Amount {
  return { milliCpu: one.milliCpu - other.milliCpu, memoryMiB: one.memoryMiB - other.memoryMiB };
}

function fits(asked: Amount, free: Amount): boolean {
  return asked.milliCpu <= free.milliCpu && asked.memoryMiB <= free.memoryMiB;
}

function shown({ milliCpu, memoryMiB }: Amount): string {
  return `${shownAmount('cpu', milliCpu)} CPU and ${shownAmount('memory', memoryMiB * 2 ** 20)}`;
}
