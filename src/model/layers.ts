// Layers: what stands on a cluster, one Helm release each. The order here is the order they are installed in.

export const layerNames = ['crds', 'cilium', 'metrics-server', 'sealed-secrets', 'local-path', 'longhorn'] as const;

export type LayerName = (typeof layerNames)[number];

/** Where a chart is to be had, when no bundle has it. */
export type ChartSource =
  | { readonly kind: 'repository'; readonly url: string }
  /** A registry, as Helm writes it without the chart's name: 'oci://ghcr.io/grafana-community/helm-charts'. */
  | { readonly kind: 'oci'; readonly url: string }
  /** A project that publishes no chart: its sources, and the folder in them. */
  | { readonly kind: 'archive'; readonly url: string; readonly folder: string };

export interface Chart {
  readonly name: string;
  readonly version: string;
  readonly source: ChartSource;
}

/** Where a registry has a chart, named as images are: the inventory knows Docker Hub as docker.io. */
export function chartRepository(
  { name }: Chart,
  url: string,
): { readonly registry: string; readonly repository: string } {
  const { host, pathname } = new URL(url);
  const repository = `${pathname}/${name}`.replace(/^\/+/, '').replaceAll(/\/{2,}/g, '/');
  return { registry: host === 'registry-1.docker.io' ? 'docker.io' : host, repository };
}

/** A layer as `homelab layers list` tells it; empty texts where there is none. */
export interface ListedLayer {
  /** The layer's, or the release's where it is no layer. */
  readonly name: string;
  /** What the inventory wants. */
  readonly wanted: string;
  readonly chart: string;
  /** Helm's own word: deployed, failed, pending-install… */
  readonly status: string;
  readonly revision: number | null;
  readonly namespace: string;
  /** What follows from the two, in a word or a few. */
  readonly state: string;
}

/** kubernetes.io/docs/concepts/security/pod-security-standards */
export type PodSecurity = 'privileged' | 'baseline' | 'restricted';
