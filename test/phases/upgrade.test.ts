// What an upgrade does, in which order, from where it stands; as a plan of four machines.
import { describe, expect, it } from 'vitest';
import { atVersion } from '../../src/cli/target.ts';
import { intend, planFrom, resourcesOf, type States } from '../../src/engine/plan.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import type { Phase, Plan } from '../../src/model/plan.ts';
import type { World } from '../../src/model/world.ts';
import { phases } from '../../src/phases/index.ts';
import {
  type Hop,
  isBeginning,
  upgradeBegins,
  upgradeEnds,
  upgradePhases,
  upgradeWatched,
} from '../../src/phases/upgrade.ts';
import { living, threeControlPlanes } from '../life-sample.ts';
import { cluster, everything, after as predicted, withFacts } from '../sample.ts';

const [connect, , ...others] = phases;
const before = atVersion(cluster, 'v1.31.13');
const hopsTo = (...versions: readonly string[]): readonly Hop[] => hopsOf(before, ...versions);
const hopsOf = (of: Cluster, ...versions: readonly string[]): readonly Hop[] =>
  versions.map(version => ({ version, cluster: atVersion(of, version) }));
const listOf = (hops: readonly Hop[], parallel = 1): readonly Phase[] => [
  ...(connect ? [connect] : []),
  upgradeBegins(hops, hops.at(-1)?.version ?? ''),
  ...upgradePhases(hops, parallel),
  ...others,
  upgradeWatched,
  upgradeEnds,
];

/** All run v1.31.13; the last hop's version is asked for. */
function running(hops: readonly Hop[], of = before): World {
  const world: World = {
    ...living(of),
    cluster: hops.at(-1)?.cluster ?? of,
    upgrade: { parallel: 1, drainSeconds: 300 },
  };
  return of.hosts.reduce((now, { name }) => withFacts(now, name, { containerd: of.containerd.version }), world);
}

/** What is read of machines that are in order for v1.31.13. */
function statesOf(world: World, list: readonly Phase[]): States {
  const now = { ...world, cluster: { ...before, hosts: world.cluster.hosts } };
  const of = (world: World, phases: readonly Phase[], what: 'desired' | 'blank') =>
    [...resourcesOf(intend(world, phases, everything))].map(
      ([name, all]) => [name, new Map(all.map(each => [each.key, each[what]]))] as const,
    );
  const merged = new Map(of(world, list, 'blank'));
  for (const [name, mine] of of(now, listOf(hopsOf(now.cluster, 'v1.31.13')), 'desired'))
    for (const [key, state] of mine) merged.get(name)?.set(key, state);
  return merged;
}

function planOf(world: World, list: readonly Phase[], states = statesOf(world, list)): Plan {
  return planFrom(intend(world, list, everything), states);
}

/** World and states once these steps were done; which kubeadm is installed is a fact, too. */
function outcome(plan: Plan, world: World, states: States) {
  const { world: then, states: now } = predicted(plan, world, states);
  const facts = [...now].reduce((current, [name, mine]) => {
    const state = mine.get('packages:kubeadm') as { readonly kubeadm: { readonly version: string } } | undefined;
    return state ? withFacts(current, name, { kubeadm: state.kubeadm.version }) : current;
  }, then);
  return { world: facts, states: now };
}

const shown = ({ steps }: Plan) => steps.map(({ id }) => id);

