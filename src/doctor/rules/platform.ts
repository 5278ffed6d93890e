// Products on top, in order: what breaks their pods stands before the symptoms of pods, the rest at the end of all.
import type { Rule } from '../rule.ts';
import { cloudflareToken, weightsFought } from './gitops.ts';
import { lokiCache, lokiKeeps, lokiStore, loopbackTargets, metricsServer } from './observability.ts';
import { fieldConflict, stuckRelease } from './releases.ts';
import { falcoBtf, falcoRules, sealedWithoutKey, staleRules, wazuhAddress } from './security.ts';

/** Before the symptoms of pods. */
export const appRules: readonly Rule[] = [
  sealedWithoutKey,
  lokiStore,
  lokiCache,
  metricsServer,
  falcoBtf,
  falcoRules,
  wazuhAddress,
  cloudflareToken,
];
/** They explain nothing but each other. */
export const platformRules: readonly Rule[] = [
  weightsFought,
  fieldConflict,
  stuckRelease,
  loopbackTargets,
  lokiKeeps,
  staleRules,
];
