// Pods without a node, containers that do not stay up, pods that are not made. Constructed beside the recorded cluster.
import { beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { recorded } from './recorded.ts';
import { eachObject, found, ids, withObjects } from './rig.ts';
import { type Happening, past, pod, podRef, unready, waitingPod, well, withEvents, withPods } from './well.ts';

let base: Snapshot;
beforeAll(async () => {
  base = await well();
});

describe('a pod without a node', () => {
  const asks = (memory: string, more: object = {}) => ({
    containers: [{ name: 'c', resources: { requests: { memory } }, ...more }],
  });
  const causes = (message: string, spec: object, snapshot = base) =>
    diagnose(withPods(snapshot, waitingPod(base, 'was', message, { spec })), rules).broken.map(({ rule }) => rule);
  const full = () => withPods(base, pod(base, 'large', { spec: asks('23Gi') }));
  const message = '0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint.';
  const port = { ports: [{ containerPort: 80, hostPort: 80 }] };

  it('is too big, finds no room, wants a port, has rules of its own, or tolerates no taint', () => {
    expect(causes(message, asks('900Gi'))).toEqual(['pod-too-big']);
    expect(causes(message, asks('2Gi'), full())).toEqual(['no-room-for-pod']);
    const taken = withPods(base, pod(base, 'proxy', { spec: asks('1Mi', port) }));
    expect(causes("1 node(s) didn't have free ports for the requested pod ports", asks('1Mi', port), taken)).toEqual([
      'host-port-taken',
    ]);
    expect(causes("2 node(s) didn't match Pod's node affinity/selector", { nodeSelector: { disk: 'ssd' } })).toEqual([
      'pod-node-rules',
    ]);
    const tainted = eachObject(base, 'nodes', node => ({
      ...node,
      spec: { ...node.spec, taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] },
    }));
    expect(causes('2 node(s) had untolerated taint {gpu: yes}', {}, tainted)).toEqual(['pod-taint']);
  });

  it('is told how much is free and where', () => {
    const [one] = found('no-room-for-pod', withPods(full(), waitingPod(base, 'was', message, { spec: asks('2Gi') })));
    expect(one?.certainty).toBe('certain');
    expect(one?.says).toMatch(/demo\/was asks for 2Gi memory, .*n2: 4\d\d(\.\d)?Mi memory is free/);
  });

  it('has no such trouble one field away', () => {
    expect(causes(message, asks('20Gi'))).not.toContain('pod-too-big');
    expect(causes(message, { ...asks('900Gi'), nodeName: 'n2' })).not.toContain('pod-too-big');
    const other = withPods(
      base,
      pod(base, 'proxy', { spec: asks('1Mi', { ports: [{ containerPort: 80, hostPort: 81 }] }) }),
    );
    expect(found('host-port-taken', withPods(other, waitingPod(base, 'was', '', { spec: asks('1Mi', port) })))).toEqual(
      [],
    );
  });

  it('is judged by what the scheduler says where the nodes were not read, and then is only likely', () => {
    const blind = { ...base, lists: { ...base.lists, nodes: { state: 'unknown', why: 'forbidden' } as const } };
    const said = (text: string) => withPods(blind, waitingPod(base, 'was', text));
    expect(found('no-room-for-pod', said('0/2 nodes are available: 2 Insufficient cpu.'))).toMatchObject([
      { certainty: 'likely' },
    ]);
    expect(found('pod-node-rules', said("2 node(s) didn't match pod anti-affinity rules"))).toMatchObject([
      { certainty: 'likely' },
    ]);
    expect(found('pod-pending', said('2 node(s) were unschedulable'))).toHaveLength(1);
  });

  it('is one finding for all pods of its owner', () => {
    const owner = { ownerReferences: [{ kind: 'ReplicaSet', name: 'web-1', controller: true }] };
    const waits = ['a', 'b'].map(name => {
      const one = waitingPod(base, name, message, { spec: asks('900Gi') });
      return { ...one, metadata: { ...(one['metadata'] as object), ...owner } };
    });
    expect(found('pod-too-big', withPods(base, ...waits))).toHaveLength(1);
  });

  it('of which nobody says anything is told as such, and one that waits for a gate is not', () => {
    const silent = waitingPod(base, 'was', '');
    const bare = { ...silent, status: { phase: 'Pending' } };
    expect(found('pod-pending', withPods(base, bare))[0]?.says).toContain('no scheduler has looked at it');
    const gated = {
      ...silent,
      status: {
        phase: 'Pending',
        conditions: [
          { type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', lastTransitionTime: past(base, 600) },
        ],
      },
    };
    expect(ids(withPods(base, gated))).toEqual([]);
  });
});

interface Bad {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly ended?: { readonly reason: string; readonly exitCode: number; readonly seconds?: number };
  readonly restarts?: number;
  readonly isReady?: boolean;
  readonly name?: string;
  readonly events?: readonly Happening[];
  readonly logs?: readonly string[];
}

function container({
  waiting,
  ended,
  restarts = 5,
  isReady = false,
  name = 'c',
  events = [],
  logs = [],
}: Bad): Snapshot {
  const at = past(base, 600);
  const lastState = ended
    ? {
        terminated: {
          ...ended,
          startedAt: past(base, (ended.seconds ?? 20) + 5),
          finishedAt: past(base, ended.seconds ?? 20),
        },
      }
    : {};
  const bad = pod(base, 'was', {
    metadata: { creationTimestamp: past(base, 3600) },
    spec: { containers: [{ name, image: 'x', resources: { limits: { memory: '512Mi' } } }] },
    status: {
      phase: waiting && !ended ? 'Pending' : 'Running',
      conditions: isReady ? undefined : unready(at, past(base, 3600)),
      containerStatuses: [
        {
          name,
          image: 'x',
          ready: isReady,
          restartCount: restarts,
          state: waiting ? { waiting } : { running: { startedAt: past(base, 15) } },
          lastState,
        },
      ],
      ...(isReady ? { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: past(base, 10) }] } : {}),
    },
  });
  return {
    ...withEvents(withPods(base, bad), podRef('was'), events),
    logs: logs.length > 0 ? [{ pod: 'demo/was', container: name, lines: logs }] : [],
  };
}

