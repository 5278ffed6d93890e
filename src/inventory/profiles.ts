// Versions that were tested together, by the name an inventory's `profile` gives, and the defaults that no profile changes.

import type { LayerName } from '../model/layers.ts';

export interface Profile {
  /** With its v. */
  readonly kubernetes: string;
  /** Without a v. */
  readonly containerd: string;
  /** Charts, without a v. */
  readonly layers: Readonly<Record<LayerName, string>>;
  /** Who ran it together. */
  readonly source: string;
}

/** Charts that accept every Kubernetes here: prometheus-community, bitnami-labs, rancher and longhorn, newest that were seen. */
const charts = {
  crds: '31.0.1',
  'metrics-server': '3.13.1',
  'sealed-secrets': '2.18.5',
  'local-path': '0.0.37',
  longhorn: '1.12.1',
} as const;

/** A new tested set is one entry here. Where others' CI stopped at a patch, the newest patch of the same minor is taken. */
export const profiles: Readonly<Record<string, Profile>> = {
  '1.31': {
    kubernetes: 'v1.31.13',
    containerd: '2.1.5',
    layers: { ...charts, cilium: '1.18.12' },
    // containerd 2.1.6 and Cilium 1.18.5 there.
    source: 'kubespray release-2.29 (1.31 to 1.33)',
  },
  // kubespray has Cilium 1.18.6; Cilium's own table has 1.34 from 1.19 on.
  '1.34': {
    kubernetes: 'v1.34.6',
    containerd: '2.2.2',
    layers: { ...charts, cilium: '1.19.6' },
    source: 'kubespray release-2.30 (1.32 to 1.34)',
  },
  // kubespray has Cilium 1.19.3.
  '1.35': {
    kubernetes: 'v1.35.4',
    containerd: '2.2.3',
    layers: { ...charts, cilium: '1.19.6' },
    source: 'kubespray release-2.31 (1.33 to 1.35)',
  },
  // Cilium's own table has no 1.31 for 1.16. Longhorn needs a kernel module that the lab has not: it was rendered, and never ran.
  'lab-1.31': {
    kubernetes: 'v1.31.1',
    containerd: '2.1.5',
    layers: {
      crds: '31.0.1',
      cilium: '1.16.1',
      'metrics-server': '3.12.1',
      'sealed-secrets': '2.17.7',
      'local-path': '0.0.30',
      longhorn: '1.12.1',
    },
    source: "homelab's own lab; no table of upstream's has it",
  },
};

export function profileOf(name: unknown): Profile | undefined {
  return typeof name === 'string' && Object.hasOwn(profiles, name) ? profiles[name] : undefined;
}

/** What init writes, and what a sketch of an inventory is read with. */
export const usualProfile = '1.31';

export const defaults = {
  timeZone: 'UTC',
  podSubnet: '10.244.0.0/16',
  serviceSubnet: '10.96.0.0/12',
  containerdPackage: 'containerd.io',
} as const;
