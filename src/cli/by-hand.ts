// The commands behind a step, from the step itself: planned in a rehearsal, of the inventory at hand or, where it has no such step, of example machines.
import { createEventBus } from '../engine/events.ts';
import { rehearse } from '../engine/rehearsal.ts';
import { type RunContext, type Survey, survey } from '../engine/run.ts';
import { loadInventory } from '../inventory/load.ts';
import { parseInventory } from '../inventory/parse.ts';
import { usualProfile } from '../inventory/profiles.ts';
import type { Cluster, Json } from '../model/cluster.ts';
import type { Phase, Probe, Resource } from '../model/plan.ts';
import { legible } from '../model/shell.ts';
import type { About, Goal } from '../model/world.ts';
import { leavingPhases, phases } from '../phases/index.ts';

export interface Wanted {
  readonly phase: string | undefined;
  readonly host: string | undefined;
  readonly name: string;
}

export interface Hand {
  readonly id: string;
  readonly host: string;
  readonly title: string;
  /** What was found, where the step is one of now. */
  readonly why?: string;
  /** 'looks': nothing is to be done on such a machine; how it is looked at. */
  readonly kind: 'does' | 'looks';
  readonly script: string;
  readonly isExample: boolean;
}

/** `found`: a state in which the step has something to do, where a bare machine's is none. */
export async function byHand(wanted: Wanted, inventory: string, found: Json | undefined): Promise<Hand | undefined> {
  let look: Hand | undefined;
  for await (const { rehearsed, isExample } of rehearsals(inventory)) {
    const step = rehearsed.plan.steps.find(each => isMeant(wanted, each.phase, each.host, nameOf(each.id)));
    if (step) {
      const { id, host, title, why, action } = step;
      return { id, host, title, why, kind: 'does', script: legible(action.script), isExample };
    }
    for (const { phase, host, wants } of rehearsed.intents)
      for (const want of wants)
        if (want.kind === 'resource' && isMeant(wanted, phase.id, host.name, want.name))
          look ??= {
            id: `${phase.id}/${host.name}/${want.name}`,
            host: host.name,
            title: want.title,
            ...commandsOf(want, found),
            isExample,
          };
  }
  return look;
}

function commandsOf(resource: Resource, found: Json | undefined): Pick<Hand, 'kind' | 'script'> {
  const change = found === undefined ? undefined : resource.change(found, []);
  return change ? { kind: 'does', script: legible(change.action.script) } : { kind: 'looks', script: resource.read };
}

export async function stepNamesOf(phase: string, inventory: string): Promise<readonly string[]> {
  const names = new Set<string>();
  for await (const { rehearsed } of rehearsals(inventory))
    for (const intent of rehearsed.intents)
      if (intent.phase.id === phase)
        for (const want of intent.wants)
          if (want.kind === 'resource' || want.kind === 'transition') names.add(want.name);
  return [...names];
}

export async function probesCalled(wanted: Wanted, inventory: string): Promise<readonly Probe[]> {
  for await (const { rehearsed, list } of rehearsals(inventory)) {
    const found = list.flatMap(phase =>
      phase.probes(rehearsed.world).filter(({ host, id }) => isMeant(wanted, phase.id, host, id)),
    );
    if (found.length > 0) return found;
  }
  return [];
}

function isMeant({ phase, host, name }: Wanted, ofPhase: string, ofHost: string, ofName: string): boolean {
  return (phase ?? ofPhase) === ofPhase && (host ?? ofHost) === ofHost && name === ofName;
}

function nameOf(id: string): string {
  return id.slice(id.indexOf('/', id.indexOf('/') + 1) + 1);
}

interface Rehearsal {
  readonly rehearsed: Survey;
  readonly list: readonly Phase[];
  readonly isExample: boolean;
}

async function* rehearsals(inventory: string): AsyncGenerator<Rehearsal> {
  // One that is not there, or not valid, is no reason to explain nothing.
  const mine = await loadInventory(inventory).catch(() => undefined);
  for (const cluster of [...(mine ? [mine] : []), exampleCluster()]) {
    const isExample = cluster !== mine;
    yield { rehearsed: await rehearsalOf({ cluster, bundle: undefined }, phases), list: phases, isExample };
    for (const about of leavings(cluster)) {
      const hosts = about.kind === 'remove' ? cluster.hosts.filter(each => !about.hosts.includes(each)) : cluster.hosts;
      const goal: Goal = { cluster: { ...cluster, hosts }, bundle: undefined, about };
      yield { rehearsed: await rehearsalOf(goal, leavingPhases), list: leavingPhases, isExample };
    }
  }
}

function leavings({ hosts }: Cluster): readonly About[] {
  const controlPlanes = hosts.filter(({ role }) => role === 'control-plane');
  const leaving = controlPlanes.length > 1 ? controlPlanes.at(-1) : hosts.find(({ role }) => role === 'worker');
  return leaving ? [{ kind: 'remove', hosts: [leaving] }] : [];
}

const clock = { now: () => 0, sleep: async () => undefined };

function rehearsalOf(goal: Goal, list: readonly Phase[]): Promise<Survey> {
  const never = new AbortController().signal;
  const context: RunContext = {
    goal,
    phases: list,
    isChosen: () => true,
    machines: new Map(rehearse(goal, []).map(machine => [machine.host, machine])),
    bus: createEventBus({ clock, redact: text => text, sinks: [] }),
    clock,
    fork: goal.cluster.hosts.length + 1,
    steal: false,
    stop: never,
    abort: never,
    rehearsal: [],
    approve: async () => undefined,
    isApproved: () => false,
  };
  return survey(context, false);
}

/** Three control planes and a worker behind a proxy: nearly every step of a bootstrap is wanted on one of them. */
function exampleCluster(): Cluster {
  const host = (name: string, role: string, last: number) =>
    `- {name: ${name}, role: ${role}, address: 192.0.2.${last}}`;
  const text = [
    'apiVersion: homelab/v1',
    'kind: Cluster',
    'name: example',
    `profile: "${usualProfile}"`,
    'kubernetes: {endpoint: api.example.home.arpa}',
    'containerd: {registries: {registry.k8s.io: {mirrors: ["https://mirror.home.arpa:5000"]}}}',
    'proxy: {http: "http://proxy.home.arpa:3128"}',
    'hosts:',
    ...['cp1', 'cp2', 'cp3'].map((name, index) => host(name, 'control-plane', 11 + index)),
    host('worker1', 'worker', 21),
  ].join('\n');
  const places = { file: 'example.yaml', dir: '/', home: '/' };
  const parsed = parseInventory(Buffer.from(text), { ...places, readText: () => '' });
  if (!parsed.ok) throw new Error(`the example is not valid: ${JSON.stringify(parsed.issues)}`);
  return parsed.cluster;
}
