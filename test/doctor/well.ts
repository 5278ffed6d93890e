// Clusters in which nothing is wrong, made from a recorded one: what a doctor must be silent about.
import type { ObjectOf } from '../../src/doctor/objects/kinds.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { recorded } from './recorded.ts';
import { eachObject, itemsOf, withObjects } from './rig.ts';

type Pod = ObjectOf<'pods'>;

/** A moment before the look. */
export function past(snapshot: Snapshot, seconds: number): string {
  return new Date(snapshot.at - seconds * 1000).toISOString();
}

/** The recorded healthy cluster, with the CoreDNS that its stand-in image could not be. */
export async function well(): Promise<Snapshot> {
  const snapshot = await recorded('healthy-no-dns-image');
  const pods = eachObject(snapshot, 'pods', pod => (pod.metadata.name.startsWith('coredns') ? ready(pod) : pod));
  return eachObject(pods, 'endpoints', each =>
    each.metadata.name === 'kube-dns'
      ? {
          ...each,
          subsets: each.subsets.map(subset => ({ addresses: subset.notReadyAddresses, notReadyAddresses: [] })),
        }
      : each,
  );
}

/** That pod, ready. */
export function ready(pod: Pod): Pod {
  return {
    ...pod,
    status: {
      ...pod.status,
      phase: 'Running',
      conditions: pod.status.conditions.map(each => ({ ...each, status: 'True', reason: '', message: '' })),
      containerStatuses: pod.status.containerStatuses.map(each => ({
        ...each,
        ready: true,
        state: { running: { startedAt: each.state.running?.startedAt ?? pod.status.startTime } },
      })),
    },
  };
}

/** A pod as the API server has it. What is not said is of a pod that runs well on n2. */
export function pod(snapshot: Snapshot, name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const at = past(snapshot, 3600);
  const { metadata = {}, spec = {}, status = {} } = more as Record<string, Record<string, unknown>>;
  return {
    metadata: { namespace: 'demo', name, uid: `uid-${name}`, creationTimestamp: at, ...metadata },
    spec: { nodeName: 'n2', containers: [{ name: 'c', image: 'ghcr.io/example/web:1' }], ...spec },
    status: {
      phase: 'Running',
      startTime: at,
      conditions: [
        { type: 'PodScheduled', status: 'True', lastTransitionTime: at },
        { type: 'Ready', status: 'True', lastTransitionTime: at },
      ],
      containerStatuses: [
        {
          name: 'c',
          ready: true,
          image: 'ghcr.io/example/web:1',
          restartCount: 0,
          state: { running: { startedAt: at } },
        },
      ],
      ...status,
    },
  };
}

/** Conditions of a pod that is not ready since then. */
export function unready(since: string, scheduled = since): readonly object[] {
  return [
    { type: 'PodScheduled', status: 'True', lastTransitionTime: scheduled },
    { type: 'Ready', status: 'False', reason: 'ContainersNotReady', lastTransitionTime: since },
  ];
}

/** A pod that waits for a node, with the scheduler's words. */
export function waitingPod(
  snapshot: Snapshot,
  name: string,
  message: string,
  more: { readonly spec?: object; readonly seconds?: number } = {},
): Record<string, unknown> {
  const at = past(snapshot, more.seconds ?? 300);
  return pod(snapshot, name, {
    metadata: { creationTimestamp: at },
    spec: { nodeName: '', ...more.spec },
    status: {
      phase: 'Pending',
      startTime: '',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime: at }],
      containerStatuses: [],
    },
  });
}

export interface Happening {
  readonly type?: string;
  readonly reason: string;
  readonly message: string;
  readonly first?: number;
  readonly last?: number;
  readonly count?: number;
}

/** Events of an object, by its uid; times are seconds before the look. */
export function withEvents(
  snapshot: Snapshot,
  of: { readonly kind: string; readonly namespace?: string; readonly name: string; readonly uid: string },
  happened: readonly Happening[],
): Snapshot {
  const events = happened.map(({ type = 'Warning', reason, message, first = 60, last = first, count = 1 }, index) => ({
    metadata: {
      name: `${of.name}.${index}`,
      namespace: of.namespace ?? 'demo',
      creationTimestamp: past(snapshot, first),
    },
    type,
    reason,
    message,
    count,
    firstTimestamp: past(snapshot, first),
    lastTimestamp: past(snapshot, last),
    involvedObject: { namespace: 'demo', ...of },
  }));
  return withObjects(snapshot, 'events', [...itemsOf(snapshot, 'events'), ...events]);
}

export function withPods(snapshot: Snapshot, ...pods: readonly unknown[]): Snapshot {
  return withObjects(snapshot, 'pods', [...itemsOf(snapshot, 'pods'), ...pods]);
}

