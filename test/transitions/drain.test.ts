import { describe, expect, it } from 'vitest';
import type { World } from '../../src/model/world.ts';
import { drain as phase } from '../../src/phases/leaving.ts';
import { emptying, uncordon } from '../../src/transitions/drain.ts';
import { beforeRemoval, living, withPods } from '../life-sample.ts';
import { cluster, host } from '../sample.ts';
import { budgetFor, podOn, running, volumeOf } from '../workloads-sample.ts';

const name = 'k8s-worker3';
const leaving = host(name);
const world = beforeRemoval(name);
const upgrading: World = { ...living(cluster), upgrade: { parallel: 1, drainSeconds: 77 } };
const wantsOf = (of: World) => emptying(of, leaving);
const changeOf = (of: World) => {
  const found = wantsOf(of).find(want => want.kind === 'transition');
  return found?.kind === 'transition' ? found.change : undefined;
};
const scriptOf = (of: World) => {
  const change = changeOf(of);
  return change && 'action' in change ? change.action.script : '';
};
const refusalsOf = (of: World) => wantsOf(of).filter(want => want.kind === 'refusal');
const notesOf = (of: World) => wantsOf(of).flatMap(want => (want.kind === 'note' ? [want.text] : []));
const withNodes = (of: World, over: object): World => ({
  ...of,
  nodes: of.nodes === 'unknown' ? 'unknown' : of.nodes.map(node => (node.name === name ? { ...node, ...over } : node)),
});
const cordoned = (of: World) => withNodes(of, { unschedulable: true, cordonedByUs: true });
const web = podOn(name, 'default/web-1');
const bare = podOn(name, 'default/bare', { owner: 'none' });

describe('draining', () => {
  it('cordons a node without pods too: new ones may come', () => {
    expect(changeOf(world)).toMatchObject({ why: 'new pods may still be put there', risk: 'disruptive' });
  });

  it('says what will move and where there is room for it, and looks at this node only', () => {
    const db = podOn(name, 'default/db-0', { owner: { kind: 'StatefulSet', name: 'db' } });
    expect(changeOf(withPods(world, web, db, podOn('k8s-worker1', 'default/web-2')))).toMatchObject({
      why: '2 pods run there',
      diff: '- default/web-1 (Deployment web): fits k8s-cp\n- default/db-0 (StatefulSet db): fits k8s-cp',
    });
  });

  it('has nothing to do where the node is cordoned and empty, or unknown', () => {
    expect(wantsOf(cordoned(world))).toMatchObject([{ now: 'empty', change: undefined }]);
    expect(wantsOf({ ...world, nodes: [] })).toMatchObject([{ now: 'empty', change: undefined }]);
    expect(changeOf(cordoned(withPods(world, web)))).toMatchObject({ risk: 'disruptive' });
  });

  it('is refused once for each thing that would not move, with what to type', () => {
    const data = podOn(name, 'shop/db-0', { claims: ['shop/data'] });
    const of = withPods(world, bare, web, data);
    const workloads =
      of.workloads === 'unknown' ? of.workloads : { ...of.workloads, volumes: [volumeOf('shop/data', [name])] };
    expect(refusalsOf({ ...of, workloads })).toEqual([
      {
        kind: 'refusal',
        id: 'data-shop-data',
        reason: `emptying ${name}: the data of shop/data lies on the disk of ${name} and would be lost`,
        hint: 'save that data, then delete what uses it and: kubectl delete persistentvolumeclaim -n shop data',
      },
      {
        kind: 'refusal',
        id: 'bare-default-bare',
        reason: `emptying ${name}: nothing would bring back default/bare, which runs there by itself`,
        hint: 'if it may go: kubectl delete pod -n default bare',
      },
    ]);
    expect(changeOf({ ...of, workloads })).toBeUndefined();
  });

  it.each([{ nodes: 'unknown' }, { workloads: 'unknown' }] as const)(
    'is refused where nobody says what runs: %j',
    over => {
      expect(changeOf({ ...world, ...over })).toMatchObject({
        refuse: expect.stringContaining(`does not say what runs on ${name}`),
      });
    },
  );

  it('takes as long as the user says, whatever it is for', () => {
    expect(scriptOf({ ...world, about: { kind: 'remove', hosts: [leaving], drainSeconds: 17 } })).toContain(
      '--timeout=17s',
    );
    expect(scriptOf(world)).toContain('--timeout=300s');
    expect(scriptOf(upgrading)).toContain('--timeout=77s');
  });

  it('has Longhorn move its replicas away only from a node that does not come back', () => {
    expect(scriptOf(world)).toContain('evictionRequested');
    expect(scriptOf(upgrading)).not.toContain('longhorn');
  });

  it('is of no use for an upgrade where no other node takes pods: they go on running', () => {
    const alone: World = { ...upgrading, workloads: running([name], { pods: [web] }) };
    expect(wantsOf(alone)).toMatchObject([{ kind: 'note' }, { now: 'alone', to: 'alone', change: undefined }]);
    expect(changeOf(withPods(upgrading, web))).toMatchObject({ why: '1 pod runs there' });
  });

  it('is predicted: the node is cordoned by us and empty, its pods are elsewhere', () => {
    const before = withPods(upgrading, web);
    const [drain] = wantsOf(before).filter(want => want.kind === 'transition');
    const after = drain?.kind === 'transition' ? drain.predict(before) : before;
    expect(wantsOf(after).find(want => want.kind === 'transition')).toMatchObject({ now: 'empty', change: undefined });
    expect(after.workloads).toMatchObject({ pods: [{ node: 'k8s-cp' }] });
    expect(uncordon(after, leaving).change).toBeDefined();
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
    const change = changeOf(world);
    const known =
      change && 'action' in change ? change.action.explain?.find(({ pattern }) => pattern.test(stderr)) : undefined;
    expect(known?.message).toBe(message);
    expect(known?.hint).toContain('--drain-timeout');
    expect(known?.hint).not.toContain('$');
  });
});

