// Predicted machines: everything is real but the machines. They begin bare and become what each step predicts.
import { randomUUID } from 'node:crypto';
import type { Host, Json } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import type { Evidence, Probe, Step } from '../model/plan.ts';
import type { Workloads, WorkNode } from '../model/workloads.ts';
import { type EtcdMember, type Facts, type Goal, hostsOf, type World, withMember } from '../model/world.ts';
import { freeFence } from './fence.ts';
import type { Machine } from './machine.ts';

/** 'HOST:STEP', where STEP is a step's id, its phase/name or its name, or a piece of evidence's id. */
export interface Fault {
  readonly host: string;
  readonly step: string;
}

/** Undefined when the text is not HOST:STEP. */
export function parseFault(text: string): Fault | undefined {
  const split = text.indexOf(':');
  return split > 0 && split < text.length - 1 ? { host: text.slice(0, split), step: text.slice(split + 1) } : undefined;
}

/** Does the fault mean this step? */
export function strikes(
  fault: Fault,
  step: { readonly id: string; readonly host: string; readonly phase: string },
): boolean {
  const name = step.id.slice(step.id.lastIndexOf('/') + 1);
  return step.host === fault.host && [step.id, `${step.phase}/${name}`, name].includes(fault.step);
}

/** One predicted machine for every host; they share one predicted world. */
export function rehearse(goal: Goal, faults: readonly Fault[]): readonly Machine[] {
  const hosts = hostsOf(goal);
  let world: World = {
    ...goal,
    facts: new Map(hosts.map(host => [host.name, blankFacts(host)])),
    nodes: 'unknown',
    live: 'unknown',
    servingRequests: [],
    proofs: {},
    etcd: 'unknown',
    workloads: 'unknown',
  };
  // A run about some machines finds the others as members, and those that leave.
  const isBare = (host: Host) =>
    goal.about === undefined || (goal.about.kind === 'join' && goal.about.hosts.includes(host));
  for (const host of hosts.filter(each => !isBare(each))) world = allocate(withMember(world, host, 'simulated'));
  if (goal.about)
    world = { ...world, etcd: membersOf(hosts.filter(host => !isBare(host))), workloads: nothingRunsOn(hosts) };
  return hosts.map((host): Machine => {
    const states = new Map<string, Json>();
    const predicted = async () => undefined;
    return {
      host: host.name,
      commands: () => 0,
      async observe() {
        const facts = world.facts.get(host.name);
        if (!facts) throw new Error(`no predicted facts of ${host.name}`);
        const { nodes, live, servingRequests, proofs, etcd, workloads } = world;
        return { facts, fence: freeFence, nodes, live, servingRequests, proofs, etcd, workloads };
      },
      async read(resources) {
        return new Map(resources.map(each => [each.key, states.get(each.key) ?? each.blank]));
      },
      async run(step, signal) {
        signal.throwIfAborted();
        const fault = faults.find(each => strikes(each, step));
        if (fault) throw injected(step);
        if (step.predicted) states.set(step.predicted.key, step.predicted.state);
        for (const key of step.settles) states.set(key.key, key.state);
        if (step.predict) world = allocate(step.predict(world));
      },
      async prove(probes) {
        return probes.map(probe => simulatedEvidence(probe, faults));
      },
      async exec() {
        return { code: 0, stdout: '', stderr: '', durationMs: 0 };
      },
      claim: predicted,
      wait: async () => ({ code: 0, stdout: '', stderr: '', durationMs: 0 }),
      release: predicted,
      close: predicted,
    };
  });
}

/** What an active probe would give. */
export function simulatedPieces(
  probe: Extract<Probe, { readonly kind: 'active' }>,
  faults: readonly Fault[],
): readonly Evidence[] {
  return probe.pieces.map(piece => simulatedEvidence(piece, faults));
}

/** One piece of evidence, as expected unless a fault strikes it. */
export function simulatedEvidence(piece: Omit<Evidence, 'ok' | 'observed'>, faults: readonly Fault[]): Evidence {
  const { id, host, title, expected, reproduce, hint } = piece;
  const ok = !faults.some(fault => fault.host === host && fault.step === id);
  const found = { id, host, title, expected, reproduce, ok };
  return ok ? { ...found, observed: expected } : { ...found, observed: 'a fault that --fault injected', hint };
}

function injected(step: Step): HomelabError {
  return new HomelabError('HL_STEP_FAILED', `${step.title} on ${step.host} failed: a fault that --fault injected`, {
    context: { host: step.host, step: step.id },
    hint: 'this is a rehearsal: leave out --fault and it passes',
  });
}

// The controller manager's part: every node gets the next /24 of the pod subnet.
function allocate(world: World): World {
  if (world.nodes === 'unknown') return world;
  const [a = 0, b = 0, c = 0] = world.cluster.kubernetes.podSubnet.split('/')[0]?.split('.').map(Number) ?? [];
  const subnetOf = (index: number) => {
    const next = ((a * 256 + b) * 256 + c + index) >>> 0;
    return `${next >>> 16}.${(next >>> 8) & 255}.${next & 255}.0/24`;
  };
  return { ...world, nodes: world.nodes.map((node, index) => ({ ...node, ready: true, podCidr: subnetOf(index) })) };
}

function membersOf(hosts: readonly Host[]): readonly EtcdMember[] {
  return hosts
    .filter(host => host.role === 'control-plane')
    .map(({ name, address }) => ({ id: `simulated-${name}`, name, address, healthy: true, learner: false }));
}

function nothingRunsOn(hosts: readonly Host[]): Workloads {
  const nodes = hosts.map(
    ({ name }): WorkNode => ({
      name,
      labels: { 'kubernetes.io/hostname': name },
      taints: [],
      allocatable: {},
      ready: true,
      unschedulable: false,
      cordonedByUs: false,
    }),
  );
  return { nodes, pods: [], budgets: [], volumes: [], controllers: [], services: [], longhorn: [] };
}

function blankFacts(host: Host): Facts {
  return {
    host: host.name,
    hostname: host.name,
    machineId: randomUUID().replaceAll('-', ''),
    productUuid: randomUUID(),
    bootId: randomUUID(),
    clockOffsetMs: 0,
    os: { id: 'debian', versionId: '12', codename: 'bookworm', pretty: 'Debian GNU/Linux 12 (simulated)' },
    kernel: '6.1.0-simulated',
    arch: 'amd64',
    virtualization: 'none',
    container: false,
    cgroup: 2,
    nics: [
      {
        name: 'eno1',
        mac: '02:00:00:00:00:01',
        mtu: 1500,
        addresses: [`${host.address}/24`],
        class: 'wired',
        driver: 'e1000e',
        linkFile: '/usr/lib/systemd/network/99-default.link',
      },
    ],
    membership: { state: 'absent' },
    kubeadm: 'absent',
    kubelet: 'absent',
    containerd: 'absent',
    isPrepared: false,
    timeService: 'none',
    power: { systemd: 252, vendor: '', product: '', daemons: [] },
  };
}
