// Worlds in the middle of a cluster's life: somebody joins, somebody leaves.
import { intend, resourcesOf, type States } from '../src/engine/plan.ts';
import type { Cluster, Host } from '../src/model/cluster.ts';
import type { Pod } from '../src/model/workloads.ts';
import type { About, EtcdMember, World } from '../src/model/world.ts';
import { leavingPhases, phases } from '../src/phases/index.ts';
import { cluster, convergedWorld, everything, host, inOrder, withMembership } from './sample.ts';
import { running } from './workloads-sample.ts';

export const member = (of: Host, over: Partial<EtcdMember> = {}): EtcdMember => ({
  id: `id-of-${of.name}`,
  name: of.name,
  address: of.address,
  healthy: true,
  learner: false,
  ...over,
});

/** The sample's machines in other roles. */
export function inRoles(roles: Readonly<Record<string, Host['role']>>): Cluster {
  return { ...cluster, hosts: Object.entries(roles).map(([name, role]) => ({ ...host(name), role })) };
}

export const threeControlPlanes = inRoles({
  'k8s-cp': 'control-plane',
  'k8s-worker1': 'control-plane',
  'k8s-worker2': 'control-plane',
  'k8s-worker3': 'worker',
});

/** All are members; control planes are members of etcd, and nothing is to be drained. */
export function living(of: Cluster): World {
  const world = convergedWorld({ cluster: of, bundle: undefined });
  return {
    ...world,
    etcd: of.hosts.filter(({ role }) => role === 'control-plane').map(each => member(each)),
    workloads: running(of.hosts.map(({ name }) => name)),
  };
}

/** One machine of the inventory is bare yet. */
export function beforeJoin(name: string, of: Cluster = cluster): World {
  const world = withMembership(living(of), name, { state: 'absent' });
  return {
    ...world,
    about: { kind: 'join', hosts: [host(name, of)] },
    nodes: world.nodes === 'unknown' ? 'unknown' : world.nodes.filter(node => node.name !== name),
    etcd: world.etcd === 'unknown' ? 'unknown' : world.etcd.filter(each => each.name !== name),
  };
}

/** One member is to leave the inventory. A dead machine is not read. */
export function beforeRemoval(name: string, of: Cluster = cluster, over: Partial<About> = {}): World {
  const world = living(of);
  const facts = over.dead ? new Map([...world.facts].filter(([each]) => each !== name)) : world.facts;
  return {
    ...world,
    facts,
    cluster: { ...of, hosts: of.hosts.filter(each => each.name !== name) },
    about: { kind: 'remove', hosts: [host(name, of)], ...over },
  };
}

export function beforeReset(names: readonly string[], of: Cluster = cluster): World {
  return { ...living(of), about: { kind: 'reset', hosts: names.map(name => host(name, of)) } };
}

/** States as the run about some machines finds them: all in order as it was without the newcomer, or with the one that leaves. */
export function statesBefore(world: World): States {
  const { about } = world;
  const isNew = ({ name }: Host) => about?.kind === 'join' && about.hosts.some(each => each.name === name);
  const hosts = [...world.cluster.hosts.filter(each => !isNew(each)), ...(about?.kind === 'remove' ? about.hosts : [])];
  const before = inOrder(living({ ...world.cluster, hosts }));
  const list = about?.kind === 'join' ? phases : leavingPhases;
  const bare = resourcesOf(intend(world, list, everything));
  const newcomers = world.cluster.hosts.filter(isNew).map(({ name }) => name);
  return new Map([
    ...before,
    ...newcomers.map(name => [name, new Map(bare.get(name)?.map(each => [each.key, each.blank]))] as const),
  ]);
}

/** These run there, and nothing else. */
export function withPods(world: World, ...pods: readonly Pod[]): World {
  return {
    ...world,
    workloads: running(world.nodes === 'unknown' ? [] : world.nodes.map(({ name }) => name), { pods }),
  };
}
