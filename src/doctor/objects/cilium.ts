// Cilium's policies, as its CRDs of v2 have them: only what rules read.
import { z } from 'zod';
import { many, metadata, reference, selector, text } from './common.ts';

const egress = z.object({
  toEntities: many(z.string()),
  toEndpoints: many(selector),
  toFQDNs: many(z.object({ matchName: text, matchPattern: text })),
  toCIDR: many(z.string()),
  toCIDRSet: many(z.object({ cidr: text })),
  toServices: many(z.object({ k8sService: z.object({ serviceName: reference, namespace: reference }).nullish() })),
  /** None: every port. */
  toPorts: many(z.object({ ports: many(z.object({ port: text, protocol: text })) })),
});
const ruleOf = z.object({
  endpointSelector: selector,
  /** A list, even an empty one, denies what it does not name. */
  egress: z.array(egress).nullish(),
  enableDefaultDeny: z.object({ egress: z.boolean().optional() }).nullish(),
});

/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy: one rule, or several. */
export const ciliumPolicy = z.object({ metadata, spec: ruleOf.nullish(), specs: many(ruleOf) });
export type CiliumRule = z.output<typeof ruleOf>;
export type CiliumEgress = z.output<typeof egress>;
