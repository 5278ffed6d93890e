// What the bundle is made of, as data: every version, command, image and package. Its hash names the bundle.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { HomelabError } from '../../../src/model/errors.ts';
import { labSources } from './places.ts';
import type { Release } from './releases.ts';

/** Counts up when code here packs differently from the same data: it is part of the hash. */
const packingVersion = 2;

/** What every release runs with. */
export const versions = {
  containerd: 'v2.1.5',
  coredns: 'v1.11.3',
  cniPlugins: 'v1.5.1',
  pause: '3.10',
  /** Debian's code name: what the guests are. */
  debian: 'bookworm',
} as const;

/** Commands of one wrapper module in test/lab/go, built together. */
export interface GoModule {
  /** Folder under test/lab/go; also the name in messages. */
  readonly name: string;
  readonly toolchain: string;
  /** Binary name to package path. */
  readonly commands: Readonly<Record<string, string>>;
  /** `-X` variables: without them `kubeadm version` says v0.0.0-master. */
  readonly stamps: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  /** One text of a source file that is another one in our build. */
  readonly patch?: SourcePatch;
  /** Seen on two cores with nothing else to do. */
  readonly expect: string;
}

export interface SourcePatch {
  readonly module: string;
  /** Path in the module. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const recentGo = 'go1.26.8';

export function goModulesOf(release: Release): readonly GoModule[] {
  return [
    {
      name: `kubernetes-${release.kubernetes}`,
      toolchain: release.toolchain,
      commands: under('k8s.io/kubernetes/cmd', [
        'kube-apiserver',
        'kube-controller-manager',
        'kube-proxy',
        'kube-scheduler',
        'kubeadm',
        'kubectl',
        'kubelet',
      ]),
      stamps: kubernetesStamps(release),
      expect: 'about 6 min on two free cores',
    },
    {
      name: 'containerd',
      toolchain: recentGo,
      commands: under('github.com/containerd/containerd/v2/cmd', ['containerd', 'containerd-shim-runc-v2', 'ctr']),
      stamps: { 'github.com/containerd/containerd/v2/version.Version': versions.containerd },
      expect: 'about 1 min',
    },
    {
      name: `etcd-${release.etcd}`,
      toolchain: recentGo,
      commands: {
        etcd: 'go.etcd.io/etcd/server/v3',
        etcdctl: 'go.etcd.io/etcd/etcdctl/v3',
        etcdutl: 'go.etcd.io/etcd/etcdutl/v3',
      },
      stamps: {},
      expect: 'about 30 s',
    },
    {
      name: 'coredns',
      toolchain: recentGo,
      commands: { coredns: 'github.com/coredns/coredns' },
      stamps: {},
      expect: 'about 1 min',
    },
    {
      name: 'cni-plugins',
      toolchain: recentGo,
      commands: {
        ...under('github.com/containernetworking/plugins/plugins/ipam', ['host-local']),
        ...under('github.com/containernetworking/plugins/plugins/main', ['bridge', 'loopback', 'ptp']),
        ...under('github.com/containernetworking/plugins/plugins/meta', ['portmap']),
      },
      stamps: { 'github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion': versions.cniPlugins },
      expect: 'about 10 s',
    },
  ];
}

export interface ImageSpec {
  readonly reference: string;
  /** Path in the image to binary name. */
  readonly files: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly user?: string;
  readonly env?: readonly string[];
  /** Debian packages around the binary; without them the image holds the files alone. */
  readonly debian?: readonly string[];
  /** Path in the image to a built folder, copied whole. */
  readonly folders?: Readonly<Record<string, string>>;
  /** Path in the image to what the link says. */
  readonly links?: Readonly<Record<string, string>>;
  /** Taken out of the Debian tree, beside `prunedFolders`. */
  readonly pruned?: readonly string[];
}

/** The images that kubeadm of this version asks for, one static binary each where that is enough. */
export function imagesOf(release: Release): readonly ImageSpec[] {
  return [
    controlPlaneImage('kube-apiserver', release),
    controlPlaneImage('kube-controller-manager', release),
    controlPlaneImage('kube-scheduler', release),
    {
      ...controlPlaneImage('kube-proxy', release),
      debian: ['conntrack', 'iproute2', 'ipset', 'iptables', 'kmod', 'nftables'],
    },
    {
      reference: `registry.k8s.io/coredns/coredns:${versions.coredns}`,
      files: { '/coredns': 'coredns' },
      entrypoint: ['/coredns'],
    },
    {
      reference: `registry.k8s.io/pause:${versions.pause}`,
      files: { '/pause': 'pause' },
      entrypoint: ['/pause'],
      user: '65535:65535',
    },
    {
      reference: `registry.k8s.io/etcd:${release.etcd.slice(1)}-0`,
      files: {
        '/usr/local/bin/etcd': 'etcd',
        '/usr/local/bin/etcdctl': 'etcdctl',
        '/usr/local/bin/etcdutl': 'etcdutl',
      },
      entrypoint: [],
    },
  ];
}

