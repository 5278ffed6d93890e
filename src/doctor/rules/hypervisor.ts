// What to do on the computer below a guest: what sleeps there cannot be set inside.
import type { MachineLook, Snapshot } from '../snapshot.ts';

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

/** Of the hypervisor's product; a silent guest is taken for what its neighbours are. Reads the fact `identity`. */
export function hypervisorCure(snapshot: Snapshot, machine: MachineLook): readonly string[] {
  const known = machine.facts.identity ?? snapshot.machines.find(({ facts }) => facts.identity)?.facts.identity;
  if (!known || known.container || known.virtualization === 'none') return [];
  const name = `${known.vendor} ${known.product} ${known.virtualization}`;
  const found = products.find(([pattern]) => pattern.test(name));
  return [
    found?.[1] ?? `on the hypervisor (${known.virtualization}): no power saving on its adapter, no sleep of the host`,
  ];
}
