// Disks: full, out of inodes, read-only; and a kubelet that takes a good one for full.

import type { MachineFacts } from '../machine-facts.ts';
import { word } from '../reading.ts';
import type { Explains, Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, type Snapshot } from '../snapshot.ts';
import {
  etcdFolder,
  type Filesystem,
  holding,
  imageFolder,
  kubeletFolder,
  plenty,
  type Threshold,
  threshold,
  thresholdsOf,
} from './eviction.ts';
import { bytesText, entityOf, on, recent, seenOn, timeOn } from './on-machine.ts';

/** What stops working when it cannot be written. */
const written = [kubeletFolder, imageFolder, etcdFolder, '/etc/kubernetes', '/var/log'];
/** Always full, or never written. */
const images = /^(squashfs|iso9660|erofs|udf|cramfs|devtmpfs)$/;

const consequences: readonly Explains[] = [
  'kubelet-crashes',
  'containerd-stopped',
  'etcd-down',
  'etcd-member-down',
  'apiserver-down',
  'node-pressure',
  'pod-evicted',
].map(rule => ({ rule, by: 'machine' }));

const gib = 2 ** 30;

interface Room {
  readonly filesystem: Filesystem;
  /** The threshold that it is below. */
  readonly below: Threshold | undefined;
  readonly state: 'full' | 'nearly full';
}

function roomOf(all: readonly Filesystem[], kubelet: MachineFacts['kubelet']): readonly Room[] {
  return all
    .filter(({ type, sizeBytes }) => !images.test(type) && sizeBytes > 0)
    .flatMap((filesystem): readonly Room[] => {
      const { sizeBytes, freeBytes } = filesystem;
      const share = freeBytes / sizeBytes;
      const below = thresholdsOf(filesystem, all, kubelet, 'available').find(({ least }) => freeBytes < least);
      if (below && share > plenty) return [];
      if (below || share < 0.01 || freeBytes < 64 * 2 ** 20) return [{ filesystem, below, state: 'full' }];
      return share < 0.05 && freeBytes < 5 * gib ? [{ filesystem, below, state: 'nearly full' }] : [];
    });
}

const isBoot = ({ mount }: Filesystem) => mount === '/boot' || mount.startsWith('/boot/');

function roomFinding(machine: MachineLook, { filesystem, below, state }: Room): Finding {
  const { mount, sizeBytes, freeBytes } = filesystem;
  const room = `${bytesText(freeBytes)} of ${bytesText(sizeBytes)} free`;
  return {
    says: `${mount} of ${machine.name} is ${state}: ${room}${below ? `, below the ${below.text} at which the kubelet evicts pods (${below.signal})` : ''}`,
    severity: state === 'full' && !isBoot(filesystem) ? 'error' : 'warning',
    certainty: 'certain',
    about: [entityOf(machine)],
    evidence: [seenOn(machine, `${mount}: ${room}`, `df -h ${word(mount)}`)],
    cure: [
      on(machine, `sudo du -xh -d2 ${word(mount)} | sort -h | tail -n 20`),
      ...(mount === '/' || `${imageFolder}/`.startsWith(`${mount}/`) ? [on(machine, 'sudo crictl rmi --prune')] : []),
      on(machine, 'sudo journalctl --vacuum-size=500M'),
      'to last: a bigger disk, or SystemMaxUse= in journald.conf and containerLogMaxSize in the kubelet’s configuration',
    ],
  };
}

const roomOn = (snapshot: Snapshot) =>
  machinesWith(snapshot, 'filesystems').flatMap(({ machine, value }) =>
    roomOf(value, machine.facts.kubelet).map(room => ({ machine, room })),
  );

