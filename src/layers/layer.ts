// What a layer is: a chart with its values, where it stands, what it costs, what proves it, and how it is upgraded.
import type { Cluster, Host, JsonObject, KubernetesObject } from '../model/cluster.ts';
import type { Chart, LayerName, PodSecurity } from '../model/layers.ts';
import type { Probe, RemoteAction } from '../model/plan.ts';
import type { Allocatable, World } from '../model/world.ts';

export interface Layer {
  /** Its key under `layers` in the inventory, and the id of its phase. */
  readonly name: LayerName;
  /** Of the Helm release; other layers and documentation name it. */
  readonly release: string;
  readonly namespace: string;
  /** Label of the namespace; undefined: kube-system, which no standard is enforced in. */
  readonly podSecurity?: PodSecurity;
  /** `version`: the inventory's, without a v; a chart that is published with one puts it before. */
  chart(version: string): Chart;
  values(cluster: Cluster): JsonObject;
  /** What it has beside its chart; made when the release is there, taken away before the release is. */
  objects?(cluster: Cluster): readonly KubernetesObject[];
  /** What its pods need of every machine; set up before there is a cluster. */
  readonly onMachines?: OnMachines;
  /** What its containers request by these values; undefined: it has none. */
  cost?(values: JsonObject): Cost;
  /** What it wants kept, each with as many copies as its class makes. */
  volumes?(values: JsonObject): readonly Volume[];
  /** Changing it disturbs pods of others: the step is approved like a restart. */
  readonly isFelt?: true;
  /** Upstream's rule: how many minor versions of the chart one upgrade may go. */
  readonly minorsAtOnce?: 1;
  /** When `homelab upgrade` to another Kubernetes minor brings it to the inventory's version. */
  readonly upgrades: 'before-kubernetes' | 'after-kubernetes';
  /** API group of kinds that stay when it is uninstalled: Helm leaves what a chart has in crds/. */
  readonly keepsKinds?: string;
  /** The chart is nothing but kinds, as templates: if Helm uninstalled it, every object of those kinds would go. */
  readonly isKindsOnly?: true;
  /** Volumes that are its own: while there is one, it is not uninstalled. */
  readonly storage?: Storage;
  /** sh, before it is uninstalled. */
  readonly beforeUninstall?: string;
  /** sh, before another chart takes the place of one that runs: resources/release-script.ts sets what it may use. `values`: the release's. */
  beforeUpgrade?(values: JsonObject): string;
  /** What its own failures mean. */
  readonly remedies?: RemoteAction['explain'];
  /** Evidence that it works, not that its pods run. */
  probes(world: World): readonly Probe[];
  /** Evidence that what it keeps outlives a machine: the power of `lost` is cut. Only for a command that names that machine. */
  recovery?(world: World, lost: Host): Probe;
}

export interface OnMachines {
  /** Debian's. */
  readonly packages: readonly string[];
  /** Kernel modules; where machines are containers they are the host's. */
  readonly modules: readonly string[];
  /** systemd units that run. */
  readonly units: readonly string[];
}

export interface Storage {
  /** As PersistentVolumes are annotated: pv.kubernetes.io/provisioned-by. */
  readonly provisioners: readonly string[];
  readonly classes: readonly string[];
  /** Objects of its namespace that hold data also when no PersistentVolume tells of it any more. */
  readonly objects?: string;
}

export interface Cost {
  /** Of the whole cluster, wherever they are scheduled. */
  readonly total: Amount;
  /** Of the pod that asks for most. */
  readonly largest: Amount;
  /** Of its DaemonSets, on one machine. */
  perNode?(machine: Room): Amount;
}

/** What a machine has for pods. */
export interface Room extends Allocatable {
  /** Ordinary pods come there. */
  readonly isOpen: boolean;
}

export interface Volume {
  readonly name: string;
  readonly gibibytes: number;
  readonly copies: number;
}

export interface Amount {
  /** Thousandths of a core. */
  readonly milliCpu: number;
  /** MiB. */
  readonly memoryMiB: number;
}

export const nothing: Amount = { milliCpu: 0, memoryMiB: 0 };
