// Every knob of power saving, once: how it is read and set, what it should be, and why. Live settings, udev rules and the script that runs
// at boot are all made from these rows.
import type { NicClass, RemedyName } from '../model/nic.ts';
import { asked, readControl, readOffloads } from './nic-reads.ts';

/**
 * `read` and `set` are bodies of sh functions; $nic is the adapter's name, $device where its device stands in sysfs. `read` prints a value,
 * 'n/a: why' where the adapter has no such knob, or 'unknown: why' where that could not be found out.
 */
export interface Knob {
  readonly id: string;
  /** Stands before 'is on'. */
  readonly title: string;
  /** Of which adapters; 'machine': one for all of them. */
  readonly of: readonly NicClass[] | 'machine';
  /** Only for these drivers; undefined: for all. */
  readonly drivers?: readonly string[];
  /** From which level on; a remedy is asked for by its name. */
  readonly from: 0 | 1 | 2 | { readonly remedy: RemedyName };
  readonly read: string;
  readonly set: string;
  readonly wanted: string;
  /** What a rehearsal begins with. */
  readonly blank: string;
  readonly why: string;
  readonly source: string;
  /** The link goes down for some seconds when it is set. */
  readonly renegotiates?: true;
  /** Keeps it when the device appears again, by a rule of udev. */
  readonly udev?: string;
  /** Setting it once lasts: nothing of it at boot. */
  readonly lasts?: true;
}

const pciRule = 'ACTION=="add|change", SUBSYSTEM=="pci", ATTR{class}=="0x02*"';

const aspmFiles = ['l0s_aspm', 'l1_aspm', 'l1_1_aspm', 'l1_2_aspm', 'l1_1_pcipm', 'l1_2_pcipm', 'clkpm'];
const policy = '/sys/module/pcie_aspm/parameters/policy';
const sleepTargets = 'sleep.target suspend.target hibernate.target hybrid-sleep.target suspend-then-hibernate.target';

