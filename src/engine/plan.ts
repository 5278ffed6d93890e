// Wants and what is observed give the plan. Pure: the same world twice is the same plan.
import { isDeepStrictEqual } from 'node:util';
import type { Host, Json } from '../model/cluster.ts';
import type {
  Change,
  Note,
  Phase,
  Plan,
  PlannedStep,
  Refusal,
  Remark,
  Resource,
  Step,
  Transition,
  Want,
} from '../model/plan.ts';
import { hostsOf, isAdopted, type World } from '../model/world.ts';

/** What one phase wants of one machine, in the world as it will be when the phase begins. */
export interface Intent {
  readonly phase: Phase;
  readonly host: Host;
  readonly wants: readonly Want[];
}

/** States by resource key, by machine. */
export type States = ReadonlyMap<string, ReadonlyMap<string, Json>>;

/**
 * All intents in order; each phase sees the world as the transitions before it predict it. Of machines that are not chosen two things
 * are wanted all the same: what the chosen ones need done there before and after (a join token on the control plane), and, in a run
 * about some machines, what these make different there (a route to the one that joins).
 */
export function intend(
  world: World,
  phases: readonly Phase[],
  isChosen: (phase: Phase, host: Host) => boolean,
): readonly Intent[] {
  const intents: Intent[] = [];
  const hosts = hostsOf(world).filter(host => world.facts.has(host.name));
  let now = world;
  for (const phase of phases) {
    const mine = hosts.map(host => ({ phase, host, wants: wantsOf(phase, now, host) }));
    const acts = mine.some(({ host, wants }) => isChosen(phase, host) && wants.some(isAct));
    const otherwise = withoutAbout(now);
    const here = mine.map(intent => {
      // Nobody needs a token when the one that would join is left out.
      if (isChosen(phase, intent.host))
        return acts ? intent : { ...intent, wants: intent.wants.filter(want => !isAround(want) || want.alone) };
      const isThere = (world: World | undefined) => world?.cluster.hosts.some(({ name }) => name === intent.host.name);
      const before =
        otherwise && isThere(otherwise) && isThere(now) ? wantsOf(phase, otherwise, intent.host) : undefined;
      const different = before === undefined ? [] : newOnes(intent.wants, before);
      return { ...intent, wants: [...intent.wants.filter(want => acts && isAround(want)), ...different] };
    });
    intents.push(...here);
    for (const want of here.flatMap(intent => intent.wants)) {
      if (want.kind === 'transition' && want.now !== want.to) now = want.predict(now);
    }
  }
  return intents;
}

// The same cluster as if the machine that joins were not there, or the one that leaves still were.
function withoutAbout(world: World): World | undefined {
  const { about, cluster } = world;
  if (about === undefined || about.kind === 'reset') return undefined;
  const isAbout = (host: Host) => about.hosts.some(({ name }) => name === host.name);
  const hosts =
    about.kind === 'join' ? cluster.hosts.filter(host => !isAbout(host)) : [...cluster.hosts, ...about.hosts];
  return { ...world, cluster: { ...cluster, hosts } };
}

// What is otherwise: resources, those that these make stale, and acts (a request of the machine that joins is approved elsewhere).
// A rehearsal starts the resources from what was wanted before.
function newOnes(wants: readonly Want[], before: readonly Want[]): readonly Want[] {
  const keys = new Set<string>();
  return wants.flatMap((want): readonly Want[] => {
    if (want.kind === 'transition') {
      const same = before.find(each => each.kind === 'transition' && each.name === want.name);
      const wanted = same?.kind === 'transition' ? same.change : undefined;
      return isAct(want) && !isDeepStrictEqual(wanted, want.change) ? [want] : [];
    }
    if (want.kind !== 'resource') return [];
    const same = before.find(each => each.kind === 'resource' && each.key === want.key);
    const isNew =
      same?.kind !== 'resource' ||
      !isDeepStrictEqual(same.desired, want.desired) ||
      (want.inputs ?? []).some(input => keys.has(input));
    if (!isNew) return [];
    keys.add(want.key);
    return [same?.kind === 'resource' ? { ...want, blank: same.desired } : want];
  });
}

