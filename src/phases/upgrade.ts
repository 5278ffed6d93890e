// Machines to the next version, hop by hop, one after the other: a phase a machine, so that each is proven before the next begins.
import semver from 'semver';
import type { Cluster, Host, Role } from '../model/cluster.ts';
import type { Phase, Plan, Want } from '../model/plan.ts';
import { controlPlaneOf, endpointOf, factsOf, isAdopted, type World } from '../model/world.ts';
import { kubeadmImages } from '../resources/images.ts';
import { oldImages } from '../resources/old-images.ts';
import { upgradeWatch } from '../resources/upgrade-watch.ts';
import { emptying, uncordon } from '../transitions/drain.ts';
import { kubeadmUpgrade } from '../transitions/kubeadm-upgrade.ts';
import { dropBaseline, keepBefore, takeBaseline } from '../transitions/upgrade-baseline.ts';
import { simulateDrains } from '../upgrade/drain-simulation.ts';
import type { Simulation } from '../upgrade/simulation.ts';
import { containerdWants } from './containerd.ts';
import { kubeadmWants, kubePackagesWants } from './kube-packages.ts';
import { kubeadmFiles, kubelet } from './node-software.ts';
import { machineGate, watchProbes } from './upgrade-gate.ts';

/** One version on the way, and the cluster as the inventory would describe it then. */
export interface Hop {
  /** With its v. */
  readonly version: string;
  readonly cluster: Cluster;
}

export interface UpgradePhase extends Phase {
  /** What kind of machine it upgrades, where it does. */
  readonly of?: Role;
}

/** In order: first every control plane, then the workers, `parallel` of them at a time. */
export function upgradePhases(hops: readonly Hop[], parallel: number): readonly UpgradePhase[] {
  return hops.flatMap(hop => {
    const { hosts } = hop.cluster;
    const workers = hosts.filter(({ role }) => role === 'worker');
    const batches = [
      ...hosts.filter(({ role }) => role === 'control-plane').map(host => [host]),
      ...Array.from({ length: Math.ceil(workers.length / parallel) }, (_, index) =>
        workers.slice(index * parallel, (index + 1) * parallel),
      ),
    ];
    return [...software(hop), ...batches.map(batch => machines(hop, batch))];
  });
}

/** Before the first hop. */
export function upgradeBegins(hops: readonly Hop[], to: string): Phase {
  return {
    id: 'baseline',
    title: 'Note how the workloads are',
    summary: 'what every machine is compared with before the next one is touched',
    asked: true,
    wants(world, host): readonly Want[] {
      if (host.name !== controlPlaneOf(world).name) return [];
      const isOver = hops.every(({ version, cluster }) =>
        reached(world, cluster.hosts).every(each => !isOpen({ ...world, cluster }, each, version)),
      );
      if (isOver) return [];
      return [
        ...(world.cluster.backup ? [] : [keepBefore(world, to)]),
        takeBaseline(world, to),
        upgradeWatch({ isOn: true, endpoint: endpointOf(world) }),
      ];
    },
    probes: () => [],
  };
}

/** Nothing has been upgraded yet. */
export function isBeginning({ steps }: Plan): boolean {
  return steps.some(({ phase, id }) => phase === 'baseline' && id.endsWith('/baseline'));
}

/** Before its end, while the counts are there. */
export const upgradeWatched: Phase = {
  id: 'watched',
  title: 'What users noticed',
  summary: 'requests that a service and the API server lost meanwhile',
  wants: () => [],
  probes: world => (world.upgrading === undefined ? [] : watchProbes(controlPlaneOf(world).name)),
};

/** After the last one. */
export const upgradeEnds: Phase = {
  id: 'finish',
  title: 'End the upgrade',
  summary: 'the note of how the workloads were is taken away; images of the old version may be collected',
  asked: true,
  wants: (world, host) => [
    ...(host.name === controlPlaneOf(world).name
      ? [upgradeWatch({ isOn: false, endpoint: endpointOf(world) }), dropBaseline(world)]
      : []),
    oldImages({
      version: world.cluster.kubernetes.version,
      bundle: world.bundle?.entries ?? [],
      arch: factsOf(world, host).arch,
    }),
  ],
  probes: () => [],
};

