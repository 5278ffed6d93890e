// Claims and volumes: five look alike in kubectl and differ in one field. Constructed beside the recorded cluster.
import { beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { recorded } from './recorded.ts';
import { eachObject, found, ids, withObjects } from './rig.ts';
import {
  cordoned,
  type Happening,
  past,
  pod,
  podRef,
  unready,
  waitingPod,
  well,
  withEvents,
  withPods,
} from './well.ts';

let base: Snapshot;
beforeAll(async () => {
  base = await well();
});

interface Claim {
  readonly storageClassName?: string;
  readonly size?: string;
  readonly mode?: string;
  readonly phase?: string;
  readonly seconds?: number;
  readonly annotations?: Record<string, string>;
  readonly volumeName?: string;
  readonly selector?: object;
  readonly metadata?: object;
}

function withClaim(
  snapshot: Snapshot,
  {
    size = '1Gi',
    mode = 'ReadWriteOnce',
    phase = 'Pending',
    seconds = 600,
    annotations = {},
    metadata = {},
    ...spec
  }: Claim = {},
): Snapshot {
  return withObjects(snapshot, 'persistentvolumeclaims', [
    {
      metadata: {
        namespace: 'demo',
        name: 'data',
        uid: 'uid-data',
        creationTimestamp: past(base, seconds),
        annotations,
        ...metadata,
      },
      spec: { ...spec, accessModes: [mode], resources: { requests: { storage: size } } },
      status: { phase },
    },
  ]);
}

const byDefault = { 'storageclass.kubernetes.io/is-default-class': 'true' };
const local = (annotations = {}, more = {}) => ({
  metadata: { name: 'local-path', creationTimestamp: past(base, 86_400), annotations },
  provisioner: 'rancher.io/local-path',
  volumeBindingMode: 'Immediate',
  ...more,
});
const volume = (more: { readonly spec?: object; readonly status?: object; readonly metadata?: object } = {}) => ({
  metadata: { name: 'pv-1', ...more.metadata },
  spec: { storageClassName: 'manual', capacity: { storage: '5Gi' }, accessModes: ['ReadWriteOnce'], ...more.spec },
  status: { phase: 'Available', ...more.status },
});
const uses = { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] };
const unbound = '0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.';

function cluster(claim: Claim, classes: readonly object[], volumes: readonly object[] = []): Snapshot {
  const user = waitingPod(base, 'db', unbound, { spec: uses });
  return withPods(
    withObjects(withObjects(withClaim(base, claim), 'storageclasses', classes), 'persistentvolumes', volumes),
    user,
  );
}