describe('an upgrade of one hop', () => {
  const hops = hopsTo('v1.31.14');
  const list = listOf(hops);
  const world = running(hops);
  const found = planOf(world, list);

  it('brings software everywhere first, then goes machine by machine, control plane first', () => {
    expect(found.refusals).toEqual([]);
    const order = [...new Set(found.steps.map(({ phase }) => phase))];
    expect(order).toEqual([
      'baseline',
      'kubeadm-v1.31.14',
      'images-v1.31.14',
      'k8s-cp-v1.31.14',
      'k8s-worker1-v1.31.14',
      'k8s-worker2-v1.31.14',
      'k8s-worker3-v1.31.14',
      'finish',
    ]);
    expect(shown(found).filter(id => id.startsWith('k8s-worker2-'))).toEqual([
      'k8s-worker2-v1.31.14/k8s-cp/drain-k8s-worker2',
      'k8s-worker2-v1.31.14/k8s-cp/uncordon-k8s-worker2',
      'k8s-worker2-v1.31.14/k8s-worker2/kubeadm-upgrade',
      'k8s-worker2-v1.31.14/k8s-worker2/packages',
      'k8s-worker2-v1.31.14/k8s-worker2/kubelet-unit',
      'k8s-worker2-v1.31.14/k8s-worker2/kubelet',
    ]);
    const stages = found.steps.filter(({ phase }) => phase === 'k8s-worker2-v1.31.14').map(({ stage }) => stage);
    expect(stages).toEqual(['before', 'after', 'main', 'main', 'main', 'main']);
  });

  it('applies on the first control plane only', () => {
    const scriptOf = (id: string) => found.steps.find(step => step.id === id)?.action.script ?? '';
    expect(scriptOf('k8s-cp-v1.31.14/k8s-cp/kubeadm-upgrade')).toContain('kubeadm upgrade apply v1.31.14 --yes');
    expect(scriptOf('k8s-worker1-v1.31.14/k8s-worker1/kubeadm-upgrade')).toContain('kubeadm upgrade node');
  });

  it('is over when it was done', () => {
    const next = outcome(found, world, statesOf(world, list));
    expect(shown(planOf(next.world, list, next.states))).toEqual([]);
  });

  it('goes on with the machines that are left, and gives back one that was left cordoned', () => {
    const steps = found.steps.filter(({ phase }) => /^(kubeadm|images|k8s-cp)-v1.31.14$/.test(phase));
    // The power went before the uncordon.
    const cut = { ...found, steps: steps.filter(({ id }) => !id.includes('/uncordon')) };
    const next = outcome(cut, world, statesOf(world, list));
    const ids = shown(planOf(next.world, list, next.states));
    expect(ids.filter(id => id.startsWith('k8s-cp-'))).toEqual(['k8s-cp-v1.31.14/k8s-cp/uncordon-k8s-cp']);
    expect(ids.filter(id => /^(kubeadm|images)-/.test(id))).toEqual([]);
    expect(ids.filter(id => id.endsWith('/kubeadm-upgrade'))).toHaveLength(3);
  });

  it('begins once: a run that goes on has its backup from before', () => {
    expect(isBeginning(found)).toBe(true);
    const noted = { ...found, steps: found.steps.filter(({ phase }) => phase === 'baseline') };
    const next = outcome(noted, world, statesOf(world, list));
    const left = planOf(next.world, list, next.states);
    expect(left.steps.some(({ risk }) => risk !== 'safe')).toBe(true);
    expect(isBeginning(left)).toBe(false);
  });

  it('leaves a node cordoned that its owner had cordoned', () => {
    const nodes = world.nodes === 'unknown' ? [] : world.nodes;
    const cordoned = nodes.map(node => (node.name === 'k8s-worker1' ? { ...node, unschedulable: true } : node));
    const ids = shown(planOf({ ...world, nodes: cordoned }, list));
    expect(ids.filter(id => id.includes('cordon'))).not.toContain('k8s-worker1-v1.31.14/k8s-cp/uncordon-k8s-worker1');
    expect(ids).toContain('k8s-worker1-v1.31.14/k8s-worker1/kubeadm-upgrade');
  });
});

