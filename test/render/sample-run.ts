// A made-up bootstrap of four machines, as the engine would tell it: one that works, one that fails, one that is interrupted.
import type { EventBody, EventSink, RunEvent } from '../../src/model/events.ts';
import type { Evidence, Note, PlannedStep, Refusal, Risk } from '../../src/model/plan.ts';

export const hosts = ['k8s-cp', 'k8s-worker1', 'k8s-worker2', 'k8s-worker3'] as const;
const workers = hosts.slice(1);

export const journalPath = '/home/admin/.local/state/homelab/homelab/runs/2026-11-21T19-50-08Z-4f2a9c.jsonl';

const containerdDiff = `--- /etc/containerd/config.toml
+++ /etc/containerd/config.toml
@@ -1,6 +1,18 @@
-version = 2
-[plugins."io.containerd.grpc.v1.cri"]
-  sandbox_image = "registry.k8s.io/pause:3.6"
+version = 3
+[plugins."io.containerd.cri.v1.images".pinned_images]
+  sandbox = "registry.k8s.io/pause:3.10"
+[plugins."io.containerd.cri.v1.images".registry]
+  config_path = "/etc/containerd/certs.d"
+[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
+  runtime_type = "io.containerd.runc.v2"
+[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
+  SystemdCgroup = true
+[plugins."io.containerd.cri.v1.runtime".cni]
+  bin_dirs = ["/opt/cni/bin"]
+  conf_dir = "/etc/cni/net.d"
 [metrics]
   address = ""
`;

function step(
  phase: string,
  host: string,
  name: string,
  title: string,
  why: string,
  more: { readonly risk?: Risk; readonly diff?: string } = {},
): PlannedStep {
  return { id: `${phase}/${host}/${name}`, phase, host, title, why, risk: 'safe', deadlineMs: 60_000, ...more };
}

const hostBase = hosts.flatMap(host => [
  step('host-base', host, 'modules', 'Load overlay and br_netfilter', 'br_netfilter is not loaded', {
    diff: '+overlay\n+br_netfilter\n',
  }),
  ...(host === 'k8s-worker2'
    ? [step('host-base', host, 'swap', 'Switch swap off', '/swapfile is in use (2.0 GiB)')]
    : []),
]);

const containerd = hosts.map(host =>
  step('containerd', host, 'containerd-config', 'Write /etc/containerd/config.toml', 'its content differs', {
    risk: 'disruptive',
    diff: containerdDiff,
  }),
);

const controlPlane = [
  step('control-plane', 'k8s-cp', 'init', 'Initialise the control plane', 'the machine is in no cluster', {
    risk: 'disruptive',
  }),
];

const join = workers.map(host => step('workers', host, 'join', 'Join as a worker', 'the machine is in no cluster'));

export const plannedSteps: readonly PlannedStep[] = [...hostBase, ...containerd, ...controlPlane, ...join];

export const refusals: readonly Refusal[] = [
  {
    id: 'workers/k8s-worker3/join',
    host: 'k8s-worker3',
    reason: 'the machine belongs to another cluster (CA sha256:9c1f…)',
    hint: 'homelab reset k8s-worker3, if nothing there is needed any more',
  },
];

export const notes: readonly Note[] = [
  { text: 'Kubernetes v1.31 left upstream support on 2025-10-28' },
  { host: 'k8s-worker1', text: 'the clock is 1.8 s behind the median' },
  { host: 'k8s-worker2', text: 'the clock is 1.8 s behind the median' },
];

const phases = [
  { id: 'connect', title: 'Log in and look around' },
  { id: 'host-base', title: 'Prepare the operating system' },
  { id: 'containerd', title: 'Run containerd' },
  { id: 'control-plane', title: 'Initialise the control plane' },
  { id: 'workers', title: 'Join the workers' },
] as const;

function phase(id: (typeof phases)[number]['id'], steps: readonly PlannedStep[]): EventBody {
  return { type: 'phase-started', phase: id, title: phases.find(each => each.id === id)?.title ?? id, steps };
}

function started({ id, host, title, deadlineMs }: PlannedStep): EventBody {
  return { type: 'step-started', id, host, title, deadlineMs };
}

