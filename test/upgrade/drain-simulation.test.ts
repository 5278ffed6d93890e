// Drains of small clusters: what goes where, what would not go, what is away meanwhile.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod, Workloads } from '../../src/model/workloads.ts';
import { simulateDrains } from '../../src/upgrade/drain-simulation.ts';
import { usedOn } from '../../src/upgrade/placement.ts';
import type { NodeDrain } from '../../src/upgrade/simulation.ts';
import { budgetFor, controlPlaneNode, podOn, running, volumeOf, workNode } from '../workloads-sample.ts';

const upgrade = (of: Workloads, nodes: readonly string[], parallel = 1) =>
  simulateDrains(of, nodes, { purpose: 'upgrade', parallel }).drains;
const remove = (of: Workloads, ...nodes: readonly string[]) => simulateDrains(of, nodes, { purpose: 'remove' }).drains;
const rules = (drains: readonly NodeDrain[]) =>
  drains.flatMap(({ stuck }) => stuck.map(({ rule, what }) => `${rule} ${what}`));
const movesOf = (drains: readonly NodeDrain[]) =>
  drains.flatMap(({ node, moves }) => moves.map(({ pod, to }) => `${node}: ${pod} → ${to}`));
const gapsOf = (drains: readonly NodeDrain[]) =>
  drains.flatMap(({ gaps }) => gaps.map(gap => `${gap.of} ${gap.until}`));

const web = podOn('n1', 'shop/web-1');
const two = ['n1', 'n2'];

describe('a pod of a node that is drained', () => {
  it('goes to another node and is there when that one is drained, until it moves again', () => {
    const drains = upgrade(running(two, { pods: [web] }), two);
    expect(movesOf(drains)).toEqual(['n1: shop/web-1 → n2', 'n2: shop/web-1 → n1']);
  });

  it('goes to none of several nodes that leave', () => {
    expect(movesOf(remove(running(['n1', 'n2', 'n3'], { pods: [web] }), 'n1', 'n2'))).toEqual(['n1: shop/web-1 → n3']);
  });

  it.each([
    ['is a static one', { isStatic: true, owner: { kind: 'Node', name: 'n1' } }],
    ['is of a DaemonSet', { owner: { kind: 'DaemonSet', name: 'agent' } }],
    ['has succeeded', { phase: 'Succeeded', owner: 'none' }],
    ['has failed', { phase: 'Failed', owner: 'none' }],
    ['is one of Longhorn’s own', { owner: { kind: 'InstanceManager', name: 'im' } }],
  ] as const)('stays out of it where it %s', (_, over) => {
    const controllers = [{ kind: 'DaemonSet', namespace: 'shop', name: 'agent', desired: 1, ready: 1 }] as const;
    const of = running(two, { pods: [podOn('n1', 'shop/web-1', over)], controllers });
    expect(upgrade(of, ['n1'])).toEqual([{ node: 'n1', moves: [], stuck: [], gaps: [], notes: [] }]);
  });

  it('is lost where nothing brings it back', () => {
    const drains = upgrade(running(two, { pods: [podOn('n1', 'shop/bare', { owner: 'none' })] }), ['n1']);
    expect(rules(drains)).toEqual(['bare shop/bare']);
    expect(drains[0]?.stuck[0]?.hint).toBe('if it may go: kubectl delete pod -n shop bare');
  });

  it('stops kubectl where its DaemonSet is gone', () => {
    const orphan = podOn('n1', 'shop/agent-x', { owner: { kind: 'DaemonSet', name: 'agent' } });
    expect(rules(upgrade(running(two, { pods: [orphan] }), ['n1']))).toEqual(['orphan shop/agent-x']);
  });
});

