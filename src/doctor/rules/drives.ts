// Drives that fail requests, as the kernel's log tells it: before a filesystem gives up, and whatever lies on them.
import type { Drive, MachineFacts } from '../machine-facts.ts';
import type { Finding, Rule } from '../rule.ts';
import { machinesWith } from '../snapshot.ts';
import { etcdFolder, holding, imageFolder, kubeletFolder } from './eviction.ts';
import { entityOf, on, recent, seenOn, timeOn } from './on-machine.ts';

type Line = NonNullable<MachineFacts['kernelLog']>[number];

/** The drive itself says that it cannot read what it has written. */
const unreadable = /critical medium error|error: \{[^}]*\bUNC\b/;
/** The way between: a cable, a plug. */
const garbled = /error: \{[^}]*\bICRC\b/;
/** Given up, not only tried again. A drive that cannot trim or write zeroes says so once, and nothing is lost. */
const lost = /(?:I\/O|critical (?:medium|target)) error, dev (\S+),(?!.*\((?:DISCARD|WRITE_ZEROES|SECURE_ERASE)\))/;
const ofPort = /\b(ata\d+)(?:\.\d+)?: (?:exception Emask|failed command|error: )/;
const ofController =
  /\bnvme (nvme\d+): (?:I\/O .*timeout|controller is down|.*reset controller|Removing after probe failure|Disabling device after reset failure)/;

function isOf({ name, port }: Drive): (line: Line) => boolean {
  return ({ text }) => {
    if (lost.exec(text)?.[1] === name) return true;
    const of = ofPort.exec(text)?.[1] ?? ofController.exec(text)?.[1];
    return of !== undefined && (of === port || name.startsWith(`${of}n`));
  };
}

/** Volumes of Longhorn come and go as iSCSI disks; a floppy, a stick and a card reader that are empty fail whatever is read of them. */
const isOurs = ({ name, bus, removable }: Drive) =>
  bus !== 'iscsi' && !removable && !/^(fd|sr|loop|zram|nbd|rbd)/.test(name);

/** A disk that somebody else's computer makes of a file. */
const isVirtual = ({ name, model }: Drive) => name.startsWith('vd') || /virtual|qemu|vbox/i.test(model);

function what(lines: readonly Line[]): Pick<Finding, 'certainty'> & { readonly says: string; readonly cure: string } {
  const says = (pattern: RegExp) => lines.some(({ text }) => pattern.test(text));
  if (says(unreadable))
    return {
      says: 'cannot read what it holds',
      certainty: 'certain',
      cure: 'save what is on it and replace it: a drive that has begun to lose sectors loses more',
    };
  if (says(garbled))
    return {
      says: 'gets garbled data over its cable',
      certainty: 'likely',
      cure: 'push its plugs in, then another SATA cable and another port; only then the drive',
    };
  return {
    says: says(lost) ? 'fails requests' : 'does not answer in time and is reset',
    certainty: 'likely',
    cure: 'push its plugs in, another cable, more power; for NVMe its firmware, or nvme_core.default_ps_max_latency_us=0 on the kernel’s command line; then replace it',
  };
}

/** By how much a cluster suffers when they are slow or gone. */
const folders = [etcdFolder, kubeletFolder, imageFolder];

export const driveErrors: Rule = {
  id: 'drive-errors',
  layer: 'machine',
  symptom: 'Everything on a machine is slow or hangs now and then, etcd above all; later a filesystem is read-only.',
  cause: 'A drive does not read or write what it is asked to, or its cable, power or controller is in the way.',
  cure: 'Save what is on it first. What the kernel says of it and smartctl tell whether it is the drive or the way to it.',
  sources: [
    'linux block/blk-core.c (blk_errors), drivers/ata/libata-eh.c (ata_eh_link_report), drivers/nvme/host/pci.c (nvme_timeout)',
    'kubernetes/node-problem-detector config/kernel-monitor.json',
  ],
  needs: ['machine.drives', 'machine.kernelLog', 'machine.filesystems', 'machine.clock'],
  explains: [
    'filesystem-read-only',
    'containerd-hangs',
    'kubelet-hangs',
    'etcd-down',
    'etcd-member-down',
    'etcd-slow',
  ].map(rule => ({ rule, by: 'machine' as const })),
  find: snapshot =>
    machinesWith(snapshot, 'drives').flatMap(({ machine, value }) => {
      const { kernelLog, filesystems = [] } = machine.facts;
      const lines = recent(kernelLog, /./, 86_400, timeOn(machine, snapshot));
      return value.filter(isOurs).flatMap((drive): readonly Finding[] => {
        const mine = lines.filter(isOf(drive));
        const last = mine.findLast(({ text }) => unreadable.test(text)) ?? mine.at(-1);
        if (!last) return [];
        const { says, certainty, cure } = what(mine);
        const mounts = folders.flatMap(folder => {
          const filesystem = holding(filesystems, folder);
          return filesystem && drive.devices.includes(filesystem.device) ? filesystem.mount : [];
        });
        const [mount] = mounts;
        const isGivenUp = mine.some(({ text }) => unreadable.test(text) || lost.test(text));
        const name = `/dev/${drive.name}`;
        return [
          {
            says: `the drive ${name} of ${machine.name}${drive.model && ` (${drive.model})`} ${says}${mount ? `, and ${mount} is on it` : ''}: the kernel says ${last.text}`,
            severity: isGivenUp && mount ? 'error' : 'warning',
            certainty,
            ...(certainty === 'certain' ? {} : { settledBy: on(machine, `sudo smartctl -x ${name}`) }),
            // One that the cluster does not live on slows nothing down there.
            about: [mount ? entityOf(machine) : `object:drive/${machine.name}/${drive.name}`],
            evidence: [
              seenOn(
                machine,
                last.text,
                `journalctl -k | grep -E '${[drive.name, drive.port].filter(Boolean).join('|')}'`,
              ),
            ],
            cure: isVirtual(drive)
              ? [
                  `look at the disks of the hypervisor that ${machine.name} is a guest of: this one is a file or a part of them`,
                ]
              : [on(machine, `sudo smartctl -x ${name}`), cure],
          },
        ];
      });
    }),
};

export const driveRules: readonly Rule[] = [driveErrors];
