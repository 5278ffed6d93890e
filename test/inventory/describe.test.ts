import { load } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { describeInventory } from '../../src/inventory/describe.ts';
import type { DescribedNode, Description } from '../../src/model/description.ts';
import { clusterOf } from './helpers.ts';

const node = (name: string, last: number, more: Partial<DescribedNode> = {}): DescribedNode => ({
  name,
  role: 'worker',
  address: `192.168.0.${last}`,
  labels: {},
  taints: [],
  host: name,
  containerd: '2.1.5',
  containerdPackage: 'containerd.io',
  ...more,
});
const found: Description = {
  version: 'v1.31.1',
  endpoint: '',
  port: '6443',
  podSubnet: '10.32.0.0/16',
  serviceSubnet: '10.200.0.0/16',
  kubeProxy: true,
  kubeletConfig: {},
  cni: '10-flannel.conflist',
  nodes: [node('cp', 10, { role: 'control-plane' }), node('w1', 11)],
};
const sketch = load(`apiVersion: homelab/v1
kind: Cluster
name: attic
ssh: {user: me, identityFile: keys/id}
hosts:
  - {name: w1, role: worker, address: 192.168.0.11, ssh: {port: 2222}}
  - {name: cp, role: control-plane, address: 192.168.0.10}
`);

describe('the inventory that describes a cluster', () => {
  test('is valid, keeps how machines are reached and their order, and says what runs', () => {
    const cluster = clusterOf(describeInventory(sketch, found));
    expect(cluster).toMatchObject({
      name: 'attic',
      kubernetes: {
        version: 'v1.31.1',
        endpoint: undefined,
        podSubnet: '10.32.0.0/16',
        serviceSubnet: '10.200.0.0/16',
      },
      containerd: { version: '2.1.5', package: 'containerd.io' },
      network: { provider: 'external' },
    });
    expect(cluster.hosts.map(({ name, ssh }) => [name, ssh.user, ssh.port, ssh.identityFile])).toEqual([
      ['w1', 'me', 2222, '/inventory/keys/id'],
      ['cp', 'me', undefined, '/inventory/keys/id'],
    ]);
  });

  test('has nodes that nobody listed, under the names that the cluster knows', () => {
    const nodes = [
      node('master', 10, { role: 'control-plane', host: 'cp' }),
      node('w2', 12, { host: undefined, containerd: '' }),
    ];
    const cluster = clusterOf(describeInventory(sketch, { ...found, nodes }));
    expect(cluster.hosts.map(({ name, address }) => `${name} ${address}`)).toEqual([
      'master 192.168.0.10',
      'w2 192.168.0.12',
    ]);
  });

  test('keeps what its owner wrote beside the versions, and gives up what runs otherwise', () => {
    const raw = {
      ...Object(sketch),
      timeZone: 'Asia/Seoul',
      kubernetes: {
        endpoint: 'elsewhere.home.arpa',
        podSubnet: '10.1.0.0/16',
        repository: { url: 'https://mirror.home.arpa/k8s/', key: 'none' },
      },
    };
    expect(clusterOf(describeInventory(raw, found))).toMatchObject({
      timeZone: 'Asia/Seoul',
      kubernetes: {
        endpoint: undefined,
        podSubnet: '10.32.0.0/16',
        repository: { url: 'https://mirror.home.arpa/k8s/' },
      },
    });
  });

  test('writes no containerd version that homelab cannot install, and says which run', () => {
    const nodes = [
      node('cp', 10, { role: 'control-plane', containerd: '1.7.24' }),
      node('w1', 11, { containerd: '1.7.20' }),
    ];
    const text = describeInventory(sketch, { ...found, nodes });
    expect(text).toContain('# What runs: cp 1.7.24, w1 1.7.20.');
    expect(clusterOf(text).containerd.version).toBe('2.1.5');
  });

  test('names the port and the network that it cannot express', () => {
    const text = describeInventory(sketch, { ...found, endpoint: 'k8s.home.arpa', port: '8443' });
    expect(text).toContain('port 8443');
    expect(text).toContain('# The pod network is /etc/cni/net.d/10-flannel.conflist.');
    expect(clusterOf(describeInventory(sketch, { ...found, cni: '10-homelab.conflist' })).network.provider).toBe(
      'basic',
    );
  });

  test('quotes labels that YAML would take for something else', () => {
    const nodes = [
      node('cp', 10, {
        role: 'control-plane',
        labels: { rack: '1', ssd: 'true' },
        taints: [
          { key: 'a', value: undefined, effect: 'NoExecute' },
          { key: 'b', value: 'c', effect: 'NoSchedule' },
        ],
      }),
    ];
    const [host] = clusterOf(describeInventory(sketch, { ...found, nodes })).hosts;
    expect(host).toMatchObject({ labels: { rack: '1', ssd: 'true' }, taints: nodes[0]?.taints });
  });
});
