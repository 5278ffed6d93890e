// What is: one reading of every machine, plus the nodes the API server knows.
import type { BackupManifest } from './backup.ts';
import type { Bundle } from './bundle.ts';
import type { Cluster, Host, SecretRef } from './cluster.ts';
import type { Firmware } from './hypervisors.ts';
import type { NicClass, PowerDaemon } from './nic.ts';
import type { UpgradeFacts } from './upgrade-facts.ts';
import type { Workloads } from './workloads.ts';

/** Where a machine stands between bare and member, recognised from its files. */
export type Membership =
  | { readonly state: 'absent' }
  /** A kubeadm run ended in the middle; `why` says what is there and what is missing. */
  | {
      readonly state: 'partial';
      readonly why: string;
      readonly hint: string;
      /** Set when it was a step of homelab's that did not come to its end: which, and a digest of what it was given. */
      readonly begun?: { readonly step: string; readonly digest: string } | undefined;
    }
  /** `caHash`: sha256 of the cluster CA's public key (kubeadm's discovery hash), 'unknown' in a prediction. */
  | { readonly state: 'joined'; readonly role: 'control-plane' | 'worker'; readonly caHash: string };

export interface Nic {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** 'address/prefix', IPv4 only. */
  readonly addresses: readonly string[];
  readonly class: NicClass;
  /** The kernel's driver; empty for what has no device below it. */
  readonly driver: string;
  /** The .link file that udev applied to it; empty where it applied none. */
  readonly linkFile: string;
}

export interface Facts {
  readonly host: string;
  readonly hostname: string;
  /** /etc/machine-id; empty where the machine has none. */
  readonly machineId: string;
  /** What the firmware or hypervisor calls the machine, 'unknown' where it says nothing. In a container it is the host's. */
  readonly productUuid: string;
  readonly bootId: string;
  /** The machine's clock against ours, milliseconds, with half the round trip as its uncertainty. */
  readonly clockOffsetMs: number;
  readonly os: { readonly id: string; readonly versionId: string; readonly codename: string; readonly pretty: string };
  readonly kernel: string;
  /** dpkg's name: amd64, arm64. */
  readonly arch: string;
  /** systemd-detect-virt: 'none' on metal. */
  readonly virtualization: string;
  /** Machines that are containers: clock, swap, modules and kernel-wide sysctls are the host's. */
  readonly container: boolean;
  readonly cgroup: 1 | 2;
  readonly nics: readonly Nic[];
  readonly membership: Membership;
  /** Versions without v, 'absent' when not installed. */
  readonly kubeadm: string;
  readonly kubelet: string;
  readonly containerd: string;
  /** containerd's config bears homelab's mark: homelab set this machine up. */
  readonly isPrepared: boolean;
  /** The unit that keeps the clock in step, 'none' where none is enabled. */
  readonly timeService: string;
  /** What matters to adapters that save power; nothing is known of it where no link has a device below. */
  readonly power: Firmware & {
    /** systemd's major version. */
    readonly systemd: number;
    /** Those that are installed. */
    readonly daemons: readonly PowerDaemon[];
  };
}

/** As the kubelet tells the API server. */
export interface Allocatable {
  /** Thousandths of a core. */
  readonly milliCpu: number;
  readonly memoryMiB: number;
  /** Of the disk that the kubelet's own folder is on. */
  readonly diskGiB: number;
}

/** A node object, as far as phases need it. */
export interface NodeFacts {
  readonly name: string;
  readonly address: string;
  /** 'unknown' while the controller manager has not given it one, 'at join' in a prediction. */
  readonly podCidr: string;
  readonly ready: boolean;
  readonly kubeletVersion: string;
  /** What its pods may ask for together; undefined in a prediction. */
  readonly allocatable?: Allocatable;
  /** Cordoned, by whomever. */
  readonly unschedulable: boolean;
  /** Carries the mark of homelab's own cordon. */
  readonly cordonedByUs: boolean;
  /** Carries kubeadm's label of a control plane, the last thing that its init and join make there. */
  readonly isControlPlane: boolean;
}

