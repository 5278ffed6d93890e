// The Prometheus operator's kinds, before anything wants to be watched: charts that come later can bring their monitors from the start.
import type { Layer } from '../layer.ts';
import { establishedKinds } from './probes.ts';

export const crds: Layer = {
  name: 'crds',
  release: 'prometheus-operator-crds',
  namespace: 'kube-system',
  chart: version => ({
    name: 'prometheus-operator-crds',
    version,
    source: { kind: 'repository', url: 'https://prometheus-community.github.io/helm-charts' },
  }),
  values: () => ({}),
  keepsKinds: 'monitoring.coreos.com',
  isKindsOnly: true,
  upgrades: 'after-kubernetes',
  probes: establishedKinds,
};
