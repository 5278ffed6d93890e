// The Kubernetes releases that the lab can build, each with what belongs to it and to no other.
import { HomelabError } from '../../../src/model/errors.ts';

export interface Release {
  readonly kubernetes: string;
  /** The toolchain of the time: Kubernetes 1.31 built with Go 1.26 refuses every IPv4 service range (net/url has become stricter). */
  readonly toolchain: string;
  /** The etcd that its kubeadm asks for. */
  readonly etcd: string;
  /** Upstream's own: they are stamped into the binaries. */
  readonly gitCommit: string;
  readonly buildDate: string;
}

/** What the lab's inventories want, and what is built where nothing else is asked for. */
const defaultRelease: Release = {
  kubernetes: 'v1.31.1',
  toolchain: 'go1.22.6',
  etcd: 'v3.5.15',
  gitCommit: '948afe5ca072329a73c8e79ed5938717a5cb3d21',
  buildDate: '2024-09-11T21:26:49Z',
};

/** A new one needs folders kubernetes-VERSION and etcd-VERSION in test/lab/go. */
export const releases: readonly Release[] = [
  defaultRelease,
  {
    kubernetes: 'v1.31.4',
    toolchain: 'go1.22.6',
    etcd: 'v3.5.15',
    gitCommit: 'a78aa47129b8539636eb86a9d00e31b2720fe06b',
    buildDate: '2024-12-10T11:42:09Z',
  },
  {
    kubernetes: 'v1.32.0',
    toolchain: 'go1.23.3',
    etcd: 'v3.5.16',
    gitCommit: '70d3cc986aa8221cd1dfb1121852688902d3bf53',
    buildDate: '2024-12-11T18:04:20Z',
  },
];

/** The release of this version, or the lab's own. */
export function releaseOf(kubernetes = defaultRelease.kubernetes): Release {
  const found = releases.find(release => release.kubernetes === kubernetes);
  if (found !== undefined) return found;
  throw new HomelabError('HL_USAGE', `The lab cannot build Kubernetes ${kubernetes}`, {
    hint: `use one of ${releases.map(release => release.kubernetes).join(', ')}`,
  });
}

export function isDefault(release: Release): boolean {
  return release === defaultRelease;
}
