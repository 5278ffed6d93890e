// What the simulated machines are to become: files, and a unit that has read them all.
import type { Phase, Resource } from '../../src/model/plan.ts';
import type { Goal } from '../../src/model/world.ts';
import { cluster, host } from '../sample.ts';

export const goal: Goal = {
  cluster: { ...cluster, hosts: ['k8s-cp', 'k8s-worker1', 'k8s-worker2'].map(name => host(name)) },
  bundle: undefined,
};

function thing(key: string, blank: string, desired: string, inputs: readonly string[] = []): Resource {
  return {
    kind: 'resource',
    key,
    name: key,
    title: `Have ${key}`,
    read: key,
    parse: output => output,
    blank,
    desired,
    inputs,
    change: (observed, stale) =>
      observed === desired && stale.length === 0
        ? undefined
        : {
            why: stale.length > 0 ? `${stale.join(', ')} changed` : `it is ${JSON.stringify(observed)}`,
            risk: 'safe',
            action: { script: key, timeoutMs: 300_000 },
          },
  };
}

const phase = (id: string, wants: readonly Resource[]): Phase => ({
  id,
  title: id,
  summary: '',
  wants: () => wants,
  probes: () => [],
});

const files = ['file:a', 'file:b'];

export const phases: readonly Phase[] = [
  phase(
    'files',
    files.map(key => thing(key, '', 'wanted')),
  ),
  phase('service', [thing('file:c', '', 'wanted'), thing('unit:s', 'off', 'on', [...files, 'file:c'])]),
];

/** What every machine is in the end. */
export const wanted: Readonly<Record<string, string>> = {
  'file:a': 'wanted',
  'file:b': 'wanted',
  'file:c': 'wanted',
  'unit:s': 'on',
};
