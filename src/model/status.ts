// What `homelab status` tells: one look at every machine and what the API server says, as data.
import type { Role } from './cluster.ts';

export interface MachineStatus {
  readonly name: string;
  readonly address: string;
  readonly role: Role;
  /** Undefined where it was reached. */
  readonly unreached?: string;
  /** 'joined', 'absent', 'partial'. */
  readonly membership?: string;
  readonly kubelet?: string;
  readonly containerd?: string;
  /** What runs there and answers: kubelet, containerd; on a control plane its parts too. */
  readonly parts?: Readonly<Record<string, { readonly ok: boolean; readonly says: string }>>;
}

export interface ClusterStatus {
  readonly cluster: string;
  readonly endpoint: string;
  /** Of the inventory, and of the cluster itself where its API server answers. */
  readonly wanted: string;
  readonly running?: string;
  readonly machines: readonly MachineStatus[];
  /** Undefined while no API server answers. */
  readonly nodes?: readonly {
    readonly name: string;
    readonly ready: boolean;
    readonly cordoned: boolean;
    readonly version: string;
  }[];
  /** The certificate that ends first; undefined where none was read. */
  readonly certificate?: {
    readonly host: string;
    readonly path: string;
    readonly endsAt: string;
    readonly daysLeft: number;
  };
  readonly backup?: { readonly made: string; readonly host: string };
  /** Of this computer: the last run that was to change something. */
  readonly lastRun?: { readonly command: string; readonly startedAt: string; readonly says: string };
}

/** Is everything that was looked at as it should be? Machines that were not reached are not looked at. */
export function isWell({ nodes, machines, certificate }: ClusterStatus): boolean {
  if (!nodes?.every(({ ready }) => ready)) return false;
  if (certificate !== undefined && certificate.daysLeft <= 0) return false;
  return machines.every(
    ({ parts = {}, membership }) => membership !== 'partial' && Object.values(parts).every(({ ok }) => ok),
  );
}
