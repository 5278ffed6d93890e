// What to do on the computer below a guest: what sleeps there cannot be set inside.

const products: readonly (readonly [RegExp, string])[] = [
  [
    /vmware/i,
    'VMware: host power management to High performance (ESXi: Host, Manage, Hardware, Power), no power saving on the physical adapter; Workstation or Fusion: no sleep of the host, bridged network',
  ],
  [/virtualbox|innotek/i, 'VirtualBox: no sleep of the host, no power saving on its adapter, bridged network'],
  [
    /microsoft|hyper-v/i,
    'Hyper-V: on the host, in the properties of the physical adapter, do not let the computer switch it off; Integration Services on',
  ],
  [
    /proxmox|qemu|kvm|bochs/i,
    'KVM or Proxmox: on the host, ethtool --set-eee on the bridge’s physical port off, and no suspend',
  ],
  [/xen/i, 'Xen: no power saving on the physical adapter of the host'],
];

export interface Firmware {
  /** Of the DMI: 'QEMU', 'VMware, Inc.'; empty where it says nothing. */
  readonly vendor: string;
  readonly product: string;
}

/** `virtualization`: systemd-detect-virt's word, 'none' on metal. Undefined where there is no hypervisor below. */
export function hypervisorCureOf({ vendor, product }: Firmware, virtualization: string): string | undefined {
  if (virtualization === 'none') return undefined;
  const name = `${vendor} ${product} ${virtualization}`;
  const found = products.find(([pattern]) => pattern.test(name));
  return found?.[1] ?? `on the hypervisor (${virtualization}): no power saving on its adapter, no sleep of the host`;
}