/** A Debian package that we pack from our own binaries, laid out like upstream's. */
export interface PackageSpec {
  readonly name: string;
  readonly version: string;
  readonly depends: readonly string[];
  readonly summary: string;
  readonly homepage: string;
  /** Path on the machine to binary name. */
  readonly binaries: Readonly<Record<string, string>>;
  /** Path on the machine to text, or to a file of test/lab/bundle/units. */
  readonly texts?: Readonly<Record<string, string | { readonly unit: string }>>;
  readonly conffiles?: readonly string[];
  /** The unit that installing enables and starts. */
  readonly service?: string;
  /** systemd must read its units again after installing. */
  readonly reloadsSystemd?: boolean;
}

const kubernetesHome = 'https://kubernetes.io';

export function packagesOf({ kubernetes }: Release): readonly PackageSpec[] {
  const kubernetesVersion = `${kubernetes.slice(1)}-1.1`;
  return [
    {
      name: 'kubeadm',
      version: kubernetesVersion,
      depends: ['kubelet (>= 1.19.0)', 'kubectl (>= 1.19.0)'],
      summary: 'Makes a Kubernetes cluster of machines',
      homepage: kubernetesHome,
      binaries: { '/usr/bin/kubeadm': 'kubeadm' },
      texts: { '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf': { unit: '10-kubeadm.conf' } },
      reloadsSystemd: true,
    },
    {
      name: 'kubectl',
      version: kubernetesVersion,
      depends: [],
      summary: 'Talks to a Kubernetes cluster',
      homepage: kubernetesHome,
      binaries: { '/usr/bin/kubectl': 'kubectl' },
    },
    {
      name: 'kubelet',
      version: kubernetesVersion,
      depends: [
        'kubernetes-cni (>= 1.2.0)',
        'conntrack',
        'ebtables',
        'ethtool',
        'iproute2',
        'iptables (>= 1.4.21)',
        'mount',
        'socat',
        'util-linux',
      ],
      summary: 'Runs the pods of one machine for Kubernetes',
      homepage: kubernetesHome,
      binaries: { '/usr/bin/kubelet': 'kubelet' },
      texts: {
        '/usr/lib/systemd/system/kubelet.service': { unit: 'kubelet.service' },
        '/etc/default/kubelet': 'KUBELET_EXTRA_ARGS=\n',
        // Upstream's package carries these two to keep the folders: whoever looks for leftovers of a cluster has to know them.
        '/etc/kubernetes/manifests/.kubelet-keep': '',
        '/var/lib/kubelet/.kubelet-keep': '',
      },
      conffiles: ['/etc/default/kubelet'],
      service: 'kubelet.service',
    },
    {
      name: 'kubernetes-cni',
      version: `${versions.cniPlugins.slice(1)}-1.1`,
      depends: [],
      summary: 'Plugins that give pods their network',
      homepage: kubernetesHome,
      binaries: {
        '/opt/cni/bin/bridge': 'bridge',
        '/opt/cni/bin/host-local': 'host-local',
        '/opt/cni/bin/loopback': 'loopback',
        '/opt/cni/bin/portmap': 'portmap',
        '/opt/cni/bin/ptp': 'ptp',
      },
    },
    {
      name: 'containerd',
      version: `${versions.containerd.slice(1)}-1`,
      depends: ['runc'],
      summary: 'Container runtime',
      homepage: 'https://containerd.io',
      binaries: {
        '/usr/bin/containerd': 'containerd',
        '/usr/bin/containerd-shim-runc-v2': 'containerd-shim-runc-v2',
        '/usr/bin/ctr': 'ctr',
      },
      texts: { '/usr/lib/systemd/system/containerd.service': { unit: 'containerd.service' } },
      service: 'containerd.service',
    },
  ];
}

