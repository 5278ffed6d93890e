// Labels and taints by the API server's own rules (k8s.io/apimachinery/pkg/util/validation), so that no node is refused half-way.
import type { Taint } from '../model/cluster.ts';
import { type Problem, shown } from './issue.ts';
import { isSubdomain } from './names.ts';
import { nearest } from './nearest.ts';

const word = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;

export const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;

/** [prefix/]name: qualified name. */
export function checkLabelKey(value: string): Problem | undefined {
  const [prefix, name, ...rest] = value.includes('/') ? value.split('/') : [undefined, value];
  const good = rest.length === 0 && word.test(name ?? '') && (prefix === undefined || isSubdomain(prefix));
  if (good) return undefined;
  return {
    expectation: `expected a label key, [prefix/]name with at most 63 of a-z, A-Z, 0-9, -, _ and ., not ${shown(value)}`,
  };
}

export function checkLabelValue(value: string): Problem | undefined {
  if (value === '' || word.test(value)) return undefined;
  return { expectation: `expected a label value, at most 63 of a-z, A-Z, 0-9, -, _ and ., not ${shown(value)}` };
}

/** key[=value]:Effect, as kubectl writes it. */
export function checkTaintText(value: string): Problem | undefined {
  const parts = splitTaint(value);
  if (!parts) return { expectation: `expected key=value:Effect or key:Effect, not ${shown(value)}` };
  const problem = checkLabelKey(parts.key) ?? (parts.value === undefined ? undefined : checkLabelValue(parts.value));
  if (problem) return problem;
  if (effects.some(effect => effect === parts.effect)) return undefined;
  const effect = nearest(parts.effect, effects);
  return {
    expectation: `expected the effect ${effects.join(', ')}, not ${shown(parts.effect)}`,
    suggestion: effect && `${value.slice(0, value.length - parts.effect.length)}${effect}`,
  };
}

/** Undefined for text that `checkTaintText` refuses. */
export function parseTaint(text: string): Taint | undefined {
  const parts = splitTaint(text);
  const effect = effects.find(candidate => candidate === parts?.effect);
  return parts && effect ? { key: parts.key, value: parts.value, effect } : undefined;
}

function splitTaint(text: string): { key: string; value: string | undefined; effect: string } | undefined {
  const match = /^([^=:]+)(?:=([^:]*))?:([^:]*)$/.exec(text);
  return match ? { key: match[1] ?? '', value: match[2], effect: match[3] ?? '' } : undefined;
}
