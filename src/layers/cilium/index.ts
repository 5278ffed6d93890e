// Cilium with Hubble: the pod network, policies, and every flow to be seen.
import type { Layer } from '../layer.ts';
import { ciliumProbes } from './probes.ts';
import { ciliumValues } from './values.ts';

export const cilium: Layer = {
  name: 'cilium',
  release: 'cilium',
  namespace: 'kube-system',
  chart: version => ({ name: 'cilium', version, source: { kind: 'repository', url: 'https://helm.cilium.io/' } }),
  values: ciliumValues,
  cost: () => ({ total: { milliCpu: 20, memoryMiB: 96 }, perNode: { milliCpu: 100, memoryMiB: 320 } }),
  isFelt: true,
  // docs.cilium.io/en/stable/operations/upgrade: only consecutive minors are tested, forward and back.
  minorsAtOnce: 1,
  kinds: 'cilium.io',
  upgrades: 'before-kubernetes',
  probes: ciliumProbes,
};
