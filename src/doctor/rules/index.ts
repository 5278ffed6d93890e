// All rules, from the bottom up; within a layer in the order in which a cause comes before its consequence.
import type { Rule } from '../rule.ts';
import { homelabRules } from './homelab.ts';
import { hostRules } from './host.ts';

export const rules: readonly Rule[] = [...hostRules, ...homelabRules];
