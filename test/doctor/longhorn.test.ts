// Rules of Longhorn. Its objects are constructed from the CRDs of longhorn/longhorn v1.12.1; nodes are recorded.
import { beforeAll, describe, expect, it } from 'vitest';
import type { MachineFacts } from '../../src/doctor/machine-facts.ts';
import type { Rule } from '../../src/doctor/rule.ts';
import { longhornRules } from '../../src/doctor/rules/longhorn.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { labState } from './lab-states.ts';
import { ago, bare, everRead, found, having, type Lists, log, pod } from './products.ts';
import { recorded, states } from './recorded.ts';
import { eachObject, withFacts } from './rig.ts';

let empty: Snapshot;
beforeAll(async () => {
  empty = await bare();
});

function rule(id: string): Rule {
  const one = longhornRules.find(each => each.id === id);
  if (!one) throw new Error(`no rule ${id}`);
  return one;
}
const says = (id: string, snapshot: Snapshot) => found(rule(id), snapshot).map(each => each.says);

const meta = (name: string) => ({ name, namespace: 'longhorn-system' });
const volume = (state: string, robustness: string, more: Record<string, unknown> = {}) => ({
  metadata: meta('pvc-1'),
  spec: { numberOfReplicas: 3, nodeID: 'n2' },
  status: {
    state,
    robustness,
    lastDegradedAt: '',
    currentNodeID: 'n2',
    kubernetesStatus: { pvName: 'pvc-1', pvcName: 'mysql', namespace: 'blog' },
    conditions: [],
    ...more,
  },
});
const replica = (node: string, currentState = 'running', name = `pvc-1-r-${node}`) => ({
  metadata: meta(name),
  spec: { nodeID: node, volumeName: 'pvc-1' },
  status: { currentState },
});
const node = (name: string, allowScheduling = true, schedulable = 'True') => ({
  metadata: meta(name),
  spec: { allowScheduling },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Schedulable', status: schedulable },
    ],
    diskStatus: {
      'default-disk': { diskPath: '/var/lib/longhorn', conditions: [{ type: 'Schedulable', status: 'True' }] },
    },
  },
});
const mysql = (state: 'ok' | 'pending' = 'pending') =>
  pod('mysql-0', { state, volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'mysql' } }] });
const attach = (message: string, uid = 'uid-of-mysql-0') => ({
  metadata: { name: 'mysql-0.1', namespace: 'blog' },
  type: 'Warning',
  reason: 'FailedAttachVolume',
  message,
  involvedObject: { kind: 'Pod', namespace: 'blog', name: 'mysql-0', uid },
});
const cordon = (snapshot: Snapshot, ...names: string[]) =>
  eachObject(snapshot, 'nodes', each => ({
    ...each,
    spec: { ...each.spec, unschedulable: names.includes(each.metadata.name) },
  }));