/** A member of etcd as etcd itself lists it. */
export interface EtcdMember {
  /** Hexadecimal, as etcdctl takes it. */
  readonly id: string;
  /** The node's name; empty while it has not started. */
  readonly name: string;
  /** Of its machine, known from the moment it was added. */
  readonly address: string;
  readonly healthy: boolean;
  /** Added and not yet promoted: it has no vote, and counts for no majority. */
  readonly learner: boolean;
}

/** What the user wants, and what there is to make it from. */
export interface Goal {
  readonly cluster: Cluster;
  readonly bundle: Bundle | undefined;
  /** Machines that this run is about, where it is not about all of them. Those that are leaving are not in `cluster`. */
  readonly about?: About;
  /** For `homelab restore`: the first control plane begins with what this backup holds. */
  readonly restore?: Restore;
  /** For `homelab upgrade`: `cluster` has the version that is wanted, what runs may be older. */
  readonly upgrade?: Upgrade;
  /** Phases that were chosen by name (--only): they also say what is in order. */
  readonly named?: readonly string[];
}

/** A backup on this computer, found whole. */
export interface Restore {
  readonly path: string;
  /** Of the whole file. */
  readonly sha256: string;
  readonly bytes: number;
  readonly manifest: BackupManifest;
  /** The private key that opens it. */
  readonly key: SecretRef;
}

/** Key in the ConfigMap kube-system/homelab: sha256 of the backup that this cluster was restored from. */
export const restoredFromKey = 'restored-from';

export interface Upgrade {
  /** Workers that are upgraded side by side. */
  readonly parallel: number;
  /** How long a machine's pods may take to move, seconds. */
  readonly drainSeconds: number;
}

export interface About {
  readonly kind: 'join' | 'remove' | 'reset';
  readonly hosts: readonly Host[];
  /** Never reached again: what can be done is done without them. */
  readonly dead?: boolean;
  /** For `remove`: how long pods may take to move, seconds. */
  readonly drainSeconds?: number;
}

/** What was decided at init and cannot be changed by a later run, read from kubeadm's own ConfigMap. */
export interface LiveCluster {
  readonly version: string;
  readonly endpoint: string;
  readonly podSubnet: string;
  readonly serviceSubnet: string;
  /** Names and addresses that the API server's certificate was asked to have. */
  readonly certSANs: readonly string[];
  /** Extra arguments by process: kube-apiserver, kube-controller-manager, kube-scheduler, etcd. */
  readonly args: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Kubelets ask the cluster's CA for the certificate they serve; otherwise each signs its own. */
  readonly serverTLSBootstrap: boolean;
}

/** A kubelet's request for the certificate it serves, which nobody has answered yet. */
export interface ServingRequest {
  /** Of the CertificateSigningRequest. */
  readonly name: string;
  readonly username: string;
  readonly groups: readonly string[];
  readonly usages: readonly string[];
  /** What the request itself asks for; 'unreadable' when it is no PKCS#10. */
  readonly asks: 'unreadable' | RequestedNames;
}

/** Every name that a certificate request wants in the certificate. */
export interface RequestedNames {
  /** 'CN=…', 'O=…', an object identifier for any other attribute; in order. */
  readonly subject: readonly string[];
  /** 'DNS:…', 'IP:…', 'other' for any other kind; in order. */
  readonly alternatives: readonly string[];
}

export interface World extends Goal {
  readonly facts: ReadonlyMap<string, Facts>;
  /** 'unknown' while no API server answers. */
  readonly nodes: readonly NodeFacts[] | 'unknown';
  readonly live: LiveCluster | 'unknown';
  /** Empty while no API server answers. */
  readonly servingRequests: readonly ServingRequest[];
  /** What was proven by doing, by phase: a digest of what the phase wanted then. Lives in the cluster (ConfigMap kube-system/homelab). */
  readonly proofs: Readonly<Record<string, string>>;
  /** The version that an upgrade which is not over goes to. */
  readonly upgrading?: string | undefined;
  /** 'unknown' where nobody asked, or etcd did not answer. */
  readonly etcd: readonly EtcdMember[] | 'unknown';
  /** What runs in the cluster; 'unknown' where nobody asked. */
  readonly workloads: Workloads | 'unknown';
  /** By machine; only for an upgrade. */
  readonly upgradeFacts?: ReadonlyMap<string, UpgradeFacts>;
}

/** Key in the ConfigMap kube-system/homelab that init leaves: homelab built this cluster. */
export const builtByKey = 'built-by';

