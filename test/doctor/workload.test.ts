// Pods without a node, containers that do not stay up, pods that are not made. Constructed beside the recorded cluster.
import { beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import type { ObjectOf } from '../../src/doctor/objects/kinds.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { recorded } from './recorded.ts';
import { eachObject, found, ids, itemsOf, withObjects } from './rig.ts';
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

  const said = (id: string, text: string, spec: object, snapshot = base) =>
    found(id, withPods(snapshot, waitingPod(base, 'was', text, { spec })))[0];
  const ofNodes = (change: (spec: ObjectOf<'nodes'>['spec'], name: string) => object | undefined, from = base) =>
    eachObject(from, 'nodes', node => {
      const spec = change(node.spec, node.metadata.name);
      return spec === undefined ? undefined : { ...node, spec: { ...node.spec, ...spec } };
    });
  const gpu = () => ofNodes(() => ({ taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] }));
  const blind = () => ({ ...base, lists: { ...base.lists, nodes: { state: 'unknown', why: 'forbidden' } as const } });

  it('is told with what it asks for, since when it waits, and what each node says', () => {
    const late = waitingPod(base, 'was', message, { spec: asks('2Gi') });
    const old = { ...late, metadata: { ...(late['metadata'] as object), creationTimestamp: past(base, 3600) } };
    const [one] = found('no-room-for-pod', withPods(full(), old));
    expect(one).toMatchObject({ about: ['pod:demo/was'], since: past(base, 300) });
    expect(one?.says).toMatch(/^demo\/was asks for 2Gi memory, and no node has that much left \(n1: .+ and n2: .+\)$/);
    expect(one?.evidence.map(({ from }) => from)).toEqual([
      'API: nodes and what their pods ask for',
      'API: pod demo/was, condition PodScheduled',
    ]);
    const requests = { memory: '2Gi', cpu: '0' };
    const free = waitingPod(base, 'was', message, { spec: { containers: [{ name: 'c', resources: { requests } }] } });
    expect(found('no-room-for-pod', withPods(full(), free))[0]?.says).toMatch(/^demo\/was asks for 2Gi memory, and/);
    const unseen = said('no-room-for-pod', '0/2 nodes are available: 2 Insufficient cpu.', {}, blind());
    expect(unseen?.says).toBe('demo/was asks for nothing, and no node has that much left');
    expect(unseen?.evidence.map(({ from }) => from)).toEqual(['API: pod demo/was, condition PodScheduled']);
  });

  it('that also finds a node closed is told by what would keep it away from an open one', () => {
    const closed = ofNodes((_, name) => (name === 'n2' ? { unschedulable: true } : {}), full());
    expect(said('no-room-for-pod', message, asks('2Gi'), closed)?.says).toContain('n2: 4');
    expect(said('no-room-for-pod', message, asks('2Gi'), closed)?.says).not.toContain('cordoned');
  });

  it('wants a port that somebody else has, who has a node', () => {
    const proxy = pod(base, 'proxy', { spec: asks('1Mi', port) });
    const others = [
      waitingPod(base, 'later', '', { spec: asks('1Mi', port) }),
      pod(base, 'web', { spec: asks('1Mi', { ports: [{ containerPort: 80, hostPort: 81 }] }) }),
    ];
    const findings = found(
      'host-port-taken',
      withPods(base, proxy, ...others, waitingPod(base, 'was', '', { spec: asks('1Mi', port) })),
    );
    expect(findings.at(-1)?.says).toBe('demo/was wants port 80/TCP of its machine, which demo/proxy has on n2');
    const text = "2 node(s) didn't have free ports for the requested pod ports";
    expect(said('host-port-taken', text, asks('1Mi', port), blind())?.says).toBe(
      'demo/was wants port 80/TCP of its machine, which is taken on every node',
    );
  });

  it('is told by its own rules, or by what the scheduler says of them', () => {
    const selects = { nodeSelector: { disk: 'ssd' } };
    expect(said('pod-node-rules', '', selects)?.says).toBe(
      'demo/was fits no node by its own rules: no node is labelled disk=ssd',
    );
    const text = "2 node(s) didn't match pod anti-affinity rules";
    expect(said('pod-node-rules', text, {}, blind())?.says).toBe(`demo/was fits no node by its own rules: ${text}`);
    const owner = { ownerReferences: [{ kind: 'ReplicaSet', name: 'web-1', controller: true }] };
    const two = ['a', 'b'].map(name => {
      const one = waitingPod(base, name, '', { spec: selects });
      return { ...one, metadata: { ...(one['metadata'] as object), ...owner } };
    });
    expect(found('pod-node-rules', withPods(base, ...two))).toMatchObject([
      {
        says: 'demo/a and demo/b fit no node by their own rules: no node is labelled disk=ssd',
        about: ['pod:demo/a', 'pod:demo/b'],
      },
    ]);
  });

  it('is told apart by whose taint it is: that of a control plane, or another', () => {
    const text = '2 node(s) had untolerated taint {gpu: yes}';
    const alone = ofNodes((_, name) => (name === 'n2' ? undefined : {}));
    const reserved = said('pod-taint', '', {}, alone);
    expect(reserved?.says).toMatch(/^demo\/was tolerates no taint of any node, and every node has one \(n1: node-role/);
    expect(reserved?.cure[1]).toBe('or add a worker: homelab join-node NAME');
    const other = said('pod-taint', text, {}, gpu());
    expect(other?.says).toContain('every node has one (n1: gpu=yes:NoSchedule and n2: gpu=yes:NoSchedule)');
    expect(other?.cure[1]).toContain('add a toleration to demo/was');
    expect(said('pod-taint', text, {}, blind())?.says).toBe(
      'demo/was tolerates no taint of any node, and every node has one',
    );
  });

  it('would fit where nothing is taken now, or waits for what the scheduler says', () => {
    const closed = (names: readonly string[]) =>
      ofNodes((_, name) => (names.includes(name) ? { unschedulable: true, taints: [] } : {}));
    expect(said('pod-pending', message, {}, closed(['n2']))).toMatchObject({
      says: 'Pod demo/was has no node: it would fit n2, which takes no pods now',
      about: ['pod:demo/was', 'machine:n2'],
      since: past(base, 300),
    });
    expect(said('pod-pending', message, {}, closed(['n1', 'n2']))?.says).toMatch(
      /fit n1 and n2, which take no pods now$/,
    );
    const told = said('pod-pending', '0/2 nodes are available: 2 of a kind.', {});
    expect(told?.evidence[0]?.says).toBe('0/2 nodes are available: 2 of a kind.');
    expect(told?.cure).toHaveLength(1);
    const mute = said('pod-pending', '', {});
    expect(mute?.evidence[0]?.says).toBe('no condition PodScheduled');
    expect(mute?.cure[1]).toContain('component=kube-scheduler');
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
  readonly ended?: {
    readonly reason: string;
    readonly exitCode: number;
    readonly seconds?: number;
    readonly message?: string;
    readonly startedAt?: string;
  };
  readonly restarts?: number;
  readonly isReady?: boolean;
  readonly name?: string;
  readonly events?: readonly Happening[];
  readonly logs?: readonly string[];
  /** What the container does now, where that is neither to wait nor to run. */
  readonly state?: object;
  /** Its other containers. */
  readonly beside?: readonly object[];
  /** How long ago it got its node. */
  readonly scheduled?: number;
  readonly limits?: object;
  readonly metadata?: object;
  readonly phase?: string;
}

function container({
  waiting,
  ended,
  restarts = 5,
  isReady = false,
  name = 'c',
  events = [],
  logs = [],
  state,
  beside = [],
  scheduled = 3600,
  limits = { memory: '512Mi' },
  metadata = {},
  phase = waiting && !ended ? 'Pending' : 'Running',
}: Bad): Snapshot {
  const at = past(base, 600);
  const lastState = ended
    ? {
        terminated: {
          startedAt: past(base, (ended.seconds ?? 20) + 5),
          finishedAt: past(base, ended.seconds ?? 20),
          ...ended,
        },
      }
    : {};
  const bad = pod(base, 'was', {
    metadata: { creationTimestamp: past(base, 3600), ...metadata },
    spec: { containers: [{ name, image: 'x', resources: { limits } }] },
    status: {
      phase,
      conditions: isReady ? undefined : unready(at, past(base, scheduled)),
      containerStatuses: [
        {
          name,
          image: 'x',
          ready: isReady,
          restartCount: restarts,
          state: state ?? (waiting ? { waiting } : { running: { startedAt: past(base, 15) } }),
          lastState,
        },
        ...beside,
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

  const error = { reason: 'Error', exitCode: 1 };
  const about = ['pod:demo/was', 'machine:n2'];

  it('is told with its last line, its pods and since when', () => {
    const other = [{ pod: 'demo/other', container: 'c', lines: ['of another pod'] }];
    const sidecar = [{ pod: 'demo/was', container: 'side', lines: ['of another container'] }];
    const bad = container({ waiting: loop, ended: error, logs: ['starting', 'no such table', ' '] });
    expect(found('container-crashing', { ...bad, logs: [...bad.logs, ...other, ...sidecar] })).toMatchObject([
      {
        says: 'Container c of demo/was ends again and again with exit code 1 (an error of the application), 5 s after its start, 5 restarts: no such table',
        severity: 'error',
        about,
        since: past(base, 600),
        evidence: [
          { says: 'starting | no such table' },
          {
            says: expect.stringMatching(
              /^container c: CrashLoopBackOff, 5 restarts, last ended .*: Error, exit code 1$/,
            ),
          },
        ],
      },
    ]);
  });

  it('says how long it ran only where that is known', () => {
    const ran = (startedAt: string) =>
      found('container-crashing', container({ waiting: loop, ended: { ...error, startedAt } }))[0]?.says;
    expect(ran(past(base, 20))).toContain('application), 0 s after its start, 5 restarts');
    expect(ran('')).toContain('application), 5 restarts');
    expect(ran(past(base, 10))).toContain('application), 5 restarts');
  });

  it('is one finding for the pods of one owner, since the first of them', () => {
    const owner = { ownerReferences: [{ kind: 'ReplicaSet', name: 'web-1', controller: true }] };
    const bad = container({ waiting: loop, ended: error, metadata: owner });
    const [one] = itemsOf(bad, 'pods').slice(-1);
    const twin = (conditions: readonly object[]) => ({
      ...one,
      metadata: { ...one?.metadata, name: 'twin', uid: 'uid-twin' },
      status: { ...one?.status, conditions },
    });
    const [both, ...more] = found('container-crashing', withPods(bad, twin(unready(past(base, 900)))));
    expect(more).toEqual([]);
    expect(both?.says).toMatch(/^Container c of demo\/web-1 \(2 pods\) ends/);
    expect(both).toMatchObject({ about: ['pod:demo/was', 'machine:n2', 'pod:demo/twin'], since: past(base, 900) });
    expect(found('container-crashing', withPods(bad, twin([])))).toMatchObject([{ since: past(base, 600) }]);
    const unknown = eachObject(bad, 'pods', each => ({ ...each, status: { ...each.status, conditions: [] } }));
    expect(found('container-crashing', unknown)[0]).not.toHaveProperty('since');
  });

  it('that has just ended is looping when it did before, or when nobody starts it again', () => {
    const ends = (restarts: number, seconds: number) => {
      const terminated = { ...error, finishedAt: past(base, seconds) };
      return found('container-crashing', container({ state: { terminated }, restarts }));
    };
    expect(ends(0, 10)).toEqual([]);
    expect(ends(0, 60)).toHaveLength(1);
    expect(ends(1, 10)).toHaveLength(1);
  });

  it('is not accused when it is ready beside one that is not, or has done its work', () => {
    const at = past(base, 100);
    const loops = { name: 'side', ready: true, image: 'x', restartCount: 5, state: { running: { startedAt: at } } };
    const beside = [{ ...loops, lastState: { terminated: { ...error, finishedAt: at } } }];
    const well = { state: { running: { startedAt: at } }, restarts: 0 };
    expect(found('container-crashing', container({ ...well, beside }))).toEqual([]);
    const done = { name: 'init', image: 'x', restartCount: 3, lastState: {} };
    const ended = (reason: string) =>
      container({ ...well, beside: [{ ...done, state: { terminated: { reason, exitCode: 0, finishedAt: at } } }] });
    expect(found('container-crashing', ended('Completed'))).toEqual([]);
    // A child was killed for memory, and the container came to its end with 0.
    expect(found('container-oom-killed', ended('OOMKilled'))).toHaveLength(1);
  });

  it('that is killed for memory is told once more than twice when it is ready in between', () => {
    const again = (more: Bad) =>
      found(
        'container-oom-killed',
        container({ ended: { reason: 'OOMKilled', exitCode: 137, seconds: 300 }, isReady: true, ...more }),
      );
    expect(again({ restarts: 3 })).toMatchObject([{ severity: 'warning', about }]);
    expect(again({ restarts: 2 })).toEqual([]);
    expect(again({ phase: 'Failed' })).toEqual([]);
    expect(again({ metadata: { deletionTimestamp: past(base, 5) } })).toEqual([]);
  });

  it('that was killed for memory once and runs is not; one that waits since is', () => {
    const killed = (more: Bad) =>
      found('container-oom-killed', container({ ended: { reason: 'OOMKilled', exitCode: 137 }, ...more }));
    expect(killed({ restarts: 1 })).toEqual([]);
    expect(killed({ restarts: 2 })).toMatchObject([
      { cure: [expect.anything(), 'raise resources.limits.memory of container c in demo/was', expect.anything()] },
    ]);
    expect(killed({ restarts: 1, waiting: { reason: 'ContainerCreating' } })).toHaveLength(1);
    const [free] = killed({ limits: {} });
    expect(free?.says).toBe(
      'Container c of demo/was is killed for using more memory than its machine has left (5 restarts)',
    );
    expect(free?.cure[1]).toBe('give the containers on n2 limits: the machine itself ran out');
  });

  it('is killed by its probe when it was killed more than once at least, and not for memory', () => {
    const events = [probe, kill];
    const ended = { reason: 'Error', exitCode: 143 };
    expect(found('liveness-killed', container({ ended, events }))).toMatchObject([
      {
        says: 'The kubelet keeps restarting c of demo/was because its liveness probe fails: Get "http://10.244.1.5:8081/": dial tcp 10.244.1.5:8081: connect: connection refused (nothing listens on that port in the container)',
        about,
        since: past(base, 600),
      },
    ]);
    expect(found('liveness-killed', container({ ended, events, restarts: 0 }))).toEqual([]);
    expect(found('liveness-killed', container({ ended: { reason: 'OOMKilled', exitCode: 137 }, events }))).toEqual([]);
    // Its last end is gone from the machine; the kill is not.
    expect(found('liveness-killed', container({ events }))).toHaveLength(1);
  });

  it('is killed by its own probe, not by that of one whose name begins or ends like its', () => {
    const ended = { reason: 'Error', exitCode: 1 };
    const of = (name: string) => ({ ...kill, message: `Container ${name} failed liveness probe, will be restarted` });
    const says = (killed: string) => found('liveness-killed', container({ ended, name: 'web', events: [of(killed)] }));
    expect(says('web')).toHaveLength(1);
    expect(says('web-proxy')).toEqual([]);
    expect(says('old-web')).toEqual([]);
  });

  it('is told by the probe that kills it, and by its log', () => {
    const ended = { reason: 'Error', exitCode: 1 };
    const startup = { ...kill, message: 'Container c failed startup probe, will be restarted' };
    const readiness = { ...probe, message: 'Readiness probe failed: HTTP probe failed with statuscode: 503', first: 5 };
    const [bare] = found('liveness-killed', container({ ended, events: [startup, readiness] }));
    expect(bare?.says).toBe('The kubelet keeps restarting c of demo/was because its startup probe fails');
    expect(bare?.evidence.map(({ from }) => from)).toEqual([
      expect.stringContaining('event of Pod was'),
      'API: pod demo/was',
    ]);
    const [one] = found('liveness-killed', container({ ended, events: [probe, kill, readiness], logs: ['waits'] }));
    expect(one?.says).toContain('connection refused (nothing listens');
    expect(one?.evidence.map(({ says }) => says)).toEqual([
      expect.stringContaining('Liveness probe failed'),
      expect.stringContaining('will be restarted'),
      'waits',
    ]);
  });

  it.each([
    ['secret "db" not found', 'the Secret db', 'secrets'],
    ['configmap "db" not found', 'the ConfigMap db', 'configmaps'],
    ["couldn't find key user in Secret demo/db", 'the key user of the Secret demo/db', 'secrets'],
    ["couldn't find key user in ConfigMap demo/db", 'the key user of the ConfigMap demo/db', 'configmaps'],
  ])('lacks, by the words %s, %s', (message, thing, kind) => {
    const bad = (more: Bad) =>
      found(
        'config-missing',
        container({ waiting: { reason: 'CreateContainerConfigError', message }, restarts: 0, ...more }),
      );
    expect(bad({ scheduled: 300 })).toMatchObject([
      { says: `demo/was cannot start without ${thing}, which demo does not have`, about, since: past(base, 300) },
    ]);
    expect(bad({})[0]?.cure[0]).toBe(`kubectl -n demo get ${kind}`);
    expect(bad({})[0]?.evidence[0]?.says).toBe(message);
    expect(bad({ scheduled: 10 })).toEqual([]);
  });

  it('lacks what a volume wants only while it waits for its volumes', () => {
    const mount = (message: string, first: number) => ({ reason: 'FailedMount', message, first });
    const events = [
      mount('MountVolume.SetUp failed for volume "v" : references non-existent secret key: tls.crt', 30),
      mount('Unable to attach or mount volumes: timed out waiting for the condition', 10),
    ];
    const says = (reason: string, more: Bad = {}) =>
      found('config-missing', container({ waiting: { reason }, restarts: 0, events, ...more }));
    expect(says('ContainerCreating')[0]?.says).toContain('without the key tls.crt of a Secret,');
    expect(says('PodInitializing')).toHaveLength(1);
    expect(says('CrashLoopBackOff', { ended: error })).toEqual([]);
    const config = [mount('references non-existent config key: a.conf', 30)];
    expect(says('ContainerCreating', { events: config })[0]?.says).toContain('without the key a.conf of a ConfigMap,');
  });

  it('that cannot be started says why, also while the kubelet waits before it tries again', () => {
    const message = 'failed to create containerd task: exec: "java": executable file not found in $PATH';
    const says = (more: Bad) => found('container-cannot-start', container(more))[0]?.says;
    const told = `Container c of demo/was cannot be started: ${message}`;
    const ended = { reason: 'StartError', exitCode: 128, message };
    expect(says({ waiting: { reason: 'RunContainerError', message } })).toBe(told);
    expect(says({ waiting: loop, ended })).toBe(told);
    expect(says({ state: { terminated: ended } })).toBe(told);
    expect(says({ waiting: { reason: 'CreateContainerError' } })).toBe(
      'Container c of demo/was cannot be started: CreateContainerError',
    );
    expect(found('container-crashing', container({ waiting: loop, ended }))).toEqual([]);
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
    expect(found('sandbox-changed', container({ events: [changed(3)] }))).toMatchObject([
      {
        says: 'The sandboxes of demo/was on n2 end under them again and again (up to 3 times)',
        severity: 'error',
        about: ['machine:n2', 'pod:demo/was'],
        since: past(base, 900),
      },
    ]);
    const nameless = eachObject(container({ events: [changed(3)] }), 'events', event => ({
      ...event,
      firstTimestamp: '',
    }));
    expect(found('sandbox-changed', nameless)[0]).not.toHaveProperty('since');
  });

  it('that ended once, or long ago, are well', () => {
    expect(found('sandbox-changed', container({ events: [changed(2)] }))).toEqual([]);
    expect(found('sandbox-changed', container({ events: [changed(6)], phase: 'Failed' }))).toEqual([]);
    const metadata = { deletionTimestamp: past(base, 5) };
    expect(found('sandbox-changed', container({ events: [changed(6)], metadata }))).toEqual([]);
    expect(found('sandbox-changed', container({ events: [changed(6, 800)] }))).toEqual([]);
  });

  it('that cannot be made are told with what fails', () => {
    const says =
      'Failed to create pod sandbox: rpc error: plugin type="flannel" failed (add): open /run/flannel/subnet.env: no such file or directory';
    const bad = (more: readonly Happening[] = [], pod: Bad = {}) =>
      container({
        waiting: { reason: 'ContainerCreating' },
        restarts: 0,
        events: [{ reason: 'FailedCreatePodSandBox', message: says, first: 300, count: 20, last: 5 }, ...more],
        scheduled: 300,
        ...pod,
      });
    expect(found('sandbox-not-created', bad())).toMatchObject([
      {
        says: 'n2 cannot make pods (demo/was): its network plugin fails',
        about: ['machine:n2', 'pod:demo/was'],
        since: past(base, 300),
      },
    ]);
    expect(found('sandbox-not-created', bad([], { scheduled: 10 }))).toEqual([]);
    expect(found('sandbox-not-created', bad([], { phase: 'Running' }))).toEqual([]);
    expect(found('sandbox-not-created', bad([], { metadata: { deletionTimestamp: past(base, 5) } }))).toEqual([]);
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

  it('may be beside one that was restarted and is ready', () => {
    const at = past(base, 100);
    const beside = (status: object) =>
      found('pod-not-ready', running(100, { containerStatuses: [{ name: 'c', image: 'x', ...status }, ...more] }));
    const more = [{ name: 'side', ready: true, image: 'x', restartCount: 5, state: { running: { startedAt: at } } }];
    expect(beside({ state: { running: { startedAt: at } } })).toEqual([]);
    expect(beside({ state: { running: { startedAt: at } }, restartCount: 1 })).toEqual([]);
    expect(beside({ state: { running: { startedAt: at } }, restartCount: 2 })).toHaveLength(1);
  });

  it('has its time from its start, not from when it was made', () => {
    const late = eachObject(running(200), 'pods', each =>
      each.metadata.name === 'was'
        ? { ...each, metadata: { ...each.metadata, creationTimestamp: past(base, 3600) } }
        : each,
    );
    expect(found('pod-not-ready', late)).toEqual([]);
  });

  it('is told as kubectl tells it', () => {
    const says = (status: object) =>
      found('pod-not-ready', running(1200, { containerStatuses: [{ name: 'c', image: 'x', ...status }] }))[0];
    const at = past(base, 1200);
    expect(says({ state: { running: { startedAt: at } } })).toMatchObject({
      says: 'Pod demo/was on n2 is not ready (Running)',
      about: ['pod:demo/was', 'machine:n2'],
      since: at,
    });
    expect(says({ state: { running: { startedAt: at } }, restartCount: 1 })?.says).toContain('(Running, 1 restart)');
    expect(says({ state: { waiting: { reason: 'ErrImagePull' } } })?.says).toContain('(ErrImagePull)');
    const lost = found('pod-not-ready', running(1200, { reason: 'NodeLost' }));
    expect(lost[0]?.says).toContain('(NodeLost)');
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

  it('are counted by the node that was short, since the last of them', () => {
    const gone = (name: string, seconds: number) =>
      pod(base, name, {
        status: {
          phase: 'Failed',
          reason: 'Evicted',
          message: 'The node was low on resource: memory.',
          startTime: past(base, 86_400),
          conditions: [
            { type: 'Ready', status: 'False', lastTransitionTime: past(base, 80_000) },
            { type: 'DisruptionTarget', status: 'True', lastTransitionTime: past(base, seconds) },
          ],
        },
      });
    expect(found('pod-evicted', withPods(base, gone('a', 600), gone('b', 900)))).toMatchObject([
      {
        says: '2 pods were evicted from n2 (demo/a and demo/b): The node was low on resource: memory.',
        severity: 'warning',
        about: ['pod:demo/a', 'pod:demo/b', 'machine:n2'],
        since: past(base, 600),
      },
    ]);
    expect(found('pod-evicted', withPods(base, gone('a', 600)))[0]?.says).toMatch(/^1 pod was evicted from n2/);
    const [told] = found('pod-evicted', evicted(600));
    expect(told).toMatchObject({ since: past(base, 600) });
  });

  it('leave nobody who answers names, whose own pods are not counted any more', () => {
    const dns = { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } };
    const old = past(base, 3600);
    const answering = { addresses: [{ ip: '10.244.1.9' }] };
    const meta = (namespace: string, name: string) => ({ namespace, name, creationTimestamp: old });
    const none = withObjects(
      withObjects(
        eachObject(base, 'pods', each => (each.metadata.name.startsWith('coredns') ? undefined : each)),
        'endpoints',
        [
          { metadata: meta('demo', 'kube-dns'), subsets: [answering] },
          { metadata: meta('kube-system', 'metrics'), subsets: [answering] },
          { metadata: meta('kube-system', 'kube-dns'), subsets: [] },
        ],
      ),
      'deployments',
      [
        { metadata: meta('demo', 'coredns'), spec: { replicas: 0 } },
        { metadata: meta('kube-system', 'metrics'), spec: { replicas: 0 } },
        { metadata: meta('kube-system', 'coredns'), spec: { replicas: 2 } },
      ],
    );
    const why = (...pods: readonly object[]) => found('dns-down', withPods(none, ...pods))[0];
    expect(why()?.says).toMatch(/, there is no CoreDNS pod$/);
    const over = pod(base, 'coredns-0', { metadata: dns, status: { phase: 'Failed' } });
    const leaving = pod(base, 'coredns-1', { metadata: { ...dns, deletionTimestamp: past(base, 5) } });
    expect(why(over, leaving)?.says).toMatch(/, there is no CoreDNS pod$/);
    const waits = pod(base, 'coredns-2', { metadata: dns, spec: { nodeName: '' }, status: { phase: 'Pending' } });
    expect(why(waits)).toMatchObject({
      says: expect.stringMatching(/, its CoreDNS pod is not ready$/),
      about: ['service:kube-system/kube-dns', 'pod:kube-system/coredns-2'],
    });
    const placed = pod(base, 'coredns-3', { metadata: dns, status: { conditions: unready(old) } });
    expect(why(waits, placed)?.about).toContain('machine:n2');
    expect(why(waits, placed)?.says).toMatch(/, none of its 2 CoreDNS pods is ready$/);
  });

  it('stay Terminating: on a silent node, or held by a finalizer', async () => {
    const leaving = (seconds: number, finalizers: readonly string[] = [], nodeName = 'n2') =>
      pod(base, 'web', { metadata: { deletionTimestamp: past(base, seconds), finalizers }, spec: { nodeName } });
    expect(found('pod-stuck-terminating', withPods(base, leaving(600, ['example.com/hold'])))[0]?.says).toContain(
      'example.com/hold',
    );
    expect(found('pod-stuck-terminating', withPods(base, leaving(600)))).toMatchObject([
      {
        says: expect.stringMatching(/: the kubelet of n2 does not end it$/),
        about: ['pod:demo/web', 'machine:n2'],
        since: past(base, 600),
      },
    ]);
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