export const knobs: readonly Knob[] = [
  {
    id: 'runtime-pm',
    title: 'runtime power management',
    of: ['wired', 'wifi'],
    from: 1,
    read: readControl('$device'),
    set: `echo on > "$device/power/control"\n`,
    wanted: 'on',
    blank: 'on',
    why: 'a device that sleeps misses its link',
    source: 'linux: Documentation/ABI/testing/sysfs-devices-power',
    udev: `${pciRule}, TEST=="power/control", ATTR{power/control}="on"`,
  },
  {
    id: 'bridge-pm',
    title: 'runtime power management of its bridge',
    of: ['wired', 'wifi'],
    from: 1,
    // Only a PCI bridge: what a device of the root bus hangs on is none.
    read: `bridge=\${device%/*}
case $(cat "$bridge/class" 2>/dev/null) in
  0x0604*) ;;
  *) echo 'n/a: no bridge above it'; return ;;
esac
${readControl('$bridge')}`,
    set: `echo on > "\${device%/*}/power/control"\n`,
    wanted: 'on',
    blank: 'auto',
    why: 'a bridge that sleeps takes the adapter below it along',
    source: 'linux: Documentation/power/pci.rst',
  },
  {
    id: 'usb-autosuspend',
    title: 'USB autosuspend',
    of: ['usb'],
    from: 1,
    read: readControl(`\${device%/*}`),
    set: `echo on > "\${device%/*}/power/control"\n`,
    wanted: 'on',
    blank: 'auto',
    why: 'an adapter that is suspended is late or lost when it is needed',
    source: 'linux: Documentation/driver-api/usb/power-management.rst',
    // The adapter's parent is the device that sleeps; the net device alone tells that it is an adapter.
    udev: `ACTION=="add", SUBSYSTEM=="net", SUBSYSTEMS=="usb", RUN+="/bin/sh -c 'echo on > /sys$devpath/device/../power/control'"`,
  },
  {
    id: 'eee',
    title: 'EEE',
    of: ['wired', 'usb'],
    from: 1,
    read: `${asked('ethtool', 'ethtool --show-eee "$nic"', 'the driver has no EEE')}
case $said in
  *'EEE status: not supported'*) echo 'n/a: the adapter has no EEE' ;;
  *'EEE status: enabled'*) echo on ;;
  *'EEE status: disabled'*) echo off ;;
  *) echo 'unknown: ethtool does not say' ;;
esac
`,
    set: `ethtool --set-eee "$nic" eee off\n`,
    wanted: 'off',
    blank: 'on',
    why: 'links with it drop or hang when there is little to do, with adapters of every vendor',
    source: 'ethtool(8); openwrt#17351, siderolabs/talos#10200',
    renegotiates: true,
  },
  {
    id: 'wifi-power-save',
    title: 'Wi-Fi power save',
    of: ['wifi'],
    from: 1,
    read: `${asked('iw', 'iw dev "$nic" get power_save', 'the driver has no power save', "*'not supported'* | *'nl80211 not found'*")}
case $said in
  *'Power save: on'*) echo on ;;
  *'Power save: off'*) echo off ;;
  *) echo 'unknown: iw does not say' ;;
esac
`,
    // NetworkManager goes by what it read before; a running one is told of its new file.
    set: `iw dev "$nic" set power_save off
! command -v nmcli >/dev/null || nmcli -w 5 general reload conf >/dev/null 2>&1 || true
`,
    wanted: 'off',
    blank: 'on',
    why: 'packets wait for the next beacon, and some access points forget the machine',
    source: 'iw(8); wireless.docs.kernel.org: power save',
  },
  {
    id: 'wake-on-lan',
    title: 'Wake-on-LAN',
    of: ['wired', 'usb'],
    from: 1,
    read: `${asked('ethtool', 'ethtool "$nic"', 'the driver has no Wake-on-LAN')}
now=$(printf '%s\\n' "$said" | sed -n 's/^[[:space:]]*Wake-on: //p')
case $(printf '%s\\n' "$said" | sed -n 's/^[[:space:]]*Supports Wake-on: //p') in
  *g*) case $now in *g*) echo g ;; *) echo "$now" ;; esac ;;
  '') echo 'n/a: the driver has no Wake-on-LAN' ;;
  *) echo 'n/a: the adapter does not wake by magic packet' ;;
esac
`,
    set: `ethtool -s "$nic" wol g\n`,
    wanted: 'g',
    blank: 'd',
    why: 'a machine that is off can be woken',
    source: 'ethtool(8)',
  },
  {
    id: 'aspm',
    title: 'ASPM of the PCIe link',
    of: ['wired', 'wifi'],
    from: 2,
    read: `some='' on=''
for file in ${aspmFiles.join(' ')}; do
  [ -e "$device/link/$file" ] || continue
  some=yes
  [ "$(cat "$device/link/$file")" = 0 ] || on="$on $file"
done
if [ -z "$some" ]; then echo 'n/a: the link has no ASPM, or the firmware keeps it'
elif [ -z "$on" ]; then echo off
else echo "\${on# }"; fi
`,
    set: `for file in ${aspmFiles.join(' ')}; do
  [ ! -e "$device/link/$file" ] || [ "$(cat "$device/link/$file")" = 0 ] || echo 0 > "$device/link/$file"
done
`,
    wanted: 'off',
    blank: 'l1_aspm',
    why: 'a link that wakes too late loses packets or hangs the adapter',
    source: 'linux: Documentation/ABI/testing/sysfs-bus-pci; openwrt#13248',
    udev: aspmFiles.map(file => `${pciRule}, TEST=="link/${file}", ATTR{link/${file}}="0"`).join('\n'),
  },
  {
    id: 'aspm-policy',
    title: "the kernel's ASPM policy",
    of: 'machine',
    from: 2,
    // Writing what stands there already changes nothing, and is refused where the firmware keeps control.
    read: `if [ ! -e ${policy} ]; then echo 'n/a: the kernel has no ASPM'; return; fi
now=$(sed 's/.*\\[\\(.*\\)\\].*/\\1/' ${policy})
if (echo "$now" > ${policy}) 2>/dev/null; then echo "$now"; else echo 'n/a: the firmware keeps control of ASPM'; fi
`,
    set: `echo performance > ${policy}\n`,
    wanted: 'performance',
    blank: 'default',
    why: 'what the firmware left on stays off, for bridges too',
    source: 'linux: Documentation/admin-guide/kernel-parameters.txt, pcie_aspm.policy',
  },
  {
    id: 'sleep',
    title: 'sleep of the whole machine',
    of: 'machine',
    from: 1,
    read: `state=$(systemctl is-enabled ${sleepTargets} 2>/dev/null || true)
if printf '%s\\n' "$state" | grep -qv '^masked'; then echo allowed; else echo masked; fi
`,
    set: `systemctl mask --quiet ${sleepTargets}\n`,
    wanted: 'masked',
    blank: 'allowed',
    why: 'a lid, a desktop or a timer would suspend the node',
    source: 'systemd-sleep.conf(5)',
    lasts: true,
  },
  {
    id: 'segmentation-off',
    title: 'TCP segmentation by the adapter',
    of: ['wired'],
    drivers: ['e1000e'],
    from: { remedy: 'segmentation-off' },
    read: readOffloads(['tcp-segmentation-offload', 'generic-segmentation-offload']),
    set: `ethtool -K "$nic" tso off gso off\n`,
    wanted: 'off',
    blank: 'on',
    why: 'with it e1000e stops with "Detected Hardware Unit Hang"',
    source: 'siutsin/otaru#2637',
  },
  {
    id: 'tunnel-offload-off',
    title: 'segmentation of tunnels by the adapter',
    of: ['paravirtual'],
    drivers: ['vmxnet3', 'virtio_net', 'hv_netvsc'],
    from: { remedy: 'tunnel-offload-off' },
    read: readOffloads(['tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation']),
    set: `ethtool -K "$nic" tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off\n`,
    wanted: 'off',
    blank: 'on',
    why: "packets of a pod network's VXLAN arrive with a wrong checksum",
    source: 'cilium/cilium#21801, projectcalico/calico#4727',
  },
  {
    id: 'checksum-off',
    title: 'checksums by the adapter',
    of: ['wired'],
    drivers: ['r8169'],
    from: { remedy: 'checksum-off' },
    read: readOffloads(['tx-checksumming']),
    set: `ethtool -K "$nic" tx off\n`,
    wanted: 'off',
    blank: 'on',
    why: 'r8169 with VLANs stops',
    source: 'home-assistant/operating-system#5019',
  },
];
