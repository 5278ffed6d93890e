// From the versions that run to the one that is wanted: which versions every machine goes through, in order.
// Sources: kubernetes.io/releases/version-skew-policy (API servers skip no minor and lie within one; a kubelet is never newer than the API
// server); kubeadm app/phases/upgrade/policy.go, MaximumAllowedMinorVersionUpgradeSkew = 1. It asks for no patch hop before a minor one.
import semver from 'semver';

/** Versions by machine, without v. */
export interface Running {
  readonly apiServers: Readonly<Record<string, string>>;
  readonly kubelets: Readonly<Record<string, string>>;
}

export interface PathOptions {
  readonly now: Running;
  /** With or without its v. */
  readonly to: string;
  /** Versions that can be had: what a bundle has. A skipped minor is bridged by the newest of them. */
  readonly available: readonly string[];
}

export interface PathRefusal {
  readonly reason: string;
  readonly hint: string;
}

/** `hops`: with their v, none where everything runs the wanted version already. */
export type Path =
  | { readonly hops: readonly string[]; readonly refuse?: never }
  | { readonly refuse: PathRefusal; readonly hops?: never };

export function upgradePath({ now, to, available }: PathOptions): Path {
  const wanted = semver.valid(to);
  if (wanted === null) return refuse(`${to} is no version`, 'give it as v1.32.0: homelab upgrade --to v1.32.0');
  const servers = sorted(Object.values(now.apiServers));
  const running = sorted([...servers, ...Object.values(now.kubelets)]);
  const [oldestServer, newestServer] = [servers[0], servers.at(-1)];
  const [oldest, newest] = [running[0], running.at(-1)];
  if (!oldestServer || !newestServer || !oldest || !newest)
    return refuse(
      'it is not known which version the API server runs',
      'see why it does not answer (sudo crictl ps; sudo journalctl -u kubelet), then run the same command again',
    );
  if (semver.major(wanted) !== semver.major(oldestServer))
    return refuse(`there is no way from v${oldestServer} to v${wanted}`, 'choose a version of the same major');
  if (semver.gt(newest, wanted)) return downgrade(now, oldest, newest, wanted);
  if (minors(oldestServer, newestServer) > 1)
    return refuse(
      `API servers run v${oldestServer} and v${newestServer}, more than one minor apart: Kubernetes does not support that`,
      `bring ${named(oldestServer, now.apiServers).join(', ')} to v${newestServer} by itself first (remove-node and join-node), then run the same command again`,
    );
  if (oldest === wanted) return { hops: [] };
  // What an interrupted upgrade began is brought to its end: then every machine starts from the same version.
  const isMixed = oldest !== newest && minors(oldestServer, newest) <= 1;
  const start = isMixed ? newest : oldestServer;
  const hops: string[] = isMixed ? [newest] : [];
  for (let minor = semver.minor(start) + 1; minor < semver.minor(wanted); minor += 1) {
    const between = sorted(available.filter(each => isOf(each, wanted, minor))).at(-1);
    if (between === undefined) return skipped(start, wanted, minor);
    hops.push(between);
  }
  return { hops: [...new Set([...hops, wanted])].map(version => `v${version}`) };
}

/** How many minors the second is ahead of the first. */
export function minors(from: string, to: string): number {
  return semver.minor(to) - semver.minor(from);
}

function isOf(version: string, like: string, minor: number): boolean {
  const parsed = semver.parse(version);
  return parsed?.major === semver.major(like) && parsed.minor === minor && parsed.prerelease.length === 0;
}

function downgrade(now: Running, oldest: string, newest: string, wanted: string): Path {
  const names = named(newest, now.apiServers, now.kubelets);
  const reason = `${names.join(', ')} ${names.length === 1 ? 'runs' : 'run'} v${newest} already, and Kubernetes goes back to no older version`;
  return oldest === newest
    ? refuse(
        reason,
        `a backup of v${wanted} can be restored onto machines that are made with v${wanted}: homelab restore does that`,
      )
    : refuse(reason, `bring the upgrade that was begun to its end: homelab upgrade --to v${newest}`);
}

function skipped(from: string, wanted: string, minor: number): Path {
  const between = `v${semver.major(wanted)}.${minor}`;
  return refuse(
    `from v${from} to v${wanted} a minor is skipped, and kubeadm goes one minor at a time: ${between} lies between`,
    `homelab upgrade --to ${between}.N first (N: its newest patch), or give a bundle that has a ${between} too: --bundle DIR`,
  );
}

function refuse(reason: string, hint: string): Path {
  return { refuse: { reason, hint } };
}

function named(version: string, ...versions: readonly Readonly<Record<string, string>>[]): readonly string[] {
  const hosts = versions
    .flatMap(Object.entries)
    .flatMap(([host, each]) => (semver.valid(each) === version ? [host] : []));
  return [...new Set(hosts)];
}

/** Oldest first, without v and without what is no version. */
function sorted(versions: readonly string[]): readonly string[] {
  return semver.sort(versions.flatMap(each => semver.valid(each) ?? []));
}