describe('an upgrade of two hops', () => {
  const hops = hopsTo('v1.31.14', 'v1.32.3');
  const list = listOf(hops);
  const world = running(hops);
  const found = planOf(world, list);

  it('finishes the first on every machine before the second begins', () => {
    const order = [...new Set(found.steps.map(({ phase }) => phase))];
    expect(order.indexOf('k8s-worker3-v1.31.14')).toBeLessThan(order.indexOf('kubeadm-v1.32.3'));
    expect(order).toHaveLength(14);
    const next = outcome(found, world, statesOf(world, list));
    expect(shown(planOf(next.world, list, next.states))).toEqual([]);
  });

  it('does not go back once the second was begun', () => {
    const begun = found.steps.findIndex(({ phase }) => phase === 'k8s-worker1-v1.32.3');
    const next = outcome({ ...found, steps: found.steps.slice(0, begun) }, world, statesOf(world, list));
    const left = planOf(next.world, list, next.states);
    expect([...new Set(left.steps.map(({ phase }) => phase))]).toEqual([
      'k8s-worker1-v1.32.3',
      'k8s-worker2-v1.32.3',
      'k8s-worker3-v1.32.3',
      'finish',
    ]);
  });

  it('asks kubeadm of the new version which images it wants: the one before knows another etcd', () => {
    const order = [...new Set(found.steps.map(({ phase }) => phase))];
    expect(order.indexOf('images-v1.32.3')).toBe(order.indexOf('kubeadm-v1.32.3') + 1);
  });

  it('takes packages of each minor from its own repository', () => {
    const text = (phase: string) =>
      found.steps.find(step => step.phase === phase && step.id.endsWith('kubernetes-repository'))?.diff;
    expect(text('kubeadm-v1.31.14')).toBeUndefined();
    expect(text('kubeadm-v1.32.3')).toContain('/v1.32/deb/');
  });
});

describe('several control planes', () => {
  const of = { ...before, hosts: threeControlPlanes.hosts };
  const hops = hopsOf(of, 'v1.31.14');
  const list = listOf(hops, 2);
  const world = running(hops, of);
  const found = planOf(world, list);

  it('are emptied and upgraded one at a time, each from itself', () => {
    expect(found.steps.filter(({ id }) => id.includes('/drain-')).map(({ id }) => id)).toEqual([
      'k8s-cp-v1.31.14/k8s-cp/drain-k8s-cp',
      'k8s-worker1-v1.31.14/k8s-worker1/drain-k8s-worker1',
      'k8s-worker2-v1.31.14/k8s-worker2/drain-k8s-worker2',
      'k8s-worker3-v1.31.14/k8s-cp/drain-k8s-worker3',
    ]);
  });
});

it('a machine that is left out stays as it is, and holds nobody up', () => {
  const hops = hopsTo('v1.31.14');
  const world = running(hops);
  const without = { ...world, facts: new Map([...world.facts].filter(([name]) => name !== 'k8s-worker2')) };
  const list = listOf(hops);
  const ids = shown(planOf(without, list));
  expect(ids.filter(id => id.includes('k8s-worker2'))).toEqual([]);
  expect(ids).toContain('k8s-worker3-v1.31.14/k8s-worker3/kubeadm-upgrade');
  expect(list.flatMap(phase => phase.probes(without)).filter(({ about }) => about === 'k8s-worker2')).toEqual([]);
});

it('workers go side by side where that is asked for', () => {
  const hops = hopsTo('v1.31.14');
  const order = [...new Set(planOf(running(hops), listOf(hops, 2)).steps.map(({ phase }) => phase))];
  expect(order).toContain('k8s-worker1+k8s-worker2-v1.31.14');
  expect(order).toContain('k8s-worker3-v1.31.14');
});

it('a machine alone is not emptied: nothing could take its pods', () => {
  const alone = { ...before, hosts: before.hosts.slice(0, 1) };
  const hops = hopsOf(alone, 'v1.31.14');
  const ids = shown(planOf(running(hops, alone), upgradePhases(hops, 1)));
  expect(ids.filter(id => /drain|cordon/.test(id))).toEqual([]);
  expect(ids).toContain('k8s-cp-v1.31.14/k8s-cp/kubeadm-upgrade');
});
