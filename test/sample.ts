// One cluster of four machines, as inventory/homelab.yaml describes it, and the worlds it goes through.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { intend, predictStates, resourcesOf, type States } from '../src/engine/plan.ts';
import { loadInventory } from '../src/inventory/load.ts';
import type { Bundle } from '../src/model/bundle.ts';
import type { Cluster, Host, Json } from '../src/model/cluster.ts';
import type { Phase, Plan, Resource } from '../src/model/plan.ts';
import type { Facts, Goal, Membership, NodeFacts, World } from '../src/model/world.ts';
import { endpointOf, willServeClusterCertificates } from '../src/model/world.ts';
import { phases } from '../src/phases/index.ts';
import { controlPlaneArgs } from '../src/transitions/choices.ts';
import { certSANs } from '../src/transitions/kubeadm-config.ts';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const inventoryPath = fileURLToPath(new URL('../inventory/homelab.yaml', import.meta.url));

/** k8s-cp and k8s-worker1 to 3 at 192.168.0.10 to 13. */
export const cluster: Cluster = await loadInventory(inventoryPath, { home: '/home/operator' });
export const goal: Goal = { cluster, bundle: undefined };

/** A CA that signs nothing, and its discovery hash as `openssl` gives it. */
export const caPem = readFileSync(new URL('./fixtures/cluster-ca.crt', import.meta.url), 'utf8');
export const caHash = '1911eb169d5478d47174236843b6d98b9a1aca1a7613c99bf51c1e4b0ef78413';

export function host(name: string, from: Cluster = cluster): Host {
  const found = from.hosts.find(each => each.name === name);
  if (!found) throw new Error(`the sample has no ${name}`);
  return found;
}

export function blankFacts(of: Host): Facts {
  return {
    host: of.name,
    hostname: of.name,
    machineId: `machine-of-${of.name}`,
    productUuid: `uuid-of-${of.name}`,
    bootId: `boot-of-${of.name}`,
    clockOffsetMs: 0,
    os: { id: 'debian', versionId: '12', codename: 'bookworm', pretty: 'Debian GNU/Linux 12 (bookworm)' },
    kernel: '6.1.0-41-amd64',
    arch: 'amd64',
    virtualization: 'none',
    container: false,
    cgroup: 2,
    nics: [
      {
        name: 'eno1',
        mac: macOf(of),
        mtu: 1500,
        addresses: [`${of.address}/24`],
        class: 'wired',
        driver: 'e1000e',
        linkFile: '/usr/lib/systemd/network/99-default.link',
      },
    ],
    membership: { state: 'absent' },
    kubeadm: 'absent',
    kubelet: 'absent',
    containerd: 'absent',
    isPrepared: false,
    timeService: 'none',
    power: { systemd: 252, vendor: 'LENOVO', product: '30AJS0', daemons: [] },
  };
}

function macOf({ address }: Host): string {
  return `02:00:${address
    .split('.')
    .map(part => Number(part).toString(16).padStart(2, '0'))
    .join(':')}`;
}

export function bareWorld(of: Goal = goal): World {
  return {
    ...of,
    facts: new Map(of.cluster.hosts.map(each => [each.name, blankFacts(each)])),
    nodes: 'unknown',
    live: 'unknown',
    servingRequests: [],
    proofs: {},
    etcd: 'unknown',
    workloads: 'unknown',
  };
}

/** The world with some facts of one machine otherwise. */
export function withFacts(world: World, name: string, facts: Partial<Facts>): World {
  const before = world.facts.get(name);
  if (!before) throw new Error(`the world has no ${name}`);
  return { ...world, facts: new Map([...world.facts, [name, { ...before, ...facts }]]) };
}

export function withMembership(world: World, name: string, membership: Membership): World {
  return withFacts(world, name, { membership });
}

/** The first control plane runs, nobody has joined. */
export function afterInit(of: Goal = goal): World {
  return of.cluster.hosts
    .filter(each => each.role === 'control-plane')
    .reduce(member, { ...bareWorld(of), nodes: [], live: liveOf(of) });
}

/** All that the inventory asks for is there. */
export function convergedWorld(of: Goal = goal): World {
  return of.cluster.hosts.reduce(member, { ...bareWorld(of), nodes: [], live: liveOf(of) });
}

/** Every machine's every resource in order. */
export function inOrder(world: World, list: readonly Phase[] = phases): States {
  return statesOf(world, list, resource => resource.desired);
}

