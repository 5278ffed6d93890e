// local-path: volumes that are folders of the machine their pod runs on. Fast, of one machine only, and of any size: nothing limits them.
import { type Layer, nothing } from '../layer.ts';
import { localPathProbes } from './probes.ts';

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
  values: ({ layers }) => ({
    storageClass: {
      create: true,
      name: 'local-path',
      // Only one class is the default: where there is storage of several machines, that one.
      defaultClass: layers.longhorn === undefined,
      reclaimPolicy: 'Retain',
      volumeBindingMode: 'WaitForFirstConsumer',
    },
    nodePathMap: [{ node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: ['/opt/local-path-provisioner'] }],
    resources: { requests: { cpu: '10m', memory: '32Mi' } },
    // The chart's own is busybox:latest.
    helperImage: { repository: 'busybox', tag: '1.37.0' },
  }),
  cost: () => ({ total: { milliCpu: 10, memoryMiB: 32 }, perNode: nothing }),
  upgrades: 'after-kubernetes',
  probes: localPathProbes,
};
