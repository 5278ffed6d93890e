// Istio's kinds, as its CRDs of v1 have them: only what rules read.
import { z } from 'zod';
import { many, metadata, number, reference, strings, text } from './common.ts';

const workloadSelector = z.object({ matchLabels: strings }).nullish();
const match = z.object({ exact: text, prefix: text, regex: text });

export const authorizationPolicy = z.object({
  metadata,
  spec: z
    .object({
      action: text,
      provider: z.object({ name: text }).nullish(),
      selector: workloadSelector,
      targetRef: z.object({ kind: reference, name: reference }).nullish(),
      targetRefs: many(z.object({ kind: reference, name: reference })),
      rules: many(
        z.object({
          /** No list at all lets every request through; an empty one does too. */
          to: many(
            z.object({
              operation: z
                .object({ methods: many(z.string()), notMethods: many(z.string()), paths: many(z.string()) })
                .prefault({}),
            }),
          ),
          from: many(z.object({ source: z.object({ requestPrincipals: many(z.string()) }).prefault({}) })),
        }),
      ),
    })
    .prefault({}),
});

const mtls = z.object({ mode: text }).nullish();
export const peerAuthentication = z.object({
  metadata,
  spec: z
    .object({
      selector: workloadSelector,
      mtls,
      /** By the container's port. */
      portLevelMtls: z.record(z.string(), z.object({ mode: text })).nullish(),
    })
    .prefault({}),
});

export const virtualService = z.object({
  metadata,
  spec: z
    .object({
      hosts: many(z.string()),
      /** None: for sidecars alone ('mesh'). */
      gateways: many(z.string()),
      http: many(
        z.object({
          match: many(z.object({ uri: match.nullish() })),
          route: many(z.object({ destination: z.object({ host: text, subset: text }).prefault({}), weight: number })),
          corsPolicy: z.object({ allowOrigins: many(match), allowOrigin: many(z.string()) }).nullish(),
        }),
      ),
    })
    .prefault({}),
});

export const gateway = z.object({
  metadata,
  spec: z
    .object({
      selector: strings,
      servers: many(
        z.object({
          hosts: many(z.string()),
        }),
      ),
    })
    .prefault({}),
});

export const destinationRule = z.object({
  metadata,
  spec: z
    .object({ host: text, trafficPolicy: z.object({ tls: z.object({ mode: text }).nullish() }).nullish() })
    .prefault({}),
});
