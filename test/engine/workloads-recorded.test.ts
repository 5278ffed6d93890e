// A real cluster (Kubernetes 1.31.1, the lab): what it told of itself, and what its API server said to every eviction, asked as a dry run.
// Its Longhorn objects are stand-ins: bare CRDs of those names.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseWorkloads } from '../../src/engine/workloads.ts';
import { nameOf, type Workloads } from '../../src/model/workloads.ts';
import { evictionOf } from '../../src/upgrade/budgets.ts';
import { simulateDrains } from '../../src/upgrade/drain-simulation.ts';
import { toMove } from '../../src/upgrade/evictable.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/workloads/${name}`, import.meta.url), 'utf8');

function recorded(): Workloads {
  const found = parseWorkloads({ code: 0, stdout: fixture('lab.txt'), stderr: '' });
  if (found === 'unknown') throw new Error('it was told');
  return found;
}

/** 'namespace/pod' and what the API server answered. */
const answers = new Map(
  fixture('lab-evictions.txt')
    .split(/^== /m)
    .filter(text => text.trim() !== '')
    .map(text => {
      const [name = '', ...said] = text.split('\n');
      return [name.trim(), said.join('\n').trim()] as const;
    }),
);
const verdict = (said = 'nothing') =>
  said.includes('"code":201')
    ? 'goes'
    : said.includes('more than one PodDisruptionBudget')
      ? 'never'
      : said.includes('TooManyRequests')
        ? 'not now'
        : said;

describe('a recorded cluster', () => {
  const cluster = recorded();

  it('is read: nodes, owners, requests with a sidecar, budgets, a local volume, replicas', () => {
    expect(cluster.nodes.map(({ name, allocatable }) => [name, allocatable['pods']])).toEqual([
      ['k8s-cp', 110],
      ['k8s-worker1', 110],
      ['k8s-worker2', 110],
    ]);
    const web = cluster.pods.find(({ owner }) => owner !== 'none' && owner.name === 'web');
    expect(web).toMatchObject({
      ready: true,
      owner: { kind: 'Deployment', name: 'web' },
      requests: { cpu: 60, memory: 24 * 2 ** 20, pods: 1 },
      apart: [{ topology: 'kubernetes.io/hostname', namespaces: ['shop'] }],
    });
    expect(cluster.budgets.map(({ name }) => name)).toEqual([
      'broken',
      'freed',
      'guarded',
      'twice-a',
      'twice-b',
      'web',
    ]);
    expect(cluster.volumes).toMatchObject([{ claim: 'shop/data-db-0', storage: 'local' }]);
    expect(cluster.longhorn).toEqual([
      { name: 'pvc-1', robustness: 'degraded', wantedReplicas: 2, healthyOn: ['k8s-worker2'] },
    ]);
  });

  it('evicts exactly those pods that the rules let go', () => {
    const kinds = { goes: 'goes', waits: 'not now', stuck: 'not now' } as const;
    const rules = cluster.pods.map(pod => {
      const found = evictionOf(pod, cluster);
      return [nameOf(pod), found.kind === 'stuck' && found.rule === 'two-budgets' ? 'never' : kinds[found.kind]];
    });
    expect(rules.length).toBeGreaterThan(20);
    expect(rules).toEqual(cluster.pods.map(pod => [nameOf(pod), verdict(answers.get(nameOf(pod)))]));
  });

  it('lets an upgrade drain its second worker but for what is told with the reason', () => {
    const [drain] = simulateDrains(cluster, ['k8s-worker2'], { purpose: 'upgrade' }).drains;
    expect(drain?.stuck.map(({ rule, what }) => `${rule} ${what.replace(/-[a-z0-9]{8,10}-[a-z0-9]{5}$/, '')}`)).toEqual(
      [
        'longhorn pvc-1',
        'bare shop/bare',
        'budget-never shop/guarded',
        'two-budgets shop/twice',
        'two-budgets shop/twice',
      ],
    );
    const waits = drain?.moves.filter(({ to }) => to === 'k8s-worker2').map(({ owner }) => owner);
    expect(waits).toEqual(['StatefulSet db', 'Deployment web']);
    expect(toMove(cluster, 'k8s-worker2').some(({ name }) => /^(done|agent|kube-proxy)/.test(name))).toBe(false);
  });
});