/** Annotation of a node that homelab cordoned: nobody's own cordon is ever lifted. */
export const cordonMark = 'homelab/cordoned';

/** A member that somebody else set up: what is found there is not homelab's to replace (docs/adr/0009). */
export function isAdopted(world: World, host: Host): boolean {
  const { membership, isPrepared } = factsOf(world, host);
  return membership.state === 'joined' && !isPrepared && world.proofs[builtByKey] === undefined;
}

/** Facts of a machine; a machine without facts never reaches planning. */
export function factsOf(world: World, host: Host | string): Facts {
  const name = typeof host === 'string' ? host : host.name;
  const facts = world.facts.get(name);
  if (!facts) throw new Error(`no facts of ${name}`);
  return facts;
}

/** Machines of the inventory that were read; --exclude leaves some out. */
export function reachedHosts(world: World): readonly Host[] {
  return world.cluster.hosts.filter(host => world.facts.has(host.name));
}

/** All machines that a run touches: the inventory's, and those that are leaving. */
export function hostsOf({ cluster, about }: Goal): readonly Host[] {
  return [
    ...cluster.hosts,
    ...(about?.hosts ?? []).filter(host => !cluster.hosts.some(each => each.name === host.name)),
  ];
}

export function controlPlanesOf({ cluster }: Goal): readonly Host[] {
  return cluster.hosts.filter(host => host.role === 'control-plane');
}

/** Where kubectl runs, and init where there is no cluster yet: the first control plane that is one already, else the inventory's first. */
export function controlPlaneOf(world: World): Host {
  const mine = controlPlanesOf(world);
  const reached = mine.filter(host => world.facts.has(host.name));
  const host = reached.find(each => factsOf(world, each).membership.state === 'joined') ?? reached[0] ?? mine[0];
  if (!host) throw new Error('an inventory without a control plane passed validation');
  return host;
}

/** The world after a machine became a node: what init and join predict. */
export function withMember(world: World, host: Host, caHash: string): World {
  const facts = new Map(world.facts);
  const membership: Membership = { state: 'joined', role: host.role, caHash };
  facts.set(host.name, { ...factsOf(world, host), membership, isPrepared: true });
  const others = world.nodes === 'unknown' ? [] : world.nodes.filter(node => node.name !== host.name);
  const version = world.cluster.kubernetes.version.replace(/^v/, '');
  const node = {
    name: host.name,
    address: host.address,
    podCidr: 'at join',
    ready: false,
    kubeletVersion: version,
    unschedulable: false,
    cordonedByUs: false,
    isControlPlane: host.role === 'control-plane',
  };
  const servingRequests = servesClusterCertificates(world)
    ? [...world.servingRequests, servingRequestOf(host)]
    : world.servingRequests;
  return { ...world, facts, nodes: [...others, node], servingRequests };
}

/** Do kubelets serve certificates of the cluster's CA? Decided at init; before, the inventory says. */
export function servesClusterCertificates(world: World): boolean {
  return world.live === 'unknown' ? willServeClusterCertificates(world) : world.live.serverTLSBootstrap;
}

/** What init will decide. */
export function willServeClusterCertificates({ cluster }: Goal): boolean {
  return cluster.kubernetes.kubeletConfig['serverTLSBootstrap'] !== false;
}

/** What the kubelet of this machine asks for, and nothing else is approved. */
export function servingRequestOf({ name, address }: Host): ServingRequest {
  return {
    name: `of-${name}`,
    username: `system:node:${name}`,
    groups: ['system:nodes', 'system:authenticated'],
    usages: ['digital signature', 'server auth'],
    asks: { subject: ['O=system:nodes', `CN=system:node:${name}`], alternatives: [`DNS:${name}`, `IP:${address}`] },
  };
}

/** The world after a machine left: what reset predicts of it. */
export function withoutMember(world: World, name: string): World {
  const facts = new Map(world.facts);
  const mine = facts.get(name);
  if (mine) facts.set(name, { ...mine, membership: { state: 'absent' } });
  return { ...world, facts };
}

/** What the API server is reached by: 'name-or-address:6443'. */
export function endpointOf(goal: Goal): string {
  return `${goal.cluster.kubernetes.endpoint ?? controlPlanesOf(goal)[0]?.address}:6443`;
}
