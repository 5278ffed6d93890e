// What the cluster runs, as far as emptying a node depends on it: who may go, where to, and what is away meanwhile.

export type Labels = Readonly<Record<string, string>>;

/** Amounts by resource: cpu in thousandths, memory in bytes, everything else as it is counted ('pods', 'nvidia.com/gpu'). */
export type Amounts = Readonly<Record<string, number>>;

/** `operator`: In, NotIn, Exists, DoesNotExist; of nodes also Gt and Lt. */
export interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values: readonly string[];
}

/** All of it must hold; an empty one means everything. */
export interface Selector {
  readonly labels: Labels;
  readonly expressions: readonly Requirement[];
}

/** One of several kinds of node that will do. `fields`: metadata.name. */
export interface NodeTerm {
  readonly labels: readonly Requirement[];
  readonly fields: readonly Requirement[];
}

export interface Toleration {
  /** Empty: every key. */
  readonly key: string;
  readonly operator: string;
  readonly value: string;
  /** Empty: every effect. */
  readonly effect: string;
}

export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
}

/** Required anti-affinity: never where such a pod already is. `topology`: the node label that says what 'where' means. */
export interface Apart {
  readonly topology: string;
  readonly selector: Selector;
  readonly namespaces: readonly string[];
}

/** What brings a pod back. A ReplicaSet that belongs to a Deployment is told as the Deployment. */
export interface Owner {
  readonly kind: string;
  readonly name: string;
}

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  /** Empty while it waits for one. */
  readonly node: string;
  readonly phase: string;
  readonly ready: boolean;
  /** Why it is not ready, in the kubelet's word (CrashLoopBackOff) or by its age; empty where waiting may help. */
  readonly trouble: string;
  /** Somebody has deleted it, it is on its way out. */
  readonly leaving: boolean;
  /** How long it may take to end, seconds. */
  readonly graceSeconds: number;
  readonly labels: Labels;
  readonly owner: Owner | 'none';
  readonly requests: Amounts;
  readonly emptyDirs: readonly { readonly name: string; readonly inMemory: boolean }[];
  /** Folders of the node's own that it uses. */
  readonly hostPaths: readonly string[];
  /** 'namespace/claim'. */
  readonly claims: readonly string[];
  /** 'TCP/443'. */
  readonly hostPorts: readonly string[];
  readonly nodeSelector: Labels;
  /** Empty: every node will do. */
  readonly nodeTerms: readonly NodeTerm[];
  readonly tolerations: readonly Toleration[];
  readonly apart: readonly Apart[];
  /** The kubelet's own, from a file: the API server cannot move it. */
  readonly isStatic: boolean;
}

export interface Budget {
  readonly namespace: string;
  readonly name: string;
  readonly selector: Selector | 'nothing';
  /** As its owner wrote it: 'minAvailable 2', 'maxUnavailable 10%'. */
  readonly says: string;
  readonly expected: number;
  readonly healthy: number;
  readonly desired: number;
  readonly allowed: number;
  /** Pods that are not ready may always go; otherwise only while enough others are. */
  readonly freesUnhealthy: boolean;
}

/** A PersistentVolume. */
export interface Volume {
  readonly name: string;
  /** 'namespace/claim'; empty while nobody claims it. */
  readonly claim: string;
  readonly storage: 'local' | 'hostPath' | 'csi' | 'other';
  /** Of CSI: the driver's name, and what it calls the volume. */
  readonly driver: string;
  readonly handle: string;
  /** Nodes that can reach it; empty: every one. */
  readonly nodeTerms: readonly NodeTerm[];
}

export interface WorkNode {
  readonly name: string;
  readonly labels: Labels;
  readonly taints: readonly Taint[];
  readonly allocatable: Amounts;
  readonly ready: boolean;
  readonly unschedulable: boolean;
  /** By homelab, not by its owner. */
  readonly cordonedByUs: boolean;
}

export interface Controller {
  readonly kind: 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'ReplicaSet';
  readonly namespace: string;
  readonly name: string;
  readonly desired: number;
  readonly ready: number;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  /** Empty: it selects nothing, somebody else writes its endpoints. */
  readonly selector: Labels;
}

export interface LonghornVolume {
  readonly name: string;
  readonly robustness: string;
  readonly wantedReplicas: number;
  /** Nodes that have a whole copy. */
  readonly healthyOn: readonly string[];
}

export interface Workloads {
  readonly nodes: readonly WorkNode[];
  readonly pods: readonly Pod[];
  readonly budgets: readonly Budget[];
  readonly volumes: readonly Volume[];
  readonly controllers: readonly Controller[];
  readonly services: readonly Service[];
  /** Empty where Longhorn is not. */
  readonly longhorn: readonly LonghornVolume[];
}

/** 'namespace/name', as everything that lives in a namespace is told. */
export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