describe('where a pod can go', () => {
  const MiB = 2 ** 20;
  const large = (name: string, node = 'n1') =>
    podOn(node, name, { requests: { cpu: 100, memory: 600 * MiB, pods: 1 } });
  const tainted = workNode('n2', { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] });
  const toleration = { key: 'gpu', operator: 'Equal', value: 'yes', effect: 'NoSchedule' };
  const on = (...names: readonly string[]) => [
    { labels: [{ key: 'kubernetes.io/hostname', operator: 'In', values: names }], fields: [] },
  ];
  const apart = [
    {
      topology: 'kubernetes.io/hostname',
      selector: { labels: { app: 'web' }, expressions: [] },
      namespaces: ['shop'],
    },
  ];
  const cases: readonly (readonly [string, Workloads, string])[] = [
    [
      'no room for its memory',
      running(two, { pods: [large('shop/web-1'), large('shop/web-2', 'n2')] }),
      'asks 600Mi memory, 424Mi free',
    ],
    [
      'no such thing at all',
      running(two, { pods: [podOn('n1', 'shop/web-1', { requests: { 'nvidia.com/gpu': 1 } })] }),
      'asks 1 nvidia.com/gpu, 0 free',
    ],
    [
      'as many pods as it may run',
      running(['n1', workNode('n2', { allocatable: { cpu: 2000, memory: 1024 * MiB, pods: 0 } })], { pods: [web] }),
      'runs as many pods as it may',
    ],
    [
      'a taint',
      running(['n1', workNode('n3'), tainted], {
        pods: [podOn('n1', 'shop/web-1', { nodeSelector: { 'kubernetes.io/hostname': 'n2' } })],
      }),
      'taint gpu=yes:NoSchedule',
    ],
    [
      'its owner’s cordon',
      running(['n1', workNode('n2', { unschedulable: true }), 'n3'], {
        pods: [podOn('n1', 'shop/web-1', { nodeTerms: on('n2') })],
      }),
      'n2: cordoned',
    ],
    ['not been ready', running(['n1', workNode('n2', { ready: false })], { pods: [web] }), 'n2: not ready'],
    [
      'another label',
      running(two, { pods: [podOn('n1', 'shop/web-1', { nodeSelector: { disk: 'ssd' } })] }),
      'not labelled disk=ssd',
    ],
    [
      'been left out by affinity',
      running(two, { pods: [podOn('n1', 'shop/web-1', { nodeTerms: on('n1', 'n9') })] }),
      'excluded by its node affinity',
    ],
    [
      'a pod that it keeps apart from',
      running(two, { pods: [podOn('n1', 'shop/web-1', { apart }), podOn('n2', 'shop/web-2')] }),
      'shop/web-2 is there',
    ],
    [
      'a pod that keeps apart from it',
      running(two, { pods: [web, podOn('n2', 'shop/web-2', { apart })] }),
      'shop/web-2 is there',
    ],
    [
      'its port taken',
      running(two, {
        pods: [
          podOn('n1', 'shop/web-1', { hostPorts: ['TCP/80'] }),
          podOn('n2', 'shop/in-1', { hostPorts: ['TCP/80'] }),
        ],
      }),
      'port TCP/80 is taken',
    ],
    [
      'not its data',
      running(two, {
        pods: [podOn('n1', 'shop/web-1', { claims: ['shop/data'] })],
        volumes: [volumeOf('shop/data', ['n1'])],
      }),
      'the data of shop/data is not there',
    ],
  ];

  it.each(cases)('is not a node that has %s: after an upgrade it comes back to its own', (_, of, why) => {
    const [drain] = upgrade(of, ['n1']);
    expect(drain?.skipped).toBeUndefined();
    expect(drain?.stuck).toEqual([]);
    expect(drain?.moves).toMatchObject([{ pod: 'shop/web-1', to: 'n1', why: expect.stringContaining(why) }]);
    expect(drain?.gaps[0]?.until ?? 'back').toBe('back');
  });

  it.each(cases)('is not a node that has %s: it does not let its own be removed', (_, of, why) => {
    const [drain] = remove(of, 'n1');
    expect(drain?.moves).toEqual([]);
    if (why.startsWith('the data')) expect(drain?.stuck).toMatchObject([{ rule: 'data', what: 'shop/data' }]);
    else expect(drain?.stuck).toMatchObject([{ what: 'shop/web-1', why: expect.stringContaining(why) }]);
  });

  it('is a node with a taint that it tolerates, and one that keeps only others apart', () => {
    const tolerant = podOn('n1', 'shop/web-1', { tolerations: [toleration] });
    expect(movesOf(remove(running(['n1', tainted], { pods: [tolerant] }), 'n1'))).toEqual(['n1: shop/web-1 → n2']);
    const all = podOn('n1', 'shop/web-1', { tolerations: [{ key: '', operator: 'Exists', value: '', effect: '' }] });
    expect(movesOf(remove(running(['n1', tainted], { pods: [all] }), 'n1'))).toEqual(['n1: shop/web-1 → n2']);
    const other = podOn('n1', 'shop/web-1', { tolerations: [{ ...toleration, value: 'no' }] });
    expect(movesOf(remove(running(['n1', tainted], { pods: [other] }), 'n1'))).toEqual([]);
    const elsewhere = podOn('n2', 'else/web-2', { apart: apart.map(each => ({ ...each, namespaces: ['else'] })) });
    expect(movesOf(remove(running(two, { pods: [web, elsewhere] }), 'n1'))).toEqual(['n1: shop/web-1 → n2']);
  });

  it('is the first node with room, which the next pod then has to do without', () => {
    const of = running(['n1', 'n2', 'n3'], { pods: [large('shop/a-1'), large('shop/b-1'), large('shop/c-1')] });
    expect(movesOf(remove(of, 'n1'))).toEqual(['n1: shop/a-1 → n2', 'n1: shop/b-1 → n3']);
    expect(rules(remove(of, 'n1'))).toEqual(['room shop/c-1']);
  });

  it('is a node whose finished pods ask for nothing and are nobody’s neighbours', () => {
    const over = podOn('n2', 'shop/web-2', { phase: 'Failed', ready: false, requests: { memory: 2 ** 30 }, apart });
    expect(movesOf(remove(running(two, { pods: [web, over] }), 'n1'))).toEqual(['n1: shop/web-1 → n2']);
  });

  it('is rather a node that has none of its kind yet', () => {
    const of = running(['n1', 'n2', 'n3'], { pods: [web, podOn('n2', 'shop/web-2'), podOn('n3', 'else/web-3')] });
    expect(movesOf(remove(of, 'n1'))).toEqual(['n1: shop/web-1 → n3']);
  });

  it('is a node that homelab itself had cordoned, when a run goes on; in a removal nobody lifts that', () => {
    const ours = workNode('n2', { unschedulable: true, cordonedByUs: true });
    expect(movesOf(upgrade(running(['n1', ours], { pods: [web] }), ['n1']))).toEqual(['n1: shop/web-1 → n2']);
    expect(movesOf(remove(running(['n1', ours], { pods: [web] }), 'n1'))).toEqual([]);
  });
});

