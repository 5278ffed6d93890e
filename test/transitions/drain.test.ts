import { describe, expect, it } from 'vitest';
import type { World } from '../../src/model/world.ts';
import { drain as phase } from '../../src/phases/leaving.ts';
import { drain } from '../../src/transitions/drain.ts';
import { aPod, beforeRemoval } from '../life-sample.ts';
import { cluster, host } from '../sample.ts';

const leaving = host('k8s-worker3');
const world = beforeRemoval('k8s-worker3');
const changeOf = (over: Partial<World>) => drain({ ...world, ...over }, leaving).change;
const cordoned = world.nodes === 'unknown' ? [] : world.nodes.map(node => ({ ...node, unschedulable: true }));

describe('draining', () => {
  it('cordons a node without pods too: new ones may come', () => {
    expect(changeOf({})).toMatchObject({ why: 'new pods may still be put there', risk: 'disruptive' });
  });

  it('says what will move, and looks at this node only', () => {
    const pods = [aPod(), aPod({ name: 'default/db-0', owner: 'StatefulSet' }), aPod({ node: 'k8s-worker1' })];
    expect(changeOf({ pods })).toMatchObject({
      why: '2 pods run there',
      diff: '- default/web-1 (ReplicaSet)\n- default/db-0 (StatefulSet)',
    });
  });

  it('has nothing to do where the node is cordoned and empty, or unknown', () => {
    expect(drain({ ...world, nodes: cordoned }, leaving)).toMatchObject({ now: 'empty', change: undefined });
    expect(drain({ ...world, nodes: [] }, leaving)).toMatchObject({ now: 'empty', change: undefined });
    expect(changeOf({ nodes: cordoned, pods: [aPod()] })).toMatchObject({ risk: 'disruptive' });
  });

  it('is refused where nothing would bring a pod back, with what to type', () => {
    const pods = [aPod({ name: 'default/bare', owner: 'none' }), aPod({ name: 'shop/tool', owner: 'none' }), aPod()];
    expect(changeOf({ pods })).toEqual({
      refuse: 'nothing would bring back default/bare, shop/tool, which run there by themselves',
      hint: 'if they may go: kubectl delete pod -n default bare; kubectl delete pod -n shop tool',
    });
  });

  it('is refused where data lies on the node’s own disk', () => {
    expect(changeOf({ pods: [aPod({ pinnedClaims: ['default/data'] })] })).toMatchObject({
      refuse: expect.stringContaining('the data of default/data lies on its own disk'),
    });
  });

  it.each([{ nodes: 'unknown' }, { pods: 'unknown' }] as const)('is refused where nobody says what runs: %j', over => {
    expect(changeOf(over)).toMatchObject({ refuse: expect.stringContaining('does not say what runs on k8s-worker3') });
  });

  it('takes as long as the user says', () => {
    const change = changeOf({ about: { kind: 'remove', hosts: [leaving], drainSeconds: 17 } });
    expect(change && 'action' in change && change.action.script).toContain('--timeout=17s');
    const usual = changeOf({});
    expect(usual && 'action' in usual && usual.action.script).toContain('--timeout=300s');
  });

  it.each([
    [
      `error when evicting pods/"web-1" -n "default" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.
There are pending nodes to be drained:
 k8s-worker3
error: error when evicting pods/"web-1" -n "default": global timeout reached: 17s`,
      'a disruption budget did not let all pods go within 300 s; the node takes pods again',
    ],
    [
      'error: unable to drain node "k8s-worker3" due to error: error when waiting for pod "web-1" in namespace "default" to terminate: global timeout reached: 17s',
      'not all pods were gone after 300 s; the node takes pods again',
    ],
  ])('that does not end says why', (stderr, message) => {
    const change = changeOf({});
    const known =
      change && 'action' in change ? change.action.explain?.find(({ pattern }) => pattern.test(stderr)) : undefined;
    expect(known?.message).toBe(message);
    expect(known?.hint).toContain('--drain-timeout');
    expect(known?.hint).not.toContain('$');
  });
});

describe('the phase that drains', () => {
  const wants = (of: World, name = 'k8s-cp') => phase.wants(of, host(name));

  it('happens on a control plane that stays, and notes the budgets that will keep it waiting', () => {
    const pods = [aPod({ blockedBy: ['default/keep'] })];
    expect(wants({ ...world, pods })).toEqual([
      expect.objectContaining({
        kind: 'note',
        text: 'default/keep allows no eviction of default/web-1 now; draining waits for it',
      }),
      expect.objectContaining({ name: 'drain-k8s-worker3' }),
    ]);
    expect(wants(world, 'k8s-worker1')).toEqual([]);
  });

  it('does not wait for a dead machine', () => {
    const dead = beforeRemoval('k8s-worker3', cluster, { dead: true });
    expect(wants({ ...dead, pods: [aPod({ owner: 'none' })] })).toEqual([]);
  });
});
