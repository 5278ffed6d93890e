// Room for what the hops write, above what the kubelet must find free.
import type { JsonObject } from '../../model/cluster.ts';
import type { Disk } from '../../model/upgrade-facts.ts';
import { roomNeeded, roomOn } from '../../upgrade/room.ts';
import { amount, size } from '../preflight/disk.ts';
import type { Findings } from './finding.ts';

/** The kubelet's DefaultEvictionHard (pkg/kubelet/eviction/defaults_linux.go). */
const defaults: JsonObject = { 'nodefs.available': '10%', 'imagefs.available': '15%' };

export const room: Findings = ({ host, read, hops }) => {
  const etcdBytes = read.controlPlane?.etcdBytes ?? 0;
  const leftoverBytes = read.controlPlane?.leftoverBytes ?? 0;
  const own = read.kubeletConfig === 'unknown' ? undefined : read.kubeletConfig['evictionHard'];
  const signals = typeof own === 'object' && own !== null && !Array.isArray(own) ? (own as JsonObject) : defaults;
  const reserve = ({ path, totalBytes }: Disk) =>
    path === '/var/lib/containerd'
      ? amount(signals['imagefs.available'], totalBytes)
      : path === '/var/lib/kubelet'
        ? amount(signals['nodefs.available'], totalBytes)
        : 0;
  const found = roomOn(read.disks, roomNeeded({ role: host.role, hops: hops.length, etcdBytes }), reserve);
  const short = found.filter(({ freeBytes, neededBytes }) => freeBytes < neededBytes);
  const shown = (short.length > 0 ? short : found)
    .map(
      each => `${each.paths.join(', ')}: ${size(each.freeBytes)} free, needs ${size(each.neededBytes)} (${each.why})`,
    )
    .join('; ');
  const leftovers =
    leftoverBytes > 0
      ? `sudo rm -r /etc/kubernetes/tmp/kubeadm-backup-* (${size(leftoverBytes)} from earlier upgrades); `
      : '';
  return [
    {
      id: 'room',
      title: 'has room for what the upgrade writes',
      expected: 'packages, images and copies of etcd above what the kubelet must find free',
      observed: shown,
      reproduce: 'df -h / /var/lib/containerd /etc/kubernetes',
      refuse:
        short.length === 0
          ? undefined
          : {
              reason: `there is no room for the upgrade: ${shown}`,
              hint: `make room on ${host.name} (${leftovers}sudo apt-get clean; sudo journalctl --vacuum-size=100M), or give it a bigger disk there`,
            },
    },
  ];
};