describe('a node that its owner cordoned', () => {
  const closed = workNode('n1', { unschedulable: true });

  it('stays so: what can run only there would not come back', () => {
    const pinned = podOn('n1', 'shop/web-1', { nodeSelector: { 'kubernetes.io/hostname': 'n1' } });
    const [drain] = upgrade(running([closed, 'n2'], { pods: [pinned] }), ['n1']);
    expect(drain?.stuck).toMatchObject([{ rule: 'cordoned', hint: 'let it take pods: kubectl uncordon n1' }]);
    expect(drain?.notes).toEqual(['n1 was cordoned by its owner and stays so']);
  });

  it('takes no pods of the next one either', () => {
    const [, second] = upgrade(running([closed, 'n2', 'n3'], { pods: [podOn('n2', 'shop/web-1')] }), two);
    expect(second?.moves).toMatchObject([{ to: 'n3' }]);
  });
});

describe('the only node that pods can run on', () => {
  it.each([
    ['a machine alone', running(['n1'], { pods: [web] }), 'n1'],
    ['a control plane alone', running([controlPlaneNode('cp')], { pods: [podOn('cp', 'shop/web-1')] }), 'cp'],
    ['the one worker', running([controlPlaneNode('cp'), 'n1'], { pods: [web] }), 'n1'],
    [
      'one whose neighbour its owner has cordoned',
      running([workNode('n2', { unschedulable: true }), 'n1'], { pods: [web] }),
      'n1',
    ],
  ])('is not drained for an upgrade: %s', (_, of, node) => {
    expect(upgrade(of, [node])).toEqual([
      { node, skipped: 'alone', moves: [], stuck: [], gaps: [], notes: [expect.stringContaining('is not drained')] },
    ]);
  });

  it('is not the control plane beside it, nor a neighbour that is down for a moment', () => {
    expect(upgrade(running([controlPlaneNode('cp'), 'n1']), ['cp'])[0]?.skipped).toBeUndefined();
    expect(upgrade(running([workNode('n2', { ready: false }), 'n1']), ['n1'])[0]?.skipped).toBeUndefined();
  });

  it('is none of several control planes that take no ordinary pods', () => {
    const dns = podOn('cp1', 'kube-system/dns-1', {
      tolerations: [{ key: '', operator: 'Exists', value: '', effect: '' }],
    });
    const of = running([controlPlaneNode('cp1'), controlPlaneNode('cp2')], { pods: [dns] });
    expect(movesOf(upgrade(of, ['cp1']))).toEqual(['cp1: kube-system/dns-1 → cp2']);
  });

  it('cannot be removed while pods run there: more room, other wishes or fewer pods', () => {
    const controllers = [{ kind: 'Deployment', namespace: 'shop', name: 'web', desired: 2, ready: 1 }] as const;
    const [drain] = remove(running(['n1'], { pods: [web], controllers }), 'n1');
    expect(drain?.stuck[0]?.hint).toMatch(
      /^see what it asks.*; or do without it: kubectl scale -n shop deployment\/web --replicas=1$/,
    );

    expect(rules(remove(running(['n1'], { pods: [web] }), 'n1'))).toEqual(['nowhere shop/web-1']);
  });
});

