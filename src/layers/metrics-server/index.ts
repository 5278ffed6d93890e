// metrics-server: what pods and machines use now, for kubectl top and for autoscalers. Kubelets' certificates are checked.
import { type Layer, nothing } from '../layer.ts';
import { metricsProbes } from './probes.ts';

export const metricsServer: Layer = {
  name: 'metrics-server',
  release: 'metrics-server',
  namespace: 'kube-system',
  chart: version => ({
    name: 'metrics-server',
    version,
    source: { kind: 'repository', url: 'https://kubernetes-sigs.github.io/metrics-server/' },
  }),
  values: () => ({
    replicas: 1,
    resources: { requests: { cpu: '100m', memory: '200Mi' } },
    // Kubelets serve certificates of the cluster's own CA (kubelet-certificates); the chart does not check them against it by itself.
    args: ['--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt'],
  }),
  cost: () => ({ total: { milliCpu: 100, memoryMiB: 200 }, perNode: nothing }),
  upgrades: 'after-kubernetes',
  probes: metricsProbes,
};