const loop = { reason: 'CrashLoopBackOff', message: 'back-off 5m0s restarting failed container' };
const kill: Happening = {
  type: 'Normal',
  reason: 'Killing',
  message: 'Container c failed liveness probe, will be restarted',
  first: 30,
};
const probe: Happening = {
  reason: 'Unhealthy',
  message:
    'Liveness probe failed: Get "http://10.244.1.5:8081/": dial tcp 10.244.1.5:8081: connect: connection refused',
  first: 35,
};

describe('a container that does not stay up', () => {
  const first = (bad: Bad) =>
    diagnose(container(bad), rules).broken.map(({ rule, consequences }) => [rule, consequences.map(each => each.rule)]);

  it.each([
    ['container-oom-killed', { waiting: loop, ended: { reason: 'OOMKilled', exitCode: 137 } }],
    ['container-crashing', { waiting: loop, ended: { reason: 'Error', exitCode: 1 } }],
    ['container-crashing', { ended: { reason: 'Error', exitCode: 1 } }],
    ['liveness-killed', { ended: { reason: 'Completed', exitCode: 0 }, events: [probe, kill] }],
    [
      'config-missing',
      { waiting: { reason: 'CreateContainerConfigError', message: 'secret "db" not found' }, restarts: 0 },
    ],
    [
      'container-cannot-start',
      {
        waiting: { reason: 'RunContainerError', message: 'exec: "java": executable file not found in $PATH' },
        restarts: 0,
      },
    ],
  ] as const)('is %s, with the pod under it: %j', (id, bad) => {
    expect(first(bad)).toEqual([[id, ['pod-not-ready']]]);
  });

  it('that is killed for memory is named with its limit, also when it is the sidecar', () => {
    const [one] = found(
      'container-oom-killed',
      container({ waiting: loop, ended: { reason: 'OOMKilled', exitCode: 137 }, name: 'istio-proxy' }),
    );
    expect(one?.says).toContain('istio-proxy');
    expect(one?.says).toContain('limit of 512Mi');
    expect(one?.says).toContain('it is the sidecar');
  });

  it('that is ready between two kills for memory is a warning, after a single one nothing', () => {
    const ended = { reason: 'OOMKilled', exitCode: 137, seconds: 300 };
    expect(found('container-oom-killed', container({ ended, isReady: true }))).toMatchObject([{ severity: 'warning' }]);
    expect(ids(container({ ended, isReady: true, restarts: 1 }))).toEqual([]);
    expect(ids(container({ ended: { ...ended, seconds: 7200 }, isReady: true }))).toEqual([]);
  });

  it('says the last line of its log and what its exit code means', () => {
    const [one] = found(
      'container-crashing',
      container({
        waiting: loop,
        ended: { reason: 'Error', exitCode: 127 },
        logs: ['starting', 'java.net.UnknownHostException: db'],
      }),
    );
    expect(one?.says).toContain('its command is not in the image');
    expect(one?.evidence[0]?.says).toContain('UnknownHostException: db');
  });

  it('that ended once and runs is not looping', () => {
    expect(found('container-crashing', container({ ended: { reason: 'Error', exitCode: 1 }, restarts: 1 }))).toEqual(
      [],
    );
    expect(ids(container({ ended: { reason: 'Error', exitCode: 1 }, isReady: true }))).toEqual([]);
  });

  it('is killed by its probe only when that was in this stretch, and of this container', () => {
    const ended = { reason: 'Error', exitCode: 143 };
    expect(found('liveness-killed', container({ ended, events: [probe, { ...kill, first: 3500 }] }))).toEqual([]);
    expect(
      found('liveness-killed', container({ ended, events: [probe, { ...kill, message: 'Stopping container c' }] })),
    ).toEqual([]);
    const [one] = found('liveness-killed', container({ ended, events: [probe, kill] }));
    expect(one?.says).toContain('nothing listens on that port');
  });

  it('has its configuration again once the ConfigMap is there', () => {
    const bad = container({
      waiting: { reason: 'CreateContainerConfigError', message: 'configmap "was" not found' },
      restarts: 0,
    });
    expect(found('config-missing', bad)).toHaveLength(1);
    expect(
      found('config-missing', withObjects(bad, 'configmaps', [{ metadata: { namespace: 'demo', name: 'was' } }])),
    ).toEqual([]);
    expect(
      found('config-missing', withObjects(bad, 'configmaps', [{ metadata: { namespace: 'other', name: 'was' } }])),
    ).toHaveLength(1);
  });

  it('lacks a Secret that is mounted as a volume', () => {
    const event = {
      reason: 'FailedMount',
      message: 'MountVolume.SetUp failed for volume "v" : secret "db" not found',
      first: 20,
    };
    expect(ids(container({ waiting: { reason: 'ContainerCreating' }, restarts: 0, events: [event] }))).toContain(
      'config-missing',
    );
  });
});

