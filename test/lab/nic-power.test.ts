// Adapters of four drivers in a machine with a kernel of its own: every knob set or n/a, over a boot, and found when it is switched back.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBundle } from './bundle.ts';
import { type Lab, labDown, labSupported, labUp } from './machines.ts';
import type { Log } from './run.ts';
import { eventsOf, finished, type HomelabRun, stepsWith, story } from './run-homelab.ts';
import { changedInventory, homelab, inside } from './test-lab.ts';

const withoutQemu = await labSupported(true);
const cp = 'k8s-cp';
const name = 'test-nic-power';
const log: Log = line => console.error(line);

// What each knob is switched back to by hand; and rules of somebody else's that do it again at every boot.
const switchBack = `pcie=$(readlink -f /sys/class/net/enp1s0/device)
usb=$(readlink -f "/sys/class/net/$(ls /sys/class/net | grep '^enx')/device")
echo auto > "$pcie/power/control"
echo auto > "\${pcie%/*}/power/control"
echo auto > "\${usb%/*}/power/control"
ethtool -s enp1s0 wol d
ethtool -K enp1s0 tso on gso on >/dev/null
systemctl unmask --quiet suspend.target
echo default > /sys/module/pcie_aspm/parameters/policy
cat > /etc/udev/rules.d/50-somebody.rules <<'RULES'
ACTION=="add", SUBSYSTEM=="pci", ATTR{class}=="0x02*", ATTR{power/control}="auto"
ACTION=="add", SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{power/control}="auto"
ACTION=="add", SUBSYSTEM=="net", KERNEL=="enp1s0", RUN+="/usr/sbin/ethtool -s enp1s0 wol d"
RULES
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

describe.skipIf(withoutQemu !== undefined)(withoutQemu ?? 'adapters of four drivers', () => {
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
    'runtime-pm on, bridge-pm on, eee n/a, wake-on-lan g, aspm off, segmentation-off off',
    'usb-autosuspend on, eee n/a, wake-on-lan n/a',
  ];
  const off = (said: HomelabRun) =>
    (eventsOf(said, 'plan')[0]?.steps ?? [])
      .flatMap(({ diff = '' }) => diff.split('\n'))
      .filter(line => line.startsWith('- '))
      .map(line => line.slice(2).split(' ')[0])
      .toSorted();

  test('are kept awake: every knob set or n/a', async () => {
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
    ]);
    expect(knobs(said)).toEqual(asItShouldBe);
    expect(Object.values(observed(said)).filter(value => value === 'n/a: paravirtual')).toHaveLength(2);
  });

  test('are so in the next boot too, whatever other rules say, and nothing is to be done', async () => {
    const boot = await lab.bootId(cp);
    await lab.reboot(cp);
    await lab.waitReachable(cp);
    expect(await lab.bootId(cp)).not.toBe(boot);
    const said = await run('bootstrap');
    expect(said.code, story(said)).toBe(0);
    expect(finished(said)).toMatchObject({ outcome: 'ok', steps: 0 });
    expect(knobs(said)).toEqual(asItShouldBe);
    const atBoot = await inside(lab, cp, "journalctl -b -o cat -u 'homelab-nic@enp1s0.service' | grep '^{'");
    expect(atBoot).toContain('"knob":"wake-on-lan","before":"d","after":"g","status":"changed"');
  });

  test('switched back behind our back, each knob is found and put right', async () => {
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
    ]);
    const mended = await run('bootstrap');
    expect(mended.code, story(mended)).toBe(0);
    expect(stepsWith(mended, 'done').map(id => id.split('/')[2])).toHaveLength(3);
    expect(knobs(mended)).toEqual(asItShouldBe);
  });

  test('lose our own link for it, and the run goes on (EEE and its renegotiation are simulated)', async () => {
    await inside(lab, cp, eeeStandIn);
    const said = await run('bootstrap');
    expect(said.code, story(said)).toBe(0);
    expect(stepsWith(said, 'done')).toEqual([`nic-power/${cp}/enp1s0`]);
    expect(knobs(said)).toContain(asItShouldBe[1]?.replace('eee n/a', 'eee off'));
  });
});