describe('longhorn-replicas-cordoned (D-4)', () => {
  const lists = (more: Lists = {}): Lists => ({
    longhornvolumes: [volume('attaching', 'unknown')],
    longhornreplicas: [replica('n2', 'stopped')],
    longhornnodes: [node('n1'), node('n2')],
    pods: [mysql()],
    events: [
      attach(
        'AttachVolume.Attach failed for volume "pvc-1" : rpc error: code = Internal desc = volume pvc-1 failed to attach to node n1',
      ),
    ],
    ...more,
  });

  it('names the claim, the cordoned machine and the pod that waits', () => {
    const [finding] = found(rule('longhorn-replicas-cordoned'), cordon(having(empty, lists()), 'n2'));
    expect(finding?.says).toBe(
      'The volume of blog/mysql cannot be attached: all its replicas lie on n2, and that is cordoned',
    );
    expect(finding).toMatchObject({
      severity: 'error',
      certainty: 'certain',
      about: ['volume:pvc-1', 'claim:blog/mysql', 'pod:blog/mysql-0', 'machine:n2'],
      cure: ['kubectl uncordon n2', expect.any(String)],
    });
  });

  it('looks at its own replicas that lie somewhere, and at the pods of its own claim', () => {
    const other = (name: string, spec: object) => ({ ...replica('n1', 'running', name), spec });
    const theirs = [
      other('pvc-2-r-1', { nodeID: 'n1', volumeName: 'pvc-2' }),
      other('pvc-1-r-new', { nodeID: '', volumeName: 'pvc-1' }),
    ];
    const claims = (claimName: string) => [{ name: 'data', persistentVolumeClaim: { claimName } }];
    const pods = [
      mysql(),
      pod('other-claim', { volumes: claims('redis') }),
      pod('other-namespace', { namespace: 'demo', volumes: claims('mysql') }),
      pod('no-claim', { volumes: [{ name: 'tmp' }] }),
      { ...mysql(), metadata: { ...mysql().metadata, name: 'leaving', deletionTimestamp: ago(1) } },
    ];
    const given = lists({ longhornreplicas: [replica('n2', 'stopped'), ...theirs], pods });
    const [finding] = found(rule('longhorn-replicas-cordoned'), cordon(having(empty, given), 'n2'));
    expect(finding?.about).toEqual(['volume:pvc-1', 'claim:blog/mysql', 'pod:blog/mysql-0', 'machine:n2']);
    const unplaced = lists({ longhornreplicas: theirs.slice(1) });
    expect(says('longhorn-replicas-cordoned', cordon(having(empty, unplaced), 'n2'))).toEqual([]);
  });

  it('goes by the name of its PersistentVolume, or by its own where it has none', () => {
    const about = (kubernetesStatus: object) =>
      found(
        rule('longhorn-replicas-cordoned'),
        cordon(having(empty, lists({ longhornvolumes: [volume('attaching', 'unknown', { kubernetesStatus })] })), 'n2'),
      )[0]?.about[0];
    expect(about({ pvName: 'pv-mysql', pvcName: 'mysql', namespace: 'blog' })).toBe('volume:pv-mysql');
    expect(about({ pvName: '', pvcName: '', namespace: '' })).toBe('volume:pvc-1');
  });

  it.each([
    ['attached', 'faulted', 1],
    ['attached', 'degraded', 0],
    ['attaching', 'healthy', 1],
  ])('without an event, of one that is %s and %s: %i', (state, robustness, count) => {
    const given = lists({ longhornvolumes: [volume(state, robustness)], events: [] });
    expect(says('longhorn-replicas-cordoned', cordon(having(empty, given), 'n2'))).toHaveLength(count);
  });

  it('is certain by the event of a pod that waits: of one without containers yet, and of one that runs again', () => {
    const bare0 = { ...mysql(), status: { ...mysql().status, containerStatuses: [] } };
    const certainty = (one: unknown, reason = 'FailedAttachVolume') =>
      found(
        rule('longhorn-replicas-cordoned'),
        cordon(having(empty, lists({ pods: [one], events: [{ ...attach('failed'), reason }] })), 'n2'),
      )[0]?.certainty;
    expect(certainty(bare0)).toBe('certain');
    expect(certainty({ ...mysql(), status: { ...mysql().status, phase: 'Running' } })).toBe('certain');
    expect(certainty(mysql('ok'))).toBe('likely');
    expect(certainty(mysql(), 'FailedScheduling')).toBe('likely');
  });

  it('is likely without the event', () => {
    expect(
      found(rule('longhorn-replicas-cordoned'), cordon(having(empty, lists({ events: [] })), 'n2'))[0]?.certainty,
    ).toBe('likely');
  });

  it.each([
    ['nothing is cordoned', having, []],
    [
      'a replica lies elsewhere',
      (one: Snapshot) => having(one, lists({ longhornreplicas: [replica('n2'), replica('n1')] })),
      ['n2'],
    ],
    [
      'the volume serves, while its owner drains',
      (one: Snapshot) =>
        having(one, lists({ longhornvolumes: [volume('attached', 'healthy')], events: [], pods: [mysql('ok')] })),
      ['n2'],
    ],
    [
      'nobody uses the volume',
      (one: Snapshot) => having(one, lists({ longhornvolumes: [volume('detached', 'unknown')], events: [], pods: [] })),
      ['n2'],
    ],
    [
      'the event is of a pod that is gone',
      (one: Snapshot) =>
        having(
          one,
          lists({ longhornvolumes: [volume('detached', 'unknown')], events: [attach('failed', 'another uid')] }),
        ),
      ['n2'],
    ],
  ] as const)('is silent when %s', (_, make, closed) => {
    expect(says('longhorn-replicas-cordoned', cordon(make(empty, lists()), ...closed))).toEqual([]);
  });
});

