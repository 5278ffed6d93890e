// A cluster of four machines before an upgrade from v1.31.13: nothing is in its way.
import type { ControlPlaneFacts, UpgradeFacts } from '../src/model/upgrade-facts.ts';
import type { World } from '../src/model/world.ts';
import { cluster, convergedWorld, goal } from './sample.ts';

const gib = 1024 ** 3;
const disk = (path: string) => ({ path, device: '/dev/sda1', freeBytes: 60 * gib, totalBytes: 100 * gib });
const kubeletConfig = { clusterDNS: ['10.96.0.10'], rotateCertificates: true };

const controlPlane: ControlPlaneFacts = {
  apiServer: cluster.kubernetes.version.replace(/^v/, ''),
  manifests: {
    etcd: { image: 'registry.k8s.io/etcd:3.5.15-0', flags: { 'listen-metrics-urls': 'http://0.0.0.0:2381' } },
  },
  rewritten: [],
  certificates: [
    { name: 'pki/apiserver.crt', endsMs: Date.UTC(2027, 0, 1) },
    { name: 'pki/ca.crt', endsMs: Date.UTC(2036, 0, 1) },
  ],
  etcdBytes: gib / 4,
  leftoverBytes: 0,
  cluster: { kubeletConfig, proxyGates: {}, kubeadmGates: {}, requestedApis: [], askedApis: [], writtenApis: [] },
};

export const cleanFacts: UpgradeFacts = {
  clockMs: Date.UTC(2026, 5, 1),
  kubeletConfig,
  kubeletFlags: [
    { file: '/var/lib/kubelet/kubeadm-flags.env', flag: '--pod-infra-container-image=registry.k8s.io/pause:3.10' },
  ],
  disks: ['/', '/var/lib/containerd', '/var/lib/kubelet', '/etc/kubernetes'].map(disk),
  images: [],
  controlPlane: undefined,
};

/** The world before the upgrade to `to`, with what is otherwise of one machine. */
export function upgradeWorld(
  to: string,
  name = '',
  over: Partial<UpgradeFacts> = {},
  ofControlPlane: Partial<ControlPlaneFacts> = {},
): World {
  const before = convergedWorld();
  return {
    ...before,
    cluster: { ...goal.cluster, kubernetes: { ...goal.cluster.kubernetes, version: to } },
    upgrade: { parallel: 1, drainSeconds: 300 },
    upgradeFacts: new Map(
      cluster.hosts.map(host => [
        host.name,
        {
          ...cleanFacts,
          controlPlane: host.role === 'control-plane' ? { ...controlPlane, ...ofControlPlane } : undefined,
          ...(host.name === name ? over : {}),
        },
      ]),
    ),
    facts: new Map([...before.facts].map(([each, facts]) => [each, { ...facts, containerd: '2.1.5' }])),
  };
}
