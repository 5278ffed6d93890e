// Runs about some machines: what happens on them, and what on the others.
import { describe, expect, it } from 'vitest';
import { joining, removing, resetting, type Target } from '../../src/cli/target.ts';
import { intend, planFrom, resourcesOf, type States } from '../../src/engine/plan.ts';
import type { Plan } from '../../src/model/plan.ts';
import { controlPlanesOf, type World } from '../../src/model/world.ts';
import { leavingPhases, phases } from '../../src/phases/index.ts';
import {
  beforeJoin,
  beforeRemoval,
  beforeReset,
  inRoles,
  living,
  member,
  statesBefore,
  threeControlPlanes,
  withPods,
} from '../life-sample.ts';
import { after, bareWorld, caHash, cluster, host, withMembership } from '../sample.ts';
import { podOn } from '../workloads-sample.ts';

/** As a session takes them. */
const list = (world: World) =>
  (world.about?.kind === 'join' ? phases : leavingPhases).filter(phase =>
    target(world).phases.some(({ id }) => id === phase.id),
  );

function target(world: World): Target {
  const { about } = world;
  const names = about?.hosts.map(({ name }) => name) ?? [];
  const whole = { ...world.cluster, hosts: [...world.cluster.hosts, ...(about?.kind === 'remove' ? about.hosts : [])] };
  if (about?.kind === 'join') return joining(names[0] ?? '')(whole);
  return about?.kind === 'remove' ? removing(names[0] ?? '', about)(whole) : resetting(names)(whole);
}

function planOf(world: World, states = statesBefore(world)): Plan {
  return planFrom(intend(world, list(world), target(world).isChosen), states);
}

const ids = ({ steps }: Plan) => steps.map(({ id }) => id);
const idsOn = (plan: Plan, name: string) => ids(plan).filter(id => id.includes(`/${name}/`));
const refused = ({ refusals }: Plan) => refusals.map(({ id }) => id);

function expectSettled(world: World): void {
  const plan = planOf(world);
  expect(plan.refusals).toEqual([]);
  expect(plan.steps).not.toEqual([]);
  const then = after(plan, world, statesBefore(world));
  expect(planOf(then.world, withNew(then))).toMatchObject({ steps: [], refusals: [] });
}

/** What is wanted of a member only, and therefore was not read before, is taken to be in order: its join leaves it so. */
function withNew({ world, states }: { readonly world: World; readonly states: States }): States {
  const wanted = resourcesOf(intend(world, list(world), target(world).isChosen));
  return new Map(
    [...wanted].map(([name, resources]) => [
      name,
      new Map(resources.map(({ key, desired }) => [key, states.get(name)?.get(key) ?? desired])),
    ]),
  );
}

