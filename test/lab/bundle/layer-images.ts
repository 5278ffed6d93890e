// The images that the layers' charts ask for: their programs, with as little around them as they run with.
import type { ImageSpec } from './recipe.ts';

/** With each Kubernetes but the lab's own the one that it is upgraded to: the next minor, as upstream wants it. */
const ciliums = { own: '1.16.1', next: '1.17.8' } as const;

export type CiliumVersion = (typeof ciliums)[keyof typeof ciliums];

export function ciliumFor(isOwn: boolean): CiliumVersion {
  return isOwn ? ciliums.own : ciliums.next;
}

export const layerVersions = {
  cilium: ciliums.own,
  metricsServer: 'v0.7.2',
  localPath: 'v0.0.30',
  sealedSecrets: '0.32.2',
  helm: '4.3.1',
  helm3: '3.22.0',
  /** Debian's. */
  busybox: '1.35.0',
} as const;

/** Which of Debian's programs are taken out of their packages, by the name of the binary they become. */
export const fromDebian = { busybox: { package: 'busybox-static', file: 'bin/busybox' } } as const;

// What local-path's helpers call, and what one wants in a pod that looks around.
const busyboxApplets = (
  'awk cat chmod cut date dd df echo env false find free grep head hostname httpd id ip ls mkdir mount mv nc nslookup ping ps printf rm rmdir ' +
  'sed seq sh sha256sum sleep sort stat sync tail tee test timeout touch tr true uname wc wget'
).split(' ');

export function layerImages(cilium: CiliumVersion): readonly ImageSpec[] {
  return [
    {
      reference: `quay.io/cilium/cilium:v${cilium}`,
      debian: ['bpftool', 'clang', 'conntrack', 'iproute2', 'ipset', 'iptables', 'kmod', 'procps'],
      pruned: ['usr/include', 'usr/lib/gcc'],
      files: {
        '/usr/bin/cilium-agent': 'cilium-agent',
        '/usr/bin/cilium-dbg': 'cilium-dbg',
        '/usr/bin/cilium-health': 'cilium-health',
        '/usr/bin/cilium-health-responder': 'cilium-health-responder',
        '/usr/bin/cilium-mount': 'cilium-mount',
        '/usr/bin/cilium-sysctlfix': 'cilium-sysctlfix',
        '/usr/bin/hubble': 'hubble',
        '/opt/cni/bin/cilium-cni': 'cilium-cni',
        '/init-container.sh': 'cilium/init-container.sh',
        '/install-plugin.sh': 'cilium/install-plugin.sh',
        '/cni-uninstall.sh': 'cilium/cni-uninstall.sh',
      },
      folders: { '/var/lib/cilium/bpf': 'cilium/bpf' },
      links: { '/usr/bin/cilium': 'cilium-dbg' },
      env: ['HUBBLE_SERVER=unix:///var/run/cilium/hubble.sock'],
      entrypoint: [],
    },
    {
      reference: `quay.io/cilium/operator-generic:v${cilium}`,
      files: { '/usr/bin/cilium-operator-generic': 'cilium-operator-generic' },
      entrypoint: [],
    },
    {
      reference: `quay.io/cilium/hubble-relay:v${cilium}`,
      files: { '/usr/bin/hubble-relay': 'hubble-relay' },
      entrypoint: ['/usr/bin/hubble-relay'],
      user: '65532:65532',
    },
    {
      reference: `registry.k8s.io/metrics-server/metrics-server:${layerVersions.metricsServer}`,
      files: { '/metrics-server': 'metrics-server' },
      entrypoint: ['/metrics-server'],
      user: '65534',
    },
    {
      reference: `docker.io/rancher/local-path-provisioner:${layerVersions.localPath}`,
      files: { '/usr/bin/local-path-provisioner': 'local-path-provisioner' },
      entrypoint: ['/usr/bin/local-path-provisioner'],
    },
    {
      // What local-path makes and removes its folders with.
      reference: `docker.io/library/busybox:${layerVersions.busybox}`,
      files: { '/bin/busybox': 'busybox' },
      links: Object.fromEntries(busyboxApplets.map(name => [`/bin/${name}`, 'busybox'])),
      entrypoint: [],
    },
    {
      reference: `docker.io/bitnami/sealed-secrets-controller:${layerVersions.sealedSecrets}`,
      files: { '/usr/local/bin/controller': 'sealed-secrets-controller' },
      entrypoint: ['controller'],
      user: '1001',
    },
  ];
}

/** What the trees around binaries need; everything below belongs to any minimal Debian. */
export const layerDebian: readonly (readonly string[])[] = [
  [
    '?essential',
    '?priority(required)',
    'usr-is-merged',
    'apt',
    ...layerImages(ciliums.own).flatMap(({ debian = [] }) => debian),
  ],
  Object.values(fromDebian).map(each => each.package),
];
