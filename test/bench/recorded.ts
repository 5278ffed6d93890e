// What real machines told, kept as a file; and the same for any number of machines.
import type { States } from '../../src/engine/plan.ts';
import type { Cluster, Host, Json, SshTarget } from '../../src/model/cluster.ts';
import type { Facts, World } from '../../src/model/world.ts';

export interface Recorded {
  readonly cluster: Cluster;
  readonly facts: Readonly<Record<string, Facts>>;
  readonly nodes: World['nodes'];
  readonly live: World['live'];
  readonly proofs: World['proofs'];
  readonly states: Readonly<Record<string, Readonly<Record<string, Json>>>>;
}

const nobody: SshTarget = {
  user: undefined,
  port: undefined,
  identityFile: undefined,
  knownHosts: undefined,
  hostKey: undefined,
  proxyJump: undefined,
  sudoPassword: undefined,
};

/** Without what belongs to the operator's machine: paths of keys. */
export function recordOf(world: World, observed: States): Recorded {
  const { cluster } = world;
  return {
    cluster: { ...cluster, hosts: cluster.hosts.map(host => ({ ...host, ssh: nobody })) },
    facts: Object.fromEntries(world.facts),
    nodes: world.nodes,
    live: world.live,
    proofs: world.proofs,
    states: Object.fromEntries([...observed].map(([host, states]) => [host, Object.fromEntries(states)])),
  };
}

/** The first control plane, and as many workers as make `count`: each of them a recorded one under a name and address of its own. */
export function replicate(recorded: Recorded, count: number): { readonly world: World; readonly observed: States } {
  const { cluster, nodes } = recorded;
  const originals = [
    ...cluster.hosts.filter(host => host.role === 'control-plane').slice(0, 1),
    ...cluster.hosts.filter(host => host.role === 'worker'),
  ];
  const workers = originals.length - 1;
  const machines = Array.from({ length: count }, (_, index) => {
    const original = originals[index === 0 ? 0 : 1 + ((index - 1) % workers)];
    if (original === undefined) throw new Error('nothing was recorded');
    const host: Host =
      index === 0 ? original : { ...original, name: `k8s-worker${index}`, address: `10.77.100.${10 + index}` };
    const podCidr = `10.244.${index}.0/24`;
    const node = nodes === 'unknown' ? undefined : nodes.find(each => each.name === original.name);
    const renamed = <T>(value: T): T =>
      JSON.parse(
        JSON.stringify(value).replaceAll(original.name, host.name).replaceAll(original.address, host.address),
      ) as T;
    return { original, host, renamed, node: node && { ...renamed(node), podCidr } };
  });
  return {
    world: {
      cluster: { ...cluster, hosts: machines.map(({ host }) => host) },
      bundle: undefined,
      facts: new Map(
        machines.map(({ original, host, renamed }) => [host.name, renamed(recorded.facts[original.name] as Facts)]),
      ),
      nodes: nodes === 'unknown' ? nodes : machines.flatMap(({ node }) => node ?? []),
      live: recorded.live,
      servingRequests: [],
      proofs: recorded.proofs,
      etcd: 'unknown',
      workloads: 'unknown',
    },
    observed: new Map(
      machines.map(({ original, host, renamed }) => [
        host.name,
        new Map(Object.entries(renamed(recorded.states[original.name] ?? {}))),
      ]),
    ),
  };
}