describe('a machine that joins', () => {
  const plan = planOf(beforeJoin('k8s-worker3'));

  it('goes through every phase of a new machine', () => {
    expect(new Set(idsOn(plan, 'k8s-worker3').map(id => id.split('/')[0]))).toEqual(
      new Set(['host-base', 'nic-power', 'containerd', 'kube-packages', 'workers', 'network']),
    );
    expect(ids(plan)).toContain('workers/k8s-worker3/join');
  });

  it('gives the others a route to it, and a token to the control plane, and nothing else', () => {
    const route = (name: string) => ['routes-unit', 'routes-service', 'routes'].map(what => `network/${name}/${what}`);
    expect(idsOn(plan, 'k8s-worker1')).toEqual(route('k8s-worker1'));
    expect(idsOn(plan, 'k8s-worker2')).toEqual(route('k8s-worker2'));
    expect(idsOn(plan, 'k8s-cp')).toEqual([
      'workers/k8s-cp/join-token',
      'workers/k8s-cp/join-token-gone',
      'kubelet-certificates/k8s-cp/approve',
      ...route('k8s-cp'),
    ]);
  });

  it('leaves alone what somebody else changed on the others', () => {
    const world = beforeJoin('k8s-worker3');
    const states = new Map(statesBefore(world));
    states.set('k8s-worker1', new Map([...(states.get('k8s-worker1') ?? []), ['sysctl:network', {}]]));
    expect(ids(planOf(world, states))).toEqual(ids(plan));
  });

  it('is settled by doing it, as worker and as second and third control plane', () => {
    expectSettled(beforeJoin('k8s-worker3'));
    const two = inRoles({ 'k8s-cp': 'control-plane', 'k8s-worker1': 'control-plane', 'k8s-worker3': 'worker' });
    expectSettled(beforeJoin('k8s-worker1', two));
    expectSettled(beforeJoin('k8s-worker2', threeControlPlanes));
    // Also where it is the inventory's first.
    expectSettled(beforeJoin('k8s-cp', threeControlPlanes));
  });

  it('as a control plane is named to the others, and borrows the keys of one that is there', () => {
    const joined = planOf(beforeJoin('k8s-worker2', threeControlPlanes));
    expect(idsOn(joined, 'k8s-worker3')).toEqual(
      expect.arrayContaining(['host-base/k8s-worker3/hosts-names', 'network/k8s-worker3/kube-proxy-hosts']),
    );
    expect(idsOn(joined, 'k8s-cp').filter(id => id.startsWith('control-plane-join/'))).toEqual([
      'control-plane-join/k8s-cp/join-token',
      'control-plane-join/k8s-cp/certificates',
      'control-plane-join/k8s-cp/join-token-gone',
      'control-plane-join/k8s-cp/certificates-gone',
    ]);
    // No worker joins: the workers' phase makes no token.
    expect(ids(joined).filter(id => id.startsWith('workers/'))).toEqual([]);
  });

  it('is proven by itself and two that were there', () => {
    const pieces = phases
      .find(({ id }) => id === 'network')
      ?.probes(beforeJoin('k8s-worker3'))
      .flatMap(probe => (probe.kind === 'active' ? probe.pieces : []));
    expect(new Set(pieces?.map(piece => piece.host))).toEqual(new Set(['k8s-worker3', 'k8s-cp', 'k8s-worker1']));
  });

  it('that is a member already is left as it is', () => {
    const world: World = { ...living(cluster), about: { kind: 'join', hosts: [host('k8s-worker3')] } };
    const states = new Map([...statesBefore(world), ...statesBefore(beforeReset([]))]);
    const plan = planOf(world, states);
    expect(idsOn(plan, 'k8s-worker3')).toEqual([]);
    expect(plan.refusals).toEqual([]);
  });
});

describe('a machine cannot join', () => {
  it('where there is no cluster: nothing is begun by it', () => {
    const world: World = { ...bareWorld(), about: { kind: 'join', hosts: [host('k8s-worker3')] } };
    const plan = planOf(world, inBare(world));
    expect(refused(plan)).toContain('workers/k8s-worker3/join');
    expect(ids(plan).filter(id => /init|token/.test(id))).toEqual([]);
  });

  it('as a control plane that would begin a cluster of its own', () => {
    const { cluster: of } = living(threeControlPlanes);
    const bare = bareWorld({ cluster: of, bundle: undefined });
    // k8s-cp is down and was left out with --exclude; whether it has the cluster, nobody knows.
    const facts = new Map([...bare.facts].filter(([name]) => name !== 'k8s-cp'));
    const about = { kind: 'join', hosts: [host('k8s-worker1', of)] } as const;
    const joiningWorld: World = { ...bare, facts, about };
    expect(refused(planOf(joiningWorld, inBare(joiningWorld)))).toContain('control-plane/k8s-worker1/init');
    const everybody: World = { ...bare, facts };
    const plan = planFrom(
      intend(everybody, phases, () => true),
      inBare(everybody),
    );
    expect(plan.refusals.find(({ id }) => id === 'control-plane/k8s-worker1/init')?.reason).toContain('k8s-cp');
  });

  it('where the control plane is half done', () => {
    const half = withMembership(beforeJoin('k8s-worker3'), 'k8s-cp', { state: 'partial', why: 'x', hint: 'y' });
    const silent: World = { ...half, nodes: 'unknown', live: 'unknown', etcd: 'unknown' };
    expect(refused(planOf(silent, statesBefore(beforeJoin('k8s-worker3'))))).toContain('workers/k8s-worker3/join');
  });

  it('while no API server answers', () => {
    const world: World = { ...beforeJoin('k8s-worker3'), nodes: 'unknown', live: 'unknown', etcd: 'unknown' };
    const { refusals } = planOf(world, statesBefore(beforeJoin('k8s-worker3')));
    expect(refusals.find(({ id }) => id === 'workers/k8s-worker3/join')).toMatchObject({
      reason: expect.stringContaining('no API server answers'),
      hint: expect.stringContaining('homelab verify'),
    });
  });

  it('an etcd with a member that is not healthy', () => {
    const world = beforeJoin('k8s-worker2', threeControlPlanes);
    const sick: World = {
      ...world,
      etcd: [member(host('k8s-cp')), member(host('k8s-worker1'), { healthy: false })],
    };
    const { refusals } = planOf(sick);
    expect(refusals).toEqual([
      expect.objectContaining({
        id: 'control-plane-join/k8s-worker2/join',
        reason: expect.stringContaining('k8s-worker1 of 2 members'),
      }),
    ]);
    // A worker may.
    const worker = beforeJoin('k8s-worker3', threeControlPlanes);
    expect(planOf({ ...worker, etcd: sick.etcd }).refusals).toEqual([]);
  });
});

