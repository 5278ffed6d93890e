// Sealed Secrets: secrets that may lie in a repository, because only this cluster opens them.
import { costOf } from '../cost.ts';
import type { Layer } from '../layer.ts';
import { sealedProbes } from './probes.ts';

export const sealedSecrets: Layer = {
  name: 'sealed-secrets',
  release: 'sealed-secrets',
  namespace: 'kube-system',
  chart: version => ({
    name: 'sealed-secrets',
    version,
    source: { kind: 'repository', url: 'https://bitnami-labs.github.io/sealed-secrets' },
  }),
  values: () => ({
    // What kubeseal looks for when it is told nothing.
    fullnameOverride: 'sealed-secrets-controller',
    resources: { requests: { cpu: '10m', memory: '32Mi' } },
  }),
  cost: values => costOf(values, {}),
  keepsKinds: 'bitnami.com',
  upgrades: 'after-kubernetes',
  probes: sealedProbes,
};