describe('the sandboxes of a machine', () => {
  const changed = (count: number, last = 30) => ({
    type: 'Normal',
    reason: 'SandboxChanged',
    message: 'Pod sandbox changed, it will be killed and re-created.',
    first: 900,
    last,
    count,
  });

  it('that end again and again are one finding of the machine', () => {
    expect(found('sandbox-changed', container({ events: [changed(6)] }))).toMatchObject([
      { about: ['machine:n2', 'pod:demo/was'] },
    ]);
  });

  it('that ended once, or long ago, are well', () => {
    expect(found('sandbox-changed', container({ events: [changed(1)] }))).toEqual([]);
    expect(found('sandbox-changed', container({ events: [changed(6, 800)] }))).toEqual([]);
  });

  it('that cannot be made are told with what fails', () => {
    const says =
      'Failed to create pod sandbox: rpc error: plugin type="flannel" failed (add): open /run/flannel/subnet.env: no such file or directory';
    const bad = (more: readonly Happening[] = []) =>
      container({
        waiting: { reason: 'ContainerCreating' },
        restarts: 0,
        events: [{ reason: 'FailedCreatePodSandBox', message: says, first: 300, count: 20, last: 5 }, ...more],
      });
    expect(found('sandbox-not-created', bad())[0]?.says).toContain('its network plugin fails');
    expect(
      found(
        'sandbox-not-created',
        bad([{ type: 'Normal', reason: 'Created', message: 'Created container c', first: 2 }]),
      ),
    ).toEqual([]);
  });
});