describe('a machine that leaves', () => {
  const world: World = withPods(beforeRemoval('k8s-worker3'), podOn('k8s-worker3', 'default/web-1'));
  const plan = planOf(world);

  it('is emptied, reset, and forgotten last, once the others do without it', () => {
    const others = ['k8s-cp', 'k8s-worker1', 'k8s-worker2'];
    const routes = (name: string) => ['routes-unit', 'routes-service', 'routes'].map(what => `network/${name}/${what}`);
    expect(ids(plan)).toEqual([
      'drain/k8s-cp/drain-k8s-worker3',
      'reset/k8s-worker3/reset',
      ...others.flatMap(routes),
      'forget/k8s-cp/forget-k8s-worker3',
    ]);
    expect(plan.steps.find(({ id }) => id.endsWith('/reset'))?.risk).toBe('destructive');
  });

  it('gets nothing of what bootstrap makes, whatever it looks like', () => {
    const unread = new Map(statesBefore(world));
    unread.delete('k8s-worker3');
    expect(ids(planOf(world, unread))).toEqual(ids(plan));
  });

  it('as a control plane is out of etcd before it is touched, and nobody asks for it by name any more', () => {
    const leaving = planOf(beforeRemoval('k8s-cp', threeControlPlanes));
    const order = ['drain', 'etcd-member', 'reset', 'host-base', 'network', 'forget'];
    expect([...new Set(ids(leaving).map(id => id.split('/')[0]))]).toEqual(order);
    // Asked of the next control plane.
    expect(idsOn(leaving, 'k8s-cp')).toEqual(['reset/k8s-cp/reset']);
    expect(ids(leaving)).toContain('etcd-member/k8s-worker1/etcd-without-k8s-cp');
    expect(idsOn(leaving, 'k8s-worker3')).toEqual(
      expect.arrayContaining(['host-base/k8s-worker3/hosts-names', 'network/k8s-worker3/kube-proxy-hosts']),
    );
  });

  it('dead is neither drained nor reset', () => {
    const dead = planOf(beforeRemoval('k8s-cp', threeControlPlanes, { dead: true }));
    expect(dead.refusals).toEqual([]);
    expect(idsOn(dead, 'k8s-cp')).toEqual([]);
    expect(new Set(ids(dead).map(id => id.split('/')[0]))).toEqual(
      new Set(['etcd-member', 'host-base', 'network', 'forget']),
    );
  });

  it('is settled by it: worker, control plane, dead or alive', () => {
    expectSettled(world);
    expectSettled(beforeRemoval('k8s-worker3', cluster, { dead: true }));
    expectSettled(beforeRemoval('k8s-cp', threeControlPlanes));
    expectSettled(beforeRemoval('k8s-worker2', threeControlPlanes));
    expectSettled(beforeRemoval('k8s-worker1', threeControlPlanes, { dead: true }));
  });

  it('that never joined is nothing to anybody', () => {
    const never = beforeJoin('k8s-worker3');
    const leaving = beforeRemoval('k8s-worker3');
    const plan = planOf({ ...leaving, facts: never.facts, nodes: never.nodes });
    expect(idsOn(plan, 'k8s-worker3')).toEqual([]);
    expect(plan.refusals).toEqual([]);
  });

  it('half joined as a control plane takes along the etcd member that never started', () => {
    const half = withMembership(beforeRemoval('k8s-worker2', threeControlPlanes), 'k8s-worker2', {
      state: 'partial',
      why: 'x',
      hint: 'y',
    });
    const etcd = [
      member(host('k8s-cp')),
      member(host('k8s-worker1')),
      member(host('k8s-worker2'), { name: '', healthy: false, learner: true }),
    ];
    expect(ids(planOf({ ...half, etcd }))).toContain('etcd-member/k8s-cp/etcd-without-k8s-worker2');
  });
});

