// A machine's adapters as files: sysfs as the recording of four of them has it, and stand-ins for the tools that would reach real ones.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type RigOptions, scratch, standIns } from './rig.ts';

const pci = '/sys/devices/pci0000:00';

/** Where each adapter's device stands, and what is in sysfs there. */
const devices = {
  enp0s5: {
    path: `${pci}/0000:00:05.0/virtio0`,
    driver: 'virtio_net',
    files: { 'power/control': 'auto', 'power/runtime_status': 'unsupported' },
  },
  enp1s0: {
    path: `${pci}/0000:00:02.0/0000:01:00.0`,
    driver: 'e1000e',
    files: { 'power/control': 'on', 'power/runtime_status': 'active', 'link/l0s_aspm': '0', class: '0x020000' },
  },
  enp2s0: {
    path: `${pci}/0000:00:03.0/0000:02:00.0`,
    driver: 'vmxnet3',
    files: { 'power/control': 'on', 'power/runtime_status': 'active', 'link/l0s_aspm': '0', class: '0x020000' },
  },
  enx525400000001: {
    path: `${pci}/0000:00:04.0/usb1/1-1/1-1:1.0`,
    driver: 'cdc_ether',
    files: {},
  },
  wlan0: {
    path: `${pci}/0000:03:00.0`,
    driver: 'iwlwifi',
    files: { 'power/control': 'auto', 'power/runtime_status': 'active', 'link/l1_aspm': '1', class: '0x028000' },
  },
} as const;
export type NicName = keyof typeof devices;

/** Wake-on lines as ethtool prints them; none for drivers without it. */
const wakeOn: Readonly<Partial<Record<NicName, readonly [supports: string, now: string]>>> = {
  enp1s0: ['pumbg', 'd'],
  enp2s0: ['uag', 'd'],
};

export interface FakeOptions {
  /** A simulated adapter that has EEE, and has it on. None of the four recorded ones has. */
  readonly eeeOn?: readonly NicName[];
  /** Its set fails, with what ethtool says of the recorded ones. */
  readonly eeeStuck?: boolean;
  readonly without?: readonly ('ethtool' | 'iw')[];
  /** The firmware keeps ASPM: writing its policy fails. */
  readonly firmwareKeepsAspm?: boolean;
}

export interface FakeMachine {
  readonly options: RigOptions;
  /** The content of a file of sysfs, or a tool's setting. */
  get(path: string): string;
  put(path: string, value: string): void;
  /** Every command that would have changed an adapter. */
  changes(): readonly string[];
}

