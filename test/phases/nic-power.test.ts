// Which machines the phase touches, what it leaves on them for the next boot, and how it goes about members.
import { describe, expect, it } from 'vitest';
import { noAdapter } from '../../src/engine/adapters.ts';
import { intend, planFrom } from '../../src/engine/plan.ts';
import { apply } from '../../src/engine/run.ts';
import type { NicPower } from '../../src/model/nic.ts';
import type { Resource } from '../../src/model/plan.ts';
import { type Facts, factsOf, type Nic, type World } from '../../src/model/world.ts';
import { phases } from '../../src/phases/index.ts';
import { nicPower } from '../../src/phases/nic-power.ts';
import { eventsOf, testRun } from '../run-context.ts';
import { afterInit, bareWorld, cluster, convergedWorld, goal, host, inOrder, untouched, withFacts } from '../sample.ts';

const name = 'k8s-worker1';
const link = '/usr/lib/systemd/network/99-default.link';
const nic = (of: Nic['class'], driver: string, called = 'eno1'): Nic => ({
  name: called,
  mac: '02:00:00:00:00:01',
  mtu: 1500,
  addresses: [],
  class: of,
  driver,
  linkFile: link,
});

function machine(facts: Partial<Facts>, world: World = bareWorld()): World {
  return withFacts(world, name, facts);
}

function wantsOf(world: World, power: NicPower = { level: 1, remedies: [] }) {
  return nicPower.wants(world, { ...host(name), nicPower: power });
}

const namesIn = (world: World, power?: NicPower) =>
  wantsOf(world, power).map(want => (want.kind === 'note' || want.kind === 'refusal' ? want.kind : want.name));

const power = (daemons: Facts['power']['daemons'], systemd = 252): Facts['power'] => ({
  systemd,
  vendor: 'VMware, Inc.',
  product: 'VMware Virtual Platform',
  daemons,
});

function contentOf(world: World, path: string, level: NicPower = { level: 1, remedies: [] }): string {
  const found = wantsOf(world, level).find(
    (want): want is Resource => want.kind === 'resource' && want.key === `file:${path}`,
  );
  const { content } = Object(found?.desired);
  if (typeof content !== 'string') throw new Error(`it gets no ${path}`);
  return content;
}

