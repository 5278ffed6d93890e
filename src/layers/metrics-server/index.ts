// metrics-server: what pods and machines use now, for kubectl top and for autoscalers. Kubelets' certificates are checked,
// as those of the cluster's own CA (phase kubelet-certificates).
import { costOf } from '../cost.ts';
import type { Layer } from '../layer.ts';
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
  }),
  cost: values => costOf(values, { copies: 'replicas' }),
  upgrades: 'after-kubernetes',
  probes: metricsProbes,
};
