// The cluster that the inventory describes, validated: every later module trusts it.
import type { LayerName } from './layers.ts';
import type { NicPower } from './nic.ts';

/** JSON as it leaves a parser. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/** An object of the API as it is wanted. Without a namespace: it is the cluster's. */
export type KubernetesObject = JsonObject & {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: JsonObject & {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
};

/** Where a secret is to be had; its value is fetched at the last moment and never stored in a plan. */
export type SecretRef =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string }
  /** Made by this run and gone with it, for example a join token. */
  | { readonly kind: 'run'; readonly name: string };

/** An apt repository that machines install from. */
export interface Repository {
  readonly url: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Packages that may come from it; everything else in it is pinned away. Empty: no pin. */
  readonly pin: readonly string[];
  /** The signing key: its text, or an https address each machine fetches it from; 'none' trusts the repository unsigned. */
  readonly key:
    | { readonly kind: 'text'; readonly text: string }
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'none' };
}

/** A registry that images come from, or one of its mirrors: by its host, with its port where it has one. */
export interface Registry {
  readonly host: string;
  /** Addresses asked first, in this order. */
  readonly mirrors: readonly string[];
  /** PEM certificates that its own is signed by; undefined: the machine's usual ones. */
  readonly ca: string | undefined;
  readonly credentials: { readonly username: string; readonly password: SecretRef } | undefined;
}

/** The way out of a network that has no other. */
export interface Proxy {
  readonly http: string | undefined;
  readonly https: string | undefined;
  /** What is reached directly, beside the cluster's own. */
  readonly no: readonly string[];
}

/** How backups are encrypted, made and kept. */
export interface Backup {
  /** PEM certificate that archives are encrypted for. */
  readonly recipient: string;
  /** Its private key, PEM: it opens archives, making them needs none. */
  readonly key: SecretRef | undefined;
  /** 'HH:MM' or 'Sun HH:MM', in the cluster's time zone; undefined: only when asked. */
  readonly schedule: string | undefined;
  /** Archives that are kept, of each folder. */
  readonly keep: number;
  /** The inventory's own text, a part of every archive. */
  readonly inventory: string;
}

/** How a machine is reached and how root is had there. */
export interface SshTarget {
  readonly user: string | undefined;
  readonly port: number | undefined;
  readonly identityFile: string | undefined;
  /** OpenSSH known_hosts file to use instead of the user's own. */
  readonly knownHosts: string | undefined;
  /** Pinned host key: 'SHA256:…' fingerprint or 'ssh-ed25519 AAAA…'. */
  readonly hostKey: string | undefined;
  readonly proxyJump: string | undefined;
  /** Undefined: sudo asks no password (or the user is root). */
  readonly sudoPassword: SecretRef | undefined;
}

export type Role = 'control-plane' | 'worker';

export interface Taint {
  readonly key: string;
  readonly value: string | undefined;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

/** One machine of the cluster. */
export interface Host {
  readonly name: string;
  readonly role: Role;
  /** IPv4 address that the other machines reach it by; the node's InternalIP. */
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly nicPower: NicPower;
  readonly ssh: SshTarget;
}

/** What the inventory wants of a layer. */
export interface WantedLayer {
  /** Of its chart, without a v. */
  readonly version: string;
  /** Merged into the layer's own, last. */
  readonly values: JsonObject;
}

export type WantedLayers = Readonly<Partial<Record<LayerName, WantedLayer>>>;

/** What the user wants. */
export interface Cluster {
  readonly name: string;
  readonly timeZone: string;
  readonly kubernetes: {
    /** With its v: 'v1.31.13'. */
    readonly version: string;
    /** Name or address the API server is reached by, without a port; undefined: the control plane's address. */
    readonly endpoint: string | undefined;
    /** Names and addresses for the API server's certificate, beside the endpoint's and the control planes' own. */
    readonly certSANs: readonly string[];
    readonly podSubnet: string;
    readonly serviceSubnet: string;
    readonly kubeProxy: boolean;
    readonly repository: Repository;
    /** Merged into the KubeletConfiguration document. */
    readonly kubeletConfig: JsonObject;
    /** Merged into the KubeProxyConfiguration document. */
    readonly proxyConfig: JsonObject;
  };
  readonly containerd: {
    /** Without a v: '2.1.5'. */
    readonly version: string;
    readonly package: string;
    /** Undefined: the package is looked for in the repositories that the machine already has. */
    readonly repository: Repository | undefined;
    /** Merged into the generated config.toml. */
    readonly config: JsonObject;
    readonly registries: readonly Registry[];
  };
  readonly proxy: Proxy | undefined;
  readonly network: { readonly provider: 'basic' | 'cilium' | 'external' };
  /** Those that are wanted; cilium is one of them where it is the network. */
  readonly layers: WantedLayers;
  readonly backup: Backup | undefined;
  readonly hosts: readonly Host[];
}

/** kubeadm's own: it keeps ordinary pods from a control plane. */
export const controlPlaneTaint: Taint = {
  key: 'node-role.kubernetes.io/control-plane',
  value: undefined,
  effect: 'NoSchedule',
};

/** Where no worker is, control planes run everything, unless the inventory gives one that very taint. */
export function runsEverything({ hosts }: Pick<Cluster, 'hosts'>, host: Host): boolean {
  return (
    host.role === 'control-plane' &&
    hosts.every(({ role }) => role === 'control-plane') &&
    !host.taints.some(({ key, effect }) => key === controlPlaneTaint.key && effect === controlPlaneTaint.effect)
  );
}
