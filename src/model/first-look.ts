// What `homelab init` sees of a machine that no inventory has yet: what it is, and what it is made of.
import type { Facts } from './world.ts';

/** kubeadm's preflight: ControlPlaneNumCPU, ControlPlaneMem (cmd/kubeadm/app/constants/constants.go). */
export const leastControlPlane = { processors: 2, memoryMiB: 1700 } as const;

export interface Disk {
  readonly name: string;
  readonly bytes: number;
  readonly rotates: boolean;
}

/** A network card with a device behind it. */
export interface Card {
  readonly name: string;
  /** The kernel's, 'unknown' where it names none. */
  readonly driver: string;
  /** Megabits a second; 0 while there is no link, or nobody knows. */
  readonly speedMbps: number;
  readonly wifi: boolean;
}

export interface Route {
  /** 'default', an address or a subnet. */
  readonly to: string;
  readonly dev: string;
}

export interface FirstLook {
  readonly facts: Facts;
  readonly processors: number;
  readonly memoryMiB: number;
  /** Empty in a container: its host's. */
  readonly disks: readonly Disk[];
  readonly cards: readonly Card[];
  readonly routes: readonly Route[];
  /** Units of another Kubernetes, or of a runtime for one, that are active. */
  readonly others: readonly string[];
}