// Nothing is disturbed by it, so it is there before the first machine is emptied. Which images kubeadm wants, only that very kubeadm says:
// the machines are looked at anew between the two.
function software({ version, cluster }: Hop): readonly Phase[] {
  const phase = (what: string, title: string, wants: (world: World, host: Host) => readonly Want[]): Phase => ({
    id: `${what}-${version}`,
    title,
    summary: 'on every machine, before the first one is emptied',
    asked: true,
    wants(before, host) {
      const world = { ...before, cluster };
      return isPast(world, host, version) ? [] : wants(world, host);
    },
    probes: () => [],
  });
  return [
    phase('kubeadm', `Bring kubeadm ${version}`, kubeadmWants),
    phase('images', `Bring the images of ${version}`, (world, host) => {
      const { arch } = factsOf(world, host);
      const bundle = world.bundle?.entries ?? [];
      const { kubeProxy } = cluster.kubernetes;
      // What kubeadm of another version says is another state.
      return [
        { ...kubeadmImages({ version, role: host.role, kubeProxy, bundle, arch }), key: `images:kubeadm-${version}` },
      ];
    }),
  ];
}

function machines({ version, cluster }: Hop, batch: readonly Host[]): UpgradePhase {
  const names = batch.map(({ name }) => name);
  return {
    id: `${names.join('+')}-${version}`,
    title: `Upgrade ${names.join(', ')} to ${version}`,
    summary: 'emptied, upgraded, proven, given back',
    asked: true,
    ...(batch[0] ? { of: batch[0].role } : {}),
    wants(before, host): readonly Want[] {
      const world = { ...before, cluster };
      const mine = batch.find(({ name }) => name === host.name);
      // Workers are emptied and given back from a control plane, a control plane from itself.
      const here = reached(world, batch).filter(each => seatOf(world, each) === host.name);
      const open = here.filter(each => isOpen(world, each, version));
      const drains = open.flatMap(each => emptying(world, each, simulation(world, open))).map(early);
      const emptied = drains.reduce((now, want) => (want.kind === 'transition' ? want.predict(now) : now), world);
      return [
        ...drains,
        ...(mine && !isPast(world, mine, version) ? own(world, mine, version) : []),
        ...here.map(each => uncordon(emptied, each)),
      ];
    },
    probes: world => reached(world, batch).flatMap(host => machineGate({ ...world, cluster }, host, version)),
  };
}

function own(world: World, host: Host, version: string): readonly Want[] {
  const isFirst = host.name === controlPlaneOf(world).name;
  const packages = kubePackagesWants(world, host);
  const inputs = packages.flatMap(want => (want.kind === 'resource' ? [want.key] : []));
  const running = kubelet();
  return [
    kubeadmUpgrade(world, host, version, isFirst ? 'apply' : 'node'),
    // What others set up beside Kubernetes is theirs to change.
    ...(isAdopted(world, host) ? [] : containerdWants(world, host)),
    ...packages,
    ...(isAdopted(world, host) ? [] : [kubeadmFiles(host)]),
    running.kind === 'resource' ? { ...running, inputs: [...(running.inputs ?? []), ...inputs] } : running,
  ];
}

// What would not move stops the run before the first cordon.
function simulation({ workloads }: World, batch: readonly Host[]): Simulation | 'unknown' {
  const names = batch.map(({ name }) => name);
  return workloads === 'unknown'
    ? 'unknown'
    : simulateDrains(workloads, names, { purpose: 'upgrade', parallel: names.length });
}

function early(want: Want): Want {
  return want.kind === 'transition' ? { ...want, stage: 'before' } : want;
}

// A machine that is left out keeps its version: the same command upgrades it when it is back.
function reached({ facts }: World, hosts: readonly Host[]): readonly Host[] {
  return hosts.filter(({ name }) => facts.has(name));
}

function seatOf(world: World, host: Host): string {
  return host.role === 'control-plane' ? host.name : controlPlaneOf(world).name;
}

/** It has gone on to a later version. */
function isPast(world: World, host: Host, version: string): boolean {
  const { kubeadm, kubelet } = factsOf(world, host);
  return [kubeadm, kubelet].some(found => semver.valid(found) !== null && semver.gt(found, version));
}

/** There is something to do on it that pods would notice. */
function isOpen(world: World, host: Host, version: string): boolean {
  if (isPast(world, host, version)) return false;
  const { kubelet, containerd } = factsOf(world, host);
  const node = world.nodes === 'unknown' ? undefined : world.nodes.find(({ name }) => name === host.name);
  const plain = version.slice(1);
  const isFirst = host.name === controlPlaneOf(world).name;
  return (
    kubelet !== plain ||
    node?.kubeletVersion !== plain ||
    (!isAdopted(world, host) && containerd !== world.cluster.containerd.version) ||
    (isFirst && world.live !== 'unknown' && world.live.version !== version)
  );
}
