import { describe, expect, it } from 'vitest';
import { noAdapter } from '../../src/engine/adapters.ts';
import { seenMachines } from '../../src/engine/seen.ts';
import { runCli } from '../cli/run-cli.ts';
import { bareWorld, inventoryPath, withFacts } from '../sample.ts';

describe('the machines that a run tells of', () => {
  it('are all of the inventory, with what was read of them', () => {
    const world = withFacts(bareWorld(), 'k8s-worker1', { kubelet: '1.31.13' });
    const seen = seenMachines(world);
    expect(seen.map(({ host, role, address }) => [host, role, address])).toEqual([
      ['k8s-cp', 'control-plane', '192.168.0.10'],
      ['k8s-worker1', 'worker', '192.168.0.11'],
      ['k8s-worker2', 'worker', '192.168.0.12'],
      ['k8s-worker3', 'worker', '192.168.0.13'],
    ]);
    expect(seen[1]).toMatchObject({ os: 'Debian GNU/Linux 12 (bookworm)', kubelet: '1.31.13' });
  });

  it('have their own adapters, not those that come and go with pods', () => {
    const nic = (name: string) => ({ name, mac: '02:00:00:00:00:01', mtu: 1500, addresses: [], ...noAdapter });
    const world = withFacts(bareWorld(), 'k8s-cp', {
      nics: ['eno1', 'wlp3s0', 'bond0', 'veth3f2a', 'cni0', 'cilium_host', 'lxc12ab', 'cali9f'].map(nic),
    });
    expect(seenMachines(world)[0]?.nics.map(({ name }) => name)).toEqual(['eno1', 'wlp3s0', 'bond0']);
  });

  it('are told before the plan, and again after the last change', async () => {
    const { stdout } = await runCli(['bootstrap', '--rehearse', '--yes', '--output', 'json', '-i', inventoryPath]);
    const types = stdout
      .trimEnd()
      .split('\n')
      .map(line => (JSON.parse(line) as { readonly type: string }).type);
    expect(types.slice(0, 3)).toEqual(['run-started', 'machines', 'plan']);
    expect(types.lastIndexOf('machines')).toBeGreaterThan(types.lastIndexOf('step-finished'));
    expect(types.filter(type => type === 'machines')).toHaveLength(2);
  });
});