describe('a disruption budget', () => {
  const twin = podOn('n2', 'shop/web-2');
  const sick = (pod: Pod): Pod => ({ ...pod, ready: false, trouble: 'CrashLoopBackOff' });
  const stuckWith = (budgets: Workloads['budgets'], pods: readonly Pod[] = [web, twin]) =>
    rules(upgrade(running(['n1', 'n2', 'n3'], { pods, budgets }), ['n1']));

  it('that allows one lets it go', () => {
    expect(stuckWith([budgetFor('shop/web', 2, 1)])).toEqual([]);
  });

  it.each([
    ['minAvailable as many as there are', budgetFor('shop/web', 2, 2)],
    ['minAvailable more than there are', budgetFor('shop/web', 2, 3)],
    ['maxUnavailable 0', budgetFor('shop/web', 2, 2, { says: 'maxUnavailable 0' })],
    ['a percentage of pods that it cannot count', budgetFor('shop/web', 0, 0, { says: 'minAvailable 50%' })],
  ])('never does with %s', (_, budget) => {
    expect(stuckWith([budget])).toEqual(['budget-never shop/web-1']);
  });

  it('that never lets it go says what to type: more replicas where that helps, or another budget', () => {
    const hint = (budget: Workloads['budgets'][number]) =>
      upgrade(running(two, { pods: [web], budgets: [budget] }), ['n1'])[0]?.stuck[0]?.hint;
    const patch = `kubectl patch poddisruptionbudget -n shop keep-web --type=merge -p '{"spec":{"minAvailable":null,"maxUnavailable":1}}'`;
    expect(hint(budgetFor('shop/web', 1, 1))).toBe(`kubectl scale -n shop deployment/web --replicas=2; or ${patch}`);
    expect(hint(budgetFor('shop/web', 1, 1, { says: 'maxUnavailable 0' }))).toBe(patch);
  });

  it('beside a second one for the same pod is refused by the API server', () => {
    expect(stuckWith([budgetFor('shop/web', 2, 1), budgetFor('shop/web', 2, 1, { name: 'other' })])).toEqual([
      'two-budgets shop/web-1',
    ]);
  });

  it.each([
    ['of another namespace', budgetFor('else/web', 2, 2)],
    ['for other labels', budgetFor('shop/was', 2, 2)],
    ['without a selector', budgetFor('shop/web', 2, 2, { selector: 'nothing' })],
  ])('%s has no say', (_, budget) => {
    expect(stuckWith([budget])).toEqual([]);
  });

  it.each([
    [{ key: 'app', operator: 'In', values: ['web', 'was'] }, true],
    [{ key: 'app', operator: 'In', values: ['was'] }, false],
    [{ key: 'app', operator: 'NotIn', values: ['was'] }, true],
    [{ key: 'app', operator: 'NotIn', values: ['web'] }, false],
    [{ key: 'tier', operator: 'NotIn', values: ['web'] }, true],
    [{ key: 'app', operator: 'Exists', values: [] }, true],
    [{ key: 'tier', operator: 'Exists', values: [] }, false],
    [{ key: 'app', operator: 'DoesNotExist', values: [] }, false],
    [{ key: 'tier', operator: 'DoesNotExist', values: [] }, true],
  ])('with the expression %j: %s', (expression, isMeant) => {
    const budget = budgetFor('shop/web', 2, 2, { selector: { labels: {}, expressions: [expression] } });
    expect(stuckWith([budget]).length).toBe(isMeant ? 1 : 0);
  });

  it('with an empty selector means all of its namespace', () => {
    expect(stuckWith([budgetFor('shop/web', 2, 2, { selector: { labels: {}, expressions: [] } })])).toHaveLength(1);
  });

  it.each([
    ['has not started', { phase: 'Pending', ready: false }],
    ['was told to end', { leaving: true }],
  ])('does not protect a pod that %s', (_, over) => {
    expect(stuckWith([budgetFor('shop/web', 2, 2, { healthy: 1 })], [{ ...web, ...over }])).toEqual([]);
  });

  it('waits for a pod that does not get well, and says which', () => {
    const budget = budgetFor('shop/web', 2, 1, { healthy: 1 });
    expect(stuckWith([budget], [web, sick(twin)])).toEqual(['budget-unhealthy shop/web-1']);
    const [drain] = upgrade(running(['n1', 'n2'], { pods: [web, sick(twin)], budgets: [budget] }), ['n1']);
    expect(drain?.stuck[0]?.hint).toBe('mend them: kubectl describe pod -n shop web-2');
  });

  it('that is short for a moment only makes the drain wait', () => {
    const budget = budgetFor('shop/web', 2, 1, { healthy: 1 });
    const starting = { ...twin, ready: false };
    const [drain] = upgrade(running(['n1', 'n2', 'n3'], { pods: [web, starting], budgets: [budget] }), ['n1']);
    expect(drain).toMatchObject({ stuck: [], moves: [{ pod: 'shop/web-1' }] });
    expect(drain?.notes).toEqual([
      expect.stringMatching(/^shop\/keep-web allows no eviction of shop\/web-1 now \(1 of 2/),
    ]);
  });

  it('lets a pod that is not ready go while enough others are, or when it is told to', () => {
    expect(stuckWith([budgetFor('shop/web', 2, 1, { healthy: 1 })], [sick(web), twin])).toEqual([]);
    const both = [sick(web), sick(twin)];
    expect(stuckWith([budgetFor('shop/web', 2, 1, { healthy: 0 })], both)).toEqual(['budget-unhealthy shop/web-1']);
    expect(stuckWith([budgetFor('shop/web', 2, 1, { healthy: 0, freesUnhealthy: true })], both)).toEqual([]);
    expect(stuckWith([budgetFor('shop/web', 1, 1, { healthy: 0, freesUnhealthy: true })], [sick(web)])).toEqual([]);
    // Told to let those go that are not ready, which it is.
    expect(stuckWith([budgetFor('shop/web', 1, 1, { freesUnhealthy: true })], [web])).toEqual([
      'budget-never shop/web-1',
    ]);
  });

  it('is used up by a pod that can start nowhere else: the second one stays', () => {
    const pinned = { nodeSelector: { 'kubernetes.io/hostname': 'n1' } };
    const pods = [podOn('n1', 'shop/web-1', pinned), podOn('n1', 'shop/web-2', pinned)];
    const drains = upgrade(running(two, { pods, budgets: [budgetFor('shop/web', 2, 1)] }), ['n1']);
    expect(rules(drains)).toEqual(['budget-sequence shop/web-2']);
    expect(movesOf(drains)).toEqual(['n1: shop/web-1 → n1']);
    expect(rules(upgrade(running(two, { pods, budgets: [budgetFor('shop/web', 2, 0)] }), ['n1']))).toEqual([]);
  });

  it('has its headroom again once a node is back', () => {
    const pinnedTo = (node: string) =>
      podOn(node, `shop/web-${node}`, { nodeSelector: { 'kubernetes.io/hostname': node } });
    const of = running(two, { pods: two.map(pinnedTo), budgets: [budgetFor('shop/web', 2, 1)] });
    expect(rules(upgrade(of, two))).toEqual([]);
  });
});

describe('data', () => {
  const db = podOn('n1', 'shop/db-0', { owner: { kind: 'StatefulSet', name: 'db' }, claims: ['shop/data'] });
  const local = [volumeOf('shop/data', ['n1'])];

  it('on a disk of the node is a gap in an upgrade, a loss in a removal', () => {
    const of = running(two, { pods: [db], volumes: local });
    expect(upgrade(of, ['n1'])).toMatchObject([{ stuck: [], gaps: [{ of: 'StatefulSet shop/db', until: 'back' }] }]);
    expect(remove(of, 'n1')).toMatchObject([{ moves: [], stuck: [{ rule: 'data', what: 'shop/data' }] }]);
  });

  it('is lost also where no pod uses it now, and not where another node has it', () => {
    expect(rules(remove(running(two, { volumes: local }), 'n1'))).toEqual(['data shop/data']);
    expect(rules(remove(running(two, { volumes: local }), 'n2'))).toEqual([]);
    const zone = [volumeOf('shop/data', two)];
    expect(rules(remove(running(['n1', 'n2', 'n3'], { volumes: zone, pods: [db] }), 'n1'))).toEqual([]);
    expect(rules(remove(running(['n1', 'n2', 'n3'], { volumes: zone, pods: [db] }), 'n1', 'n2'))).toEqual([
      'data shop/data',
    ]);
    expect(rules(remove(running(two, { volumes: [volumeOf('', ['n1'])] }), 'n1'))).toEqual([]);
  });

  it('on a path of whichever node is where its pod has been running', () => {
    const volumes = [volumeOf('shop/data', [], { storage: 'hostPath' })];
    expect(rules(remove(running(two, { pods: [db], volumes }), 'n1'))).toEqual(['data shop/data']);
    expect(upgrade(running(two, { pods: [db], volumes }), ['n1'])[0]?.notes).toEqual([
      'elsewhere these see that machine’s folder, not this one’s: shop/db-0 (shop/data)'.replaceAll('’', "'"),
    ]);
  });

  it('that every node reaches goes along', () => {
    const of = running(two, { pods: [db], volumes: [volumeOf('shop/data', [])] });
    expect(movesOf(remove(of, 'n1'))).toEqual(['n1: shop/db-0 → n2']);
  });

  const replicated = (...healthyOn: readonly string[]) => [
    { name: 'pvc-1', robustness: 'degraded', wantedReplicas: 2, healthyOn },
  ];

  it('of Longhorn holds a node while its last healthy replica is there', () => {
    const [drain] = upgrade(running(two, { longhorn: replicated('n1') }), ['n1']);
    expect(drain?.stuck).toMatchObject([
      {
        rule: 'longhorn',
        what: 'pvc-1',
        hint: expect.stringContaining(`volumes.longhorn.io pvc-1 --type=merge -p '{"spec":{"numberOfReplicas":2}}'`),
      },
    ]);
    expect(rules(upgrade(running(two, { longhorn: replicated('n1', 'n2') }), two))).toEqual([]);
    expect(rules(upgrade(running(two, { longhorn: replicated('n2') }), ['n1']))).toEqual([]);
  });

  it('of Longhorn is copied elsewhere before a node leaves', () => {
    const [drain] = remove(running(two, { longhorn: replicated('n1') }), 'n1');
    expect(drain).toMatchObject({ stuck: [], notes: [expect.stringContaining('Longhorn builds pvc-1 anew')] });
  });

  it('in an emptyDir goes with its pod; what is only in memory is not worth a word', () => {
    const emptyDirs = [
      { name: 'cache', inMemory: false },
      { name: 'shm', inMemory: true },
    ];
    const notes = (pod: Pod) => upgrade(running(two, { pods: [pod] }), ['n1'])[0]?.notes;
    expect(notes(podOn('n1', 'shop/web-1', { emptyDirs }))).toEqual([
      'what is in an emptyDir goes with its pod: shop/web-1 (cache)',
    ]);
    expect(notes(podOn('n1', 'shop/web-1', { emptyDirs: emptyDirs.slice(1) }))).toEqual([]);
  });
});

describe('a gap', () => {
  const services = [{ namespace: 'shop', name: 'web', selector: { app: 'web' } }];

  it('is there for what has one replica, with the services that it answers for', () => {
    const [drain] = upgrade(running(two, { pods: [web], services }), ['n1']);
    expect(drain?.gaps).toEqual([
      {
        of: 'Deployment shop/web',
        services: ['shop/web'],
        why: 'it has one replica',
        until: 'elsewhere',
        expected: 'until it has started elsewhere',
        pods: ['shop/web-1'],
      },
    ]);
  });

  it('lasts longer where the old pod has to end first', () => {
    const expected = (over: Partial<Pod>, volumes: Workloads['volumes'] = []) =>
      upgrade(running(two, { pods: [podOn('n1', 'shop/db-0', over)], volumes }), ['n1'])[0]?.gaps[0]?.expected;
    const slow = 'until it has ended (at most 90 s) and then started elsewhere';
    expect(expected({ owner: { kind: 'StatefulSet', name: 'db' }, graceSeconds: 90 })).toBe(slow);
    expect(expected({ claims: ['shop/data'], graceSeconds: 90 }, [volumeOf('shop/data', [])])).toBe(slow);
  });

  it('is not there while another replica is elsewhere and ready', () => {
    const elsewhere = podOn('n2', 'shop/web-2');
    expect(gapsOf(upgrade(running(two, { pods: [web, elsewhere] }), ['n1']))).toEqual([]);
    expect(gapsOf(upgrade(running(two, { pods: [web, { ...elsewhere, ready: false }] }), ['n1']))).toHaveLength(1);
  });

  it('is there where all replicas are on one node, unless a budget lets them go one by one', () => {
    const pods = [web, podOn('n1', 'shop/web-2')];
    expect(gapsOf(upgrade(running(two, { pods }), ['n1']))).toEqual(['Deployment shop/web elsewhere']);
    expect(gapsOf(upgrade(running(two, { pods, budgets: [budgetFor('shop/web', 2, 1)] }), ['n1']))).toEqual([]);
    expect(gapsOf(upgrade(running(two, { pods, budgets: [budgetFor('shop/web', 2, 0)] }), ['n1']))).toHaveLength(1);
  });

  it('names no service that another controller answers for too', () => {
    const canary = podOn('n2', 'shop/canary-1', { labels: { app: 'web' } });
    const [drain] = upgrade(running(two, { pods: [web, canary], services }), ['n1']);
    expect(drain?.gaps).toMatchObject([{ of: 'Deployment shop/web', services: [] }]);
    const none = [{ namespace: 'shop', name: 'by-hand', selector: {} }];
    expect(upgrade(running(two, { pods: [web], services: none }), ['n1'])[0]?.gaps[0]?.services).toEqual([]);
  });

  it('is not there for a Job, which answers nobody, nor for what did not run before', () => {
    const job = podOn('n1', 'shop/job-1', { owner: { kind: 'Job', name: 'job' } });
    expect(gapsOf(upgrade(running(two, { pods: [job] }), ['n1']))).toEqual([]);
    expect(gapsOf(upgrade(running(two, { pods: [{ ...web, ready: false }] }), ['n1']))).toEqual([]);
  });
});

describe('several workers at once', () => {
  const three = ['n1', 'n2', 'n3'];

  it('are refused where one at a time nothing would be away', () => {
    const pods = [web, podOn('n2', 'shop/web-2')];
    expect(rules(upgrade(running(three, { pods }), three))).toEqual([]);
    const [first] = upgrade(running(three, { pods }), three, 2);
    expect(first?.stuck).toMatchObject([
      {
        rule: 'parallel',
        what: 'Deployment shop/web',
        hint: 'one at a time there is no such trouble: leave out --parallel',
      },
    ]);
  });

  it('are refused where both have the last two replicas of a volume', () => {
    const longhorn = [{ name: 'pvc-1', robustness: 'healthy', wantedReplicas: 2, healthyOn: ['n1', 'n2'] }];
    expect(rules(upgrade(running(three, { longhorn }), three, 2))).toEqual(['parallel pvc-1']);
  });

  it('send no pods to each other', () => {
    const drains = upgrade(running(three, { pods: [web, podOn('n2', 'shop/db-1')] }), three, 2);
    expect(movesOf(drains).slice(0, 2)).toEqual(['n1: shop/web-1 → n3', 'n2: shop/db-1 → n3']);
  });

  it('are workers: control planes go one at a time', () => {
    const planes = ['cp1', 'cp2'].map(name => controlPlaneNode(name));
    const dns = podOn('cp1', 'kube-system/dns-1', {
      tolerations: [{ key: '', operator: 'Exists', value: '', effect: '' }],
    });
    const first = (order: readonly string[]) =>
      movesOf(upgrade(running([...planes.slice(0, 1), 'n1', 'n2'], { pods: [dns] }), order, 2))[0];
    expect(first(['cp1', 'n1', 'n2'])).toBe('cp1: kube-system/dns-1 → n1');
    expect(first(['n1', 'cp1', 'n2'])).toBe('cp1: kube-system/dns-1 → n1');
    const drains = upgrade(running([...planes, 'n1', 'n2'], { pods: [dns] }), ['cp1', 'cp2', 'n1', 'n2'], 2);
    expect(movesOf(drains)[0]).toBe('cp1: kube-system/dns-1 → cp2');
  });
});

describe('whatever runs', () => {
  const names = ['n1', 'n2', 'n3', 'n4'];
  const pod = fc.record({
    node: fc.constantFrom(...names),
    app: fc.constantFrom('a', 'b', 'c'),
    memory: fc.integer({ min: 0, max: 400 }),
    isBare: fc.boolean(),
    ready: fc.boolean(),
    home: fc.option(fc.constantFrom(...names)),
  });
  const worlds = fc
    .record({
      pods: fc.array(pod, { maxLength: 12 }),
      desired: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
      closed: fc.subarray(names),
      purpose: fc.constantFrom('upgrade' as const, 'remove' as const),
      parallel: fc.integer({ min: 1, max: 3 }),
      drained: fc.shuffledSubarray(names),
    })
    .map(({ pods, desired, closed, ...rest }) => ({
      ...rest,
      of: running(
        names.map(name => workNode(name, { unschedulable: closed.includes(name) })),
        {
          pods: pods.map(({ node, app, memory, isBare, ready, home }, index) =>
            podOn(node, `shop/${app}-${index}`, {
              ready,
              ...(isBare ? { owner: 'none' } : {}),
              requests: { memory: memory * 2 ** 20, pods: 1 },
              nodeSelector: home === null ? {} : { 'kubernetes.io/hostname': home },
            }),
          ),
          budgets: desired.map((count, index) => budgetFor(`shop/${'abcd'[index]}`, 3, count)),
        },
      ),
    }));

  it('a pod that has to go is either told where it goes or why not, never both', () => {
    fc.assert(
      fc.property(worlds, ({ of, purpose, parallel, drained }) => {
        for (const { moves, stuck, node, skipped } of simulateDrains(of, drained, { purpose, parallel }).drains) {
          const goes = moves.map(each => each.pod);
          const stays = stuck.filter(({ rule }) => rule !== 'parallel').map(each => each.what);
          expect(goes.filter(each => stays.includes(each))).toEqual([]);
          expect(new Set([...goes, ...stays]).size).toBe(goes.length + stays.length);
          if (skipped) continue;
          const there = of.pods.filter(each => each.node === node).map(each => `${each.namespace}/${each.name}`);
          const all = [...goes, ...stuck.map(each => each.what)];
          expect(there.filter(each => !all.includes(each) && drained[0] === node)).toEqual([]);
        }
      }),
    );
  });

  it('no node gets more than it has, and none that takes no pods gets any', () => {
    fc.assert(
      fc.property(worlds, ({ of, purpose, parallel, drained }) => {
        const { after, drains } = simulateDrains(of, drained, { purpose, parallel });
        for (const node of after.nodes) {
          const [before, then] = [of, after].map(each => usedOn(node.name, each.pods)['memory'] ?? 0);
          expect(then).toBeLessThanOrEqual(Math.max(before ?? 0, node.allocatable['memory'] ?? 0));
          const came = drains.flatMap(({ node: from, moves }) =>
            moves.filter(({ to }) => to === node.name && from !== to),
          );
          if (node.unschedulable) expect(came).toEqual([]);
        }
        expect(after.pods).toHaveLength(of.pods.length);
      }),
    );
  });
});
