// Adapters' knobs: the scripts themselves, on sysfs as it was recorded (recordings' four adapters) and with stand-ins for ethtool and iw.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { adaptersFragment, parseAdapters } from '../../src/engine/adapters.ts';
import type { NicPower } from '../../src/model/nic.ts';
import { type NicOptions, nicPower } from '../../src/resources/nic.ts';
import { type Adapter, tuneScript } from '../../src/resources/nic-script.ts';
import { dash } from '../dash.ts';
import { type FakeMachine, type FakeOptions, fakeMachine, type NicName } from './nic-machine.ts';
import { apply, changeOf, observe, scratch } from './rig.ts';

const adapters: Readonly<Record<NicName, Adapter>> = {
  enp0s5: { name: 'enp0s5', class: 'paravirtual', driver: 'virtio_net' },
  enp1s0: { name: 'enp1s0', class: 'wired', driver: 'e1000e' },
  enp2s0: { name: 'enp2s0', class: 'paravirtual', driver: 'vmxnet3' },
  enx525400000001: { name: 'enx525400000001', class: 'usb', driver: 'cdc_ether' },
  wlan0: { name: 'wlan0', class: 'wifi', driver: 'iwlwifi' },
};
const level = (level: NicPower['level'], remedies: NicPower['remedies'] = []): NicPower => ({ level, remedies });

function live(of: NicName | 'machine', power: NicPower = level(1), options: Partial<NicOptions> = {}) {
  return nicPower({
    of: of === 'machine' ? of : adapters[of],
    power,
    node: undefined,
    isAdopted: false,
    isNamed: false,
    ...options,
  });
}

describe('the survey', () => {
  it('tells what is below each link, and what else saves power', () => {
    const { options } = fakeMachine();
    const script = Object.entries(options.moved ?? {}).reduce(
      (text, [from, to]) => text.replaceAll(from, to),
      adaptersFragment.script,
    );
    const said = dash(`set -eu\n${script}`, options);
    expect(said).toMatchObject({ code: 0, stderr: '' });
    const { byName, power } = parseAdapters(said.stdout);
    const link = '/usr/lib/systemd/network/99-default.link';
    expect(Object.fromEntries(byName)).toEqual(
      Object.fromEntries(
        Object.values(adapters).map(({ name, class: of, driver }) => [name, { class: of, driver, linkFile: link }]),
      ),
    );
    expect(power).toEqual({
      systemd: 252,
      vendor: 'QEMU',
      product: 'Standard PC (Q35 + ICH9, 2009)',
      daemons: ['tlp'],
    });
  });

  it('takes no answer that it does not understand', () => {
    expect(() => parseAdapters('nic\teno1\t/sys/x\te1000e\tno\t\nwhat is this\n')).toThrow(/what is this/);
    expect(parseAdapters('')).toMatchObject({ power: { systemd: 0, daemons: [] } });
  });
});