const iscsi = (more: Partial<NonNullable<MachineFacts['iscsi']>> = {}): MachineFacts => ({
  iscsi: {
    installed: true,
    initiator: 'iqn.1993-08.org.debian:01:aaaa',
    multipathOwns: [],
    ...more,
  },
});

describe('longhorn-iscsi-missing (F-16)', () => {
  const manager = pod('longhorn-manager-x', {
    namespace: 'longhorn-system',
    labels: { app: 'longhorn-manager' },
    state: 'crash',
  });
  const lists = (more: Lists = {}): Lists => ({ longhornnodes: [node('n2')], pods: [manager], ...more });

  it('names the machine, with what the manager says', () => {
    const snapshot = {
      ...withFacts(having(empty, lists()), 'n2', iscsi({ installed: false })),
      logs: [
        log(
          'longhorn-system/longhorn-manager-x',
          'Error starting manager: Failed environment check, please make sure you have iscsiadm/open-iscsi installed on the host',
        ),
      ],
    };
    const [finding] = found(rule('longhorn-iscsi-missing'), snapshot);
    expect(finding?.says).toBe('Longhorn cannot attach volumes on n2: open-iscsi is not installed');
    expect(finding?.about).toEqual(['machine:n2', 'pod:longhorn-system/longhorn-manager-x']);
    expect(finding?.evidence).toHaveLength(2);
  });

  it('is told of a machine by its manager or by its node, and names no manager but a failing one of it', () => {
    const missing = iscsi({ installed: false });
    const about = (given: Lists) =>
      found(rule('longhorn-iscsi-missing'), withFacts(having(empty, given), 'n2', missing)).map(each => each.about);
    const named = (name: string, more: object) =>
      pod(name, { namespace: 'longhorn-system', labels: { app: 'longhorn-manager' }, ...more });
    const pods = [named('well', {}), named('elsewhere', { node: 'n1', state: 'crash' })];
    expect(about(lists({ pods }))).toEqual([['machine:n2']]);
    expect(about(lists({ longhornnodes: [], pods }))).toEqual([['machine:n2']]);
    expect(about(lists({ pods: [] }))).toEqual([['machine:n2']]);
    expect(about(lists({ longhornnodes: [], pods: pods.slice(1) }))).toEqual([]);
    const others = [named('other', { namespace: 'demo' }), named('ui', { labels: { app: 'longhorn-ui' } })];
    expect(about(lists({ longhornnodes: [], pods: others }))).toEqual([]);
  });

  it('tells an empty initiator name from a missing package', () => {
    expect(
      says('longhorn-iscsi-missing', withFacts(having(empty, lists()), 'n2', iscsi({ initiator: '' })))[0],
    ).toContain('initiatorname.iscsi is empty');
  });

  it.each([
    ['it is installed', lists(), iscsi()],
    ['Longhorn is not', lists({ longhornnodes: [], pods: [] }), iscsi({ installed: false })],
    [
      'Longhorn does not use that machine',
      lists({ longhornnodes: [node('n1')], pods: [] }),
      iscsi({ installed: false }),
    ],
    ['the machine was not asked', lists(), {}],
  ])('is silent when %s', (_, given, facts) => {
    expect(says('longhorn-iscsi-missing', withFacts(having(empty, given), 'n2', facts))).toEqual([]);
  });
});