describe('nic-power', () => {
  const persistent = ['link-99-default', 'udev-rules', 'boot-script', 'boot-unit', 'boot-eno1'];

  it.each<[string, Partial<Facts>, readonly string[]]>([
    ['metal with e1000e', {}, ['machine', 'eno1', ...persistent]],
    ['a USB adapter', { nics: [nic('usb', 'r8152')] }, ['machine', 'eno1', ...persistent]],
    ['Wi-Fi alone', { nics: [nic('wifi', 'iwlwifi')] }, ['machine', 'eno1', ...persistent.slice(1)]],
    ['a container', { container: true, virtualization: 'systemd-nspawn', nics: [nic('wired', 'e1000e')] }, []],
    [
      'a guest with the adapter of its hypervisor',
      { virtualization: 'vmware', nics: [nic('paravirtual', 'vmxnet3')], power: power([]) },
      ['machine', 'note'],
    ],
    [
      'only bridges of its own',
      { nics: [{ name: 'br0', mac: '', mtu: 1500, addresses: [], ...noAdapter }] },
      ['machine'],
    ],
    [
      'an adapter that udev applied nothing to',
      { nics: [{ ...nic('wired', 'igc'), linkFile: '' }] },
      ['machine', 'eno1', ...persistent.slice(1)],
    ],
  ])('on %s', (_, facts, names) => {
    expect(namesIn(machine(facts))).toEqual(names);
  });

  it('at level 0 wants nothing, and looks when it is asked for by name', () => {
    const off: NicPower = { level: 0, remedies: [] };
    expect(namesIn(bareWorld(), off)).toEqual([]);
    const world = { ...bareWorld(), named: ['nic-power'] };
    expect(namesIn(world, off)).toEqual(['machine', 'eno1']);
    const states = untouched(world, [nicPower]);
    const intents = intend(world, [nicPower], () => true).map(intent => ({
      ...intent,
      wants: nicPower.wants(world, { ...intent.host, nicPower: off }),
    }));
    expect(planFrom(intents, states).steps).toEqual([]);
  });

  it('asked for by name, says of every adapter what is and why not', () => {
    const guest = machine(
      { virtualization: 'vmware', nics: [nic('paravirtual', 'vmxnet3', 'ens192')], power: power([]) },
      { ...bareWorld(), named: ['nic-power'] },
    );
    const notes = wantsOf(guest).flatMap(want => (want.kind === 'note' ? [want.text] : []));
    expect(notes).toEqual([
      "ens192 (paravirtual, vmxnet3): n/a, its power is the hypervisor's",
      expect.stringMatching(/^what sleeps below a guest is set on its host\. VMware: .*ESXi/),
    ]);
    const container = machine(
      { container: true, virtualization: 'systemd-nspawn' },
      { ...bareWorld(), named: ['nic-power'] },
    );
    expect(wantsOf(container)).toEqual([
      { kind: 'note', text: 'n/a: it is a container (systemd-nspawn), its links are virtual' },
    ]);
  });

  it('settles services that save power, only those that are there', () => {
    expect(namesIn(machine({ power: power(['tlp', 'powertop', 'tuned', 'NetworkManager']) }))).toEqual([
      'tlp',
      'no-powertop',
      'tuned-profile',
      'machine',
      'eno1',
      ...persistent,
    ]);
    const wifi = machine({ power: power(['tlp', 'NetworkManager']), nics: [nic('wifi', 'iwlwifi')] });
    expect(contentOf(wifi, '/etc/NetworkManager/conf.d/99-homelab.conf')).toBe('[connection]\nwifi.powersave = 2\n');
    expect(contentOf(wifi, '/etc/tlp.d/90-homelab.conf')).not.toContain('ASPM');
    expect(contentOf(wifi, '/etc/tlp.d/90-homelab.conf', { level: 2, remedies: [] })).toContain(
      'PCIE_ASPM_ON_AC=performance',
    );
  });

  it('leaves these files for the boot', async () => {
    const world = machine({ nics: [nic('wired', 'e1000e', 'enp1s0'), nic('usb', 'cdc_ether', 'enx525400000001')] });
    const all: NicPower = { level: 2, remedies: ['segmentation-off'] };
    for (const [path, golden] of [
      ['/etc/systemd/network/99-default.link.d/50-homelab.conf', '50-homelab.conf'],
      ['/etc/udev/rules.d/81-homelab-nic.rules', '81-homelab-nic.rules'],
      ['/usr/local/sbin/homelab-nic-tune', 'homelab-nic-tune'],
      ['/etc/systemd/system/homelab-nic@.service', 'homelab-nic@.service'],
    ] as const)
      await expect(contentOf(world, path, all)).toMatchFileSnapshot(`../golden/nic-power/${golden}`);
  });

  it('switches EEE off by the .link file where systemd can, and not on a machine that somebody else set up', () => {
    const path = '/etc/systemd/network/99-default.link.d/50-homelab.conf';
    const eee = '[EnergyEfficientEthernet]\nEnable=no\n';
    expect(contentOf(machine({ power: power([], 257) }), path)).not.toContain(eee);
    expect(contentOf(machine({ power: power([], 258) }), path)).toContain(eee);
    const adopted = machine({ power: power([], 258), isPrepared: false }, convergedWorld());
    expect(contentOf(adopted, path)).not.toContain(eee);
    expect(contentOf(adopted, '/usr/local/sbin/homelab-nic-tune')).not.toContain('set-eee');
    expect(contentOf(convergedWorld(), '/usr/local/sbin/homelab-nic-tune')).toContain('set-eee');
  });

  it('leaves the same in whatever order the kernel lists the adapters', () => {
    const nics = [
      nic('wired', 'e1000e', 'enp1s0'),
      nic('usb', 'cdc_ether', 'enx525400000001'),
      { ...nic('wired', 'igc', 'enp3s0'), linkFile: '/run/systemd/network/10-netplan-enp3s0.link' },
    ];
    const states = (world: World) =>
      wantsOf(world).map(want => (want.kind === 'resource' ? [want.key, want.desired] : want));
    expect(states(machine({ nics: nics.toReversed() }))).toEqual(states(machine({ nics })));
    expect(states(machine({ nics }))).toHaveLength(12);
  });

  it('names the unit of an adapter as systemd-escape does', () => {
    const keys = wantsOf(machine({ nics: [nic('wired', 'igb', 'lan-1')] })).map(want =>
      want.kind === 'resource' ? want.key : '',
    );
    expect(keys).toContain('unit:homelab-nic@lan\\x2d1.service');
  });

  it('goes about members one at a time, about bare machines side by side', () => {
    expect(nicPower.width?.(bareWorld())).toBeUndefined();
    expect(nicPower.width?.(afterInit())).toBe(1);
  });

  it('is one short line of evidence on a machine without adapters', () => {
    const world = machine({ container: true, virtualization: 'systemd-nspawn', nics: [] });
    expect(nicPower.probes(world).filter(({ host: at }) => at === name)).toEqual([
      expect.objectContaining({ kind: 'known', ok: true, observed: 'n/a: virtual' }),
    ]);
  });

  it('proves every knob by reading it back, with the boot it is of', () => {
    const probe = nicPower.probes(bareWorld()).find(({ id, host: at }) => id === 'eno1' && at === name);
    if (probe?.kind !== 'read') throw new Error('it is read');
    const said = (values: string) =>
      probe.judge({ code: 0, stdout: `boot 5d9e2c4a carrier changes 2\n${values}`, stderr: '' });
    const fine =
      'runtime-pm=on\nbridge-pm=n/a: no bridge above it\neee=n/a: the driver has no EEE\nwake-on-lan=g\naspm=l1_aspm\n';
    expect(said(fine)).toEqual({
      ok: true,
      observed: 'runtime-pm on, bridge-pm n/a, eee n/a, wake-on-lan g, aspm l1_aspm; boot 5d9e2c4a carrier changes 2',
    });
    expect(said(fine.replace('wake-on-lan=g', 'wake-on-lan=d'))).toMatchObject({ ok: false });
    expect(said(fine.replace('n/a: the driver has no EEE', 'unknown: ethtool is not installed'))).toMatchObject({
      ok: false,
    });
  });

  it('tells what a guest felt of its hypervisor, and judges nothing by it', () => {
    const guest = machine({ virtualization: 'kvm', nics: [nic('paravirtual', 'virtio_net', 'ens3')] });
    const ids = nicPower
      .probes(guest)
      .filter(({ host: at }) => at === name)
      .map(({ id }) => id);
    expect(ids).toEqual(['machine', 'ens3', 'guest']);
  });

  it('predicts what a machine cannot have as it is', () => {
    const world = bareWorld();
    const states = new Map(untouched(world, [nicPower]));
    const found = {
      'runtime-pm': 'on',
      'bridge-pm': 'auto',
      eee: 'n/a: the driver has no EEE',
      'wake-on-lan': 'g',
      aspm: 'off',
    };
    states.set(name, new Map([...(states.get(name) ?? []), ['nic-power:eno1', found]]));
    const plan = planFrom(
      intend(world, [nicPower], (_, each) => each.name === name),
      states,
    );
    expect(plan.steps.find(({ id }) => id === `nic-power/${name}/eno1`)).toMatchObject({
      why: 'runtime power management of its bridge is auto (driver e1000e)',
      predicted: { key: 'nic-power:eno1', state: { ...found, 'bridge-pm': 'on' } },
    });
  });

  it('rehearsed on metal from bare to proven, ends where nothing is wanted', async () => {
    const run = testRun(goal, { phases: phases.filter(({ id }) => ['host-base', 'nic-power'].includes(id)) });
    const { steps, predictionErrors } = await apply(run);
    expect(predictionErrors).toBe(0);
    const mine = eventsOf(run, 'step-finished').filter(({ id }) => id.startsWith('nic-power/'));
    expect(mine).toHaveLength(7 * cluster.hosts.length);
    expect(steps).toBeGreaterThan(mine.length);
    const evidence = eventsOf(run, 'evidence').filter(({ phase }) => phase === 'nic-power');
    expect(evidence.map(({ evidence: { id, ok } }) => `${id} ${ok}`)).toEqual(
      cluster.hosts.flatMap(() => ['machine true', 'eno1 true']),
    );
    expect((await apply(testRun(goal, { machines: run.machines, phases: run.phases }))).steps).toBe(0);
  });

  it('wants nothing of a converged cluster', () => {
    const world = convergedWorld();
    expect(
      planFrom(
        intend(world, [nicPower], () => true),
        inOrder(world, [nicPower]),
      ),
    ).toMatchObject({ steps: [], notes: [] });
    expect(factsOf(world, name).nics[0]?.class).toBe('wired');
  });
});
