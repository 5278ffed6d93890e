// Layers: what stands on a cluster, one Helm release each. The order here is the order they are installed in.

export const layerNames = ['crds', 'cilium', 'metrics-server', 'sealed-secrets', 'local-path', 'longhorn'] as const;

export type LayerName = (typeof layerNames)[number];

/** Where a chart is to be had, when no bundle has it. */
export type ChartSource =
  | { readonly kind: 'repository'; readonly url: string }
  /** A project that publishes no chart: its sources, and the folder in them. */
  | { readonly kind: 'archive'; readonly url: string; readonly folder: string };

export interface Chart {
  readonly name: string;
  readonly version: string;
  readonly source: ChartSource;
}

/** kubernetes.io/docs/concepts/security/pod-security-standards */
export type PodSecurity = 'privileged' | 'baseline' | 'restricted';
