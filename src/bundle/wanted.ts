// What machines of a version need: packages with the repository each comes from, and images from their registries.
import type { JsonObject, Registry, Repository } from '../model/cluster.ts';
import type { Chart, LayerName } from '../model/layers.ts';

/** The part of an inventory, or of a profile, that a bundle is made from. */
export interface Software {
  readonly kubernetes: { readonly version: string; readonly repository: Repository; readonly kubeProxy: boolean };
  readonly containerd: {
    readonly version: string;
    readonly package: string;
    readonly repository: Repository | undefined;
    readonly registries: readonly Registry[];
  };
}

/** A layer's release as bootstrap would make it. */
export interface WantedRelease {
  readonly layer: LayerName;
  /** Helm's name of it. */
  readonly release: string;
  readonly namespace: string;
  readonly chart: Chart;
  readonly values: JsonObject;
}

export interface WantedDeb {
  readonly name: string;
  /** Upstream version; undefined: the newest there is. */
  readonly version: string | undefined;
  /** Taken where the repository has it. */
  readonly optional?: boolean;
}

export interface Source {
  readonly repository: Repository;
  readonly debs: readonly WantedDeb[];
}

/** One entry a repository. Packages of the base system are the machine's own mirror's. */
export function wantedDebs({ kubernetes, containerd }: Software): readonly Source[] {
  const version = kubernetes.version.replace(/^v/, '');
  return [
    {
      repository: kubernetes.repository,
      debs: [
        // Small ones first: a short outage then costs little.
        { name: 'cri-tools', version: undefined, optional: true },
        { name: 'kubernetes-cni', version: undefined },
        ...['kubectl', 'kubelet', 'kubeadm'].map(name => ({ name, version })),
      ],
    },
    ...(containerd.repository
      ? [{ repository: containerd.repository, debs: [{ name: containerd.package, version: containerd.version }] }]
      : []),
  ];
}

/** The repository's address for this operating system. */
export function placed(repository: Repository, os: { readonly id: string; readonly codename: string }): Repository {
  const at = (text: string) => text.replaceAll('{os}', os.id).replaceAll('{codename}', os.codename);
  const { key } = repository;
  return {
    ...repository,
    url: at(repository.url),
    suite: at(repository.suite),
    key: key.kind === 'url' ? { kind: 'url', url: at(key.url) } : key,
  };
}

/** Where a registry's images are asked for, in order: its mirrors, then itself. */
export function endpointsOf(registry: string, registries: readonly Registry[]) {
  const known = (host: string) => registries.find(each => each.host === host);
  const own = registry === 'docker.io' ? 'https://registry-1.docker.io' : `https://${registry}`;
  return [...(known(registry)?.mirrors ?? []), own].map((url, index, all) => {
    const host = index === all.length - 1 ? registry : new URL(url).host;
    return { api: apiOf(url), credentials: known(host)?.credentials };
  });
}

// As containerd reads the addresses in hosts.toml.
function apiOf(url: string): string {
  const bare = url.replace(/\/+$/, '');
  return bare.endsWith('/v2') ? bare : `${bare}/v2`;
}
