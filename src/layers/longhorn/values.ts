// Longhorn's values: as many copies as there are workers, up to three; nothing of a user's is ever deleted with it.
import { z } from 'zod';
import type { Cluster, JsonObject } from '../../model/cluster.ts';
import { type Cost, nothing } from '../layer.ts';

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

const guarantee = z.object({ defaultSettings: z.object({ guaranteedInstanceManagerCPU: z.coerce.number() }) });

/**
 * Of its pods only instance managers ask for something: a percentage of the processors of each machine that takes ordinary pods
 * (longhorn.io/docs/latest/references/settings, Guaranteed Instance Manager CPU).
 */
export function longhornCost(values: JsonObject): Cost {
  const found = guarantee.safeParse(values);
  const percent = found.success ? found.data.defaultSettings.guaranteedInstanceManagerCPU : 0;
  return {
    total: nothing,
    largest: nothing,
    perNode: ({ milliCpu, isOpen }) =>
      isOpen ? { milliCpu: Math.ceil((milliCpu * percent) / 100), memoryMiB: 0 } : nothing,
  };
}