function wantsOf(phase: Phase, world: World, host: Host): readonly Want[] {
  const wants = phase.wants(world, host);
  return isAdopted(world, host) && !phase.asked ? wants.map(safely) : wants;
}

// On a member that somebody else set up, whatever would disturb it is said instead of done, whichever phase wants it.
function safely(want: Want): Want {
  if (want.kind !== 'resource') return want;
  return {
    ...want,
    change(observed, stale) {
      const change = want.change(observed, stale);
      return change?.risk === 'safe' ? change : undefined;
    },
    remarks(observed, stale) {
      const change = want.change(observed, stale);
      const own = want.remarks?.(observed, stale) ?? [];
      if (!change || change.risk === 'safe') return own;
      return [...own, { kind: 'note', text: `left as it is, because homelab did not set it up: ${change.why}` }];
    },
  };
}

function isAct(want: Want): boolean {
  return want.kind === 'transition' && want.stage === undefined && want.change !== undefined && 'action' in want.change;
}

function isAround(want: Want): want is Transition {
  return want.kind === 'transition' && want.stage !== undefined;
}

/** The resources to read on each machine. */
export function resourcesOf(intents: readonly Intent[]): ReadonlyMap<string, readonly Resource[]> {
  const byHost = new Map<string, Map<string, Resource>>();
  for (const { host, wants } of intents) {
    const mine = byHost.get(host.name) ?? new Map<string, Resource>();
    byHost.set(host.name, mine);
    for (const want of wants) if (want.kind === 'resource') mine.set(want.key, want);
  }
  return new Map([...byHost].map(([host, mine]) => [host, [...mine.values()]]));
}

/** Steps, refusals and notes. `observed` must have every resource of the intents. */
export function planFrom(intents: readonly Intent[], observed: States): Plan {
  const steps: Step[] = [];
  const refusals: Refusal[] = [];
  const notes: Note[] = [];
  const views = new Map<string, View>();
  const say = (phase: Phase, host: Host, remark: Remark): void => {
    if (remark.kind === 'note') notes.push({ host: host.name, text: remark.text });
    else {
      const { id, reason, hint } = remark;
      refusals.push({ id: `${phase.id}/${host.name}/${id}`, host: host.name, reason, hint });
    }
  };
  for (const { phase, host, wants } of intents) {
    const view = views.get(host.name) ?? { states: new Map(observed.get(host.name)), changed: new Map() };
    views.set(host.name, view);
    const settled = new Set<string>();
    for (const want of wants) {
      switch (want.kind) {
        case 'resource': {
          const state = stateOf(view.states, host.name, want.key);
          const stale = (want.inputs ?? []).filter(input => isLater(view, input, want.key));
          const change = settled.has(want.key) ? undefined : want.change(state, stale);
          for (const remark of want.remarks?.(state, stale) ?? []) say(phase, host, remark);
          if (!change) break;
          view.changed.set(want.key, steps.length);
          const left = change.leaves ?? want.desired;
          view.states.set(want.key, left);
          steps.push({
            ...stepOf(phase, host, want, change),
            stage: 'main',
            settles: [],
            predicted: { key: want.key, state: left },
          });
          break;
        }
        case 'transition': {
          const { change } = want;
          if (!change) break;
          if ('refuse' in change) {
            refusals.push({ id: idOf(phase, host, want), host: host.name, reason: change.refuse, hint: change.hint });
            break;
          }
          const settles = wants.flatMap(each =>
            each.kind === 'resource' && want.settles?.includes(each.key)
              ? [{ key: each.key, state: each.desired }]
              : [],
          );
          for (const { key, state } of settles) {
            settled.add(key);
            view.states.set(key, state);
          }
          steps.push({
            ...stepOf(phase, host, want, change),
            stage: want.stage ?? 'main',
            settles,
            predict: want.predict,
          });
          break;
        }
        case 'refusal':
        case 'note':
          say(phase, host, want);
          break;
        default: {
          const never: never = want;
          return never;
        }
      }
    }
  }
  return { steps, refusals, notes };
}

