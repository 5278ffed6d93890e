// Longhorn's volumes, replicas and nodes, as its CRDs of v1beta2 have them: only what rules read.
import { z } from 'zod';
import { conditions, flag, metadata, number, reference, text } from './common.ts';

export const longhornVolume = z.object({
  metadata,
  spec: z.object({ numberOfReplicas: number }).prefault({}),
  status: z
    .object({
      /** 'attached', 'detached', 'attaching'. */
      state: text,
      /** 'healthy', 'degraded', 'faulted', 'unknown'. */
      robustness: text,
      lastDegradedAt: text,
      kubernetesStatus: z.object({ pvName: reference, pvcName: reference, namespace: reference }).prefault({}),
      conditions,
    })
    .prefault({}),
});
export const longhornReplica = z.object({
  metadata,
  spec: z.object({ nodeID: reference, volumeName: reference }).prefault({}),
  status: z.object({ currentState: text }).prefault({}),
});
export const longhornNode = z.object({
  metadata,
  spec: z.object({ allowScheduling: flag }).prefault({}),
  status: z
    .object({
      conditions,
      diskStatus: z
        .record(z.string(), z.object({ conditions }))
        .nullish()
        .transform(all => all ?? {}),
    })
    .prefault({}),
});