describe('knobs', () => {
  const noEee = 'n/a: the driver has no EEE';
  it.each<[NicName | 'machine', NicPower, object]>([
    ['enp1s0', level(1), { 'runtime-pm': 'on', 'bridge-pm': 'auto', eee: noEee, 'wake-on-lan': 'd', aspm: 'off' }],
    [
      'enx525400000001',
      level(1),
      { 'usb-autosuspend': 'auto', eee: noEee, 'wake-on-lan': 'n/a: the driver has no Wake-on-LAN' },
    ],
    [
      'wlan0',
      level(1),
      { 'runtime-pm': 'auto', 'bridge-pm': 'n/a: no bridge above it', 'wifi-power-save': 'on', aspm: 'l1_aspm' },
    ],
    ['enp2s0', level(1), {}],
    ['enp0s5', level(1, ['tunnel-offload-off']), { 'tunnel-offload-off': 'n/a: the driver has it fixed' }],
    ['enp1s0', level(1, ['segmentation-off', 'checksum-off']), { 'segmentation-off': 'on' }],
    ['machine', level(2), { 'aspm-policy': 'default', sleep: 'allowed' }],
  ])('of %s at %j are read as recorded', (of, power, values) => {
    expect(observe(live(of, power), fakeMachine().options)).toMatchObject(values);
  });

  it('of an adapter that a hypervisor made are none, unless a remedy is asked for', () => {
    expect(live('enp2s0').desired).toEqual({});
    expect(live('enp2s0', level(1, ['tunnel-offload-off'])).desired).toEqual({ 'tunnel-offload-off': 'off' });
  });

  it.each<[string, NicName | 'machine', NicPower, FakeOptions, string, readonly string[]]>([
    [
      'e1000e as recorded',
      'enp1s0',
      level(1),
      {},
      'runtime power management of its bridge is auto; Wake-on-LAN is d (driver e1000e)',
      ['ethtool -s enp1s0 wol g'],
    ],
    [
      'e1000e with EEE on (simulated)',
      'enp1s0',
      level(1),
      { eeeOn: ['enp1s0'] },
      'runtime power management of its bridge is auto; EEE is on; Wake-on-LAN is d (driver e1000e)',
      ['ethtool --set-eee enp1s0 eee off', 'ethtool -s enp1s0 wol g'],
    ],
    ['a USB adapter as recorded', 'enx525400000001', level(1), {}, 'USB autosuspend is auto (driver cdc_ether)', []],
    [
      'Wi-Fi (simulated)',
      'wlan0',
      level(2),
      {},
      'runtime power management is auto; Wi-Fi power save is on; ASPM of the PCIe link is l1_aspm (driver iwlwifi)',
      ['iw dev wlan0 set power_save off'],
    ],
    [
      'a remedy',
      'enp1s0',
      level(1, ['segmentation-off']),
      {},
      'runtime power management of its bridge is auto; Wake-on-LAN is d; TCP segmentation by the adapter is on (driver e1000e)',
      ['ethtool -s enp1s0 wol g', 'ethtool -K enp1s0 tso off gso off'],
    ],
    ['the machine', 'machine', level(1), {}, 'sleep of the whole machine is allowed', []],
  ])('%s: only what differs is set, once, and then it is as predicted', (_, of, power, fake, why, changes) => {
    const machine = fakeMachine(fake);
    const resource = live(of, power);
    const before = observe(resource, machine.options);
    const change = changeOf(resource, before);
    expect(change).toMatchObject({ why, risk: 'safe' });
    expect(apply(resource, machine.options)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(observe(resource, machine.options)).toEqual(change.leaves);
    expect(resource.change(observe(resource, machine.options), [])).toBeUndefined();
    expect(machine.changes()).toEqual(changes);
  });

  it.each<[string, NicName | 'machine', string, string]>([
    ['runtime-pm', 'enp1s0', '/sys/devices/pci0000:00/0000:00:02.0/0000:01:00.0/power/control', 'auto'],
    ['bridge-pm', 'enp1s0', '/sys/devices/pci0000:00/0000:00:02.0/power/control', 'auto'],
    ['usb-autosuspend', 'enx525400000001', '/sys/devices/pci0000:00/0000:00:04.0/usb1/1-1/power/control', 'auto'],
    ['wake-on-lan', 'enp1s0', '/set/wol-enp1s0', 'd'],
    ['eee', 'enp1s0', '/set/eee-enp1s0', 'enabled - inactive'],
    ['wifi-power-save', 'wlan0', '/set/wifi', 'on'],
    ['aspm', 'enp1s0', '/sys/devices/pci0000:00/0000:00:02.0/0000:01:00.0/link/l0s_aspm', '1'],
    ['segmentation-off', 'enp1s0', '/set/tso', 'on'],
    ['sleep', 'machine', '/set/suspend.target', 'static'],
  ])('%s of %s, switched back by hand, is found alone and put right', (id, of, path, value) => {
    const machine = fakeMachine({ eeeOn: ['enp1s0'] });
    const resource = live(of, level(2, ['segmentation-off']));
    // A file cannot bracket what is written to it.
    machine.put('/sys/module/pcie_aspm/parameters/policy', '[performance]');
    apply(resource, machine.options);
    machine.put(path, value);
    const observed = observe(resource, machine.options);
    const change = changeOf(resource, observed);
    expect(change.diff?.split('\n').filter(line => line.startsWith('-'))).toEqual([
      expect.stringMatching(new RegExp(`^- ${id} `)),
    ]);
    expect(apply(resource, machine.options)).toMatchObject({ code: 0, stderr: '' });
    expect(resource.change(observe(resource, machine.options), [])).toBeUndefined();
  });

  it('the ASPM policy is one for all, at level 2, and not ours where the firmware keeps it', () => {
    const policy = '/sys/module/pcie_aspm/parameters/policy';
    const machine = fakeMachine();
    const change = changeOf(live('machine', level(2)), observe(live('machine', level(2)), machine.options));
    expect(change.why).toBe("the kernel's ASPM policy is default; sleep of the whole machine is allowed");
    expect(change.action.script).toContain(`echo performance > ${policy}`);
    expect(change.leaves).toEqual({ 'aspm-policy': 'performance', sleep: 'masked' });
    const kept = fakeMachine({ firmwareKeepsAspm: true });
    expect(observe(live('machine', level(2)), kept.options)).toMatchObject({
      'aspm-policy': 'n/a: the firmware keeps control of ASPM',
    });
  });

  it('at level 0 are looked at and left', () => {
    const resource = live('enp1s0', level(0, ['segmentation-off']), { isNamed: true });
    const observed = observe(resource, fakeMachine({ eeeOn: ['enp1s0'] }).options);
    expect(resource.change(observed, [])).toBeUndefined();
    expect(resource.remarks?.(observed, [])).toEqual([
      {
        kind: 'note',
        text: [
          'enp1s0 (wired, e1000e)',
          '  runtime-pm          on',
          '  bridge-pm           auto, left so at level 0: level 1 would make it on',
          '  eee                 on, left so at level 0: level 1 would make it off',
          '  wake-on-lan         d, left so at level 0: level 1 would make it g',
          '  aspm                off',
          '  segmentation-off    on, left so at level 0',
        ].join('\n'),
      },
    ]);
  });

  it('that cannot be read are told, and are a refusal where their tool would not come by itself', () => {
    const observed = observe(live('enp1s0'), fakeMachine({ without: ['ethtool'] }).options);
    expect(observed).toMatchObject({ eee: 'unknown: ethtool is not installed', 'runtime-pm': 'on' });
    expect(changeOf(live('enp1s0'), observed).why).toBe(
      'runtime power management of its bridge is auto (driver e1000e)',
    );
    const text = 'eee, wake-on-lan of enp1s0 cannot be read: ethtool is not installed';
    expect(live('enp1s0').remarks?.(observed, [])).toEqual([{ kind: 'note', text }]);
    expect(live('enp1s0', level(1), { isNamed: true, toolsFrom: 'host-base' }).remarks?.(observed, [])).toEqual([
      expect.objectContaining({
        kind: 'refusal',
        reason: text,
        hint: 'host-base installs what is missing: homelab bootstrap --only host-base --only nic-power',
      }),
    ]);
  });

  it('take no answer that they do not understand, and none that lacks one', () => {
    expect(() => live('machine').parse('aspm-policy=default\nsleep=masked\nhello\n')).toThrow(/hello/);
    expect(() => live('machine').parse('sleep=masked\n')).toThrow(/aspm-policy/);
  });
});

describe('a link that goes down for it', () => {
  const eeeOn: FakeOptions = { eeeOn: ['enp1s0'] };

  it('disturbs a member, and nobody else', () => {
    const observed = observe(live('enp1s0'), fakeMachine(eeeOn).options);
    expect(changeOf(live('enp1s0'), observed).risk).toBe('safe');
    const member = live('enp1s0', level(1), { node: 'k8s-worker1' });
    expect(changeOf(member, observed).risk).toBe('disruptive');
    expect(changeOf(member, { ...Object(observed), eee: 'off' }).risk).toBe('safe');
  });

  it('is waited for; one that stays down is told', () => {
    const machine = fakeMachine(eeeOn);
    const resource = live('enp1s0');
    const { script, explain } = changeOf(resource, observe(resource, machine.options)).action;
    const cut = script.replace(
      'ethtool --set-eee "$nic" eee off',
      'ethtool --set-eee "$nic" eee off; echo 0 > /sys/class/net/enp1s0/carrier',
    );
    const said = dash(`set -eu\n${moved(cut, machine)}`, machine.options);
    expect(said).toMatchObject({ code: 66, stderr: 'homelab: enp1s0 has no link 90 s after it was set\n' });
    expect(explain?.some(({ pattern }) => pattern.test(said.stderr))).toBe(true);
    // One that had no link before is not waited for.
    const unplugged = fakeMachine(eeeOn);
    unplugged.put('/sys/class/net/enp1s0/carrier', '0');
    expect(apply(resource, unplugged.options)).toMatchObject({ code: 0 });
  });

  it.each([
    ['whose lease is renewed', '2999-01-01T00:00:00.000000Z', 'True', 0],
    ['whose last lease is older than the change', '2020-01-01T00:00:00.000000Z', 'True', 67],
  ])('ends on a member %s', (_, renewed, ready, code) => {
    const machine = fakeMachine(eeeOn);
    const bin = machine.options.bin ?? '';
    // Stand-ins: an API server that says this; a clock that runs a minute each time it is read.
    writeFileSync(
      join(bin, 'kubectl'),
      `#!/bin/sh\ncase $* in *lease*) echo ${renewed} ;; *) echo ${ready} ;; esac\n`,
      { mode: 0o755 },
    );
    writeFileSync(
      join(bin, 'date'),
      `#!/bin/sh\ncase $1 in -u) echo 2026-11-22T20:00:00 ;; *) echo x >> ${bin}/ticks; echo $(($(wc -l < ${bin}/ticks) * 60)) ;; esac\n`,
      { mode: 0o755 },
    );
    const said = apply(live('enp1s0', level(1), { node: 'k8s-worker1' }), machine.options);
    expect(said.code).toBe(code);
    if (code !== 0) expect(said.stderr).toBe('homelab: the node is not Ready 180 s after its link was back\n');
  });

  it('stays up on a machine that somebody else set up; what is safe is done there', () => {
    const machine = fakeMachine(eeeOn);
    const adopted = live('enp1s0', level(1), { node: 'k8s-worker1', isAdopted: true });
    const observed = observe(adopted, machine.options);
    expect(changeOf(adopted, observed)).toMatchObject({ risk: 'safe' });
    expect(adopted.remarks?.(observed, [])).toEqual([
      {
        kind: 'note',
        text: 'left as it is, because homelab did not set it up and the link would drop: EEE is on on enp1s0',
      },
    ]);
    apply(adopted, machine.options);
    expect(machine.changes()).toEqual(['ethtool -s enp1s0 wol g']);
  });

  it('of a driver that shows EEE and does not let it be set says what to type', () => {
    const machine = fakeMachine({ ...eeeOn, eeeStuck: true });
    const resource = live('enp1s0');
    const said = apply(resource, machine.options);
    expect(said).toMatchObject({ code: 76, stderr: 'netlink error: Operation not supported\n' });
    const { explain } = changeOf(resource, observe(resource, machine.options)).action;
    expect(explain?.find(({ pattern }) => pattern.test(said.stderr))?.hint).toContain('nicPower: {level: 0}');
  });
});

describe('the script for the boot', () => {
  const power = level(2, ['segmentation-off']);
  const mine = Object.values(adapters).filter(each => each.class !== 'paravirtual');

  function tune(machine: FakeMachine, nic: string, isLeftOut: Parameters<typeof tuneScript>[2] = () => false) {
    const path = join(scratch(), 'homelab-nic-tune');
    writeFileSync(path, moved(tuneScript(mine, power, isLeftOut), machine), { mode: 0o755 });
    const said = dash(`set -eu\n${path} ${nic}\n`, machine.options);
    return {
      ...said,
      lines: said.stdout
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line)),
    };
  }

  it.each(mine.map(({ name }) => name as NicName))('does to %s what the live settings do', name => {
    const options: FakeOptions = { eeeOn: ['enp1s0'] };
    const [byHand, atBoot] = [fakeMachine(options), fakeMachine(options)];
    for (const machine of [byHand, atBoot]) machine.put('/sys/module/pcie_aspm/parameters/policy', '[performance]');
    apply(live(name, power), byHand.options);
    expect(tune(atBoot, name)).toMatchObject({ code: 0, stderr: '' });
    expect(atBoot.changes()).toEqual(byHand.changes());
    expect(observe(live(name, power), atBoot.options)).toEqual(observe(live(name, power), byHand.options));
  });

  it('says each knob on a line of JSON, and skips what is right', () => {
    const machine = fakeMachine({ eeeOn: ['enp1s0'] });
    machine.put('/sys/module/pcie_aspm/parameters/policy', '[performance]');
    const first = tune(machine, 'enp1s0').lines;
    expect(first.map(({ knob, status }) => `${knob} ${status}`)).toEqual([
      'runtime-pm ok',
      'bridge-pm changed',
      'eee changed',
      'wake-on-lan changed',
      'aspm ok',
      'segmentation-off changed',
      'aspm-policy ok',
    ]);
    expect(first[2]).toEqual({ if: 'enp1s0', knob: 'eee', before: 'on', after: 'off', status: 'changed' });
    const done = machine.changes();
    expect(new Set(tune(machine, 'enp1s0').lines.map(({ status }) => status))).toEqual(new Set(['ok']));
    expect(machine.changes()).toEqual(done);
  });

  it('ends well where a knob is n/a, also when only setting it tells', () => {
    const machine = fakeMachine({ eeeOn: ['enp1s0'], eeeStuck: true });
    machine.put('/sys/module/pcie_aspm/parameters/policy', '[performance]');
    const said = tune(machine, 'enp1s0');
    expect(said.code).toBe(0);
    expect(said.lines.find(({ knob }) => knob === 'eee')).toMatchObject({ status: 'n/a', after: 'on' });
  });

  it('fails where a knob is there and does not take it', () => {
    const machine = fakeMachine();
    machine.put('/sys/module/pcie_aspm/parameters/policy', '[performance]');
    writeFileSync(join(machine.options.bin ?? '', 'iw'), '#!/bin/sh\ncase $3 in get) echo "Power save: on" ;; esac\n', {
      mode: 0o755,
    });
    const said = tune(machine, 'wlan0');
    expect(said.code).toBe(1);
    expect(said.lines.find(({ knob }) => knob === 'wifi-power-save')).toMatchObject({ status: 'failed', after: 'on' });
  });

  it('leaves out what is left up, and adapters it was not written for', () => {
    const machine = fakeMachine({ eeeOn: ['enp1s0'] });
    expect(tune(machine, 'enp1s0', knob => knob.renegotiates === true).lines.map(({ knob }) => knob)).not.toContain(
      'eee',
    );
    expect(tune(machine, 'enp2s0')).toMatchObject({ code: 0, stderr: expect.stringContaining('does not know enp2s0') });
  });
});

function moved(script: string, machine: FakeMachine): string {
  return Object.entries(machine.options.moved ?? {}).reduce((text, [from, to]) => text.replaceAll(from, to), script);
}
