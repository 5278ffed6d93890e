// What a run is about: the cluster that is wanted, the machines that it reaches, and the phases that happen on them.
import { loadInventory } from '../inventory/load.ts';
import type { Cluster, Host } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import { type LayerName, layerNames } from '../model/layers.ts';
import type { Phase } from '../model/plan.ts';
import type { About, Restore, Upgrade } from '../model/world.ts';
import { leavingNames, type PhaseName, phaseNames, uninstallName } from '../phases/names.ts';
import { repositoryOf } from '../upgrade/running.ts';
import { type IsChosen, type SelectionOptions, select } from './selection.ts';
import { oneOf } from './suggest.ts';

export interface Target {
  readonly cluster: Cluster;
  readonly about?: About;
  readonly restore?: Restore;
  readonly upgrade?: Upgrade;
  /** In order. */
  readonly phases: readonly PhaseName[];
  readonly isChosen: IsChosen;
  /** The phases themselves, when they are needed. */
  load(): Promise<readonly Phase[]>;
}

export interface LeavingOptions {
  readonly dead?: boolean;
  readonly drainSeconds?: number;
}

/** All machines, as --only, --skip, --until and --exclude leave them. */
export function everything(
  options: SelectionOptions & { readonly describe?: boolean },
): (inventory: string) => Promise<Target> {
  return async inventory => {
    const cluster = await loadInventory(inventory, { isSketch: options.describe ?? false });
    const isChosen = select(
      options,
      cluster.hosts.map(host => host.name),
    );
    return {
      cluster,
      phases: namesOf(cluster, options.only).filter(phase => cluster.hosts.some(host => isChosen(phase, host))),
      isChosen,
      load: async () => (await import('../phases/index.ts')).phases,
    };
  };
}

/** One machine of the inventory becomes a member; of the others, what that makes different on them. */
export function joining(name: string): (cluster: Cluster) => Target {
  return cluster => {
    const host = named(cluster, name);
    return {
      cluster,
      about: { kind: 'join', hosts: [host] },
      phases: namesOf(cluster),
      isChosen: (_, each) => each.name === name,
      load: async () => (await import('../phases/index.ts')).phases,
    };
  };
}

/** One member leaves, and the inventory is without it. */
export function removing(name: string, options: LeavingOptions): (cluster: Cluster) => Target {
  return cluster => {
    const host = named(cluster, name);
    const hosts = cluster.hosts.filter(each => each.name !== name);
    if (!hosts.some(({ role }) => role === 'control-plane')) {
      throw new HomelabError('HL_REFUSED', `${name} is the last control plane: without it there is no cluster`, {
        hint: `join another control plane first (homelab join-node), or take the whole cluster apart: homelab reset ${cluster.name}`,
      });
    }
    return leaving({ ...cluster, hosts }, { kind: 'remove', hosts: [host], ...options });
  };
}

/** Machines, or all of them by the cluster's name, become bare again; the inventory keeps them. */
export function resetting(names: readonly string[]): (cluster: Cluster) => Target {
  return cluster => {
    // A machine that is called as its cluster is meant by that name: the smaller harm.
    const isCluster =
      names.length === 1 && names[0] === cluster.name && !cluster.hosts.some(({ name }) => name === names[0]);
    const hosts = isCluster ? cluster.hosts : [...new Set(names)].map(name => named(cluster, name));
    return leaving(cluster, { kind: 'reset', hosts });
  };
}

/** All machines to another version; which phases that takes is known once they were looked at. */
export function upgrading(version: string, upgrade: Upgrade): (cluster: Cluster) => Target {
  return cluster => ({
    cluster: atVersion(cluster, version),
    upgrade,
    phases: [],
    isChosen: () => true,
    load: async () => [],
  });
}

/** One layer goes; the inventory is as it is. */
export function uninstalling(name: LayerName): (cluster: Cluster) => Target {
  return cluster => ({
    cluster,
    phases: [phaseNames.connect, { ...uninstallName, title: `Uninstall ${name}` }],
    isChosen: () => true,
    async load() {
      const [{ connect }, { uninstallPhase }, { layers }] = await Promise.all([
        import('../phases/connect.ts'),
        import('../phases/uninstall.ts'),
        import('../layers/index.ts'),
      ]);
      return [connect, uninstallPhase(layers[name])];
    },
  });
}

/** The cluster as it is; which phases its certificates take is known once they were looked at. */
export function asItIs(cluster: Cluster): Target {
  return { cluster, phases: [], isChosen: () => true, load: async () => [] };
}

/** As the inventory would describe it with that version, whose packages may be in another repository. */
export function atVersion(cluster: Cluster, version: string): Cluster {
  const { kubernetes } = cluster;
  return {
    ...cluster,
    kubernetes: { ...kubernetes, version, repository: repositoryOf(kubernetes.repository, version) },
  };
}

function leaving(cluster: Cluster, about: About): Target {
  const { drain, etcdMember, reset, forget } = leavingNames;
  const others: readonly PhaseName[] = about.kind === 'remove' ? [phaseNames.hostBase, phaseNames.network] : [];
  const phases = [
    phaseNames.connect,
    ...(about.kind === 'remove' ? [drain] : []),
    etcdMember,
    reset,
    ...others,
    forget,
  ];
  return {
    cluster,
    about,
    phases,
    // On the machines that stay, only what the leaving makes different.
    isChosen: ({ id }) => !others.some(phase => phase.id === id),
    load: async () => (await import('../phases/index.ts')).leavingPhases,
  };
}

/** Without the layers that the inventory does not want. Throws HL_USAGE where one of those was asked for by name. */
function namesOf({ layers }: Cluster, only: readonly string[] = []): readonly PhaseName[] {
  const off = layerNames.filter(name => layers[name] === undefined);
  const asked = off.find(name => only.some(place => place.split('/')[0] === name));
  if (asked !== undefined) {
    throw new HomelabError('HL_USAGE', `--only: the inventory does not want the layer ${asked}`, {
      hint: `write layers: {${asked}: {}} into it`,
    });
  }
  return Object.values(phaseNames).filter(({ id }) => !off.some(name => name === id));
}

/** Throws HL_USAGE for a name that no machine has. */
export function named({ hosts }: Cluster, name: string): Host {
  const host = hosts.find(each => each.name === name);
  if (host) return host;
  throw new HomelabError('HL_USAGE', `no machine of the inventory is called ${JSON.stringify(name)}`, {
    hint: oneOf(
      name,
      hosts.map(each => each.name),
    ),
  });
}
