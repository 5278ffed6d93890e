// Helm on a control plane: the one that is there, if it can do what we ask of it, else a pinned one of ours beside it.
import semver from 'semver';
import type { BundleEntry } from '../model/bundle.ts';
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { uploadOf } from './packages.ts';
import { defineResource } from './resource.ts';

const ours = '/usr/local/lib/homelab/helm';

export interface HelmRelease {
  readonly version: string;
  /** Where its archives are. */
  readonly place: string;
  /** sha256 of the archive for each architecture. */
  readonly sums: Readonly<Record<string, string>>;
}

/** Sums: kubernetes-sigs/kubespray roles/kubespray_defaults/vars/main/checksums.yml, helm_archive_checksums. */
export const pinnedHelm: HelmRelease = {
  version: '3.18.4',
  place: 'https://get.helm.sh',
  sums: {
    amd64: 'f8180838c23d7c7d797b208861fecb591d9ce1690d8704ed1e4cb8e2add966c1',
    arm64: 'c0a45e67eef0c7416a8a8c9e9d5d2d30d70e4f4d3f7bea5de28241fffa8f3b89',
  },
};

export function helmArchive({ version, place }: HelmRelease, arch: string): string {
  return `${place}/helm-v${version}-linux-${arch}.tar.gz`;
}

/** sh: sets $helm and $version to a Helm that labels its releases (3.13 and newer: helm/helm#11957), else leaves $helm empty. */
export const findHelm = `helm=
for found in helm ${ours}; do
  version=$("$found" version --template '{{.Version}}' 2>/dev/null) || continue
  case $version in v3.[0-9] | v3.[0-9].* | v3.1[0-2].* | v2.*) ;; v*) helm=$found; break ;; esac
done
`;

export function helmTool(arch: string, bundle: readonly BundleEntry[]): Resource {
  const entry = bundle
    .filter(({ kind, name, arch: of }) => kind === 'tool' && name === 'helm' && of === arch)
    .toSorted((left, right) => semver.compare(left.version, right.version))
    .at(-1);
  const sum = pinnedHelm.sums[arch];
  return defineResource<string>({
    key: 'tool:helm',
    name: 'helm',
    title: `Have Helm ${entry?.version ?? pinnedHelm.version}`,
    read: `${findHelm}[ -n "$helm" ] && echo there || echo none\n`,
    parse: output => output.trim(),
    blank: 'none',
    desired: 'there',
    differences: observed => (observed === 'there' ? [] : ['there is no Helm of 3.13 or newer']),
    remarks: () =>
      entry || sum
        ? []
        : [
            {
              kind: 'refusal',
              id: 'helm',
              reason: `there is no Helm to be had for ${arch} that homelab knows the checksum of`,
              hint: 'install Helm 3.13 or newer on the control plane yourself: https://helm.sh/docs/intro/install/',
            },
          ],
    act: () => ({
      diff: `+ ${ours} ${entry?.version ?? pinnedHelm.version}`,
      action: {
        script: entry ? installScript(uploadOf(entry).remotePath) : downloadScript(arch, sum ?? ''),
        ...(entry ? { uploads: [uploadOf(entry)] } : {}),
        timeoutMs: 300_000,
        explain: [
          {
            pattern: /Failed to fetch|Could not resolve|Hash Sum mismatch/,
            message: `Helm could not be fetched from ${pinnedHelm.place}`,
            hint: 'let this machine reach it, have helm in the bundle, or install Helm 3.13 or newer on this machine yourself',
          },
        ],
      },
    }),
  });
}

function installScript(from: string): string {
  return `install -D -m 755 ${sh(from)} ${ours}\n${command('rm', '-f', '--', from)}\n`;
}

function downloadScript(arch: string, sum: string): string {
  const from = helmArchive(pinnedHelm, arch);
  const fetch = command('/usr/lib/apt/apt-helper', '-o', 'Acquire::https::Timeout=30', 'download-file', from);
  return `work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
${fetch} "$work/helm.tar.gz" ${sh(`SHA256:${sum}`)} >&2
tar -xzf "$work/helm.tar.gz" -C "$work"
install -D -m 755 "$work/linux-${arch}/helm" ${ours}
`;
}