describe('iscsi-initiator-duplicate (F-16)', () => {
  const given = (first: string, second: string, nodes: readonly unknown[] = [node('n1'), node('n2')]) =>
    withFacts(
      withFacts(having(empty, { longhornnodes: nodes }), 'n1', iscsi({ initiator: first })),
      'n2',
      iscsi({ initiator: second }),
    );

  it('names both machines', () => {
    expect(says('iscsi-initiator-duplicate', given('iqn.x:a', 'iqn.x:a'))).toEqual([
      'n1 and n2 have the same iSCSI initiator name (iqn.x:a): they are clones of one machine',
    ]);
  });

  it('is about each of them once', () => {
    expect(found(rule('iscsi-initiator-duplicate'), given('iqn.x:a', 'iqn.x:a'))[0]?.about).toEqual([
      'machine:n2',
      'machine:n1',
    ]);
  });

  it('is silent when they differ, are empty, or nobody uses iSCSI', () => {
    expect(says('iscsi-initiator-duplicate', given('iqn.x:a', 'iqn.x:b'))).toEqual([]);
    expect(says('iscsi-initiator-duplicate', given('', ''))).toEqual([]);
    expect(says('iscsi-initiator-duplicate', given('iqn.x:a', 'iqn.x:a', []))).toEqual([]);
  });
});

describe('longhorn-multipath (F-15)', () => {
  const busy = {
    ...attach('MountVolume.MountDevice failed: /dev/longhorn/pvc-1 already mounted or mount point busy.'),
    reason: 'FailedMount',
  };
  const lists = (more: Lists = {}): Lists => ({
    longhornnodes: [node('n2')],
    longhornvolumes: [volume('attached', 'healthy')],
    pods: [mysql()],
    events: [busy],
    ...more,
  });

  it('is certain when a pod cannot mount, possible before', () => {
    const facts = iscsi({ multipathOwns: ['sdb'] });
    expect(found(rule('longhorn-multipath'), withFacts(having(empty, lists()), 'n2', facts))).toMatchObject([
      { severity: 'error', certainty: 'certain', about: ['machine:n2', 'pod:blog/mysql-0'] },
    ]);
    expect(
      found(rule('longhorn-multipath'), withFacts(having(empty, lists({ events: [] })), 'n2', facts)),
    ).toMatchObject([{ severity: 'warning', certainty: 'possible' }]);
    expect(
      found(rule('longhorn-multipath'), withFacts(having(empty, lists({ pods: [mysql('ok')] })), 'n2', facts)),
    ).toMatchObject([{ severity: 'warning' }]);
  });

  it('is about the pods that wait there, and is not sure by another event', () => {
    const facts = iscsi({ multipathOwns: ['sdb'] });
    const claim = [{ name: 'data', persistentVolumeClaim: { claimName: 'mysql' } }];
    const pods = [
      mysql(),
      pod('mysql-1', { volumes: claim }),
      pod('mysql-2', { state: 'pending', node: 'n1', volumes: claim }),
    ];
    expect(found(rule('longhorn-multipath'), withFacts(having(empty, lists({ pods })), 'n2', facts))[0]?.about).toEqual(
      ['machine:n2', 'pod:blog/mysql-0'],
    );
    const certainty = (event: object) =>
      found(rule('longhorn-multipath'), withFacts(having(empty, lists({ events: [event] })), 'n2', facts))[0]
        ?.certainty;
    expect(certainty({ ...busy, message: 'timed out waiting' })).toBe('possible');
    expect(certainty({ ...busy, reason: 'Unhealthy' })).toBe('possible');
    expect(certainty({ ...busy, involvedObject: { ...busy.involvedObject, uid: 'uid-of-mysql-2' } })).toBe('possible');
  });

  it('is silent when multipath holds nothing, or Longhorn is not there', () => {
    expect(says('longhorn-multipath', withFacts(having(empty, lists()), 'n2', iscsi()))).toEqual([]);
    expect(
      says(
        'longhorn-multipath',
        withFacts(having(empty, lists({ longhornnodes: [] })), 'n2', iscsi({ multipathOwns: ['sdb'] })),
      ),
    ).toEqual([]);
  });
});

