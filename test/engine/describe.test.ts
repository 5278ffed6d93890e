import { describe, expect, it } from 'vitest';
import { descriptionOf, type MachineAnswer } from '../../src/engine/describe.ts';

const config = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.31.1
controlPlaneEndpoint: k8s.home.arpa:8443
networking: {podSubnet: "fd00::/56,10.32.0.0/16", serviceSubnet: 10.200.0.0/16}
`;
// As kubeadm 1.31 writes it, and two settings of somebody's own.
const kubelet = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {cacheTTL: 0s, enabled: true}}
authorization: {mode: Webhook, webhook: {cacheAuthorizedTTL: 0s, cacheUnauthorizedTTL: 0s}}
cgroupDriver: systemd
clusterDNS: [10.200.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: ""
cpuManagerReconcilePeriod: 0s
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
httpCheckFrequency: 0s
imageMaximumGCAge: 0s
imageMinimumGCAge: 0s
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}}, verbosity: 0}
memorySwap: {}
nodeStatusReportFrequency: 0s
rotateCertificates: true
staticPodPath: /etc/kubernetes/manifests
streamingConnectionIdleTimeout: 0s
maxPods: 150
failSwapOn: false
`;

const nodeOf = (name: string, address: string, labels: Record<string, string>, taints: readonly object[] = []) => ({
  kind: 'Node',
  metadata: { name, labels: { 'kubernetes.io/hostname': name, 'beta.kubernetes.io/os': 'linux', ...labels } },
  spec: taints.length > 0 ? { taints } : {},
  status: { addresses: [{ type: 'InternalIP', address }] },
});
const objects = (items: readonly object[] = []) =>
  JSON.stringify({
    items: [
      nodeOf('master', '192.168.0.10', { 'node-role.kubernetes.io/control-plane': '' }, [
        { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' },
      ]),
      nodeOf(
        'w1',
        '192.168.0.11',
        {
          disk: 'ssd',
          'topology.kubernetes.io/zone': 'attic',
          'node.longhorn.io/create-default-disk': 'true',
          'kubernetes.io/arch': 'amd64',
        },
        [
          { key: 'dedicated', value: 'database', effect: 'NoSchedule' },
          { key: 'node.cilium.io/agent-not-ready', effect: 'NoExecute' },
          { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' },
        ],
      ),
      { kind: 'ConfigMap', metadata: { name: 'kubeadm-config' }, data: { ClusterConfiguration: config } },
      { kind: 'ConfigMap', metadata: { name: 'kubelet-config' }, data: { kubelet } },
      ...items,
    ],
  });
const machine: MachineAnswer = {
  host: 'cp',
  node: 'master',
  containerd: '2.1.5',
  containerdPackage: 'containerd.io',
  cni: '05-cilium.conflist',
};

describe('what a running cluster says of itself', () => {
  const found = descriptionOf(objects(), [machine]);

  it('is what kubeadm was told, IPv4', () => {
    expect(found).toMatchObject({
      version: 'v1.31.1',
      endpoint: 'k8s.home.arpa',
      port: '8443',
      podSubnet: '10.32.0.0/16',
      serviceSubnet: '10.200.0.0/16',
      kubeProxy: false,
      cni: '05-cilium.conflist',
    });
    const proxy = { kind: 'DaemonSet', metadata: { name: 'kube-proxy' } };
    expect(descriptionOf(objects([proxy]), [machine]).kubeProxy).toBe(true);
  });

  it('leaves of the kubelet’s settings what is not kubeadm’s own', () => {
    expect(found.kubeletConfig).toEqual({ maxPods: 150, failSwapOn: false });
  });

  it('has nodes by the name they joined with, without Kubernetes’ own labels and taints', () => {
    expect(found.nodes).toEqual([
      {
        name: 'master',
        role: 'control-plane',
        address: '192.168.0.10',
        labels: {},
        taints: [],
        host: 'cp',
        containerd: '2.1.5',
        containerdPackage: 'containerd.io',
      },
      {
        name: 'w1',
        role: 'worker',
        address: '192.168.0.11',
        labels: { disk: 'ssd', 'topology.kubernetes.io/zone': 'attic', 'node.longhorn.io/create-default-disk': 'true' },
        taints: [{ key: 'dedicated', value: 'database', effect: 'NoSchedule' }],
        host: undefined,
        containerd: '',
        containerdPackage: '',
      },
    ]);
  });
});