describe('a claim that waits', () => {
  it.each([
    ['claim-without-class', {}, []],
    ['claim-class-missing', { storageClassName: 'fast' }, []],
    ['claim-no-volume-fits', { storageClassName: 'manual', size: '9Gi' }, [volume()]],
    ['claim-no-volume-fits', { storageClassName: 'manual', mode: 'ReadWriteMany' }, [volume()]],
    ['claim-no-volume-fits', { storageClassName: '' }, [volume()]],
    ['claim-not-provisioned', { storageClassName: 'local-path' }, []],
  ] as const)('is %s: %j', (id, claim, volumes) => {
    const { broken } = diagnose(cluster(claim, [local()], volumes), rules);
    expect(broken.map(({ rule, consequences }) => [rule, consequences.map(each => each.rule)])).toEqual([
      [id, ['pod-pending']],
    ]);
    expect(broken[0]?.about).toContain('claim:demo/data');
  });

  it('has nothing wrong with it when a volume fits, when it is new, or when it is bound', () => {
    const claims = (claim: Claim, volumes: readonly object[] = []) =>
      ids(cluster(claim, [local()], volumes)).filter(id => id.startsWith('claim-'));
    expect(claims({ storageClassName: 'manual' }, [volume()])).toEqual([]);
    expect(claims({ seconds: 10 })).toEqual([]);
    expect(claims({ phase: 'Bound', storageClassName: 'fast' })).toEqual([]);
    expect(claims({ storageClassName: 'local-path', seconds: 60 })).toEqual([]);
  });

  it('with a default class waits for its provisioner, and not for a class', () => {
    const said = ids(cluster({}, [local(byDefault)]));
    expect(said).toContain('claim-not-provisioned');
    expect(said).not.toContain('claim-without-class');
  });

  it('of a class that waits for a pod is well without one, and until its node was chosen', () => {
    const lazy = local({}, { volumeBindingMode: 'WaitForFirstConsumer' });
    const alone = withObjects(withClaim(base, { storageClassName: 'local-path' }), 'storageclasses', [lazy]);
    expect(ids(alone)).toEqual([]);
    expect(ids(cluster({ storageClassName: 'local-path' }, [lazy]))).not.toContain('claim-not-provisioned');
    const chosen = { 'volume.kubernetes.io/selected-node': 'n2' };
    expect(ids(cluster({ storageClassName: 'local-path', annotations: chosen }, [lazy]))).toContain(
      'claim-not-provisioned',
    );
  });

  it('is only likely without its class where the classes were not read', async () => {
    const [one] = found('claim-class-missing', await recorded('broken-pods'));
    expect(one).toMatchObject({ certainty: 'likely' });
    const seen = withObjects(await recorded('broken-pods'), 'storageclasses', [local()]);
    expect(found('claim-class-missing', seen)).toMatchObject([{ certainty: 'certain' }]);
    expect(
      found(
        'claim-class-missing',
        withObjects(seen, 'storageclasses', [{ metadata: { name: 'missing' }, provisioner: 'x/y' }]),
      ),
    ).toEqual([]);
    const silent = eachObject(await recorded('broken-pods'), 'events', event =>
      event.reason === 'ProvisioningFailed' ? undefined : event,
    );
    expect(found('claim-class-missing', silent)).toEqual([]);
  });

  const classes = (snapshot: Snapshot) => ({
    ...snapshot,
    lists: { ...snapshot.lists, storageclasses: { state: 'unknown', why: 'forbidden' } as const },
  });
  const says = (snapshot: Snapshot, reason: string, message: string, first = 60) =>
    withEvents(snapshot, { kind: 'PersistentVolumeClaim', name: 'data', uid: 'uid-data' }, [
      { reason, message, first },
    ]);
  const noClass = 'no persistent volumes available for this claim and no storage class is set';
  const longhorn = () => local({}, { metadata: { name: 'longhorn', creationTimestamp: past(base, 86_400) } });

  it('without a class is told which there are', () => {
    const said = (all: readonly object[]) => found('claim-without-class', cluster({}, all));
    expect(said([local()])).toMatchObject([
      {
        says: 'Claim demo/data names no storage class, and none of local-path is the default',
        severity: 'error',
        certainty: 'certain',
        about: ['claim:demo/data'],
        since: past(base, 600),
        evidence: [{ says: `Pending since ${past(base, 600)}, storageClassName is not set` }],
        cure: [
          'kubectl annotate storageclass local-path storageclass.kubernetes.io/is-default-class=true',
          expect.anything(),
        ],
      },
    ]);
    expect(said([])[0]?.says).toBe('Claim demo/data names no storage class, and the cluster has none');
    expect(said([])[0]?.cure[0]).toContain('install something');
    expect(found('claim-without-class', classes(cluster({}, [])))).toEqual([]);
    expect(found('claim-without-class', classes(says(cluster({}, []), 'FailedBinding', 'something else')))).toEqual([]);
    const told = classes(says(cluster({}, []), 'FailedBinding', noClass));
    expect(found('claim-without-class', told)).toMatchObject([
      {
        says: 'Claim demo/data names no storage class, and there is no default',
        certainty: 'likely',
        settledBy: 'the list of classes: kubectl get storageclass',
      },
    ]);
    expect(found('claim-without-class', cluster({}, [local()]))[0]).not.toHaveProperty('settledBy');
  });

  it('without a class may be older than the default one', () => {
    const said = (seconds: number, message: string) =>
      found('claim-without-class', says(cluster({ seconds }, [local(byDefault)]), 'FailedBinding', message));
    expect(said(90_000, noClass)).toMatchObject([
      {
        says: 'Claim demo/data names no storage class and is older than the default one, local-path',
        certainty: 'likely',
      },
    ]);
    expect(said(600, noClass)).toEqual([]);
    expect(said(90_000, 'waiting for a volume to be created')).toEqual([]);
  });

  it('of a class that is not there is told which are', () => {
    const said = (all: readonly object[]) =>
      found('claim-class-missing', cluster({ storageClassName: 'fast' }, all))[0];
    const name = 'Claim demo/data names the storage class "fast", which the cluster does not have';
    expect(said([])?.says).toBe(`${name}; it has none`);
    expect(said([])?.cure[1]).toMatch(/^install what provides the class/);
    expect(said([local()])?.says).toBe(`${name}; it has local-path`);
    expect(said([local()])?.cure[1]).toMatch(/spec\.storageClassName: local-path;/);
    expect(said([local(), longhorn()])?.cure[1]).toMatch(/spec\.storageClassName: ONE OF THEM;/);
    expect(said([local()])).not.toHaveProperty('settledBy');
    const blind = classes(
      says(
        cluster({ storageClassName: 'fast' }, []),
        'ProvisioningFailed',
        'storageclass.storage.k8s.io "fast" not found',
      ),
    );
    expect(found('claim-class-missing', blind)).toMatchObject([
      { says: name, certainty: 'likely', settledBy: 'the list of classes: kubectl get storageclass' },
    ]);
  });

  it('for a volume made by hand is told what there is', () => {
    const said = (claim: Claim, ...volumes: readonly object[]) =>
      found('claim-no-volume-fits', cluster({ storageClassName: 'manual', ...claim }, [local()], volumes))[0]?.says;
    const used = volume({ metadata: { name: 'pv-2' }, status: { phase: 'Bound' } });
    const reserved = volume({ spec: { claimRef: { namespace: 'demo', name: 'other' } } });
    const waits = 'Claim demo/data waits for a volume';
    expect(said({}, used)).toBe(`${waits} of class manual made by hand, and 1 volume of that kind is in use`);
    expect(said({}, reserved)).toContain('1 volume of that kind is in use');
    expect(said({}, used, reserved)).toContain('2 volumes of that kind are in use');
    expect(said({ storageClassName: '' }, volume())).toBe(`${waits} without a class made by hand, and there is none`);
    const asks = (what: string, rest: string) =>
      `Claim demo/data asks for ${what}, and no available volume of class manual serves it: ${rest}`;
    expect(said({ size: '9Gi' }, volume(), used)).toBe(asks('9Gi, ReadWriteOnce', 'pv-1 has 5Gi'));
    expect(said({ size: '5Gi' }, volume())).toBeUndefined();
    expect(said({ mode: 'ReadWriteMany' }, volume())).toBe(
      asks('1Gi, ReadWriteMany', 'pv-1 is not for ReadWriteMany (many nodes)'),
    );
    const classless = volume({ spec: { storageClassName: '' } });
    expect(found('claim-without-class', cluster({}, [local()], [classless]))).toEqual([]);
    const large = cluster({ size: '9Gi' }, [local()], [classless]);
    expect(found('claim-no-volume-fits', large)[0]?.says).toContain('no available volume without a class serves it');
  });

  it('may select volumes by their labels', () => {
    const said = (selector: object) =>
      found(
        'claim-no-volume-fits',
        cluster(
          { storageClassName: 'manual', selector },
          [local()],
          [volume({ metadata: { labels: { disk: 'ssd', room: 'a' } } })],
        ),
      )[0]?.says;
    const isIn = (values: readonly string[]) => ({ matchExpressions: [{ key: 'room', operator: 'In', values }] });
    expect(said({ matchLabels: { disk: 'ssd' } })).toBeUndefined();
    expect(said({ matchLabels: { disk: 'ssd' }, ...isIn(['a']) })).toBeUndefined();
    expect(said({ matchLabels: { disk: 'hdd' } })).toMatch(/: pv-1 lacks the labels that the claim selects by$/);
    expect(said({ matchLabels: { disk: 'hdd', room: 'a' } })).toBeDefined();
    expect(said({ matchLabels: { disk: 'ssd' }, ...isIn(['b']) })).toBeDefined();
    expect(said({ matchLabels: { disk: 'hdd' }, ...isIn(['a']) })).toBeDefined();
  });

  it('of local volumes waits for a pod that is to stay', () => {
    const byHand = local(
      {},
      { provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' },
    );
    const claim = withObjects(
      withObjects(withClaim(base, { storageClassName: 'local-path' }), 'storageclasses', [byHand]),
      'persistentvolumes',
      [],
    );
    const user = (more: object) => withPods(claim, pod(base, 'db', { spec: uses, ...more }));
    expect(found('claim-no-volume-fits', claim)).toEqual([]);
    expect(found('claim-no-volume-fits', user({ status: { phase: 'Succeeded' } }))).toEqual([]);
    expect(found('claim-no-volume-fits', user({ metadata: { deletionTimestamp: past(base, 5) } }))).toEqual([]);
    expect(found('claim-no-volume-fits', user({}))).toHaveLength(1);
  });

  it('needs no pod where its class makes volumes at once, and is told what its provisioner said of late', () => {
    const claim = withObjects(withClaim(base, { storageClassName: 'local-path' }), 'storageclasses', [local()]);
    const name = 'Claim demo/data waits for rancher.io/local-path to make its volume (class local-path)';
    const said = (snapshot: Snapshot) => found('claim-not-provisioned', snapshot)[0];
    expect(said(claim)?.says).toBe(`${name}, which says nothing about it`);
    expect(said(claim)?.evidence[0]?.says).toContain(', storageClassName: local-path');
    expect(said(says(claim, 'ExternalProvisioning', 'waiting for a volume'))?.says).toBe(
      `${name}, which says nothing about it`,
    );
    const refused = says(says(claim, 'ProvisioningFailed', 'no disk left', 90), 'ExternalProvisioning', 'waiting');
    expect(said(refused)?.says).toBe(`${name}: "no disk left"`);
    expect(said(refused)?.evidence[0]?.says).toBe('ProvisioningFailed: no disk left');
    expect(said(says(claim, 'ProvisioningFailed', 'no disk left', 7200))?.says).toContain('says nothing');
  });

  it('that is lost, or that a pod names and nobody made', () => {
    expect(found('claim-lost', withClaim(base, { phase: 'Lost', volumeName: 'pv-9' }))).toMatchObject([
      { about: ['claim:demo/data', 'volume:pv-9'] },
    ]);
    expect(found('claim-lost', withClaim(base, { phase: 'Lost', volumeName: 'pv-9' }))[0]?.cure[0]).toBe(
      'kubectl get persistentvolume pv-9',
    );
    const unnamed = found('claim-lost', withClaim(base, { phase: 'Lost' }))[0];
    expect(unnamed).toMatchObject({
      about: ['claim:demo/data'],
      cure: ['kubectl get persistentvolume NAME', expect.anything()],
    });
    expect(found('claim-lost', withClaim(base, { phase: 'Bound' }))).toEqual([]);
    const orphan = withPods(
      withObjects(base, 'persistentvolumeclaims', []),
      waitingPod(base, 'db', 'persistentvolumeclaim "data" not found', { spec: uses }),
    );
    expect(diagnose(orphan, rules).broken.map(({ rule }) => rule)).toEqual(['claim-missing']);
    expect(found('claim-missing', withClaim(orphan))).toEqual([]);
    const others = (namespace: string) =>
      found('claim-missing', withClaim(orphan, { metadata: { namespace, name: 'other' } }))[0]?.says;
    expect(others('demo')).toBe('Pod demo/db names the claim data, which demo does not have (it has other)');
    expect(others('prod')).toBe('Pod demo/db names the claim data, which demo does not have');
    expect(
      found('claim-missing', {
        ...orphan,
        lists: { ...orphan.lists, persistentvolumeclaims: { state: 'unknown', why: 'forbidden' } },
      }),
    ).toEqual([]);
  });

  it('may land on one of two defaults', () => {
    const two = [local(byDefault), { ...local(byDefault), metadata: { name: 'longhorn', annotations: byDefault } }];
    expect(found('two-default-classes', withObjects(base, 'storageclasses', two))).toMatchObject([
      { severity: 'warning' },
    ]);
    expect(found('two-default-classes', withObjects(base, 'storageclasses', two.slice(1)))).toEqual([]);
    expect(found('two-default-classes', withObjects(base, 'storageclasses', [...two.slice(1), local()]))).toEqual([]);
  });
});

describe('a volume of one node', () => {
  const pinned = (node: string, snapshot = base, more: { readonly spec?: object; readonly status?: object } = {}) =>
    withPods(
      withObjects(
        withClaim(snapshot, { phase: 'Bound', storageClassName: 'local-path', volumeName: 'pv-1' }),
        'persistentvolumes',
        [
          volume({
            spec: {
              claimRef: { namespace: 'demo', name: 'data', uid: 'uid-data' },
              nodeAffinity: {
                required: {
                  nodeSelectorTerms: [
                    { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
                  ],
                },
              },
              ...more.spec,
            },
            status: { phase: 'Bound', ...more.status },
          }),
        ],
      ),
      waitingPod(base, 'db', '0/2 nodes are available: 2 node(s) had volume node affinity conflict.', { spec: uses }),
    );

  it('that is gone explains the pod that waits for it', () => {
    const { broken } = diagnose(pinned('n9'), rules);
    expect(broken.map(({ rule, consequences }) => [rule, consequences.map(each => each.rule)])).toEqual([
      ['volume-node-gone', ['pod-pending']],
    ]);
    expect(broken[0]?.says).toContain('n9');
  });

  it('that is gone is an error only to a pod that waits for a node', () => {
    const users = (...pods: readonly object[]) =>
      found(
        'volume-node-gone',
        withPods(
          eachObject(pinned('n9'), 'pods', each => (each.metadata.name === 'db' ? undefined : each)),
          ...pods,
        ),
      )[0];
    const waits = (metadata = {}) => {
      const one = waitingPod(base, 'db', '', { spec: uses });
      return { ...one, metadata: { ...(one['metadata'] as object), ...metadata } };
    };
    expect(users(waits())).toMatchObject({
      severity: 'error',
      about: ['volume:pv-1', 'claim:demo/data', 'pod:demo/db'],
    });
    expect(users()).toMatchObject({ severity: 'warning', about: ['volume:pv-1', 'claim:demo/data'] });
    expect(users(waits({ deletionTimestamp: past(base, 5) }))?.severity).toBe('warning');
    expect(users(pod(base, 'db', { spec: uses }))?.severity).toBe('warning');
    expect(users(pod(base, 'old', { spec: uses, status: { phase: 'Succeeded' } }))?.about).not.toContain(
      'pod:demo/old',
    );
  });

  it('that nobody has bound, or that every node reaches, is not accused', () => {
    expect(found('volume-node-gone', pinned('n9', base, { status: { phase: 'Released' } }))).toEqual([]);
    expect(found('volume-node-gone', pinned('n9', base, { spec: { claimRef: undefined } }))).toEqual([]);
    const down = eachObject(base, 'nodes', node => ({ ...node, status: { ...node.status, conditions: [] } }));
    expect(found('volume-node-not-ready', pinned('n2', down))).toHaveLength(1);
    expect(found('volume-node-not-ready', pinned('n2', down, { spec: { nodeAffinity: undefined } }))).toEqual([]);
  });

  it('that is there is not accused', () => {
    expect(ids(pinned('n2')).filter(id => id.startsWith('volume-'))).toEqual([]);
    expect(
      found('volume-node-gone', {
        ...pinned('n9'),
        lists: { ...pinned('n9').lists, nodes: { state: 'unknown', why: 'forbidden' } },
      }),
    ).toEqual([]);
  });

  it('that is not ready is a consequence of that', async () => {
    const snapshot = pinned('n2', await recorded('worker-kubelet-stopped'));
    const [first] = diagnose(snapshot, rules).broken;
    expect(first?.rule).toBe('node-not-ready');
    expect(first?.consequences.flatMap(each => [each, ...each.consequences]).map(({ rule }) => rule)).toContain(
      'volume-node-not-ready',
    );
  });

  it('that is cordoned is a consequence of the cordon', () => {
    const { broken } = diagnose(pinned('n2', cordoned(base)), rules);
    expect(broken.map(({ rule }) => rule)).toEqual(['node-cordoned']);
  });
});

describe('a pod whose volume does not come', () => {
  const stuck = (
    reason: string,
    message: string,
    { seconds = 300, more = [] as readonly Happening[], metadata = {}, status = {}, late = 8 } = {},
  ) => {
    const at = past(base, seconds);
    const waits = pod(base, 'db-1', {
      metadata: { creationTimestamp: past(base, 3600), ...metadata },
      spec: uses,
      status: {
        phase: 'Pending',
        startTime: at,
        conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: at }, ...unready(at).slice(1)],
        containerStatuses: [{ name: 'c', image: 'x', state: { waiting: { reason: 'ContainerCreating' } } }],
        ...status,
      },
    });
    return withEvents(withPods(base, waits), podRef('db-1'), [
      { reason, message, first: seconds - 5, count: 4, last: 10 },
      {
        reason: 'FailedMount',
        message: 'Unable to attach or mount volumes: timed out waiting for the condition',
        first: late,
      },
      ...more,
    ]);
  };

  it.each([
    [
      'volume-in-use-elsewhere',
      'FailedAttachVolume',
      'Multi-Attach error for volume "pv-1" Volume is already used by pod(s) db-0',
    ],
    [
      'csi-driver-missing',
      'FailedMount',
      'MountVolume.MountDevice failed for volume "pv-1" : driver name driver.longhorn.io not found in the list of registered CSI drivers',
    ],
    [
      'volume-not-attached',
      'FailedAttachVolume',
      'AttachVolume.Attach failed for volume "pv-1" : rpc error: volume pv-1 is not ready for workloads',
    ],
    [
      'volume-not-mounted',
      'FailedMount',
      'MountVolume.SetUp failed for volume "pv-1" : mount failed: exit status 32, already mounted or mount point busy',
    ],
  ])('is %s', (id, reason, message) => {
    expect(ids(stuck(reason, message))).toEqual([id]);
    expect(found(id, stuck(reason, message))[0]?.evidence[0]?.says).toContain(message.slice(0, 40));
  });

  it('is well within its first minute, once it was attached, and when its image is being pulled', () => {
    const failed = 'AttachVolume.Attach failed for volume "pv-1" : not ready';
    expect(ids(stuck('FailedAttachVolume', failed, { seconds: 40 }))).toEqual([]);
    const attached = {
      type: 'Normal',
      reason: 'SuccessfulAttachVolume',
      message: 'AttachVolume.Attach succeeded',
      first: 3,
    };
    expect(found('volume-not-attached', stuck('FailedAttachVolume', failed, { more: [attached] }))).toEqual([]);
    expect(
      ids(
        stuck('FailedAttachVolume', failed, {
          more: [{ type: 'Normal', reason: 'Pulling', message: 'Pulling image "x"', first: 2 }],
        }),
      ),
    ).toEqual([]);
  });

  it('is told since it has its node, by what says why, and not once it leaves or has begun', () => {
    const failed = 'AttachVolume.Attach failed for volume "pv-1" : not ready';
    const said = (more: object) => found('volume-not-attached', stuck('FailedAttachVolume', failed, more));
    expect(said({})).toMatchObject([
      { about: ['pod:demo/db-1', 'machine:n2', 'claim:demo/data'], since: past(base, 300) },
    ]);
    expect(said({ late: 200 })[0]?.says).toContain('not ready');
    expect(said({ metadata: { deletionTimestamp: past(base, 5) } })).toEqual([]);
    expect(said({ status: { phase: 'Running' } })).toEqual([]);
    const begun = (state: object) => said({ status: { initContainerStatuses: [{ name: 'init', image: 'x', state }] } });
    expect(begun({ waiting: { reason: 'PodInitializing' } })).toHaveLength(1);
    expect(begun({ running: { startedAt: past(base, 20) } })).toEqual([]);
    expect(begun({ terminated: { exitCode: 0, reason: 'Completed' } })).toEqual([]);
  });

  it('is held by a pod of another node that uses the same claim, and by no other', () => {
    const snapshot = stuck('FailedAttachVolume', 'Multi-Attach error for volume "pv-1"');
    const said = (...pods: readonly object[]) => found('volume-in-use-elsewhere', withPods(snapshot, ...pods))[0];
    const alone = 'Pod demo/db-1 waits for a volume that is still attached to another node';
    const others = [
      pod(base, 'same-node', { spec: uses }),
      pod(base, 'over', { spec: { ...uses, nodeName: 'n1' }, status: { phase: 'Failed' } }),
      waitingPod(base, 'no-node', '', { spec: uses }),
      pod(base, 'no-claim', { spec: { nodeName: 'n1' } }),
    ];
    expect(said(...others)).toMatchObject({ says: alone, about: ['pod:demo/db-1', 'claim:demo/data'] });
    expect(said(...others)?.cure.at(-1)).toBe('kubectl -n demo describe pod db-1');
    const held = said(...others, pod(base, 'db-0', { spec: { ...uses, nodeName: 'n1' } }));
    expect(held?.says).toBe(`${alone}: demo/db-0 on n1 uses it`);
    expect(held?.cure.at(-1)).toMatch(/^if n1 is off for good/);
  });

  it('because another node holds it follows from that node', async () => {
    const snapshot = stuck('FailedAttachVolume', 'Multi-Attach error for volume "pv-1"');
    const holder = pod(base, 'db-0', { spec: { ...uses, nodeName: 'n1' } });
    expect(found('volume-in-use-elsewhere', withPods(snapshot, holder))[0]?.about).toContain('machine:n1');
    expect(found('volume-in-use-elsewhere', withPods(snapshot, holder))[0]?.about).not.toContain('machine:n2');
  });
});
