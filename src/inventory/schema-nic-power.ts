// The `nicPower` section, of the cluster and of one machine: how far adapters are kept from saving power.
import * as z from 'zod';
import { remedyNames } from '../model/nic.ts';

const level = z.literal([0, 1, 2]).meta({
  description:
    '0: look only; 1: EEE, runtime power management, USB autosuspend, Wi-Fi power save and system sleep off, Wake-on-LAN on; 2: PCIe ASPM off too',
});

const remedies = z.array(z.enum(remedyNames)).meta({
  description:
    'Offloads that are switched off where a driver has the trouble: segmentation-off (e1000e), tunnel-offload-off (vmxnet3, virtio_net, hv_netvsc), checksum-off (r8169)',
});

export const nicPower = z
  .strictObject({ level: level.default(1), remedies: remedies.default([]) })
  .meta({ description: 'Power saving of network adapters' });

export const nicPowerOfHost = z
  .strictObject({ level: level.optional(), remedies: remedies.optional() })
  .meta({ description: 'Power saving of its network adapters, where it differs' });