export function fakeMachine({
  eeeOn = [],
  eeeStuck = false,
  without = [],
  firmwareKeepsAspm = false,
}: FakeOptions = {}): FakeMachine {
  const folder = scratch();
  const at = (path: string) => join(folder, path);
  const put = (path: string, value: string) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), `${value}\n`);
  };
  for (const [name, { path, driver, files }] of Object.entries(devices)) {
    mkdirSync(at(path), { recursive: true });
    for (const [file, value] of Object.entries(files)) put(`${path}/${file}`, value);
    mkdirSync(at(`/sys/class/net/${name}`), { recursive: true });
    symlinkSync(at(path), at(`/sys/class/net/${name}/device`));
    mkdirSync(at(`/sys/bus/drivers/${driver}`), { recursive: true });
    symlinkSync(at(`/sys/bus/drivers/${driver}`), at(`${path}/driver`));
    put(`/sys/class/net/${name}/carrier`, '1');
    put(`/sys/class/net/${name}/carrier_changes`, '2');
    put(`/set/eee-${name}`, eeeOn.includes(name as NicName) ? 'enabled - active' : 'none');
    const [supports = '', now = ''] = wakeOn[name as NicName] ?? [];
    put(`/set/supports-${name}`, supports);
    put(`/set/wol-${name}`, now);
  }
  mkdirSync(at('/sys/class/net/wlan0/phy80211'));
  // A bridge of pods, as an example of what has no device.
  mkdirSync(at('/sys/class/net/cni0'), { recursive: true });
  for (const bridge of ['0000:00:02.0', '0000:00:03.0']) {
    put(`${pci}/${bridge}/class`, '0x060400');
    put(`${pci}/${bridge}/power/control`, 'auto');
  }
  put(`${pci}/0000:00:04.0/usb1/1-1/power/control`, 'auto');
  put('/sys/module/pcie_aspm/parameters/policy', '[default] performance powersave powersupersave');
  put('/sys/class/dmi/id/sys_vendor', 'QEMU');
  put('/sys/class/dmi/id/product_name', 'Standard PC (Q35 + ICH9, 2009)');
  put('/set/wifi', 'on');
  put('/set/tso', 'on');
  for (const target of ['sleep', 'suspend', 'hibernate', 'hybrid-sleep', 'suspend-then-hibernate'])
    put(`/set/${target}.target`, 'static');
  put('/set/log', '');
  const set = at('/set');
  const tools = {
    // A stand-in: it answers as the recorded ethtool 6.1 does, rc and words. EEE that is on is simulated.
    ethtool: `log() { echo "ethtool $*" >> '${set}/log'; }
case $1 in
  --show-eee)
    now=$(cat "${set}/eee-$2")
    [ "$now" != none ] || { echo 'netlink error: Operation not supported' >&2; exit 1; }
    printf 'EEE settings for %s:\\n\\tEEE status: %s\\n\\tTx LPI: 17 (us)\\n' "$2" "$now" ;;
  --set-eee)
    log "$@"
    [ "$(cat "${set}/eee-$2")" != none ] && ${eeeStuck ? 'false' : 'true'} || { echo 'netlink error: Operation not supported' >&2; exit 76; }
    echo disabled > "${set}/eee-$2" ;;
  -s)
    log "$@"
    [ -s "${set}/supports-$2" ] || { echo 'netlink error: Operation not supported' >&2; exit 75; }
    echo "$4" > "${set}/wol-$2" ;;
  -k)
    printf 'Features for %s:\\nrx-checksumming: on\\ntx-checksumming: on\\n' "$2"
    echo "tcp-segmentation-offload: $(cat '${set}/tso')"
    echo "generic-segmentation-offload: $(cat '${set}/tso')"
    printf 'tx-udp_tnl-segmentation: off [fixed]\\ntx-udp_tnl-csum-segmentation: off [fixed]\\n' ;;
  -K) log "$@"; echo off > '${set}/tso' ;;
  *)
    printf 'Settings for %s:\\n\\tSpeed: 1000Mb/s\\n' "$1"
    supports=$(cat "${set}/supports-$1")
    [ -z "$supports" ] || printf '\\tSupports Wake-on: %s\\n\\tWake-on: %s\\n' "$supports" "$(cat "${set}/wol-$1")"
    printf '\\tLink detected: yes\\n' ;;
esac`,
    // A stand-in: simulated Wi-Fi.
    iw: `case $3 in
  get) echo "Power save: $(cat '${set}/wifi')" ;;
  set) echo "iw $*" >> '${set}/log'; echo "$5" > '${set}/wifi' ;;
esac`,
    systemctl: `case $1 in
  is-enabled) shift; for unit in "$@"; do cat "${set}/$unit"; done; exit 1 ;;
  mask) shift 2; for unit in "$@"; do echo masked > "${set}/$unit"; done ;;
  list-unit-files) printf 'tlp.service enabled enabled\\npowertop.service masked enabled\\n' ;;
esac`,
    udevadm: `case $1 in
  --version) echo '252 (252.38-1~deb12u1)' ;;
  info) printf 'ID_NET_DRIVER=x\\nID_NET_LINK_FILE=/usr/lib/systemd/network/99-default.link\\n' ;;
esac`,
    timeout: 'shift; exec "$@"',
    sleep: ':',
  };
  const present = Object.fromEntries(Object.entries(tools).filter(([name]) => !without.some(each => each === name)));
  // What is missing must not be found on the machine that tests.
  const hidden = Object.fromEntries(without.map(name => [`command -v ${name}`, `command -v no-${name}`]));
  const policy = '/sys/module/pcie_aspm/parameters/policy';
  return {
    options: {
      bin: standIns(folder, present),
      moved: {
        '/sys/class': at('/sys/class'),
        // The kernel brackets what is written, or refuses: files cannot.
        ...(firmwareKeepsAspm ? { [`> ${policy}`]: '> /sys/nothing/there' } : {}),
        [policy]: at(policy),
        ...hidden,
      },
    },
    get: path => readFileSync(at(path), 'utf8').trim(),
    put,
    changes: () => readFileSync(at('/set/log'), 'utf8').split('\n').filter(Boolean),
  };
}

export const devicesOf = devices;
