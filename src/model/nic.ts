// What a network adapter is to power saving, and how far homelab may go with it.

/**
 * 'virtual': nothing physical below it (bridges, tunnels, a container's links). 'paravirtual': a hypervisor's, which has no power to save.
 * An adapter that a hypervisor emulates whole (e1000e) is what it plays.
 */
export type NicClass = 'virtual' | 'wired' | 'usb' | 'wifi' | 'paravirtual';

/** Offloads that hang or corrupt with some drivers: switched off by name only, they cost processor time. */
export const remedyNames = ['segmentation-off', 'tunnel-offload-off', 'checksum-off'] as const;
export type RemedyName = (typeof remedyNames)[number];

/** 0 looks only; 1 is what costs nothing on a machine that is always on; 2 also keeps the PCIe link awake. */
export type NicLevel = 0 | 1 | 2;

export interface NicPower {
  readonly level: NicLevel;
  readonly remedies: readonly RemedyName[];
}

/** Services that save power behind our back. */
export const powerDaemons = ['tlp', 'powertop', 'tuned', 'NetworkManager'] as const;
export type PowerDaemon = (typeof powerDaemons)[number];

const paravirtual = /^(virtio_net|vmxnet3|hv_netvsc|xen-netfront|vif|ena|gve|mana)$/;

/** Of what sysfs says; `device` is where the adapter's device stands there, empty without one. */
export function nicClassOf(nic: {
  readonly device: string;
  readonly driver: string;
  readonly isWifi: boolean;
}): NicClass {
  if (nic.device === '') return 'virtual';
  if (paravirtual.test(nic.driver)) return 'paravirtual';
  if (nic.isWifi) return 'wifi';
  return nic.device.includes('/usb') ? 'usb' : 'wired';
}
