// Which versions run, and which of the hops a machine still has before it.
import semver from 'semver';
import type { Bundle } from '../model/bundle.ts';
import type { Repository } from '../model/cluster.ts';
import { controlPlanesOf, type World } from '../model/world.ts';
import { minorText } from './compat.ts';
import type { Running } from './path.ts';

/** What API servers and kubelets themselves say they are. */
export function runningVersions(world: World): Running {
  const apiServers = controlPlanesOf(world).flatMap(({ name }) => {
    const version = world.upgradeFacts?.get(name)?.controlPlane?.apiServer ?? 'unknown';
    return version === 'unknown' ? [] : [[name, version] as const];
  });
  const nodes = world.nodes === 'unknown' ? [] : world.nodes;
  return {
    apiServers: Object.fromEntries(apiServers),
    kubelets: Object.fromEntries(nodes.map(({ name, kubeletVersion }) => [name, kubeletVersion])),
  };
}

/** The hops that lie before this machine: all of them where it is not known what runs there. */
export function hopsBefore(world: World, host: string, hops: readonly string[]): readonly string[] {
  const { apiServers, kubelets } = runningVersions(world);
  const runs = [apiServers[host], kubelets[host]].flatMap(version => semver.valid(version) ?? []);
  return hops.filter(hop => runs.length === 0 || runs.some(version => semver.gt(hop, version)));
}

/** Versions that a bundle has kubeadm of. */
export function bundledVersions(bundle: Bundle | undefined): readonly string[] {
  const found = (bundle?.entries ?? []).filter(({ kind, name }) => kind === 'deb' && name === 'kubeadm');
  return [...new Set(found.flatMap(({ version }) => /^\d+\.\d+\.\d+/.exec(version)?.[0] ?? []))];
}

/** The repository of another minor: the community has one for each; others are as the inventory says. */
export function repositoryOf(repository: Repository, version: string): Repository {
  const at = (url: string) =>
    url.replace(/^(https:\/\/pkgs\.k8s\.io\/core:\/stable:\/v)1\.\d+(?=\/)/, `$1${minorText(version)}`);
  const { key } = repository;
  return { ...repository, url: at(repository.url), key: key.kind === 'url' ? { kind: 'url', url: at(key.url) } : key };
}
