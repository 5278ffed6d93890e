// local-path's values: kept volumes in one folder of each machine, and no default class beside storage of several machines.
import type { Cluster, JsonObject } from '../../model/cluster.ts';

export function localPathValues({ layers }: Cluster): JsonObject {
  return {
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
  };
}
