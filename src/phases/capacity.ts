// Is there room for a layer beside those before it? Requests and volumes against what the nodes say they can give, each node and together.
import { plus } from '../layers/cost.ts';
import { layers } from '../layers/index.ts';
import { type Amount, type Cost, type Layer, nothing, type Room, type Volume } from '../layers/layer.ts';
import { valuesOf } from '../layers/values.ts';
import { type Cluster, type Host, runsEverything } from '../model/cluster.ts';
import { type LayerName, layerNames } from '../model/layers.ts';
import { shownAmount } from '../model/quantities.ts';
import type { World } from '../model/world.ts';

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
  readonly room: Room;
  readonly free: Amount;
  /** What the layer itself takes on every machine. */
  readonly taken: Amount;
}

const free: Cost = { total: nothing, largest: nothing };

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
  const all = [...before, layer];
  const costs = all.map(each => each.cost?.(valuesOf(each, cluster)) ?? free);
  const mine = costs.at(-1) ?? free;
  const places: Place[] = [];
  for (const host of cluster.hosts) {
    const allocatable = nodes.find(({ name }) => name === host.name)?.allocatable;
    if (!allocatable) return undefined;
    const room = { ...allocatable, isOpen: isOpen(cluster, host) };
    const kubeadm = host.role === 'control-plane' ? controlPlanePods : nothing;
    const taken = costs.reduce((sum, { perNode }) => plus(sum, perNode?.(room) ?? nothing), kubeadm);
    places.push({ host, room, free: minus(room, taken), taken: mine.perNode?.(room) ?? nothing });
  }
  return (
    tooSmall(layer, places) ??
    noPlaceFor(layer, mine.largest, places) ??
    tooLittle(
      layer,
      costs.reduce((sum, { total }) => plus(sum, total), dnsPods),
      places,
    ) ??
    noDisk(
      layer,
      all.flatMap(each => each.volumes?.(valuesOf(each, cluster)) ?? []),
      places,
    )
  );
}

function tooSmall(layer: Layer, places: readonly Place[]): NoRoom | undefined {
  const place = places.find(each => !fits(nothing, each.free));
  if (!place) return undefined;
  const { host, room, free: left, taken } = place;
  return {
    reason: `${layer.name} asks for ${shown(taken)} on ${host.name}, which has ${shown(plus(left, taken))} left of ${shown(room)}`,
    hint: `give ${host.name} more, or ask for less in layers.${layer.name}.values`,
  };
}

function noPlaceFor(layer: Layer, largest: Amount, places: readonly Place[]): NoRoom | undefined {
  const open = places.filter(({ room }) => room.isOpen);
  if (fits(largest, nothing) || open.some(({ free }) => fits(largest, free))) return undefined;
  const most = open.toSorted((left, right) => right.free.memoryMiB - left.free.memoryMiB)[0];
  return {
    reason: `a pod of ${layer.name} asks for ${shown(largest)}, and no machine that takes ordinary pods has that left${most ? ` (${most.host.name} has ${shown(most.free)})` : ''}`,
    hint: `add a machine (homelab join-node), or ask for less in layers.${layer.name}.values`,
  };
}

function tooLittle(layer: Layer, together: Amount, places: readonly Place[]): NoRoom | undefined {
  const left = places.filter(({ room }) => room.isOpen).reduce((sum, { free }) => plus(sum, free), nothing);
  if (fits(together, left)) return undefined;
  return {
    reason: `with ${layer.name} the layers ask for ${shown(together)} beside what stands on every machine, and the machines that take ordinary pods have ${shown(left)} together`,
    hint: `add a machine (homelab join-node), or leave layers.${layer.name} out`,
  };
}

function noDisk(layer: Layer, volumes: readonly Volume[], places: readonly Place[]): NoRoom | undefined {
  if (layer.volumes === undefined) return undefined;
  const disks = places
    .filter(({ room }) => room.isOpen)
    .map(({ room }) => Math.floor(room.diskGiB * usableShare))
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

function minus(one: Amount, other: Amount): Amount {
  return { milliCpu: one.milliCpu - other.milliCpu, memoryMiB: one.memoryMiB - other.memoryMiB };
}

function fits(asked: Amount, free: Amount): boolean {
  return asked.milliCpu <= free.milliCpu && asked.memoryMiB <= free.memoryMiB;
}

function shown({ milliCpu, memoryMiB }: Amount): string {
  return `${shownAmount('cpu', milliCpu)} CPU and ${shownAmount('memory', memoryMiB * 2 ** 20)}`;
}
