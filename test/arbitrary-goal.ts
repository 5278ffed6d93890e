// Any cluster that passes validation, for properties.
import fc from 'fast-check';
import type { Cluster, Host } from '../src/model/cluster.ts';
import type { Goal } from '../src/model/world.ts';
import { cluster as sample, sampleBundle, host as sampleHost } from './sample.ts';

const taint = { key: 'dedicated', value: 'database', effect: 'NoSchedule' } as const;

export function hostsOf(count: number, controlPlaneAt: number, tainted = false): readonly Host[] {
  return Array.from({ length: count }, (_, index) => ({
    ...sampleHost('k8s-worker1'),
    name: `node-${index}`,
    role: index === controlPlaneAt ? 'control-plane' : 'worker',
    address: `192.168.${Math.floor(index / 200)}.${10 + (index % 200)}`,
    taints: tainted ? [taint] : [],
  }));
}

export const arbitraryGoal: fc.Arbitrary<Goal> = fc
  .record({
    count: fc.integer({ min: 1, max: 6 }),
    at: fc.nat(),
    tainted: fc.boolean(),
    endpoint: fc.constantFrom(undefined, 'k8s-api.home.arpa', '192.168.0.250'),
    network: fc.constantFrom('basic' as const, 'external' as const),
    kubeProxy: fc.boolean(),
    version: fc.constantFrom('v1.30.4', 'v1.31.1', 'v1.31.13', 'v1.34.0', 'v1.36.2'),
    containerdVersion: fc.constantFrom('2.0.0', '2.1.5', '2.3.0'),
    hasRepository: fc.boolean(),
    pin: fc.constantFrom([], ['containerd.io'], ['kubeadm', 'kubelet']),
    key: fc.constantFrom(
      { kind: 'none' as const },
      { kind: 'url' as const, url: 'https://example.org/key.asc' },
      { kind: 'text' as const, text: 'key\n' },
    ),
    hasBundle: fc.boolean(),
  })
  .map((drawn): Goal => {
    const { repository } = sample.containerd;
    const cluster: Cluster = {
      ...sample,
      hosts: hostsOf(drawn.count, drawn.at % drawn.count, drawn.tainted),
      network: { provider: drawn.network },
      kubernetes: {
        ...sample.kubernetes,
        version: drawn.version,
        endpoint: drawn.endpoint,
        // Without kube-proxy there is nobody to make service addresses work on a basic network: validation refuses it.
        kubeProxy: drawn.kubeProxy || drawn.network === 'basic',
        repository: { ...sample.kubernetes.repository, key: drawn.key },
      },
      containerd: {
        ...sample.containerd,
        version: drawn.containerdVersion,
        repository: drawn.hasRepository && repository ? { ...repository, pin: drawn.pin } : undefined,
      },
    };
    return { cluster, bundle: drawn.hasBundle ? sampleBundle(cluster) : undefined };
  });