export const diskFull: Rule = {
  id: 'disk-full',
  layer: 'machine',
  symptom:
    'Pods are evicted or not started, images are not pulled, etcd or the kubelet ends with "no space left on device".',
  cause: 'A filesystem of the machine is full, or below the share at which its kubelet evicts pods.',
  cure: 'Make room: unused images, old journals, what grows in /var. Then a bigger disk or limits on logs.',
  sources: ['kubernetes docs: concepts/scheduling-eviction/node-pressure-eviction', 'kubernetes/kubernetes#107127'],
  needs: ['machine.filesystems', 'machine.kubelet'],
  explains: consequences,
  find: snapshot =>
    roomOn(snapshot)
      .filter(({ room }) => room.state === 'full' && !isBoot(room.filesystem))
      .map(({ machine, room }) => roomFinding(machine, room)),
};

export const diskNearlyFull: Rule = {
  id: 'disk-nearly-full',
  layer: 'machine',
  symptom: 'Nothing yet; soon pods are evicted and updates fail.',
  cause: 'A filesystem has less than a twentieth and less than 5 GiB left.',
  cure: 'Make room before it is needed.',
  sources: ['kubernetes docs: concepts/scheduling-eviction/node-pressure-eviction'],
  needs: ['machine.filesystems', 'machine.kubelet'],
  explains: [],
  find: snapshot =>
    roomOn(snapshot)
      .filter(({ room }) => room.state === 'nearly full' || isBoot(room.filesystem))
      .map(({ machine, room }) => roomFinding(machine, room)),
};

export const inodesUsedUp: Rule = {
  id: 'inodes-used-up',
  layer: 'machine',
  symptom: '"no space left on device" although df shows room; DiskPressure.',
  cause: 'The filesystem has no inodes left: millions of small files, often old container layers or a cache.',
  cure: 'Find the folder with the files and empty it; a filesystem gets more inodes only when it is made anew.',
  sources: ['kubernetes docs: concepts/scheduling-eviction/node-pressure-eviction', 'ext4(5)'],
  needs: ['machine.filesystems', 'machine.kubelet'],
  explains: consequences,
  find: snapshot =>
    machinesWith(snapshot, 'filesystems').flatMap(({ machine, value }) =>
      value
        .filter(({ type }) => !images.test(type))
        .flatMap((filesystem): readonly Finding[] => {
          const { mount, inodes, inodesFree } = filesystem;
          const below = thresholdsOf(filesystem, value, machine.facts.kubelet, 'inodesFree').find(
            ({ least }) => inodesFree < least,
          );
          const isOut = inodesFree / inodes < 0.01;
          if (!isOut && !(below && inodesFree / inodes <= plenty)) return [];
          return [
            {
              says: `${mount} of ${machine.name} has ${inodesFree === 0 ? 'no' : `only ${inodesFree} of ${inodes}`} inodes left: nothing new can be written, whatever df says`,
              severity: 'error',
              certainty: 'certain',
              about: [entityOf(machine)],
              evidence: [seenOn(machine, `${mount}: ${inodesFree} inodes free of ${inodes}`, `df -i ${word(mount)}`)],
              cure: [
                on(machine, `sudo du --inodes -x -d3 ${word(mount)} | sort -n | tail -n 20`),
                on(machine, 'sudo crictl rmi --prune'),
              ],
            },
          ];
        }),
    ),
};

const remounted =
  /Remounting filesystem read-only|EXT4-fs error|XFS .*(shut ?down|[Cc]orruption)|I\/O error|critical medium error/;

