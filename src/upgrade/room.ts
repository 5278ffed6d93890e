// What an upgrade writes where, and whether there is room: a disk that fills up in the middle is the worst place to stop.
import type { Disk } from '../model/upgrade-facts.ts';

const mib = 1024 ** 2;

/** Images of one version as layers and unpacked; a worker has kube-proxy, CoreDNS and pause of them. Old ones go when the kubelet collects them. */
const imagesBytes = { 'control-plane': 1024 * mib, worker: 512 * mib } as const;
/** kubeadm, kubelet, kubectl: .deb files and, beside the old ones while dpkg unpacks them, the new ones. */
const packagesBytes = 400 * mib;

export interface Need {
  readonly path: string;
  readonly bytes: number;
  readonly why: string;
}

export interface RoomOptions {
  readonly role: keyof typeof imagesBytes;
  readonly hops: number;
  /** Size of etcd's folder; kubeadm copies it to /etc/kubernetes/tmp at every hop, and leaves the copies there. */
  readonly etcdBytes: number;
}

export function roomNeeded({ role, hops, etcdBytes }: RoomOptions): readonly Need[] {
  if (hops === 0) return [];
  return [
    { path: '/', bytes: packagesBytes, why: 'packages' },
    { path: '/var/lib/containerd', bytes: hops * imagesBytes[role], why: 'images' },
    ...(role === 'control-plane'
      ? [{ path: '/etc/kubernetes', bytes: hops * etcdBytes, why: "kubeadm's copies of etcd" }]
      : []),
  ];
}

export interface Room {
  /** Folders that need something of this disk. */
  readonly paths: readonly string[];
  readonly freeBytes: number;
  readonly neededBytes: number;
  readonly why: string;
}

/** One for every disk; what lies on the same one adds up. `reserve`: bytes that must stay free of a disk, for the kubelet. */
export function roomOn(
  disks: readonly Disk[],
  needs: readonly Need[],
  reserve: (disk: Disk) => number,
): readonly Room[] {
  const devices = [...new Set(disks.map(({ device }) => device))];
  return devices.flatMap(device => {
    const mine = disks.filter(disk => disk.device === device);
    const here = needs.filter(({ path }) => mine.some(disk => disk.path === path));
    const [first] = mine;
    if (!first || here.length === 0) return [];
    const bytes = here.reduce((sum, need) => sum + need.bytes, 0);
    return [
      {
        paths: here.map(({ path }) => path),
        freeBytes: first.freeBytes,
        neededBytes: bytes + Math.max(...mine.map(reserve)),
        why: here.map(({ why }) => why).join(', '),
      },
    ];
  });
}
