// A machine that is no container: swap, modules, kernel-wide sysctls and time sync; then adapters of four drivers, every knob set or n/a, over boots,
// and found when it is switched back.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBundle } from '../lab/bundle.ts';
import { type Lab, labDown, labSupported, labUp } from '../lab/machines.ts';
import type { Log } from '../lab/run.ts';
import { eventsOf, finished, type HomelabRun, plannedSteps, stepsWith, story } from '../lab/run-homelab.ts';
import { changedInventory, homelab, inside } from '../lab/test-lab.ts';

const withoutQemu = await labSupported(true);
const cp = 'k8s-cp';
const name = 'drill-own-kernel';
const log: Log = line => console.error(line);

// What each knob is switched back to by hand; and rules of somebody else's that do it again at every boot.
const switchBack = `pcie=$(readlink -f /sys/class/net/enp1s0/device)
usb=$(readlink -f "/sys/class/net/$(ls /sys/class/net | grep '^enx')/device")
echo auto > "$pcie/power/control"
echo auto > "\${pcie%/*}/power/control"
echo auto > "\${usb%/*}/power/control"
ethtool -s enp1s0 wol d
ethtool -K enp1s0 tso on gso on >/dev/null
iw dev wlan0 set power_save on
systemctl unmask --quiet suspend.target
echo default > /sys/module/pcie_aspm/parameters/policy
cat > /etc/udev/rules.d/50-somebody.rules <<'RULES'
ACTION=="add", SUBSYSTEM=="pci", ATTR{class}=="0x02*", ATTR{power/control}="auto"
ACTION=="add", SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{power/control}="auto"
ACTION=="add", SUBSYSTEM=="net", KERNEL=="enp1s0", RUN+="/usr/sbin/ethtool -s enp1s0 wol d"
ACTION=="add", SUBSYSTEM=="net", KERNEL=="wlan0", RUN+="/usr/sbin/iw dev wlan0 set power_save on"
RULES
`;

const swapInThreeWays = `dd if=/dev/zero of=/swap bs=1M count=64 status=none
chmod 600 /swap
mkswap -q /swap
echo '/swap none swap sw 0 0' >> /etc/fstab
modprobe zram num_devices=1
printf '[Unit]\\nBefore=swap.target\\n[Swap]\\nWhat=/dev/zram0\\n[Install]\\nWantedBy=swap.target\\n' > /etc/systemd/system/dev-zram0.swap
systemctl daemon-reload
systemctl enable --quiet dev-zram0.swap
swapon -a
`;

// The kernel's own radio without hardware, which has the setting.
const wifi = `echo 'options mac80211_hwsim radios=1' > /etc/modprobe.d/wifi.conf
echo mac80211_hwsim > /etc/modules-load.d/wifi.conf
modprobe mac80211_hwsim
`;

// Simulated: no emulated adapter has EEE. Switching it off takes the machine's own uplink away for a while.
const eeeStandIn = `cat > /usr/local/sbin/ethtool <<'TOOL'
#!/bin/sh
case "$1 $2" in
  '--show-eee enp1s0') if [ -e /run/eee-off ]; then now=disabled; else now='enabled - active'; fi; printf 'EEE settings for %s:\\n\\tEEE status: %s\\n' "$2" "$now" ;;
  '--set-eee enp1s0') touch /run/eee-off; for nic in enp0s5 enp1s0; do ip link set "$nic" down; done; sleep 20; for nic in enp0s5 enp1s0; do ip link set "$nic" up; done ;;
  *) exec /usr/sbin/ethtool "$@" ;;
esac
TOOL
chmod 755 /usr/local/sbin/ethtool
`;

