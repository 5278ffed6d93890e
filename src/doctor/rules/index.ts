// All rules, from the bottom up; within a layer in the order in which a cause comes before its consequence.
import type { Rule } from '../rule.ts';
import { autoscalerRules } from './autoscalers.ts';
import { ciliumAgentRules, ciliumRules } from './cilium.ts';
import { claimRules } from './claims.ts';
import { containerRules } from './containers.ts';
import { controllerRules, housekeepingRules, notCreatedRule } from './controllers.ts';
import { cordonRules } from './cordon.ts';
import { dnsRules } from './dns.ts';
import { homelabRules } from './homelab.ts';
import { hostRules } from './host.ts';
import { imageRules } from './images.ts';
import { longhornRules } from './longhorn.ts';
import { meshRules } from './mesh.ts';
import { nodeRules } from './node.ts';
import { placingRules } from './placing.ts';
import { appRules, platformRules } from './platform.ts';
import { dnsDownRule, podRules, terminatingRule } from './pods.ts';
import { sandboxRules } from './sandboxes.ts';
import { serviceRules } from './services.ts';
import { servingRules } from './serving.ts';
import { versionRules } from './versions.ts';
import { volumeRules } from './volumes.ts';
import { webhookRules } from './webhooks.ts';

export const rules: readonly Rule[] = [
  ...hostRules,
  ...ciliumAgentRules,
  ...nodeRules,
  ...cordonRules,
  ...versionRules,
  ...sandboxRules,
  ...ciliumRules,
  ...dnsRules,
  ...claimRules,
  ...longhornRules,
  ...meshRules,
  ...appRules,
  ...volumeRules,
  ...imageRules,
  ...placingRules,
  ...containerRules,
  ...controllerRules,
  // What follows from pods, and at last the mere symptoms: what explains them stands before.
  ...webhookRules,
  ...servingRules,
  ...autoscalerRules,
  dnsDownRule,
  notCreatedRule,
  terminatingRule,
  ...podRules,
  ...housekeepingRules,
  ...serviceRules,
  ...platformRules,
  ...homelabRules,
];
