// Cilium with Hubble: the pod network, policies, and every flow to be seen.
import { costOf, requestsAt } from '../cost.ts';
import type { Layer } from '../layer.ts';
import { ciliumPreflight } from './preflight.ts';
import { ciliumProbes } from './probes.ts';
import { ciliumValues } from './values.ts';

export const cilium: Layer = {
  name: 'cilium',
  release: 'cilium',
  namespace: 'kube-system',
  chart: version => ({ name: 'cilium', version, source: { kind: 'repository', url: 'https://helm.cilium.io/' } }),
  values: ciliumValues,
  cost: values => ({
    ...costOf(values, { at: ['operator'], copies: 'replicas' }, { at: ['hubble', 'relay'], copies: 'replicas' }),
    perNode: () => requestsAt(values),
  }),
  isFelt: true,
  // docs.cilium.io/en/stable/operations/upgrade: only consecutive minors are tested, forward and back.
  minorsAtOnce: 1,
  upgrades: 'before-kubernetes',
  beforeUpgrade: ciliumPreflight,
  remedies: [
    {
      pattern: /the preflight of Cilium is not ready/,
      message: 'its preflight did not become ready, and Cilium was left as it is',
      hint: 'an image that does not come: kubectl describe pods -n kube-system names it; a policy that the new version does not take: kubectl get cnp,ccnp -A; then run the same command again',
    },
  ],
  probes: ciliumProbes,
};