/** Every machine's every resource as on a bare machine. */
export function untouched(world: World, list: readonly Phase[] = phases): States {
  return statesOf(world, list, resource => resource.blank);
}

export const everything = (): boolean => true;

/** World and states after a plan, as the plan itself predicts them. */
export function after(plan: Plan, world: World, observed: States): { readonly world: World; readonly states: States } {
  return {
    world: plan.steps.reduce((current, step) => step.predict?.(current) ?? current, world),
    states: predictStates(observed, plan),
  };
}

/** A bundle that has every package and some images. */
export function sampleBundle(of: Cluster = cluster): Bundle {
  const entry = (kind: 'deb' | 'image', name: string, version: string, sum: string) => ({
    kind,
    name,
    version,
    arch: 'amd64',
    path: `/bundle/${kind}-${sum}`,
    sha256: sum.repeat(64),
    bytes: 1,
  });
  const kubernetes = of.kubernetes.version.replace(/^v/, '');
  return {
    dir: '/bundle',
    entries: [
      entry('deb', of.containerd.package, of.containerd.version, 'a'),
      entry('deb', 'kubeadm', kubernetes, 'b'),
      entry('deb', 'kubelet', kubernetes, 'c'),
      entry('deb', 'kubectl', kubernetes, 'd'),
      entry('image', 'registry.k8s.io/pause:3.10', '3.10', 'e'),
      entry('image', `registry.k8s.io/kube-apiserver:v${kubernetes}`, kubernetes, 'f'),
    ],
  };
}

function statesOf(world: World, list: readonly Phase[], state: (resource: Resource) => Json): States {
  return new Map(
    [...resourcesOf(intend(world, list, everything))].map(([name, resources]) => [
      name,
      new Map(resources.map(resource => [resource.key, state(resource)])),
    ]),
  );
}

function member(world: World, each: Host, index: number): World {
  const version = world.cluster.kubernetes.version.replace(/^v/, '');
  const node: NodeFacts = {
    name: each.name,
    address: each.address,
    podCidr: `10.244.${index}.0/24`,
    ready: true,
    kubeletVersion: version,
    unschedulable: false,
    cordonedByUs: false,
    isControlPlane: each.role === 'control-plane',
  };
  const joined = withFacts(world, each.name, {
    membership: { state: 'joined', role: each.role, caHash },
    kubeadm: version,
    kubelet: version,
    isPrepared: true,
  });
  return { ...joined, nodes: [...(world.nodes === 'unknown' ? [] : world.nodes), node] };
}

function liveOf({ cluster: of, bundle }: Goal): World['live'] {
  const { version, podSubnet, serviceSubnet } = of.kubernetes;
  const goalOf = { cluster: of, bundle };
  return {
    version,
    podSubnet,
    serviceSubnet,
    endpoint: endpointOf(goalOf),
    certSANs: certSANs(goalOf),
    args: controlPlaneArgs(willServeClusterCertificates(goalOf)),
    serverTLSBootstrap: willServeClusterCertificates(goalOf),
  };
}

/** A node as `kubectl get nodes -o json` prints it, as far as it is read. */
// As a kubelet writes them: memory and disk in KiB, cores in thousandths where they are no whole number.
function quantitiesOf({ milliCpu, memoryMiB, diskGiB }: NonNullable<NodeFacts['allocatable']>) {
  return {
    cpu: `${milliCpu}m`,
    memory: `${memoryMiB * 1024 + 3}Ki`,
    'ephemeral-storage': String(diskGiB * 2 ** 30),
    pods: '110',
  };
}

export function nodeObject({
  name,
  address,
  podCidr,
  ready,
  kubeletVersion,
  unschedulable,
  cordonedByUs,
  isControlPlane,
  allocatable,
}: NodeFacts): object {
  return {
    kind: 'Node',
    metadata: {
      name,
      ...(cordonedByUs ? { annotations: { 'homelab/cordoned': 'drain' } } : {}),
      ...(isControlPlane ? { labels: { 'node-role.kubernetes.io/control-plane': '' } } : {}),
    },
    spec: { ...(podCidr === 'unknown' ? {} : { podCIDR: podCidr }), ...(unschedulable ? { unschedulable } : {}) },
    status: {
      ...(allocatable ? { allocatable: quantitiesOf(allocatable) } : {}),
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }],
      nodeInfo: { kubeletVersion: `v${kubeletVersion}` },
    },
  };
}
