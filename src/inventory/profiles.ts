// Versions that were tested together, by the name an inventory's `profile` gives, and the defaults that no profile changes.

import type { LayerName } from '../model/layers.ts';

export interface Profile {
  /** With its v. */
  readonly kubernetes: string;
  /** Without a v. */
  readonly containerd: string;
  /** Charts, without a v. */
  readonly layers: Readonly<Record<LayerName, string>>;
}

/** A new tested set is one line here; newest last. */
export const profiles: Readonly<Record<string, Profile>> = {
  '1.31': {
    kubernetes: 'v1.31.13',
    containerd: '2.1.5',
    layers: {
      crds: '31.0.1',
      cilium: '1.18.12',
      'metrics-server': '3.13.1',
      'sealed-secrets': '2.18.5',
      'local-path': '0.0.37',
      longhorn: '1.12.1',
    },
  },
};

export function profileOf(name: unknown): Profile | undefined {
  return typeof name === 'string' && Object.hasOwn(profiles, name) ? profiles[name] : undefined;
}

/** What a sketch of an inventory is read with. */
export const newestProfile = Object.keys(profiles).at(-1) ?? '';

export const defaults = {
  timeZone: 'UTC',
  podSubnet: '10.244.0.0/16',
  serviceSubnet: '10.96.0.0/12',
  containerdPackage: 'containerd.io',
} as const;
