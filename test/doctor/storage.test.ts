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
}

function withClaim(
  snapshot: Snapshot,
  { size = '1Gi', mode = 'ReadWriteOnce', phase = 'Pending', seconds = 600, annotations = {}, ...spec }: Claim = {},
): Snapshot {
  return withObjects(snapshot, 'persistentvolumeclaims', [
    {
      metadata: {
        namespace: 'demo',
        name: 'data',
        uid: 'uid-data',
        creationTimestamp: past(base, seconds),
        annotations,
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
const volume = (more: { readonly spec?: object; readonly status?: object } = {}) => ({
  metadata: { name: 'pv-1' },
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

  it('that is lost, or that a pod names and nobody made', () => {
    expect(found('claim-lost', withClaim(base, { phase: 'Lost', volumeName: 'pv-9' }))).toMatchObject([
      { about: ['claim:demo/data', 'volume:pv-9'] },
    ]);
    expect(found('claim-lost', withClaim(base, { phase: 'Bound' }))).toEqual([]);
    const orphan = withPods(
      withObjects(base, 'persistentvolumeclaims', []),
      waitingPod(base, 'db', 'persistentvolumeclaim "data" not found', { spec: uses }),
    );
    expect(diagnose(orphan, rules).broken.map(({ rule }) => rule)).toEqual(['claim-missing']);
    expect(found('claim-missing', withClaim(orphan))).toEqual([]);
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
  });
});

describe('a volume of one node', () => {
  const pinned = (node: string, snapshot = base) =>
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
            },
            status: { phase: 'Bound' },
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
  const stuck = (reason: string, message: string, { seconds = 300, more = [] as readonly Happening[] } = {}) => {
    const at = past(base, seconds);
    const waits = pod(base, 'db-1', {
      metadata: { creationTimestamp: at },
      spec: uses,
      status: {
        phase: 'Pending',
        startTime: at,
        conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: at }, ...unready(at).slice(1)],
        containerStatuses: [{ name: 'c', image: 'x', state: { waiting: { reason: 'ContainerCreating' } } }],
      },
    });
    return withEvents(withPods(base, waits), podRef('db-1'), [
      { reason, message, first: seconds - 5, count: 4, last: 10 },
      {
        reason: 'FailedMount',
        message: 'Unable to attach or mount volumes: timed out waiting for the condition',
        first: 8,
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

  it('because another node holds it follows from that node', async () => {
    const snapshot = stuck('FailedAttachVolume', 'Multi-Attach error for volume "pv-1"');
    const holder = pod(base, 'db-0', { spec: { ...uses, nodeName: 'n1' } });
    expect(found('volume-in-use-elsewhere', withPods(snapshot, holder))[0]?.about).toContain('machine:n1');
    expect(found('volume-in-use-elsewhere', withPods(snapshot, holder))[0]?.about).not.toContain('machine:n2');
  });
});