describe('longhorn-too-few-nodes', () => {
  const lists = (more: Lists = {}): Lists => ({
    longhornvolumes: [volume('attached', 'degraded')],
    longhornreplicas: [replica('n1'), replica('n2')],
    longhornnodes: [node('n1'), node('n2'), node('n3', false)],
    ...more,
  });

  it('counts the nodes that take replicas', () => {
    expect(says('longhorn-too-few-nodes', having(empty, lists()))).toEqual([
      'A volume of Longhorn wants 3 replicas, and only 2 nodes take any (n1 and n2); n3 does not',
    ]);
    expect(
      says(
        'longhorn-too-few-nodes',
        having(empty, lists({ longhornnodes: [node('n1'), node('n2', true, 'False')] })),
      )[0],
    ).toContain('only one node takes any (n1); n2 does not');
  });

  it('takes none that is not Ready, is full, or is cordoned', () => {
    const said = (third: unknown, ...closed: string[]) =>
      says(
        'longhorn-too-few-nodes',
        cordon(
          having(empty, lists({ longhornreplicas: [replica('n1')], longhornnodes: [node('n1'), node('n2'), third] })),
          ...closed,
        ),
      );
    const of = (status: object) => ({ ...node('n3'), status: { ...node('n3').status, ...status } });
    const disk = (status: string) => ({
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'Schedulable', status },
      ],
    });
    expect(
      said(
        of({
          conditions: [
            { type: 'Schedulable', status: 'True' },
            { type: 'Ready', status: 'False' },
          ],
        }),
      ),
    ).toHaveLength(1);
    expect(
      said(
        of({
          conditions: [
            { type: 'Ready', status: 'True' },
            { type: 'MountPropagation', status: 'False' },
          ],
        }),
      ),
    ).toEqual([]);
    expect(said(of({ diskStatus: { one: disk('False') } }))).toHaveLength(1);
    expect(said(of({ diskStatus: { one: disk('False'), two: disk('True') } }))).toEqual([]);
    expect(said(of({ diskStatus: {} }))).toEqual([]);
    expect(
      said(
        of({
          diskStatus: {
            one: {
              conditions: [
                { type: 'Ready', status: 'False' },
                { type: 'Schedulable', status: 'True' },
              ],
            },
          },
        }),
      ),
    ).toEqual([]);
    expect(said(node('n3'), 'n2')[0]).toContain('only 2 nodes take any (n1 and n3); n2 does not');
    expect(said(node('n3', false), 'n1', 'n2')[0]).toContain('only 0 nodes take any (none); n1, n2 and 1 more do not');
  });

  it('counts the replicas of that volume that run, and as many nodes as it wants', () => {
    const two = { ...volume('attached', 'degraded'), spec: { numberOfReplicas: 2, nodeID: 'n2' } };
    expect(says('longhorn-too-few-nodes', having(empty, lists({ longhornvolumes: [two] })))).toEqual([]);
    const others = [
      { ...replica('n3'), spec: { nodeID: 'n3', volumeName: 'pvc-2' } },
      replica('n3', 'stopped', 'pvc-1-r-x'),
    ];
    expect(says('longhorn-too-few-nodes', having(empty, lists({ longhornreplicas: others })))).toHaveLength(1);
    const kubernetesStatus = { pvName: 'pv-mysql', pvcName: 'mysql', namespace: 'blog' };
    const [named] = found(
      rule('longhorn-too-few-nodes'),
      having(empty, lists({ longhornvolumes: [volume('attached', 'degraded', { kubernetesStatus })] })),
    );
    expect(named?.about).toEqual(['volume:pv-mysql']);
    expect(named?.evidence[0]?.says).toBe('nodes that take replicas: n1, n2; numberOfReplicas: 3');
  });

  it.each([
    ['there are enough nodes', lists({ longhornnodes: [node('n1'), node('n2'), node('n3')] })],
    ['the volume has all that it wants', lists({ longhornvolumes: [volume('attached', 'healthy')] })],
    ['it is not attached', lists({ longhornvolumes: [volume('detached', 'degraded')] })],
    ['replicas run on the closed node', lists({ longhornreplicas: [replica('n3')] })],
    ['nodes could not be seen', lists({ longhornnodes: [] })],
  ])('is silent when %s', (_, given) => {
    expect(says('longhorn-too-few-nodes', having(empty, given))).toEqual([]);
  });
});

