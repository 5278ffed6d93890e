// The inventory that init writes is valid, whatever machines say of themselves, and collides with nothing around them.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noAdapter } from '../../src/engine/adapters.ts';
import { overlap, toSubnet } from '../../src/inventory/addresses.ts';
import { type FirstInventory, renderFirstInventory } from '../../src/inventory/first-inventory.ts';
import type { FirstMachine } from '../../src/inventory/first-machine.ts';
import { freeSubnets } from '../../src/inventory/free-subnets.ts';
import { problemsOf } from '../../src/inventory/load.ts';
import { parseInventory } from '../../src/inventory/parse.ts';
import { usualProfile } from '../../src/inventory/profiles.ts';
import { firstLook } from '../first-look-sample.ts';

const subnetOf = (text: string) => toSubnet(text) ?? { base: 0, prefix: 0 };
const machine = (over: Partial<FirstMachine> = {}): FirstMachine => ({
  name: 'k8s-cp',
  address: '192.168.0.10',
  role: 'control-plane',
  seen: firstLook,
  ...over,
});
const wanted = (over: Partial<FirstInventory> = {}): FirstInventory => ({
  name: 'homelab',
  timeZone: 'Asia/Seoul',
  profile: usualProfile,
  endpoint: 'api.homelab.home.arpa',
  user: 'admin',
  identityFile: '~/.ssh/id_ed25519',
  sudoPassword: undefined,
  subnets: { podSubnet: '10.244.0.0/16', serviceSubnet: '10.96.0.0/12', passedOver: [] },
  machines: [machine()],
  ...over,
});
const read = (text: string) => {
  const places = { file: 'inventory.yaml', dir: '/inventory', home: '/home/me' };
  const parsed = parseInventory(Buffer.from(text), { ...places, readText: () => '' });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.cluster;
};

describe('the inventory of init', () => {
  it('says what was answered, and what was seen above each machine', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the references' own syntax
    const sudoPassword = '${env:SUDO_PASSWORD}';
    const worker = machine({
      name: 'k8s-worker1',
      address: '192.168.0.11',
      role: 'worker',
      port: 2222,
      seen: { unseen: 'no answer' },
    });
    const text = renderFirstInventory(wanted({ sudoPassword, machines: [machine(), worker] }));
    const { hosts, ...cluster } = read(text);
    expect(cluster).toMatchObject({
      name: 'homelab',
      timeZone: 'Asia/Seoul',
      kubernetes: { endpoint: 'api.homelab.home.arpa' },
    });
    expect(hosts.map(({ name, role, address }) => [name, role, address])).toEqual([
      ['k8s-cp', 'control-plane', '192.168.0.10'],
      ['k8s-worker1', 'worker', '192.168.0.11'],
    ]);
    expect(hosts[0]?.ssh).toMatchObject({ user: 'admin', sudoPassword: { kind: 'env', name: 'SUDO_PASSWORD' } });
    expect(hosts[1]?.ssh.port).toBe(2222);
    expect(text).toContain(
      '  # 4 processors, 7.7 GiB memory, nvme0n1 256 GiB\n  # eno1 192.168.0.10/24 (e1000e, 1000 Mb/s)\n',
    );
    expect(text).toContain('  # Not reached at init: no answer\n');
  });

  it('says what a machine is too small for, and which card has the address first', () => {
    const nic = { ...noAdapter, name: 'eno0', mac: '02:00:00:00:00:09', mtu: 1500, addresses: [] };
    const cards = [...firstLook.cards, { name: 'eno0', driver: 'r8169', speedMbps: 0, wifi: false }];
    const seen = {
      ...firstLook,
      processors: 1,
      cards,
      facts: { ...firstLook.facts, nics: [nic, ...firstLook.facts.nics] },
    };
    const text = renderFirstInventory(wanted({ machines: [machine({ seen })] }));
    expect(text).toContain('# ! too small for a control plane: kubeadm wants 2 processors and 1700 MiB\n');
    expect(text.indexOf('# eno1 192')).toBeLessThan(text.indexOf('# eno0 without an address (r8169)'));
    const worker = machine({ name: 'w1', address: '192.168.0.11', role: 'worker', seen });
    expect(renderFirstInventory(wanted({ machines: [machine(), worker] }))).not.toContain('too small');
  });

  it('leaves to a cluster that is there what that cluster decided', () => {
    const membership = { state: 'joined', role: 'control-plane', caHash: 'a' } as const;
    const member = machine({ seen: { ...firstLook, facts: { ...firstLook.facts, membership } } });
    const text = renderFirstInventory(wanted({ machines: [member] }));
    expect(problemsOf(text, 'inventory.yaml')).toEqual([]);
    expect(text).not.toMatch(/^kubernetes:/m);
    expect(text).toContain('homelab plan --describe');
  });

  it('stays what it is when a machine says hostile things of itself', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('\n', '\r', '\u2028', '#', ':', '- ', 'kind', '{', "'", '"', ' ', 'x'),
    });
    fc.assert(
      fc.property(hostile, hostile, hostile, (pretty, driver, unseen) => {
        const facts = { ...firstLook.facts, os: { ...firstLook.facts.os, pretty }, hostname: pretty };
        const cards = [{ name: 'eno1', driver, speedMbps: 0, wifi: true }];
        const machines = [
          machine({ seen: { ...firstLook, facts, cards } }),
          machine({ name: 'w1', address: '192.168.0.11', role: 'worker', seen: { unseen } }),
        ];
        const cluster = read(renderFirstInventory(wanted({ machines })));
        expect(cluster.hosts.map(({ name }) => name)).toEqual(['k8s-cp', 'w1']);
        expect(cluster.name).toBe('homelab');
      }),
    );
  });

  it('takes names that YAML would read as something else', () => {
    for (const name of ['null', 'true', '1', '0x1f', '1e3']) {
      const machines = [machine({ name })];
      expect(read(renderFirstInventory(wanted({ name, machines, user: 'null', endpoint: 'true' })))).toMatchObject({
        name,
        hosts: [{ name, ssh: { user: 'null' } }],
        kubernetes: { endpoint: 'true' },
      });
    }
  });
});

