// What must hold between the machines: unique names and addresses, a control plane, no taint twice.
import type { Finding, Path } from './issue.ts';
import { parseTaint } from './kubernetes-rules.ts';
import { at, listAt, textAt } from './raw.ts';
import type { Rule } from './rule.ts';

export const uniqueHosts: Rule = (raw, lineOf) =>
  ['name', 'address'].flatMap(field => {
    const seen = new Map<string, Path>();
    return listAt(raw, ['hosts']).flatMap((_, index): Finding[] => {
      const path = ['hosts', index, field];
      const value = textAt(raw, path);
      const first = value === undefined ? undefined : seen.get(value);
      if (value !== undefined && !first) seen.set(value, path);
      if (!first) return [];
      return [
        {
          path,
          expectation: `expected ${field === 'name' ? 'a name' : 'an address'} of its own: line ${lineOf(first)} has it already`,
        },
      ];
    });
  });

// Behind an address of one machine, the others would be of no use when it is gone; and it cannot be changed later.
export const controlPlanes: Rule = raw => {
  const hosts = listAt(raw, ['hosts']);
  const roles = hosts.map((_, index) => at(raw, ['hosts', index, 'role']));
  const known = roles.every(role => role === 'worker' || role === 'control-plane');
  if (hosts.length > 0 && known && !roles.includes('control-plane')) {
    return [{ path: ['hosts'], expectation: 'expected one host with role: control-plane' }];
  }
  const endpoint = textAt(raw, ['kubernetes', 'endpoint']) ?? '';
  const isOneMachine =
    endpoint === '' || hosts.some((_, index) => textAt(raw, ['hosts', index, 'address']) === endpoint);
  if (!isOneMachine || roles.filter(role => role === 'control-plane').length < 2) return [];
  return [
    {
      path: endpoint === '' ? ['kubernetes'] : ['kubernetes', 'endpoint'],
      expectation:
        'expected an endpoint that is a name, for example k8s-api.home.arpa: several control planes answer to it',
    },
  ];
};

export const uniqueTaints: Rule = raw =>
  listAt(raw, ['hosts']).flatMap((_, host) => {
    const seen = new Set<string>();
    return listAt(raw, ['hosts', host, 'taints']).flatMap((taint, index): Finding[] => {
      const path = ['hosts', host, 'taints', index];
      const parsed =
        typeof taint === 'string'
          ? parseTaint(taint)
          : { key: textAt(taint, ['key']), effect: textAt(taint, ['effect']) };
      if (parsed?.key === undefined || parsed.effect === undefined) return [];
      const id = `${parsed.key}:${parsed.effect}`;
      if (!seen.has(id)) {
        seen.add(id);
        return [];
      }
      return [{ path, expectation: 'expected each key and effect once: Kubernetes refuses a second taint like this' }];
    });
  });