describe('the phase that drains', () => {
  const wants = (of: World, at = 'k8s-cp') => phase.wants(of, host(at));

  it('happens on a control plane that stays, and notes what will be away or keep it waiting', () => {
    const of = withPods(world, web);
    const budget = budgetFor('default/web', 2, 1, { healthy: 1 });
    const workloads = of.workloads === 'unknown' ? of.workloads : { ...of.workloads, budgets: [budget] };
    expect(wants({ ...of, workloads })).toEqual([
      expect.objectContaining({ kind: 'note', text: expect.stringContaining('Deployment default/web is away until') }),
      expect.objectContaining({ kind: 'note', text: expect.stringContaining('draining waits for it') }),
      expect.objectContaining({ name: 'drain-k8s-worker3' }),
    ]);
    expect(notesOf(of)).toEqual([
      expect.stringContaining('emptying k8s-worker3: Deployment default/web is away until'),
    ]);
    expect(wants(world, 'k8s-worker1')).toEqual([]);
  });

  it('does not wait for a dead machine', () => {
    const dead = beforeRemoval(name, cluster, { dead: true });
    expect(wants(withPods(dead, bare))).toEqual([]);
  });
});

describe('uncordoning', () => {
  it('lifts the cordon that homelab set, after all lanes', () => {
    expect(uncordon(cordoned(upgrading), leaving)).toMatchObject({
      stage: 'after',
      change: { risk: 'safe', action: { script: expect.stringContaining('uncordon k8s-worker3') } },
    });
  });

  it('leaves a cordon of the owner’s alone', () => {
    expect(uncordon(withNodes(upgrading, { unschedulable: true }), leaving).change).toBeUndefined();
    expect(uncordon(upgrading, leaving).change).toBeUndefined();
  });

  it('takes away the mark that an interrupted one left', () => {
    expect(uncordon(withNodes(upgrading, { cordonedByUs: true }), leaving).change).toBeDefined();
  });

  it('is predicted to leave nothing to do', () => {
    const before = cordoned(upgrading);
    expect(uncordon(uncordon(before, leaving).predict(before), leaving).change).toBeUndefined();
  });
});