/**
 * What the repository carries of Debian itself, with everything it depends on: enough to make a guest from nothing and
 * to install what homelab installs. Groups are resolved one by one, because some exclude each other (two time daemons).
 */
export const debianGroups: readonly (readonly string[])[] = [
  [
    '?essential',
    '?priority(required)',
    'usr-is-merged',
    'apt',
    // what makes a tree a machine
    'dbus',
    'gpgv',
    'iputils-ping',
    'less',
    'libpam-systemd',
    'openssh-server',
    'sudo',
    'systemd',
    'systemd-sysv',
    'udev',
    // what homelab and Kubernetes want on it
    'apt-transport-https',
    'ca-certificates',
    'chrony',
    'conntrack',
    'curl',
    'ebtables',
    'ethtool',
    'gpg',
    'ipset',
    'iptables',
    'iproute2',
    'iw',
    'kmod',
    'mount',
    'nfs-common',
    'nftables',
    'open-iscsi',
    'procps',
    'python3-minimal',
    'runc',
    'socat',
    'util-linux',
  ],
  ['systemd-timesyncd'],
];

/**
 * What is taken out of the trees around binaries, because those never open it: importing takes as long as a tree has files. Devices are the
 * runtime's, and a guest may not be allowed to make them.
 */
export const prunedFolders: readonly string[] = [
  'dev',
  'usr/lib/*-linux-gnu/gconv',
  'usr/lib/*-linux-gnu/perl-base',
  'usr/lib/locale',
  'usr/share',
  'var/cache',
  'var/lib/apt',
  'var/lib/dpkg',
  'var/log',
];

/** Plain binaries for tests on the host. */
export const hostTools: readonly string[] = ['ctr', 'etcdctl', 'kubeadm', 'kubectl'];

/** Debian's name for this machine's architecture, which the guests share. */
export function architecture(): 'amd64' | 'arm64' {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new HomelabError('HL_BUNDLE', `The lab has no machines for ${process.arch}`, {
    hint: 'run it on an amd64 or arm64 machine',
  });
}

/** First 16 hex digits over everything that decides what comes out of a module's build. */
export function goModuleHash(module: GoModule): string {
  const folder = path.join(labSources(), 'go', module.name);
  const files = ['go.mod', 'go.sum', 'tools.go'].map(name => readFileSync(path.join(folder, name), 'utf8'));
  const { toolchain, commands, stamps, tags, patch } = module;
  const more = tags === undefined && patch === undefined ? [] : [{ tags, patch }];
  return hash(architecture(), toolchain, commands, stamps, files, ...more);
}

/** First 16 hex digits over everything that decides what is in the bundle, Debian's own updates aside. */
export function recipeHash(release: Release): string {
  const { kubernetes, etcd } = release;
  const { containerd, ...others } = versions;
  const packages = packagesOf(release);
  const units = packages
    .flatMap(({ texts }) => Object.values(texts ?? {}))
    .flatMap(text => (typeof text === 'string' ? [] : [unitText(text.unit)]));
  return hash(
    packingVersion,
    { kubernetes, containerd, etcd, ...others },
    goModulesOf(release).map(goModuleHash),
    pauseSource(),
    imagesOf(release),
    packages,
    units,
    debianGroups,
    prunedFolders,
  );
}

/** The text of a unit file that a package carries. */
export function unitText(name: string): string {
  return readFileSync(path.join(labSources(), 'bundle', 'units', name), 'utf8');
}

function pauseSource(): string {
  return readFileSync(path.join(labSources(), 'pause', 'pause.c'), 'utf8');
}

/** First 16 hex digits over data. */
export function hash(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

export function under(parent: string, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map(name => [name, `${parent}/${name}`]));
}

function controlPlaneImage(name: string, { kubernetes }: Release): ImageSpec {
  const file = `/usr/local/bin/${name}`;
  return {
    reference: `registry.k8s.io/${name}:${kubernetes}`,
    files: { [file]: name },
    entrypoint: [file],
  };
}

function kubernetesStamps({ kubernetes, gitCommit, buildDate }: Release): Readonly<Record<string, string>> {
  const [gitMajor = '', gitMinor = ''] = kubernetes.slice(1).split('.');
  const values = { gitVersion: kubernetes, gitMajor, gitMinor, gitCommit, gitTreeState: 'clean', buildDate };
  const homes = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  return Object.fromEntries(
    homes.flatMap(home => Object.entries(values).map(([key, value]) => [`${home}.${key}`, value])),
  );
}