function done({ id, host, title }: PlannedStep, durationMs: number): EventBody {
  return { type: 'step-finished', id, host, title, outcome: 'done', durationMs };
}

function proof(phaseId: string, host: string, title: string, observed: string, simulated: boolean): EventBody {
  const evidence: Evidence = {
    id: `${phaseId}/${host}/${title.replaceAll(' ', '-')}`,
    host,
    title,
    ok: true,
    expected: observed,
    observed,
    reproduce: `ssh ${host} true`,
  };
  return { type: 'evidence', phase: phaseId, evidence, simulated };
}

function beginning(simulated: boolean): readonly EventBody[] {
  return [
    {
      type: 'run-started',
      run: '4f2a9c',
      command: 'homelab bootstrap -i inventory/homelab.yaml --yes',
      purpose: 'change',
      cluster: 'homelab',
      version: '0.1.0',
      simulated,
      hosts,
      phases,
    },
    phase('connect', []),
    ...hosts.map((host, index) =>
      proof('connect', host, 'answers', `Debian GNU/Linux 12, 192.168.0.1${index}, boot ${index}f6e`, simulated),
    ),
    { type: 'phase-finished', phase: 'connect', outcome: 'unchanged', durationMs: 812 },
    { type: 'plan', steps: plannedSteps, refusals: [], notes },
    phase('host-base', hostBase),
    ...hostBase.map(started),
    ...hostBase.map((each, index) => done(each, 300 + index * 40)),
    { type: 'prediction', phase: 'host-base', compared: 5, differences: [] },
    ...hosts.map(host => proof('host-base', host, 'modules', 'overlay, br_netfilter loaded', simulated)),
    { type: 'phase-finished', phase: 'host-base', outcome: 'changed', durationMs: 2_140 },
    phase('containerd', containerd),
    ...containerd.map(started),
    { type: 'note', host: 'k8s-worker1', text: 'waited 8 s for the apt lock (unattended-upgrades)' },
    ...containerd.map((each, index) => done(each, 11_300 + index * 700)),
    { type: 'prediction', phase: 'containerd', compared: 4, differences: [] },
    ...hosts.map(host =>
      proof('containerd', host, 'containerd answers', 'v2.1.5, started after its config', simulated),
    ),
    { type: 'phase-finished', phase: 'containerd', outcome: 'changed', durationMs: 15_020 },
    phase('control-plane', controlPlane),
    ...controlPlane.map(started),
  ];
}

function initialised(simulated: boolean): readonly EventBody[] {
  return [
    ...controlPlane.map(each => done(each, 9_700)),
    { type: 'prediction', phase: 'control-plane', compared: 1, differences: [] },
    proof('control-plane', 'k8s-cp', 'readyz', 'ok; etcd healthy; certificates until 2027-11-21', simulated),
    { type: 'phase-finished', phase: 'control-plane', outcome: 'changed', durationMs: 11_400 },
    phase('workers', join),
    ...join.map(started),
  ];
}

const remoteCommands = { 'k8s-cp': 14, 'k8s-worker1': 9, 'k8s-worker2': 11, 'k8s-worker3': 9 };

export function okRun(simulated = false): readonly RunEvent[] {
  return timed([
    ...beginning(simulated),
    ...initialised(simulated),
    ...join.map((each, index) => done(each, 2_900 + index * 150)),
    { type: 'prediction', phase: 'workers', compared: 3, differences: [] },
    ...workers.map(host => proof('workers', host, 'node registered', `${host}, kubelet v1.31.13`, simulated)),
    { type: 'phase-finished', phase: 'workers', outcome: 'changed', durationMs: 4_020 },
    {
      type: 'run-finished',
      outcome: 'ok',
      exitCode: 0,
      steps: plannedSteps.length,
      predictionErrors: 0,
      durationMs: 33_900,
      simulated,
      remoteCommands,
    },
  ]);
}