describe('a reset', () => {
  it('of one machine changes nothing on the others but what names it', () => {
    const plan = planOf(beforeReset(['k8s-worker3']));
    expect(ids(plan)).toEqual(['reset/k8s-worker3/reset', 'forget/k8s-cp/forget-k8s-worker3']);
    expectSettled(beforeReset(['k8s-worker3']));
  });

  it('of all of them asks no API server', () => {
    const all = beforeReset(cluster.hosts.map(({ name }) => name));
    const silent: World = { ...all, nodes: 'unknown', live: 'unknown', etcd: 'unknown', workloads: 'unknown' };
    expect(ids(planOf(silent))).toEqual(cluster.hosts.map(({ name }) => `reset/${name}/reset`));
    expectSettled(silent);
  });

  it('of one of several control planes takes it out of etcd first', () => {
    const plan = planOf(beforeReset(['k8s-worker1'], threeControlPlanes));
    expect(ids(plan)).toEqual([
      'etcd-member/k8s-cp/etcd-without-k8s-worker1',
      'reset/k8s-worker1/reset',
      'forget/k8s-cp/forget-k8s-worker1',
    ]);
  });

  it('of a machine that is bare is nothing', () => {
    const never = beforeJoin('k8s-worker3');
    const world: World = { ...beforeReset(['k8s-worker3']), facts: never.facts, nodes: never.nodes };
    expect(planOf(world)).toEqual({ steps: [], refusals: [], notes: [] });
  });

  it('of the last control plane is refused while others are members of its cluster', () => {
    expect(planOf(beforeReset(['k8s-cp'])).refusals).toMatchObject([
      { id: 'reset/k8s-cp/last-control-plane', hint: expect.stringContaining('homelab reset homelab') },
    ]);
    expect(refused(planOf(beforeReset(['k8s-cp', 'k8s-worker1'])))).toEqual(['reset/k8s-cp/last-control-plane']);
    const two = beforeReset(
      controlPlanesOf(living(threeControlPlanes)).map(({ name }) => name),
      threeControlPlanes,
    );
    expect(refused(planOf(two))).toHaveLength(3);
  });

  it('of the last control plane does not wait for members of other clusters', () => {
    const foreign = { state: 'joined', role: 'worker', caHash: 'another' } as const;
    const rest = beforeReset(['k8s-cp', 'k8s-worker1', 'k8s-worker2']);
    expect(planOf(withMembership(rest, 'k8s-worker3', foreign)).refusals).toEqual([]);
  });

  it('of half a control plane is not refused', () => {
    const half = withMembership(beforeReset(['k8s-cp']), 'k8s-cp', { state: 'partial', why: 'half done', hint: '' });
    expect(planOf(half).steps.map(({ id, why }) => [id, why])).toEqual([['reset/k8s-cp/reset', 'half done']]);
  });

  it('of a machine of another cluster is refused, one of ours is not', () => {
    const foreign = { state: 'joined', role: 'worker', caHash: 'another' } as const;
    const world = withMembership(beforeReset(['k8s-worker3']), 'k8s-worker3', foreign);
    expect(planOf(world).refusals).toMatchObject([
      { id: 'reset/k8s-worker3/reset', reason: expect.stringContaining('another cluster') },
    ]);
    expect(planOf(withMembership(world, 'k8s-worker3', { ...foreign, caHash })).refusals).toEqual([]);
  });
});

/** Nothing was done anywhere. */
function inBare(world: World) {
  const wants = intend(world, phases, () => true);
  return new Map(
    world.cluster.hosts.map(({ name }) => [
      name,
      new Map(
        wants
          .filter(({ host: at }) => at.name === name)
          .flatMap(intent => intent.wants)
          .flatMap(want => (want.kind === 'resource' ? [[want.key, want.blank] as const] : [])),
      ),
    ]),
  );
}
