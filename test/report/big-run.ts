// A made-up bootstrap of as many machines as wanted, with times as on real ones: ten machines at a time, phases as barriers.
import type { EventBody, RunEvent } from '../../src/model/events.ts';
import type { Evidence, PlannedStep } from '../../src/model/plan.ts';

const start = Date.UTC(2026, 10, 22, 19, 0, 0);

const work: readonly {
  readonly phase: string;
  readonly title: string;
  readonly steps: readonly (readonly [string, string, number])[];
}[] = [
  { phase: 'connect', title: 'Reach every machine', steps: [] },
  {
    phase: 'host-base',
    title: 'Prepare the machines',
    steps: [
      ['prerequisites', 'Install conntrack, ethtool, iptables, socat, ca-certificates', 9],
      ['modules', 'Load overlay and br_netfilter', 1],
      ['sysctl-kubernetes', 'Set what Kubernetes needs of the kernel', 1],
      ['hosts-names', 'Name the cluster endpoint in /etc/hosts', 1],
    ],
  },
  {
    phase: 'containerd',
    title: 'Install containerd',
    steps: [
      ['package', 'Install containerd.io 2.1.5 and hold it', 21],
      ['config', 'Write /etc/containerd/config.toml', 1],
      ['unit', 'Run containerd.service', 3],
    ],
  },
  { phase: 'workers', title: 'Join the workers', steps: [['join', 'Join the cluster as a worker', 12]] },
];

export interface BigRun {
  readonly machines: number;
  /** Of the last phase: these machines' steps fail. */
  readonly failing?: readonly string[];
}

export function bigRun({ machines, failing = [] }: BigRun): readonly RunEvent[] {
  const hosts = Array.from({ length: machines }, (_, index) => (index === 0 ? 'k8s-cp' : `k8s-worker${index}`));
  const events: RunEvent[] = [];
  const say = (at: number, body: EventBody): void =>
    void events.push({ time: new Date(start + at).toISOString(), ...body });
  const stepsOf = (phase: string): readonly PlannedStep[] =>
    hosts.flatMap(host =>
      (work.find(each => each.phase === phase)?.steps ?? []).map(([name, title]) => ({
        id: `${phase}/${host}/${name}`,
        phase,
        host,
        title,
        why: `${name} is not as it should be on ${host}`,
        diff: `-before\n+after on ${host}\n`,
        risk: 'safe' as const,
        deadlineMs: 600_000,
      })),
    );
  say(0, {
    type: 'run-started',
    run: 'b16b16',
    command: 'homelab bootstrap --yes',
    purpose: 'change',
    cluster: 'big',
    version: '0.1.0',
    simulated: false,
    hosts,
    phases: work.map(({ phase, title }) => ({ id: phase, title })),
  });
  say(900, { type: 'machines', machines: hosts.map((host, index) => machineCalled(host, index)) });
  say(1000, { type: 'plan', steps: work.flatMap(({ phase }) => stepsOf(phase)), refusals: [], notes: [] });
  let now = 1000;
  for (const { phase, title, steps } of work) {
    const begun = now;
    say(now, { type: 'phase-started', phase, title, steps: stepsOf(phase) });
    // The earliest free lane takes the next machine.
    const lanes = Array.from({ length: 10 }, () => now);
    const told: { readonly at: number; readonly body: EventBody }[] = [];
    for (const [index, host] of hosts.entries()) {
      let at = Math.min(...lanes);
      const lane = lanes.indexOf(at);
      for (const [order, [name, stepTitle, seconds]] of steps.entries()) {
        const id = `${phase}/${host}/${name}`;
        const durationMs = Math.round(seconds * 1000 * (0.6 + ((index * 7 + order * 3) % 11) / 10));
        told.push({ at, body: { type: 'step-started', id, host, title: stepTitle, deadlineMs: 600_000 } });
        at += durationMs;
        const failed = phase === work.at(-1)?.phase && failing.includes(host);
        const end = { type: 'step-finished' as const, id, host, title: stepTitle, durationMs };
        told.push({
          at,
          body: failed ? { ...end, outcome: 'failed', why: 'Port 10250 is in use' } : { ...end, outcome: 'done' },
        });
      }
      lanes[lane] = at;
    }
    for (const { at, body } of told.sort((one, other) => one.at - other.at)) say(at, body);
    now = Math.max(...lanes) + 500;
    for (const host of hosts) say(now, { type: 'evidence', phase, evidence: proof(phase, host), simulated: false });
    const isFailed = phase === work.at(-1)?.phase && failing.length > 0;
    const outcome = isFailed ? 'failed' : steps.length > 0 ? 'changed' : 'unchanged';
    say(now, { type: 'phase-finished', phase, outcome, durationMs: now - begun });
  }
  for (const host of failing) {
    const step = `workers/${host}/join`;
    const stderr = Array.from({ length: 20 }, (_, line) => `kubeadm says ${line}`).join('\n');
    const message = `Join the cluster as a worker on ${host} failed`;
    const hint = `a kubelet is already running: homelab reset ${host}, then the same command again`;
    say(now, { type: 'error', error: { code: 'HL_STEP_FAILED', message, host, step, stderr, exitStatus: 1, hint } });
  }
  say(now, {
    type: 'run-finished',
    outcome: failing.length > 0 ? 'failed' : 'ok',
    exitCode: failing.length > 0 ? 6 : 0,
    steps: work.flatMap(({ steps }) => steps).length * machines - failing.length,
    predictionErrors: 0,
    durationMs: now,
    simulated: false,
    remoteCommands: Object.fromEntries(hosts.map(host => [host, 30])),
  });
  return events;
}

function machineCalled(host: string, index: number) {
  return {
    host,
    role: index === 0 ? ('control-plane' as const) : ('worker' as const),
    address: `192.168.0.${10 + index}`,
    os: 'Debian GNU/Linux 12 (bookworm)',
    kernel: '6.1.0-28-amd64',
    arch: 'amd64',
    virtualization: 'none',
    bootId: `boot-${index}`,
    kubelet: 'absent',
    containerd: 'absent',
    nics: [
      {
        name: 'eno1',
        mac: `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`,
        mtu: 1500,
        addresses: [`192.168.0.${10 + index}/24`],
        class: 'wired' as const,
        driver: 'e1000e',
        linkFile: '',
      },
    ],
  };
}

function proof(phase: string, host: string): Evidence {
  return {
    id: `${phase}/${host}/answers`,
    host,
    title: `answers after ${phase}`,
    ok: true,
    expected: `${host} answers`,
    observed: `${host} answers`,
    reproduce: `ssh ${host} true`,
  };
}

export function journalOf(events: readonly object[]): string {
  return events.map(event => `${JSON.stringify(event)}\n`).join('');
}