describe.skipIf(withoutQemu !== undefined)(withoutQemu ?? 'a machine with a kernel of its own', () => {
  let lab: Lab;
  let inventory: string;

  beforeAll(async () => {
    const { dir } = await ensureBundle({ log });
    await labDown(name, { log });
    lab = await labUp({ name, qemu: true, log, bundle: dir });
    inventory = await changedInventory(lab, 'level-2', {
      'hosts:': 'nicPower: {level: 2, remedies: [segmentation-off]}\nhosts:',
    });
  });
  afterAll(async () => {
    await lab?.down();
  });

  const run = (command: 'plan' | 'bootstrap'): Promise<HomelabRun> =>
    homelab(lab, [command, '--only', 'nic-power', ...(command === 'bootstrap' ? ['--yes'] : [])], inventory);
  const observed = (said: HomelabRun) =>
    Object.fromEntries(
      eventsOf(said, 'evidence').map(({ evidence: { id, observed: value, ok } }) => [
        id,
        `${ok ? '' : 'NOT '}${value}`,
      ]),
    );
  const knobs = (said: HomelabRun) =>
    Object.values(observed(said))
      .filter(value => value.includes('; boot '))
      .map(value => value.split('; boot ')[0] ?? '')
      .toSorted();
  const asItShouldBe = [
    'aspm-policy performance, sleep masked',
    'runtime-pm n/a, bridge-pm n/a, wifi-power-save off, aspm n/a',
    'runtime-pm on, bridge-pm on, eee n/a, wake-on-lan g, aspm off, segmentation-off off',
    'usb-autosuspend on, eee n/a, wake-on-lan n/a',
  ];
  const off = (said: HomelabRun) =>
    (eventsOf(said, 'plan')[0]?.steps ?? [])
      .flatMap(({ diff = '' }) => diff.split('\n'))
      .filter(line => line.startsWith('- '))
      .map(line => line.slice(2).split(' ')[0])
      .toSorted();

  async function expectPrepared(): Promise<void> {
    const said = await inside(
      lab,
      cp,
      `tail -n +2 /proc/swaps | wc -l
for module in overlay br_netfilter nf_conntrack; do grep -q "^$module " /proc/modules && echo "$module"; done
cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/bridge/bridge-nf-call-iptables /proc/sys/vm/overcommit_memory /proc/sys/kernel/panic
systemctl is-active systemd-timesyncd`,
    );
    expect(said.trim().split('\n')).toEqual([
      ...['0', 'overlay', 'br_netfilter', 'nf_conntrack'],
      ...['1', '1', '1', '10', 'active'],
    ]);
  }

  test('is prepared: no swap, modules, sysctls, a clock that is kept', async () => {
    await inside(lab, cp, swapInThreeWays);
    const run = await homelab(lab, ['bootstrap', '--yes', '--only', 'host-base'], inventory);
    expect(run.code, story(run)).toBe(0);
    expect(stepsWith(run, 'done')).toContain(`host-base/${cp}/swap-off`);
    await expectPrepared();
    expect(await inside(lab, cp, 'systemctl is-enabled dev-zram0.swap || true')).toBe('masked\n');
    expect(await inside(lab, cp, 'grep swap /etc/fstab')).toBe('# homelab: /swap none swap sw 0 0\n');
  });

  test('its adapters are kept awake: every knob set or n/a', async () => {
    await inside(lab, cp, wifi);
    await inside(lab, cp, switchBack);
    const said = await run('bootstrap');
    expect(said.code, story(said)).toBe(0);
    expect(finished(said).predictionErrors).toBe(0);
    expect(off(said)).toEqual([
      'aspm-policy',
      'bridge-pm',
      'runtime-pm',
      'segmentation-off',
      'sleep',
      'usb-autosuspend',
      'wake-on-lan',
      'wifi-power-save',
    ]);
    expect(knobs(said)).toEqual(asItShouldBe);
    expect(Object.values(observed(said)).filter(value => value === 'n/a: paravirtual')).toHaveLength(2);
  });

  test('in the next boot all of it is so too, whatever other rules say, and nothing is to be done', async () => {
    const boot = await lab.bootId(cp);
    await lab.reboot(cp);
    await lab.waitReachable(cp);
    expect(await lab.bootId(cp)).not.toBe(boot);
    await expectPrepared();
    expect(plannedSteps(await homelab(lab, ['plan', '--only', 'host-base'], inventory))).toEqual([]);
    const said = await run('bootstrap');
    expect(said.code, story(said)).toBe(0);
    expect(finished(said)).toMatchObject({ outcome: 'ok', steps: 0 });
    expect(knobs(said)).toEqual(asItShouldBe);
    const atBoot = await inside(lab, cp, "journalctl -b -o cat -u 'homelab-nic@enp1s0.service' | grep '^{'");
    expect(atBoot).toContain('"knob":"wake-on-lan","before":"d","after":"g","status":"changed"');
    const radioAtBoot = await inside(lab, cp, "journalctl -b -o cat -u 'homelab-nic@wlan0.service' | grep '^{'");
    expect(radioAtBoot).toContain('"knob":"wifi-power-save","before":"on","after":"off","status":"changed"');
  });

  test('switched back behind our back, each knob of them is found and put right', async () => {
    await inside(lab, cp, switchBack);
    const found = await run('plan');
    expect(off(found)).toEqual([
      'aspm-policy',
      'bridge-pm',
      'runtime-pm',
      'segmentation-off',
      'sleep',
      'usb-autosuspend',
      'wake-on-lan',
      'wifi-power-save',
    ]);
    const mended = await run('bootstrap');
    expect(mended.code, story(mended)).toBe(0);
    expect(stepsWith(mended, 'done').map(id => id.split('/')[2])).toHaveLength(4);
    expect(knobs(mended)).toEqual(asItShouldBe);
  });

  test('our own link is lost for it, and the run goes on (EEE and its renegotiation are simulated)', async () => {
    await inside(lab, cp, eeeStandIn);
    const said = await run('bootstrap');
    expect(said.code, story(said)).toBe(0);
    expect(stepsWith(said, 'done')).toEqual([`nic-power/${cp}/enp1s0`]);
    expect(knobs(said)).toContain(asItShouldBe[2]?.replace('eee n/a', 'eee off'));
  });
});