export const readOnly: Rule = {
  id: 'filesystem-read-only',
  layer: 'machine',
  symptom: 'Containers do not start, the kubelet writes nothing, "read-only file system".',
  cause: 'The kernel made a filesystem read-only after errors of the disk, or somebody mounted it so.',
  cure: 'Look at the disk first: after its errors, save what is on it. Then check the filesystem and mount it for writing.',
  sources: ['kubernetes/node-problem-detector config/kernel-monitor.json', 'ext4(5): errors=remount-ro'],
  needs: ['machine.filesystems', 'machine.kernelLog', 'machine.clock'],
  explains: [{ rule: 'disk-full', by: 'machine' }, ...consequences],
  find: snapshot =>
    machinesWith(snapshot, 'filesystems').flatMap(({ machine, value }) => {
      const mounts = new Set(written.flatMap(folder => holding(value, folder)?.mount ?? []));
      return value
        .filter(({ mount, readOnly: isReadOnly }) => isReadOnly && mounts.has(mount))
        .map(({ mount, device }): Finding => {
          const line = recent(machine.facts.kernelLog, remounted, 86_400, timeOn(machine, snapshot)).at(-1);
          return {
            says: `${mount} of ${machine.name} is read-only${line ? `: the kernel says ${line.text}` : ''}`,
            severity: 'error',
            certainty: 'certain',
            about: [entityOf(machine)],
            evidence: [
              seenOn(machine, `${mount} (${device}) is mounted ro`, `findmnt -no OPTIONS ${word(mount)}`),
              ...(line ? [seenOn(machine, line.text, "journalctl -k -g 'read-only|I/O error'")] : []),
            ],
            cure: [
              on(machine, 'sudo dmesg -T | tail -n 50'),
              on(machine, `sudo smartctl -a ${word(device)}`),
              on(machine, `sudo mount -o remount,rw ${word(mount)}`),
              'to last: replace the disk if it reported errors; else fsck at the next boot',
            ],
          };
        });
    }),
};

export const evictionThreshold: Rule = {
  id: 'eviction-threshold',
  layer: 'machine',
  symptom: 'DiskPressure or MemoryPressure although df and free show plenty.',
  cause: 'evictionHard in the kubelet’s configuration asks for more free room than the machine will ever have.',
  cure: 'Lower the threshold in the cluster’s kubelet configuration and on the machine.',
  sources: ['kubernetes docs: concepts/scheduling-eviction/node-pressure-eviction'],
  needs: ['machine.filesystems', 'machine.kubelet', 'machine.memory'],
  explains: ['node-pressure', 'pod-evicted'].map(rule => ({ rule, by: 'machine' })),
  find: snapshot =>
    machinesWith(snapshot, 'kubelet').flatMap(({ machine, value: kubelet }) => {
      const { filesystems = [], memory } = machine.facts;
      const rows = [
        ...filesystems
          .filter(({ type, sizeBytes }) => !images.test(type) && sizeBytes > 0)
          .flatMap(filesystem =>
            thresholdsOf(filesystem, filesystems, kubelet, 'available').map(each => ({
              ...each,
              free: filesystem.freeBytes,
              total: filesystem.sizeBytes,
              where: filesystem.mount,
              again: `df -h ${word(filesystem.mount)}`,
            })),
          ),
        ...(memory
          ? [threshold(kubelet, 'memory.available', memory.totalBytes)].flatMap(each =>
              each
                ? [
                    {
                      ...each,
                      free: memory.availableBytes,
                      total: memory.totalBytes,
                      where: 'memory',
                      again: 'free -h',
                    },
                  ]
                : [],
            )
          : []),
      ];
      const absurd = rows.filter(
        ({ least, free, total }) => (least > free && free / total > plenty) || least > total / 2,
      );
      return absurd.map(({ signal, text, least, free, total, where, again }): Finding => {
        const isEvicting = least > free;
        return {
          says: `the kubelet of ${machine.name} takes ${where} for full below ${text} (${signal}), and ${bytesText(free)} of ${bytesText(total)} are free: its threshold is wrong, not the ${where === 'memory' ? 'memory' : 'disk'}`,
          severity: isEvicting ? 'error' : 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(
              machine,
              `evictionHard: ${signal}: ${text}`,
              'sudo grep -A8 evictionHard /var/lib/kubelet/config.yaml',
            ),
            seenOn(machine, `${bytesText(free)} of ${bytesText(total)} free`, again),
          ],
          cure: [
            on(machine, 'sudo sed -n /evictionHard/,+8p /var/lib/kubelet/config.yaml   # lower it there'),
            on(machine, 'sudo systemctl restart kubelet'),
            'kubectl -n kube-system edit configmap kubelet-config   # and here: an upgrade writes the file anew from it',
          ],
        };
      });
    }),
};

export const diskRules: readonly Rule[] = [readOnly, inodesUsedUp, evictionThreshold, diskFull, diskNearlyFull];
