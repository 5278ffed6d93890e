// Constructed, from lines that kernels print (linux block/blk-core.c, drivers/ata/libata-eh.c, drivers/nvme/host/pci.c): drives that give up.
import { describe, expect, it } from 'vitest';
import type { Drive } from '../../src/doctor/machine-facts.ts';
import { readOnly } from '../../src/doctor/rules/disks.ts';
import { driveErrors, driveRules } from '../../src/doctor/rules/drives.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { type Case, testRules } from './cases.ts';
import { ago, with1, without } from './constructed.ts';
import { causesIn } from './rig.ts';

const drive: Drive = {
  name: 'sda',
  model: 'WDC WD40EFRX-68N',
  bus: 'sata',
  port: 'ata3',
  removable: false,
  devices: ['/dev/sda', '/dev/sda1', '/dev/mapper/vg-root'],
};
const root = '/dev/mapper/vg-root';
const medium = 'critical medium error, dev sda, sector 41943040 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2';

/** w1 with this drive below `/`, and these lines of its kernel ten minutes ago. */
function said(text: string | readonly string[], change: Partial<Drive> = {}, device = root, seconds = 600): Snapshot {
  return with1('w1', ({ filesystems }) => ({
    drives: [{ ...drive, ...change }],
    filesystems: filesystems.map(each => (each.mount === '/' ? { ...each, device } : each)),
    kernelLog: [text].flat().map(line => ({ at: ago(seconds), text: line })),
  }));
}

const cases: readonly Case[] = [
  {
    rule: driveErrors,
    when: 'a sector cannot be read',
    in: said(medium),
    says: /^the drive \/dev\/sda of w1 \(WDC WD40EFRX-68N\) cannot read what it holds, and \/ is on it: the kernel says critical medium error/,
    severity: 'error',
    about: 'machine:w1',
    advises: /^ssh w1 sudo smartctl -x \/dev\/sda\nsave what is on it/,
    near: {
      'it is another machine’s drive': said(medium.replace('sda', 'sdb')),
      'it is a volume of Longhorn’s that was detached': said(medium, { bus: 'iscsi' }),
      'it is a stick': said(medium, { bus: 'usb', removable: true }),
      'it was two days ago': said(medium, {}, root, 2 * 86_400),
      'it only cannot trim': said(
        'critical target error, dev sda, sector 2048 op 0x3:(DISCARD) flags 0x800 phys_seg 1',
      ),
      'its drives are not known': without('w1', 'drives', said(medium)),
    },
  },
  {
    rule: driveErrors,
    when: 'a sector cannot be read, and it is reset for it',
    in: said([medium, 'ata3.00: failed command: READ FPDMA QUEUED']),
    says: /cannot read what it holds, and \/ is on it: the kernel says critical medium error/,
    severity: 'error',
    near: {},
  },
  {
    rule: driveErrors,
    when: 'a write is given up',
    in: said('I/O error, dev sda, sector 9 op 0x1:(WRITE)'),
    says: /fails requests, and \/ is on it/,
    severity: 'error',
    certainty: 'likely',
    near: {},
  },
  {
    rule: driveErrors,
    when: 'an empty floppy drive is read, and a disk fails whose name begins the same way',
    in: said(
      [
        'blk_update_request: I/O error, dev fd0, sector 0 op 0x0:(READ)',
        'I/O error, dev sdaa, sector 9 op 0x1:(WRITE)',
      ],
      { name: 'sdaa', port: 'ata30', devices: ['/dev/sdaa'] },
    ),
    says: /^the drive \/dev\/sdaa of w1 .* fails requests: the kernel says I\/O error, dev sdaa/,
    severity: 'warning',
    certainty: 'likely',
    about: 'object:drive/w1/sdaa',
    near: {
      'only the floppy drive is': said('blk_update_request: I/O error, dev fd0, sector 0 op 0x0:(READ)', {
        name: 'fd0',
      }),
      'it is another port': said('ata30.00: failed command: READ FPDMA QUEUED'),
      'it is another controller': said('nvme nvme10: I/O 12 QID 3 timeout, aborting', { name: 'nvme1n1', port: '' }),
    },
  },
  {
    rule: driveErrors,
    when: 'it is reset again and again',
    in: said([
      'ata3.00: exception Emask 0x0 SAct 0xf SErr 0x0 action 0x6 frozen',
      'ata3.00: failed command: READ FPDMA QUEUED',
    ]),
    says: /does not answer in time and is reset, and \/ is on it/,
    severity: 'warning',
    certainty: 'likely',
    near: { 'its link comes up': said('ata3: SATA link up 6.0 Gbps (SStatus 133 SControl 300)') },
  },
  {
    rule: driveErrors,
    when: 'its cable is bad',
    in: said(['ata3.00: failed command: WRITE FPDMA QUEUED', 'ata3.00: error: { ICRC ABRT }']),
    says: /gets garbled data over its cable/,
    severity: 'warning',
    certainty: 'likely',
    near: {},
  },
  {
    rule: driveErrors,
    when: 'an NVMe controller is gone',
    in: said('nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0x10', {
      name: 'nvme0n1',
      bus: 'nvme',
      port: '',
    }),
    says: /^the drive \/dev\/nvme0n1 of w1 .* does not answer in time and is reset/,
    severity: 'warning',
    certainty: 'likely',
    near: { 'it is counted': said('nvme nvme0: 8/0/0 default/read/poll queues', { name: 'nvme0n1', port: '' }) },
  },
];

testRules(driveRules, cases);

describe('a drive that fails', () => {
  const both = with1(
    'w1',
    ({ filesystems }) => ({
      filesystems: filesystems.map(each => (each.mount === '/' ? { ...each, readOnly: true } : each)),
    }),
    said(medium),
  );

  it('is why its filesystem is read-only', () => {
    expect(causesIn(both, [...driveRules, readOnly])).toEqual(['drive-errors']);
  });

  it('of a guest is looked for on its hypervisor', () => {
    const [finding] = driveErrors.find(
      said(medium.replace('sda', 'vda'), { name: 'vda', model: '', bus: 'virtio', port: '' }),
    );
    expect(finding?.cure).toEqual([expect.stringContaining('hypervisor')]);
    expect(driveErrors.find(said(medium, { model: 'QEMU HARDDISK' }))[0]?.cure).toEqual(finding?.cure);
  });

  it('is looked for by its name, and by its port where it has one', () => {
    const again = (change: Partial<Drive>) => driveErrors.find(said(medium, change))[0]?.evidence[0]?.again;
    expect(again({})).toContain('sda|ata3');
    expect(again({ port: '' })).not.toContain('|ata');
    expect(again({ port: '' })).not.toContain('sda|');
  });
});
