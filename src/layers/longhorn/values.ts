// Longhorn's values: as many copies as there are workers, up to three; nothing of a user's is ever deleted with it.
import type { Cluster, JsonObject } from '../../model/cluster.ts';

/** Copies of each volume: no two on one machine. */
export function copiesOf({ hosts }: Pick<Cluster, 'hosts'>): number {
  const workers = hosts.filter(({ role }) => role === 'worker').length;
  return Math.min(3, workers || hosts.length);
}

/** Source: reference values of longhorn/longhorn chart/values.yaml 1.12.1. */
export function longhornValues(cluster: Cluster): JsonObject {
  const copies = copiesOf(cluster);
  return {
    persistence: {
      defaultClass: true,
      defaultClassReplicaCount: copies,
      defaultFsType: 'ext4',
      // The chart's own is Delete: a claim that goes by mistake would take its data along.
      reclaimPolicy: 'Retain',
      defaultDataLocality: 'best-effort',
    },
    defaultSettings: {
      defaultReplicaCount: copies,
      defaultDataPath: '/var/lib/longhorn',
      storageOverProvisioningPercentage: 100,
      storageMinimalAvailablePercentage: 15,
      storageReservedPercentageForDefaultDisk: 25,
      replicaSoftAntiAffinity: false,
      replicaAutoBalance: 'best-effort',
      nodeDownPodDeletionPolicy: 'delete-both-statefulset-and-deployment-pod',
      nodeDrainPolicy: 'block-if-contains-last-replica',
      disableSchedulingOnCordonedNode: true,
      concurrentReplicaRebuildPerNodeLimit: 2,
      concurrentAutomaticEngineUpgradePerNodeLimit: 1,
      guaranteedInstanceManagerCPU: 5,
      snapshotMaxCount: 30,
      orphanResourceAutoDeletion: 'replica-data',
      allowCollectingLonghornUsageMetrics: false,
      upgradeChecker: false,
    },
    csi: {
      attacherReplicaCount: 1,
      provisionerReplicaCount: 1,
      resizerReplicaCount: 1,
      snapshotterReplicaCount: 1,
    },
    longhornUI: { replicas: 1 },
    preUpgradeChecker: { jobEnabled: true, upgradeVersionCheck: true },
  };
}