describe('longhorn-degraded (F-17)', () => {
  const lists = (one: unknown, more: Lists = {}): Lists => ({
    longhornvolumes: [one],
    longhornreplicas: [replica('n1'), replica('n2', 'stopped')],
    pods: [mysql('ok')],
    ...more,
  });

  it('says since when, which replicas are missing, and why no other is made', () => {
    const one = volume('attached', 'degraded', {
      lastDegradedAt: ago(90),
      conditions: [
        { type: 'Scheduled', status: 'False', reason: 'ReplicaSchedulingFailure', message: 'insufficient storage' },
      ],
    });
    const [finding] = found(rule('longhorn-degraded'), having(empty, lists(one)));
    expect(finding?.says).toBe(
      'The volume of blog/mysql has 1 of 3 replicas (missing on n2); Longhorn cannot place another (ReplicaSchedulingFailure)',
    );
    expect(finding).toMatchObject({
      severity: 'warning',
      since: ago(90),
      about: ['volume:pvc-1', 'claim:blog/mysql', 'pod:blog/mysql-0', 'machine:n2'],
    });
  });

  it('counts its own replicas, and only those that lie somewhere as missing', () => {
    const one = volume('attached', 'degraded', { lastDegradedAt: ago(90) });
    const theirs = { ...replica('n1', 'stopped', 'pvc-2-r-1'), spec: { nodeID: 'n1', volumeName: 'pvc-2' } };
    const unplaced = { ...replica('', 'stopped', 'pvc-1-r-new') };
    const given = lists(one, { longhornreplicas: [replica('n1'), replica('n2'), theirs, unplaced] });
    const [finding] = found(rule('longhorn-degraded'), having(empty, given));
    expect(finding?.says).toBe('The volume of blog/mysql has 2 of 3 replicas');
    expect(finding?.about).toEqual(['volume:pvc-1', 'claim:blog/mysql', 'pod:blog/mysql-0']);
    expect(finding?.evidence[0]?.says).toBe(`attached, degraded since ${ago(90)}`);
    expect(finding?.cure).toHaveLength(1);
  });

  it('says of a faulted one where its replicas lie, also where nobody uses it and it is not detached', () => {
    const [finding] = found(
      rule('longhorn-degraded'),
      having(empty, lists(volume('attached', 'faulted'), { pods: [] })),
    );
    expect(finding?.says).toBe('The volume of blog/mysql is faulted: no replica of it can be read (they lie on n2)');
    expect(finding?.since).toBeUndefined();
    expect(finding?.evidence[0]?.says).toBe('attached, faulted');
    const none = lists(volume('attached', 'faulted'), { longhornreplicas: [] });
    expect(says('longhorn-degraded', having(empty, none))).toEqual([
      'The volume of blog/mysql is faulted: no replica of it can be read',
    ]);
  });

  it('says that a faulted volume cannot be read', () => {
    expect(found(rule('longhorn-degraded'), having(empty, lists(volume('detached', 'faulted'))))).toMatchObject([
      { severity: 'error' },
    ]);
  });

  it.each([
    ['it is degraded for a moment', lists(volume('attached', 'degraded', { lastDegradedAt: ago(10) }))],
    ['it is healthy', lists(volume('attached', 'healthy', { lastDegradedAt: ago(90) }))],
    ['it is detached', lists(volume('detached', 'degraded', { lastDegradedAt: ago(90) }))],
    ['nobody knows since when', lists(volume('attached', 'degraded'))],
    ['nobody uses the faulted one', lists(volume('detached', 'faulted'), { pods: [] })],
  ])('is silent when %s', (_, given) => {
    expect(says('longhorn-degraded', having(empty, given))).toEqual([]);
  });
});

describe('rules of Longhorn', () => {
  it.each(longhornRules.map(each => [each.id, each] as const))('%s reads what it says that it needs', (_, each) => {
    expect(everRead(each)).toEqual([...each.needs].sort());
  });

  it.each(states)('are silent on the recorded cluster without Longhorn: %s', async state => {
    const snapshot = await recorded(state);
    expect(longhornRules.flatMap(each => each.find(snapshot))).toEqual([]);
  });

  it('are silent on the healthy lab', async () => {
    const snapshot = await labState('healthy');
    expect(longhornRules.flatMap(each => each.find(snapshot))).toEqual([]);
  });
});