export const joinStderr = [
  ...Array.from({ length: 14 }, (_, index) => `I1121 19:51:${10 + index} preflight.go] check ${index + 1}`),
  'error execution phase preflight: [preflight] Some fatal errors occurred:',
  '\t[ERROR Port-10250]: Port 10250 is in use',
  '\u001b[31m[preflight]\u001b[0m If you know what you are doing, use --ignore-preflight-errors',
].join('\n');

export function joinFailure(host: string): { readonly [key: string]: string | number } {
  return {
    code: 'HL_STEP_FAILED',
    message: `Join worker ${host} failed`,
    hint: `a kubelet is already running: homelab reset ${host}, then resume`,
    host,
    step: `workers/${host}/join`,
    command: 'kubeadm join --config /dev/stdin',
    exitStatus: 1,
    afterMs: 41_200,
    stderr: joinStderr,
  };
}

export function failedRun(): readonly RunEvent[] {
  return timed([
    ...beginning(false),
    ...initialised(false),
    ...join.slice(0, 1).map(each => done(each, 2_900)),
    ...join.slice(1).map(
      ({ id, host, title }): EventBody => ({
        type: 'step-finished',
        id,
        host,
        title,
        outcome: 'failed',
        durationMs: 41_200,
        why: 'Port 10250 is in use',
      }),
    ),
    {
      type: 'evidence',
      phase: 'workers',
      simulated: false,
      evidence: {
        id: 'workers/k8s-worker2/node-registered',
        host: 'k8s-worker2',
        title: 'node registered',
        ok: false,
        expected: 'k8s-worker2 in kubectl get nodes',
        observed: 'no such node',
        reproduce: 'ssh k8s-cp sudo kubectl --kubeconfig /etc/kubernetes/admin.conf get node k8s-worker2',
      },
    },
    {
      type: 'prediction',
      phase: 'workers',
      compared: 3,
      differences: ['k8s-worker2: membership: predicted joined, observed partial'],
    },
    { type: 'phase-finished', phase: 'workers', outcome: 'failed', durationMs: 42_000 },
    { type: 'error', error: joinFailure('k8s-worker2') },
    { type: 'error', error: joinFailure('k8s-worker3') },
    {
      type: 'run-finished',
      outcome: 'failed',
      exitCode: 6,
      steps: plannedSteps.length - 2,
      predictionErrors: 1,
      durationMs: 72_300,
      simulated: false,
      remoteCommands,
    },
  ]);
}

export function cancelledRun(): readonly RunEvent[] {
  return timed([
    ...beginning(false),
    ...initialised(false),
    ...join.slice(0, 1).map(each => done(each, 2_900)),
    ...join.slice(1).map(
      ({ id, host, title }): EventBody => ({
        type: 'step-finished',
        id,
        host,
        title,
        outcome: 'skipped',
        durationMs: 0,
        why: 'interrupted',
      }),
    ),
    { type: 'error', error: { code: 'HL_CANCELLED', message: 'interrupted by Ctrl-C' } },
    {
      type: 'run-finished',
      outcome: 'cancelled',
      exitCode: 130,
      steps: plannedSteps.length - 2,
      predictionErrors: 0,
      durationMs: 31_000,
      simulated: false,
      remoteCommands,
    },
  ]);
}

/** A second apart, from a fixed moment on. */
export function timed(bodies: readonly EventBody[]): readonly RunEvent[] {
  const start = Date.UTC(2026, 10, 21, 19, 50, 8);
  return bodies.map((body, index) => ({ time: new Date(start + index * 1000).toISOString(), ...body }));
}

export async function play(sink: EventSink, events: readonly RunEvent[]): Promise<void> {
  for (const event of events) sink.handle(event);
  await sink.close();
}

/** A stream that keeps what was written; a terminal when it has columns. */
export class FakeStream {
  readonly chunks: string[] = [];
  readonly isTTY: boolean;
  readonly columns: number | undefined;
  readonly rows = 24;

  constructor(columns?: number) {
    this.isTTY = columns !== undefined;
    this.columns = columns;
  }

  write(text: string): boolean {
    this.chunks.push(text);
    return true;
  }

  get text(): string {
    return this.chunks.join('');
  }

  /** Only `write` and the fields above are used by what we test. */
  get asStream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream;
  }
}
