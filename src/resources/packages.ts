// Debian packages: present, at a version where one is named, held where that matters.
import type { BundleEntry } from '../model/bundle.ts';
import type { Resource, Risk, Upload } from '../model/plan.ts';
import { command } from '../model/shell.ts';
import { defineResource } from './resource.ts';

export interface WantedPackage {
  readonly name: string;
  /** Upstream version ('1.31.1'); undefined: any. */
  readonly version?: string;
  readonly hold?: boolean;
}

export interface PackagesOptions {
  readonly name: string;
  readonly title: string;
  readonly packages: readonly WantedPackage[];
  /** .deb files from a bundle; a package found here is installed from its file. */
  readonly debs?: readonly BundleEntry[];
  readonly risk?: Risk;
  /** How long another apt or dpkg may keep its lock, seconds. unattended-upgrades takes minutes. */
  readonly lockSeconds?: number;
}

/** 'absent', 'installed' where any version will do, else the upstream version. */
type PackageState = { readonly version: string; readonly held: boolean };
type State = { readonly [name: string]: PackageState };

const installTimeoutMs = 900_000;

export function packages({
  name,
  title,
  packages: wanted,
  debs = [],
  risk = 'safe',
  lockSeconds = 300,
}: PackagesOptions): Resource {
  const desired: State = Object.fromEntries(
    wanted.map(each => [each.name, { version: each.version ?? 'installed', held: each.hold ?? false }]),
  );
  const off = (observed: State, field: keyof PackageState) =>
    wanted.filter(each => observed[each.name]?.[field] !== desired[each.name]?.[field]);
  return defineResource<State>({
    key: `packages:${wanted.map(each => each.name).join(',')}`,
    name,
    title,
    read: `dpkg-query -W -f '\${Package} \${Version} \${db:Status-Want} \${db:Status-Status}\\n' ${command(...wanted.map(each => each.name))} 2>/dev/null || true\n`,
    parse: output => parsePackages(output, wanted),
    blank: Object.fromEntries(wanted.map(each => [each.name, { version: 'absent', held: false }])),
    desired,
    differences: observed => [
      ...off(observed, 'version').map(each => {
        const version = observed[each.name]?.version ?? 'absent';
        return version === 'absent'
          ? `${each.name} is not installed`
          : `${each.name} is ${version}, not ${each.version}`;
      }),
      ...off(observed, 'held').map(each => (each.hold ? `${each.name} is not on hold` : `${each.name} is on hold`)),
    ],
    act(observed) {
      const missing = off(observed, 'version');
      const files = missing.flatMap(each => debs.filter(deb => isFor(deb, each)).slice(0, 1));
      const fromApt = missing.filter(each => !files.some(deb => deb.name === each.name));
      return {
        diff: off(observed, 'version')
          .map(
            each =>
              `- ${each.name} ${observed[each.name]?.version ?? 'absent'}\n+ ${each.name} ${each.version ?? 'newest'}`,
          )
          .join('\n'),
        risk,
        action: {
          script:
            aptShell(lockSeconds) +
            (missing.length > 0 ? installScript(fromApt, files) : '') +
            holdScript(
              wanted.filter(each => each.hold),
              'hold',
            ) +
            holdScript(
              off(observed, 'held').filter(each => !each.hold),
              'unhold',
            ),
          uploads: files.map(deb => uploadOf(deb)),
          timeoutMs: installTimeoutMs + lockSeconds * 1000,
          explain: aptExplained,
        },
      };
    },
  });
}

/** Whether a bundle's file is this package: another version of it is not. */
export function isFor(deb: BundleEntry, { name, version }: WantedPackage): boolean {
  return deb.name === name && (version === undefined || upstreamVersion(deb.version) === version);
}

const extensions = { deb: '.deb', image: '.tar', chart: '.tgz', tool: '' } as const;

/** Where a bundle's file stands on a machine. Named by its sum, so that a stale one is never taken for it. */
export function uploadOf(entry: BundleEntry): Upload {
  return {
    localPath: entry.path,
    remotePath: `/var/cache/homelab/${entry.sha256.slice(0, 32)}${extensions[entry.kind]}`,
    sha256: entry.sha256,
    bytes: entry.bytes,
  };
}

/** '1:2.1.5~ds1-1+b2' is upstream 2.1.5: no epoch, no Debian revision, no repack mark. */
export function upstreamVersion(debian: string): string {
  return debian
    .replace(/^\d+:/, '')
    .replace(/-[^-]*$/, '')
    .replace(/[~+].*$/, '');
}

function parsePackages(output: string, wanted: readonly WantedPackage[]): State {
  const lines = output.split('\n').map(line => line.split(' '));
  return Object.fromEntries(
    wanted.map(({ name, version }) => {
      const [, found, want, status] = lines.find(line => line[0] === name) ?? [];
      const installed = found !== undefined && status === 'installed';
      return [
        name,
        {
          version: !installed ? 'absent' : version === undefined ? 'installed' : upstreamVersion(found),
          held: want === 'hold',
        },
      ];
    }),
  );
}

