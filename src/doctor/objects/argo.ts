// Rollouts and Applications of Argo, as their CRDs of v1alpha1 have them: only what rules read.
import { z } from 'zod';
import { flag, many, metadata, reference, text } from './common.ts';

const virtualService = z.object({ name: reference });
export const rollout = z.object({
  metadata,
  spec: z
    .object({
      strategy: z
        .object({
          canary: z
            .object({
              trafficRouting: z
                .object({
                  istio: z
                    .object({ virtualService: virtualService.nullish(), virtualServices: many(virtualService) })
                    .nullish(),
                })
                .nullish(),
            })
            .nullish(),
        })
        .nullish(),
    })
    .prefault({}),
  status: z
    .object({
      /** 'Healthy', 'Progressing', 'Paused', 'Degraded'. */
      phase: text,
    })
    .prefault({}),
});
export const application = z.object({
  metadata,
  spec: z
    .object({
      ignoreDifferences: many(
        z.object({
          kind: text,
          name: text,
          jsonPointers: many(z.string()),
          jqPathExpressions: many(z.string()),
          managedFieldsManagers: many(z.string()),
        }),
      ),
      syncPolicy: z
        .object({ automated: z.object({ selfHeal: flag }).nullish(), syncOptions: many(z.string()) })
        .nullish(),
    })
    .prefault({}),
  status: z
    .object({ resources: many(z.object({ kind: reference, namespace: reference, name: reference })) })
    .prefault({}),
});