// A machine as the steps so far leave it: what a later phase wants of it is asked of that.
interface View {
  readonly states: Map<string, Json>;
  /** Key → when it changed last. */
  readonly changed: Map<string, number>;
}

function isLater({ changed }: View, input: string, key: string): boolean {
  return (changed.get(input) ?? -1) > (changed.get(key) ?? -1);
}

/** The plan as people and files see it. */
export function planned({ id, phase, host, title, why, diff, risk, deadlineMs }: Step): PlannedStep {
  return { id, phase, host, title, why, ...(diff === undefined ? {} : { diff }), risk, deadlineMs };
}

/** What must be observed once the steps of this plan are done: what a step leaves where one ran, unchanged elsewhere. */
export function predictStates(observed: States, plan: Plan): States {
  const predicted = new Map([...observed].map(([host, states]) => [host, new Map(states)]));
  for (const step of plan.steps) {
    for (const { key, state } of step.predicted ? [step.predicted, ...step.settles] : step.settles) {
      predicted.get(step.host)?.set(key, state);
    }
  }
  return predicted;
}

/** Where prediction and observation differ, in words; and how many states were compared. */
export function compareStates(
  intents: readonly Intent[],
  predicted: States,
  observed: States,
): { readonly compared: number; readonly differences: readonly string[] } {
  let compared = 0;
  const differences: string[] = [];
  for (const { host, wants } of intents) {
    for (const want of wants) {
      if (want.kind !== 'resource') continue;
      const expected = predicted.get(host.name)?.get(want.key);
      const found = observed.get(host.name)?.get(want.key);
      if (expected === undefined || found === undefined) continue;
      compared += 1;
      if (!isDeepStrictEqual(expected, found)) {
        differences.push(`${host.name} ${want.key}: predicted ${brief(expected)}, observed ${brief(found)}`);
      }
    }
  }
  return { compared, differences };
}

/** The same for what transitions did: where each machine stands now. */
export function compareMembership(
  predicted: World,
  observed: World,
): { readonly compared: number; readonly differences: readonly string[] } {
  const differences = [...predicted.facts].flatMap(([host, { membership: expected }]) => {
    const found = observed.facts.get(host)?.membership;
    if (!found || found.state !== expected.state)
      return [`${host}: predicted ${expected.state}, observed ${found?.state ?? 'nothing'}`];
    if (found.state !== 'joined' || expected.state !== 'joined') return [];
    const isSame = found.role === expected.role && (expected.caHash === 'unknown' || expected.caHash === found.caHash);
    return isSame
      ? []
      : [`${host}: predicted a ${expected.role} of our cluster, observed a ${found.role} of ${found.caHash}`];
  });
  return { compared: predicted.facts.size, differences };
}

function stateOf(states: ReadonlyMap<string, Json>, host: string, key: string): Json {
  const state = states.get(key);
  if (state === undefined) throw new Error(`${key} of ${host} was planned without having been read`);
  return state;
}

function stepOf(
  phase: Phase,
  host: Host,
  want: Resource | Transition,
  change: Change,
): PlannedStep & Pick<Step, 'action'> {
  const { why, diff, risk, action } = change;
  return {
    id: idOf(phase, host, want),
    phase: phase.id,
    host: host.name,
    title: want.title,
    why,
    ...(diff === undefined ? {} : { diff }),
    risk,
    deadlineMs: action.timeoutMs,
    action,
  };
}

function idOf(phase: Phase, host: Host, want: { readonly name: string }): string {
  return `${phase.id}/${host.name}/${want.name}`;
}

function brief(state: Json): string {
  const text = JSON.stringify(state);
  return text.length > 160 ? `${text.slice(0, 157)}…` : text;
}