/** Options that keep apt from asking, from overwriting our files and from restarting services by itself. */
function aptShell(lockSeconds: number): string {
  return `export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
apt() { apt-get -qq -o DPkg::Lock::Timeout=${lockSeconds} -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" >/dev/null; }
# apt-get update takes the lock of the lists without waiting for it
update() {
  left=${lockSeconds}
  until said=$(apt -o APT::Update::Error-Mode=any update 2>&1); do
    case $said in *'Could not get lock'*) ;; *) printf '%s\\n' "$said" >&2; return 100 ;; esac
    [ "$left" -gt 0 ] || { printf '%s\\n' "$said" >&2; return 100; }
    left=$((left - 1)); sleep 1
  done
}
`;
}

function installScript(fromApt: readonly WantedPackage[], files: readonly BundleEntry[]): string {
  const pinned = fromApt.flatMap(({ name, version }) => (version === undefined ? [] : [{ name, version }]));
  return `exact() {
  for found in $(apt-cache madison "$1" | awk -F ' *[|] *' '{print $2}'); do
    upstream=\${found#*:}; upstream=\${upstream%-*}; upstream=\${upstream%%[~+]*}
    [ "$upstream" != "$2" ] || { printf '%s=%s\\n' "$1" "$found"; return 0; }
  done
  return 1
}
pick() {
  ! exact "$1" "$2" || return 0
  code=0; update || code=$?
  ! exact "$1" "$2" || return 0
  # where the lists could not be had, that is what went wrong
  [ "$code" = 0 ] || exit "$code"
  printf 'homelab: no repository of this machine has %s %s; versions there: %s\\n' "$1" "$2" \\
    "$(apt-cache madison "$1" | awk -F ' *[|] *' '{print $2}' | sort -u | head -n 5 | paste -sd' ' | sed 's/^$/none/')" >&2
  exit 65
}
set -- ${command(...files.map(deb => uploadOf(deb).remotePath), ...fromApt.filter(each => each.version === undefined).map(each => each.name))}
${pinned.map(({ name, version }) => `chosen=$(${command('pick', name, version)})\nset -- "$@" "$chosen"\n`).join('')}try() { apt install --yes --no-remove --no-install-recommends --allow-change-held-packages --allow-downgrades "$@"; }
# what a reboot left half unpacked; apt installs what depends on it and does not touch it
for name in $(dpkg-query -W -f '\${Package} \${db:Status-Eflag}\\n' | awk '$2 == "reinstreq" {print $1}'); do
  try --reinstall "$name" || true
done
said=$(try "$@" 2>&1) || case $said in
  # lists that are missing or older than the mirror: once more with new ones; anything else would fail the same way again
  *'Unable to locate'* | *'installation candidate'* | *'Failed to fetch'* | *'Unable to fetch'* | *'unmet dependencies'* | *'held broken packages'*) update; try "$@" ;;
  # a reboot in the middle of an install; apt held the lock when it said so, so nobody is at work on it
  *'dpkg was interrupted'*) dpkg --force-confdef --force-confold --configure -a >/dev/null; try "$@" ;;
  *) printf '%s\n' "$said" >&2; exit 100 ;;
esac
${files.length > 0 ? `${command('rm', '-f', '--', ...files.map(deb => uploadOf(deb).remotePath))}\n` : ''}`;
}

function holdScript(held: readonly WantedPackage[], verb: 'hold' | 'unhold'): string {
  return held.length > 0 ? `${command('apt-mark', verb, ...held.map(each => each.name))} >/dev/null\n` : '';
}

const aptExplained = [
  {
    pattern: /Packages need to be removed but remove is disabled/,
    message: 'apt would have to remove other packages for it',
    hint: 'see which (apt-get -s install PACKAGE on that machine); remove them yourself if nothing there needs them, then run the same command again',
  },
  {
    pattern: /Could not get lock|Unable to acquire the dpkg frontend lock/,
    message: 'another apt or dpkg keeps its lock',
    hint: 'see who it is (sudo fuser -v /var/lib/dpkg/lock-frontend /var/lib/apt/lists/lock), let it finish, then run the same command again',
  },
  {
    pattern: /Failed to fetch|Could not resolve|Temporary failure resolving|Unable to connect/,
    message: 'a repository could not be reached from this machine',
    hint: "check the machine's network and its proxy (sudo apt-get update), then run the same command again",
  },
  {
    pattern: /homelab: no repository of this machine has (\S+ \S+); (versions there: .*)/,
    message: 'no repository of this machine has $1 ($2)',
    hint: 'choose a version that is there, or name a repository that has it (kubernetes.repository, containerd.repository), then run the same command again',
  },
  {
    pattern: /Unable to locate package|has no installation candidate/,
    message: 'a package is in no repository of this machine',
    hint: "check the machine's apt sources (apt-cache policy), then run the same command again",
  },
  {
    pattern: /The repository '(\S+) [^']*' (?:does not have|no longer has) a Release file/,
    message: 'there is no repository at $1',
    hint: 'correct its line in /etc/apt/sources.list or /etc/apt/sources.list.d of that machine, or take it out, then run the same command again',
  },
  {
    pattern: /dpkg was interrupted/,
    message: 'an earlier dpkg run was interrupted',
    hint: 'sudo dpkg --configure -a on that machine, then run the same command again',
  },
  {
    pattern: /NO_PUBKEY|is not signed|EXPKEYSIG/,
    message: 'a repository is not signed by the key that was given',
    hint: "check repository.key in the inventory against the repository's own page",
  },
] as const;
