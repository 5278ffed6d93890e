// What only a machine with a kernel of its own can suffer: its clock, its swap, its network cards. One QEMU machine, no cluster on it.

import type { Lab } from '../lab/machines.ts';
import { setCardOf } from '../lab/machines.ts';
import type { Card } from '../lab/qemu-hardware.ts';
import { inside, untilInside } from '../lab/test-lab.ts';
import type { DoctorCase } from './doctor-cases.ts';

const host = 'k8s-cp';
const about = `machine:${host}`;
const sh = (script: string) => (lab: Lab) => inside(lab, host, script);
const holds = (script: string) => async (lab: Lab) => (await lab.exec(host, ['sh', '-c', script])).code === 0;
const plug = (card: Card, state: 'up' | 'down') => (lab: Lab) => setCardOf(lab, host, card, state);
const always = async () => true;

/** A card with an address is one that is used. */
const addressed = (card: string) => `ip address replace 10.88.0.1/24 dev ${card}`;
const pcie = 'enp1s0';
/** The one of the emulated cards whose driver notices when its cable goes: e1000e gets no interrupt for it, usb-net knows no link. */
const vmware = 'enp2s0';
const usb = '"$(basename "$(ls -d /sys/class/net/enx*)")"';
const usbPower = '"$(ls -d /sys/class/net/enx*/device/../power/control)"';

/** Enough of a node for its kubelet to be a kubelet: no API server, real refusals. */
const kubelet = `cd /srv/homelab-lab/apt/pool
for name in kubelet containerd runc; do dpkg-deb -x "$(ls "$name"_*.deb)" /; done
mkdir -p /var/lib/kubelet /etc/systemd/system/kubelet.service.d
printf 'apiVersion: kubelet.config.k8s.io/v1beta1\\nkind: KubeletConfiguration\\ncontainerRuntimeEndpoint: unix:///run/containerd/containerd.sock\\ncgroupDriver: systemd\\nauthentication: {webhook: {enabled: false}}\\nauthorization: {mode: AlwaysAllow}\\n' >/var/lib/kubelet/config.yaml
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml\\n' >/etc/systemd/system/kubelet.service.d/10-drill.conf
systemctl daemon-reload
systemctl enable --now --quiet containerd kubelet`;
const noKubelet = `systemctl disable --now --quiet kubelet containerd
rm -rf /etc/systemd/system/kubelet.service.d /var/lib/kubelet/config.yaml /usr/bin/kubelet /usr/lib/systemd/system/kubelet.service /lib/systemd/system/kubelet.service
systemctl daemon-reload`;

export const metalCases: readonly DoctorCase[] = [
  { name: 'fresh machine', inject: always, impact: always, repair: always },
  {
    name: 'clock ten minutes ahead',
    inject: sh('systemctl stop systemd-timesyncd; date -s "+10 minutes"'),
    impact: always,
    repair: lab => inside(lab, host, `date -s @${Math.round(Date.now() / 1000)}; systemctl start systemd-timesyncd`),
    expected: { rules: ['clock-off'], about },
  },
  {
    // A stand-in: nothing hangs, the kernel's log says so in the driver's words.
    name: 'network card hangs (its lines written to /dev/kmsg)',
    inject: sh(`for time in 1 2 3 4 5; do
  printf '<3>e1000e 0000:01:00.0 ${pcie}: Detected Hardware Unit Hang:\\n' >/dev/kmsg
  sleep 1
done`),
    impact: holds("journalctl -k -g 'Hardware Unit Hang' -q | grep -q ."),
    repair: sh('journalctl --rotate -q; journalctl --vacuum-time=1s -q'),
    expected: { rules: ['nic-intel-hang'], about },
  },
  {
    name: 'link of a vmxnet3 flaps',
    // Each change is waited for: an emulated machine takes its time.
    async inject(lab) {
      await inside(lab, host, `ip link set ${vmware} up`);
      for (let time = 0; time < 6; time += 1) {
        for (const state of ['down', 'up'] as const) {
          await setCardOf(lab, host, 'vmware', state);
          const carrier = state === 'up' ? 1 : 0;
          await untilInside(
            lab,
            host,
            `[ "$(cat /sys/class/net/${vmware}/carrier)" = ${carrier} ]`,
            `carrier ${carrier}`,
          );
        }
      }
    },
    impact: holds(`[ "$(cat /sys/class/net/${vmware}/carrier_changes)" -ge 8 ]`),
    repair: always,
    expected: { rules: ['nic-flapping'], about },
  },
  {
    name: 'second network without a link',
    inject: async lab => {
      await inside(lab, host, addressed(vmware));
      await setCardOf(lab, host, 'vmware', 'down');
    },
    impact: holds(`[ "$(cat /sys/class/net/${vmware}/carrier)" = 0 ]`),
    repair: async lab => {
      await setCardOf(lab, host, 'vmware', 'up');
      await inside(lab, host, `ip address flush dev ${vmware}`);
    },
    expected: { rules: ['second-nic-down'], about },
    in: 'worthDoing',
  },
  {
    name: 'USB adapter falls asleep',
    inject: sh(`${addressed(usb)}; echo auto >${usbPower}`),
    impact: holds(`grep -q auto ${usbPower}`),
    repair: sh(`echo on >${usbPower}; ip address flush dev ${usb}`),
    expected: { rules: ['nic-power-saving'], about },
    in: 'worthDoing',
  },
  {
    // The kernel's own radio without hardware, which has the setting.
    name: 'Wi-Fi saves power',
    inject: sh(`modprobe mac80211_hwsim radios=1; ${addressed('wlan0')}; iw dev wlan0 set power_save on`),
    impact: holds('iw dev wlan0 get power_save | grep -q on'),
    repair: 'fix',
    expected: { rules: ['nic-power-saving'], about },
    in: 'worthDoing',
  },
  {
    name: 'cable out',
    inject: plug('uplink', 'down'),
    impact: async lab => !(await lab.isReachable(host)),
    repair: plug('uplink', 'up'),
    expected: { rules: ['machine-silent'], about },
  },
  {
    name: 'paused by its hypervisor',
    inject: lab => lab.freeze(host),
    impact: async lab => !(await lab.isReachable(host)),
    repair: lab => lab.thaw(host),
    expected: { rules: ['machine-silent', 'machine-hangs'], about },
  },
  {
    name: 'swap on beside a kubelet',
    inject: sh(`${kubelet}
dd if=/dev/zero of=/swap bs=1M count=64 status=none; chmod 600 /swap; mkswap -q /swap; swapon /swap
systemctl restart kubelet`),
    impact: holds("journalctl -u kubelet -b -g 'swap' -q | grep -q ."),
    repair: async lab => {
      await inside(lab, host, 'swapoff -a; rm /swap');
      await inside(lab, host, noKubelet);
    },
    expected: { rules: ['swap-on'], about },
  },
];
