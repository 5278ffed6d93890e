// A running cluster as far as an inventory can describe it.
import type { JsonObject, Role, Taint } from './cluster.ts';

export interface Description {
  /** With its v: 'v1.31.1'. */
  readonly version: string;
  /** Name or address without a port; empty where kubeadm was told none. */
  readonly endpoint: string;
  readonly port: string;
  /** IPv4; empty where kubeadm was told none. */
  readonly podSubnet: string;
  readonly serviceSubnet: string;
  readonly kubeProxy: boolean;
  /** What the KubeletConfiguration has beyond kubeadm's own. */
  readonly kubeletConfig: JsonObject;
  /** The pod network's configuration file on the first control plane; empty where there is none. */
  readonly cni: string;
  readonly nodes: readonly DescribedNode[];
}

export interface DescribedNode {
  readonly name: string;
  readonly role: Role;
  /** Its InternalIP. */
  readonly address: string;
  /** Without Kubernetes' own. */
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** The machine of the inventory it was read by; undefined: the inventory does not have it. */
  readonly host: string | undefined;
  /** Without a v; empty where it was not asked or has none. */
  readonly containerd: string;
  /** The Debian package that containerd comes from; empty where it comes from none. */
  readonly containerdPackage: string;
}