describe('a pod that is not ready', () => {
  const running = (seconds: number, more: object = {}) => {
    const at = past(base, seconds);
    return withPods(
      base,
      pod(base, 'was', {
        metadata: { creationTimestamp: at },
        status: {
          startTime: at,
          conditions: unready(at),
          containerStatuses: [{ name: 'c', image: 'x', state: { running: { startedAt: at } } }],
          ...more,
        },
      }),
    );
  };

  it('may take five minutes to start, and one when it was ready before', () => {
    expect(ids(running(200))).toEqual([]);
    expect(ids(running(400))).toEqual(['pod-not-ready']);
    expect(ids(running(3600, { conditions: unready(past(base, 40)) }))).toEqual([]);
    expect(ids(running(3600, { conditions: unready(past(base, 90)) }))).toEqual(['pod-not-ready']);
  });

  it('is what its silent node says at once', async () => {
    const stopped = await recorded('worker-kubelet-stopped');
    expect(found('pod-not-ready', stopped).map(({ about }) => about[0])).toContain('pod:demo/ok');
  });
});

describe('pods that end', () => {
  const evicted = (seconds: number) =>
    withPods(
      base,
      pod(base, 'old', {
        status: {
          phase: 'Failed',
          reason: 'Evicted',
          message: 'The node was low on resource: memory.',
          startTime: past(base, seconds),
          conditions: [],
        },
      }),
    );

  it('were evicted of late, or are leftovers', () => {
    expect(found('pod-evicted', evicted(600))).toMatchObject([{ severity: 'warning' }]);
    expect(found('pod-evicted', evicted(86_400))).toMatchObject([{ severity: 'note' }]);
    expect(
      found('pod-evicted', withPods(base, pod(base, 'old', { status: { phase: 'Failed', reason: 'Error' } }))),
    ).toEqual([]);
  });

  it('stay Terminating: on a silent node, or held by a finalizer', async () => {
    const leaving = (seconds: number, finalizers: readonly string[] = [], nodeName = 'n2') =>
      pod(base, 'web', { metadata: { deletionTimestamp: past(base, seconds), finalizers }, spec: { nodeName } });
    expect(found('pod-stuck-terminating', withPods(base, leaving(600, ['example.com/hold'])))[0]?.says).toContain(
      'example.com/hold',
    );
    expect(ids(withPods(base, leaving(20)))).toEqual([]);
    const stopped = await recorded('worker-kubelet-stopped');
    const [first] = diagnose(
      { ...withPods(stopped, leaving(-30), leaving(0)), at: stopped.at + 600_000 },
      rules,
    ).broken;
    expect(first?.rule).toBe('node-not-ready');
    expect(first?.consequences.flatMap(each => [each, ...each.consequences]).map(({ rule }) => rule)).toContain(
      'pod-stuck-terminating',
    );
  });
});
