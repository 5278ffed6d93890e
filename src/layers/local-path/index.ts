// local-path: volumes that are folders of the machine their pod runs on. Fast, of one machine only, and of any size: nothing limits them.
import { costOf } from '../cost.ts';
import type { Layer } from '../layer.ts';
import { localPathProbes } from './probes.ts';
import { localPathValues } from './values.ts';

export const localPath: Layer = {
  name: 'local-path',
  release: 'local-path-provisioner',
  namespace: 'local-path-storage',
  // Its helper pods mount the machine's folders.
  podSecurity: 'privileged',
  chart: version => ({
    name: 'local-path-provisioner',
    version,
    source: {
      kind: 'archive',
      url: `https://github.com/rancher/local-path-provisioner/archive/refs/tags/v${version}.tar.gz`,
      folder: 'deploy/chart/local-path-provisioner',
    },
  }),
  values: localPathValues,
  cost: values => costOf(values, { copies: 'replicaCount' }),
  // The chart's own name for itself, and that of the project's plain manifest.
  storage: { provisioners: ['cluster.local/local-path-provisioner', 'rancher.io/local-path'], classes: ['local-path'] },
  upgrades: 'after-kubernetes',
  probes: localPathProbes,
};