describe('subnets', () => {
  it('are the usual ones where nothing is in their way', () => {
    expect(freeSubnets([{ what: '192.168.0.10', where: 'cp' }], 4)).toEqual({
      podSubnet: '10.244.0.0/16',
      serviceSubnet: '10.96.0.0/12',
      passedOver: [],
    });
  });

  it('say what the usual ones were passed over for', () => {
    const chosen = freeSubnets([{ what: '10.244.3.0/24', where: 'route on wg0 of cp' }], 4);
    expect(chosen?.podSubnet).toBe('10.240.0.0/16');
    expect(chosen?.passedOver).toEqual([{ subnet: '10.244.0.0/16', because: '10.244.3.0/24 (route on wg0 of cp)' }]);
  });

  it('are none where everything private is taken', () => {
    const all = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(what => ({ what, where: 'cp' }));
    expect(freeSubnets(all, 1)).toBeUndefined();
  });

  it('never touch what is taken or each other, and have room for every machine', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const taken = fc.array(
      fc.tuple(
        fc.constantFrom('10', '172.16', '172.20', '192.168', '10.96', '10.244'),
        octet,
        fc.integer({ min: 12, max: 32 }),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(taken, fc.integer({ min: 1, max: 300 }), (list, machines) => {
        const used = list.map(([start, last, prefix]) => {
          const address = [...start.split('.'), '0', '0', '0'].slice(0, 3).map(Number);
          const number = [...address, last].reduce((sum, each) => sum * 256 + each, 0);
          const base = number - (number % 2 ** (32 - prefix));
          return `${[24, 16, 8, 0].map(shift => Math.floor(base / 2 ** shift) % 256).join('.')}/${prefix}`;
        });
        const chosen = freeSubnets(
          used.map(what => ({ what, where: 'm' })),
          machines,
        );
        if (!chosen) return;
        const [pods, services] = [subnetOf(chosen.podSubnet), subnetOf(chosen.serviceSubnet)];
        expect(overlap(pods, services)).toBe(false);
        for (const each of used) expect([pods, services].some(mine => overlap(mine, subnetOf(each)))).toBe(false);
        expect(2 ** (24 - pods.prefix)).toBeGreaterThanOrEqual(machines);
      }),
    );
  });
});
