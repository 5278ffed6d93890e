// What only an upgrade wants to know of a machine. Read in the same round trip as the facts.
import type { JsonObject } from './cluster.ts';

export interface UpgradeFacts {
  /** The machine's own clock, milliseconds since 1970. */
  readonly clockMs: number;
  /** /var/lib/kubelet/config.yaml; 'unknown' where it is no mapping. */
  readonly kubeletConfig: JsonObject | 'unknown';
  /** Flags of the kubelet that stand in a file: '--name=value', in the order of the files. */
  readonly kubeletFlags: readonly { readonly file: string; readonly flag: string }[];
  readonly disks: readonly Disk[];
  /** References of the images that its containerd has. */
  readonly images: readonly string[];
  /** Undefined on a worker. */
  readonly controlPlane: ControlPlaneFacts | undefined;
}

/** The filesystem that a folder lies on. Folders on the same one have the same `device`. */
export interface Disk {
  readonly path: string;
  readonly device: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface ControlPlaneFacts {
  /** What its own API server says that it is, without v; 'unknown' when it does not answer. */
  readonly apiServer: string;
  /** Static pods by the name of their file. */
  readonly manifests: Readonly<Record<string, Manifest>>;
  /** What kubeadm would make of the same version: its diff, or why there is none. */
  readonly rewritten: readonly Rewritten[] | 'unknown';
  readonly certificates: readonly Certificate[];
  /** Size of etcd's folder, and of the copies of it that earlier upgrades left under /etc/kubernetes/tmp. */
  readonly etcdBytes: number;
  readonly leftoverBytes: number;
  /** 'unknown' when the API server does not answer. */
  readonly cluster: ClusterFacts | 'unknown';
}

export interface Manifest {
  readonly image: string;
  /** Without dashes: name and value. */
  readonly flags: Readonly<Record<string, string>>;
}

/** Lines of a manifest that kubeadm would take out, and put in. */
export interface Rewritten {
  readonly manifest: string;
  readonly out: readonly string[];
  readonly in: readonly string[];
}

export interface Certificate {
  /** Path below /etc/kubernetes. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly endsMs: number;
}

/** What the cluster's own objects say. */
export interface ClusterFacts {
  /** Of the ConfigMaps that kubeadm writes machines' configurations from. */
  readonly kubeletConfig: JsonObject | 'unknown';
  readonly proxyGates: Readonly<Record<string, boolean>>;
  readonly kubeadmGates: Readonly<Record<string, boolean>>;
  readonly requestedApis: readonly RequestedApi[];
  readonly askedApis: readonly AskedApi[];
  readonly writtenApis: readonly WrittenApi[];
}

/** What the API server counted since it started (apiserver_requested_deprecated_apis); it knows itself when each goes. */
export interface RequestedApi {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** '1.32'; empty where no release is fixed yet. */
  readonly removedRelease: string;
}

/** Who asked for an API that goes, as the audit log that homelab's clusters keep has it. */
export interface AskedApi {
  /** 'group/version'. */
  readonly api: string;
  readonly resource: string;
  /** 'kubernetes-admin, kubectl/v1.31.1'. */
  readonly who: string;
}

/** An object that somebody wrote by this API, as its managedFields say. */
export interface WrittenApi {
  /** 'flowschemas probes' or 'horizontalpodautoscalers shop/web'. */
  readonly object: string;
  /** 'group/version'. */
  readonly api: string;
  readonly manager: string;
}
