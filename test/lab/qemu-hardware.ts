// What a QEMU machine is made of: four network cards with four drivers, on the buses that they have in real machines.
import { createHash } from 'node:crypto';
import { access, constants, readFile } from 'node:fs/promises';
import type { BootFiles } from './qemu-base.ts';

/** By the id that QEMU knows each by; only `uplink` leads anywhere, the others are cards with a cable that ends in a dead switch. */
export const cards = {
  uplink: 'virtio-net-pci,addr=05.0',
  pcie: 'e1000e,bus=port1',
  vmware: 'vmxnet3,bus=port2',
  usb: 'usb-net,bus=xhci.0',
} as const;

export type Card = keyof typeof cards;

/** Machines of one host share nothing: the lab's number, the machine's, and the card's are in it. */
export function macOf(index: number, host: number, card: Card): string {
  const parts = [index, host, Object.keys(cards).indexOf(card)];
  return `52:54:00:${parts.map(part => part.toString(16).padStart(2, '0')).join(':')}`;
}

export interface Hardware {
  /** The host's end of the uplink's cable. */
  readonly tap: string;
  readonly index: number;
  readonly host: number;
  readonly name: string;
  readonly disk: string;
  readonly boot: BootFiles;
  /** Folder that the machine mounts at /srv/homelab-lab. */
  readonly bundle: string | null;
  readonly console: string;
  readonly monitor: string;
  readonly agent: string;
  readonly kvm: boolean;
}

/** /dev/kvm alone says little: a virtual machine may have it and no virtualization below it, and a guest then never gets to its first line. */
export async function hasKvm(): Promise<boolean> {
  const usable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  return usable && /^flags\s.*\b(vmx|svm)\b/m.test(await readFile('/proc/cpuinfo', 'utf8'));
}

export function qemuArgv(machine: Hardware): readonly [string, ...string[]] {
  const { boot, disk, tap, index, host } = machine;
  const others = (Object.keys(cards) as Card[]).filter(card => card !== 'uplink');
  const card = (id: Card): readonly string[] => [
    '-device',
    `${cards[id]},netdev=${id}-cable,id=${id},mac=${macOf(index, host, id)}`,
  ];
  return [
    'qemu-system-x86_64',
    ...['-name', `${machine.name},process=${tap}`, '-uuid', uuidOf(tap)],
    // Emulated, a processor with fewer features is a faster one.
    ...(machine.kvm ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'Nehalem']),
    ...['-machine', 'q35', '-smp', '2', '-m', '2048', '-nodefaults', '-display', 'none', '-rtc', 'base=utc'],
    ...['-kernel', boot.kernel, '-initrd', boot.initrd],
    ...['-append', `root=LABEL=root ro console=ttyS0 quiet${machine.kvm ? '' : ' mitigations=off'}`],
    // Before all that takes the first slot that is free.
    ...['-device', 'pcie-root-port,id=port1,chassis=1,addr=02.0'],
    ...['-device', 'pcie-root-port,id=port2,chassis=2,addr=03.0'],
    ...['-device', 'qemu-xhci,id=xhci,addr=04.0'],
    ...['-netdev', `tap,id=uplink-cable,ifname=${tap},script=no,downscript=no`],
    ...others.flatMap(id => ['-netdev', `user,id=${id}-cable,restrict=on,ipv6=off`]),
    ...(Object.keys(cards) as Card[]).flatMap(card),
    // What is written is safe when QEMU is killed; only a power cut of this machine would lose it.
    ...['-drive', `file=${disk},format=raw,if=none,id=disk,cache=unsafe`, '-device', 'virtio-blk-pci,drive=disk'],
    ...['-device', 'virtio-rng-pci'],
    ...(machine.bundle === null
      ? []
      : ['-virtfs', `local,path=${machine.bundle},mount_tag=bundle,security_model=none,readonly=on`]),
    ...['-chardev', `file,id=console,path=${machine.console},append=on`, '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=agent,path=${machine.agent},server=on,wait=off`],
    ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ...['-qmp', `unix:${machine.monitor},server=on,wait=off`],
  ];
}

function uuidOf(name: string): string {
  const hash = createHash('sha256').update(name).digest('hex');
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `4${hash.slice(13, 16)}`,
    `8${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ].join('-');
}