/** n2 cordoned, as `kubectl cordon` leaves it. */
export function cordoned(snapshot: Snapshot, annotations: Record<string, string> = {}, seconds = 600): Snapshot {
  return eachObject(snapshot, 'nodes', node =>
    node.metadata.name === 'n2'
      ? {
          ...node,
          metadata: { ...node.metadata, annotations: { ...node.metadata.annotations, ...annotations } },
          spec: {
            ...node.spec,
            unschedulable: true,
            taints: [
              ...node.spec.taints,
              { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule', timeAdded: past(snapshot, seconds) },
            ],
          },
        }
      : node,
  );
}

/** Everything that looks bad and is not, by name. */
export async function wellInEveryWay(): Promise<Readonly<Record<string, Snapshot>>> {
  const base = await well();
  const young = past(base, 20);
  const creating = pod(base, 'web-new', {
    metadata: { creationTimestamp: young },
    status: {
      phase: 'Pending',
      startTime: young,
      conditions: unready(young),
      containerStatuses: [
        { name: 'c', image: 'ghcr.io/example/web:1', state: { waiting: { reason: 'ContainerCreating' } } },
      ],
    },
  });
  const started = past(base, 90);
  const starting = pod(base, 'was-new', {
    metadata: { creationTimestamp: started },
    status: {
      startTime: started,
      conditions: unready(started),
      containerStatuses: [{ name: 'c', image: 'ghcr.io/example/web:1', state: { running: { startedAt: started } } }],
    },
  });
  const pulling = pod(base, 'pulling', {
    metadata: { creationTimestamp: past(base, 300) },
    status: {
      phase: 'Pending',
      conditions: unready(past(base, 300)),
      containerStatuses: [
        { name: 'c', image: 'ghcr.io/example/large:1', state: { waiting: { reason: 'ContainerCreating' } } },
      ],
    },
  });
  const job = pod(base, 'backup-1', {
    status: {
      phase: 'Succeeded',
      conditions: [{ type: 'Ready', status: 'False', reason: 'PodCompleted', lastTransitionTime: started }],
      containerStatuses: [
        {
          name: 'c',
          image: 'ghcr.io/example/backup:1',
          state: { terminated: { reason: 'Completed', exitCode: 0, finishedAt: started } },
        },
      ],
    },
  });
  const failedJob = pod(base, 'backup-0', {
    status: {
      phase: 'Failed',
      conditions: unready(started),
      containerStatuses: [
        {
          name: 'c',
          image: 'ghcr.io/example/backup:1',
          state: { terminated: { reason: 'Error', exitCode: 1, finishedAt: started } },
        },
      ],
    },
  });
  const restarted = pod(base, 'restarted', {
    status: {
      containerStatuses: [
        {
          name: 'c',
          ready: true,
          image: 'ghcr.io/example/web:1',
          restartCount: 7,
          state: { running: { startedAt: past(base, 300) } },
          lastState: {
            terminated: { reason: 'Error', exitCode: 1, startedAt: past(base, 400), finishedAt: past(base, 310) },
          },
        },
      ],
    },
  });
  const justMade = waitingPod(base, 'just-made', '0/2 nodes are available: 2 Insufficient memory.', { seconds: 10 });
  const lazy = {
    metadata: { namespace: 'demo', name: 'later', uid: 'uid-later', creationTimestamp: past(base, 3600) },
    spec: {
      storageClassName: 'local-path',
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
    },
    status: { phase: 'Pending' },
  };
  const localPath = {
    metadata: { name: 'local-path' },
    provisioner: 'rancher.io/local-path',
    volumeBindingMode: 'WaitForFirstConsumer',
  };
  const oldWarnings = [
    {
      reason: 'Failed',
      message: 'Failed to pull image "ghcr.io/example/web:1": ghcr.io/example/web:1: not found',
      first: 3000,
    },
    { reason: 'Unhealthy', message: 'Liveness probe failed: connection refused', first: 3000, count: 40 },
    { reason: 'Killing', message: 'Container c failed liveness probe, will be restarted', first: 3000, type: 'Normal' },
    { reason: 'BackOff', message: 'Back-off restarting failed container', first: 3000, count: 99 },
    { reason: 'FailedMount', message: 'MountVolume.SetUp failed for volume "v" : secret "x" not found', first: 3500 },
    {
      reason: 'SandboxChanged',
      message: 'Pod sandbox changed, it will be killed and re-created.',
      first: 3500,
      type: 'Normal',
    },
    { reason: 'FailedScheduling', message: '0/2 nodes are available: 2 Insufficient memory.', first: 3590 },
  ];
  const booting = eachObject(base, 'nodes', node =>
    node.metadata.name === 'n2'
      ? {
          ...node,
          status: {
            ...node.status,
            conditions: node.status.conditions.map(each =>
              each.type === 'Ready'
                ? {
                    ...each,
                    status: 'False',
                    reason: 'KubeletNotReady',
                    message:
                      'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized',
                    lastTransitionTime: past(base, 12),
                  }
                : each,
            ),
          },
        }
      : node,
  );
  return {
    'a cluster that is well': base,
    'a rolling deploy': withPods(base, creating, starting),
    'an image that is being pulled': withEvents(withPods(base, pulling), podRef('pulling'), [
      { type: 'Normal', reason: 'Pulling', message: 'Pulling image "ghcr.io/example/large:1"', first: 290 },
    ]),
    'jobs that ended, well and not': withPods(base, job, failedJob),
    'a pod that was restarted and is ready again': withEvents(
      withPods(base, restarted),
      podRef('restarted'),
      oldWarnings,
    ),
    'old warnings of pods that are gone': withEvents(base, podRef('long-gone'), oldWarnings),
    'a node that its owner drained': cordoned(base),
    'a node that homelab empties for an upgrade': cordoned(base, { 'homelab/cordoned': 'drain' }, 60),
    'a claim that waits for its first pod': withObjects(
      withObjects(base, 'persistentvolumeclaims', [lazy]),
      'storageclasses',
      [localPath],
    ),
    'a pod that was made just now': withPods(base, justMade),
    'a machine that just booted': booting,
  };
}

export function podRef(name: string): { readonly kind: string; readonly name: string; readonly uid: string } {
  return { kind: 'Pod', name, uid: `uid-${name}` };
}
