// A run: look, plan, refuse or ask, then phase by phase do, look again, compare with what was predicted, prove.

import { HomelabError } from '../model/errors.ts';
import type { Phase, Plan, Step } from '../model/plan.ts';
import type { Goal, World } from '../model/world.ts';
import { claim, letGo, refuseHeld, waitForWorks } from './claims.ts';
import { type ExecuteContext, execute } from './execute.ts';
import { factsAmong, type Reading } from './facts.ts';
import { inLanes, together, valuesOf } from './lanes.ts';
import {
  compareMembership,
  compareStates,
  type Intent,
  intend,
  planFrom,
  planned,
  predictStates,
  resourcesOf,
  type States,
} from './plan.ts';
import { isUnproven, recordProofs } from './proof-record.ts';
import { type Proof, type ProveContext, prove, reportEvidence } from './prove.ts';
import { seenMachines } from './seen.ts';

export interface RunContext extends ExecuteContext, ProveContext {
  readonly goal: Goal;
  /** Take machines that another run holds. */
  readonly steal: boolean;
  /** The chosen phases, in order. */
  readonly phases: readonly Phase[];
  /** Asks, or checks the plan against one approved earlier; throws to stop. */
  readonly approve: (plan: Plan) => Promise<void>;
  /** Is this step covered by what was approved? Asked for steps that only became visible on the way. */
  readonly isApproved: (step: Step) => boolean;
}

export interface RunResult {
  readonly steps: number;
  readonly predictionErrors: number;
}

/** One reading of all machines and the plan that follows from it. */
export interface Survey {
  readonly world: World;
  readonly intents: readonly Intent[];
  readonly observed: States;
  readonly plan: Plan;
  readonly readings: readonly Reading[];
}

/** Looks at every machine: two remote commands each. With `patient`, what an interrupted run left going is waited for first. */
export async function survey(context: RunContext, patient = true): Promise<Survey> {
  const machines = [...context.machines.values()];
  const look = async () => valuesOf(await inLanes(machines, context.fork, machine => machine.observe(context.stop)));
  let readings = await look();
  if (patient && (await waitForWorks(readings, context))) readings = await look();
  const nodes = readings.map(reading => reading.nodes).find(isKnown) ?? 'unknown';
  const world: World = {
    ...context.goal,
    facts: new Map(readings.map(reading => [reading.facts.host, factsAmong(reading, nodes)])),
    nodes,
    live: readings.map(reading => reading.live).find(isKnown) ?? 'unknown',
    // Several control planes tell the same; one that does not answer tells none.
    servingRequests: readings.find(reading => reading.nodes !== 'unknown')?.servingRequests ?? [],
    proofs: Object.assign({}, ...readings.map(reading => reading.proofs)),
    upgrading: readings.find(reading => reading.nodes !== 'unknown')?.upgrading,
    etcd: readings.map(reading => reading.etcd).find(isKnown) ?? 'unknown',
    workloads: readings.map(reading => reading.workloads).find(isKnown) ?? 'unknown',
    upgradeFacts: new Map(readings.flatMap(({ facts, upgrade }) => (upgrade ? [[facts.host, upgrade] as const] : []))),
  };
  const intents = intend(world, context.phases, context.isChosen);
  const wanted = resourcesOf(intents);
  const states = valuesOf(
    await inLanes(
      machines,
      context.fork,
      async machine => [machine.host, await machine.read(wanted.get(machine.host) ?? [], context.stop)] as const,
    ),
  );
  const observed = new Map(states);
  return { world, intents, observed, plan: planFrom(intents, observed), readings };
}

/** How long a control plane that was just changed may say nothing: its API server starts anew. */
const silenceMs = 90_000;

async function surveyAfter(before: World, context: RunContext): Promise<Survey> {
  const end = context.clock.now() + silenceMs;
  for (;;) {
    const now = await survey(context);
    if (!hasFallenSilent(before, now.world) || context.clock.now() >= end) return now;
    await context.clock.sleep(3_000, context.stop).catch(() => undefined);
    throwIfStopped(context);
  }
}

// What was said before is said again, as long as there is a control plane to say it.
function hasFallenSilent(before: World, { cluster, facts, ...now }: World): boolean {
  const isThere = cluster.hosts.some(
    ({ name, role }) => role === 'control-plane' && facts.get(name)?.membership.state === 'joined',
  );
  return (
    isThere &&
    (['nodes', 'live', 'etcd', 'workloads'] as const).some(key => before[key] !== 'unknown' && now[key] === 'unknown')
  );
}

function isKnown<T>(found: T | 'unknown'): found is T {
  return found !== 'unknown';
}

/** The plan, said and refused where it must be. */
export async function plan(context: RunContext): Promise<Plan> {
  const { plan: found, world } = await survey(context, false);
  announce(found, world, context);
  return found;
}

/** The same with every gate's proofs, which look at the machines once more; `failures` are those that did not hold. */
export async function checkedPlan(
  context: RunContext,
): Promise<{ readonly plan: Plan; readonly failures: readonly unknown[] }> {
  const now = await survey(context, false);
  announce(now.plan, now.world, context);
  const gates = context.phases.filter(phase => phase.gate);
  const failures = sayProofs(await prove(gates, now.world, () => true, context), context);
  return { plan: now.plan, failures };
}

/** Makes machines what the phases want, each phase proven before the next. Resolves when every chosen phase is proven. */
export async function apply(context: RunContext): Promise<RunResult> {
  const now = await survey(context);
  refuseHeld(now, context);
  announce(now.plan, now.world, context);
  const { steps, refusals } = now.plan;
  // Where nothing is to be done, gates are proven in one command with everything else.
  const gates = steps.length + refusals.length > 0 ? context.phases.filter(phase => phase.gate) : [];
  await passGates(gates, now, context);
  const phases = context.phases.filter(each => !gates.includes(each));
  if (steps.length === 0) {
    await proveUnchanged(phases, now, context);
    return { steps: 0, predictionErrors: 0 };
  }
  await context.approve(now.plan);
  await claim(now, context);
  try {
    return await applyPhases(phases, now, context);
  } finally {
    // Who leaves at once leaves the claim to its end: without a connection it holds nobody up.
    if (!context.abort.aborted) await letGo([...context.machines.values()], context);
  }
}

async function applyPhases(phases: readonly Phase[], first: Survey, context: RunContext): Promise<RunResult> {
  let now = first;
  let done = 0;
  let compared: readonly string[] = [];
  let unproven: Phase[] = [];
  for (const phase of phases) {
    throwIfStopped(context);
    const steps = now.plan.steps.filter(step => step.phase === phase.id);
    if (steps.length === 0) {
      unproven.push(phase);
      continue;
    }
    await proveUnchanged(unproven, now, context);
    unproven = [];
    const surprise = steps.find(step => step.risk !== 'safe' && !context.isApproved(step));
    if (surprise) throw surprised(surprise);
    const result = await changePhase(phase, steps, now, context);
    now = result.after;
    done += result.done;
    compared = [...compared, ...result.differences];
  }
  await proveUnchanged(unproven, now, context);
  if (done > 0) context.bus.emit({ type: 'machines', machines: seenMachines(now.world) });
  // A later phase may have undone what an earlier one made.
  if (done > 0 && now.plan.steps.length > 0) throw notSettled('the run', now.plan.steps);
  return { steps: done, predictionErrors: compared.length };
}

/** The assertions alone: nothing to do, and every proof, the active ones too. Changes nothing. */
export async function verify(context: RunContext): Promise<RunResult> {
  const now = await survey(context);
  announce(now.plan, now.world, context);
  const proofs = await prove(context.phases, now.world, () => true, context);
  // What is not as it should be stands before the proofs that fail because of it.
  const failures: unknown[] = now.plan.steps.length > 0 ? [drifted(now.plan)] : [];
  failures.push(...sayProofs(proofs, context));
  try {
    refuse(now.plan);
  } catch (error) {
    failures.push(error);
  }
  if (failures.length > 0) throw together(failures);
  return { steps: 0, predictionErrors: 0 };
}

/** A proof that takes something away, after all others hold: refused or approved first, and made while no other run is at it. */
export async function proveByName(phase: Phase, context: RunContext): Promise<void> {
  await verify(context);
  const now = await survey({ ...context, phases: [phase] });
  refuseHeld(now, context);
  refuse(now.plan);
  await context.approve(now.plan);
  await claim(now, context);
  try {
    const begun = context.clock.now();
    const failures = sayProofs(
      await prove([phase], now.world, () => true, context),
      context,
      context.clock.now() - begun,
    );
    if (failures.length > 0) throw together(failures);
  } finally {
    await letGo([...context.machines.values()], context);
  }
}

/** What must hold before anything changes, alone: every refusal and every gate's proofs. Changes nothing. */
export async function preflight(context: RunContext): Promise<void> {
  const now = await survey(context);
  for (const note of now.plan.notes) context.bus.emit({ type: 'note', ...note });
  await passGates(
    context.phases.filter(phase => phase.gate),
    now,
    context,
  );
}

async function passGates(gates: readonly Phase[], now: Survey, context: RunContext): Promise<void> {
  const begun = context.clock.now();
  const proofs = await prove(gates, now.world, () => true, context);
  const failures = sayProofs(proofs, context, context.clock.now() - begun);
  throwIfStopped(context);
  try {
    refuse(now.plan);
  } catch (error) {
    failures.unshift(error);
  }
  if (failures.length > 0) throw together(failures);
}

// Every phase is told, also those after one that failed.
function sayProofs(proofs: readonly Proof[], context: RunContext, durationMs = 0): unknown[] {
  const failures: unknown[] = [];
  for (const proof of proofs) {
    const { id, title } = proof.phase;
    context.bus.emit({ type: 'phase-started', phase: id, title, steps: [] });
    let outcome: 'unchanged' | 'failed' = 'unchanged';
    try {
      reportEvidence([proof], context);
    } catch (error) {
      failures.push(error);
      outcome = 'failed';
    }
    context.bus.emit({ type: 'phase-finished', phase: id, outcome, durationMs });
  }
  return failures;
}

function drifted({ steps }: Plan): HomelabError {
  const what = steps.length === 1 ? 'one thing is' : `${steps.length} things are`;
  return new HomelabError('HL_VERIFY', `${what} not as the inventory says`, {
    context: { details: steps.map(step => `${step.id}: ${step.why}`) },
    hint: 'homelab plan shows it as a diff, homelab bootstrap mends it',
  });
}

async function changePhase(phase: Phase, steps: readonly Step[], before: Survey, context: RunContext) {
  const { bus, clock } = context;
  const begun = clock.now();
  bus.emit({ type: 'phase-started', phase: phase.id, title: phase.title, steps: steps.map(planned) });
  try {
    const done = await execute(steps, { ...context, oneByOne: phase.width?.(before.world) === 1 });
    throwIfStopped(context);
    const after = await surveyAfter(before.world, context);
    const differences = compare(phase, steps, before, after, context);
    if (differences.length > 0) throw unpredicted(phase, differences);
    const left = after.plan.steps.filter(step => step.phase === phase.id);
    if (left.length > 0) throw notSettled(phase.id, left);
    refuse(after.plan);
    reportEvidence(await prove([phase], after.world, () => true, context), context);
    await record([phase], after, context);
    bus.emit({ type: 'phase-finished', phase: phase.id, outcome: 'changed', durationMs: clock.now() - begun });
    return { after, done, differences };
  } catch (error) {
    bus.emit({ type: 'phase-finished', phase: phase.id, outcome: 'failed', durationMs: clock.now() - begun });
    throw error;
  }
}

// Prediction must match physics: what the steps promised against what is there.
function compare(
  phase: Phase,
  steps: readonly Step[],
  before: Survey,
  after: Survey,
  { bus }: RunContext,
): readonly string[] {
  const intents = before.intents.filter(intent => intent.phase === phase);
  const states = compareStates(intents, predictStates(before.observed, { ...before.plan, steps }), after.observed);
  const world = steps.reduce((current, step) => step.predict?.(current) ?? current, before.world);
  const membership = compareMembership(world, after.world);
  const differences = [...states.differences, ...membership.differences];
  bus.emit({ type: 'prediction', phase: phase.id, compared: states.compared + membership.compared, differences });
  return differences;
}

async function proveUnchanged(phases: readonly Phase[], now: Survey, context: RunContext): Promise<void> {
  if (phases.length === 0) return;
  const begun = context.clock.now();
  const unproven = phases.filter(phase => isUnproven(phase, now.world, now.intents));
  const proofs = await prove(phases, now.world, phase => unproven.includes(phase), context);
  const failures = sayProofs(proofs, context, context.clock.now() - begun);
  if (failures.length > 0) throw together(failures);
  await record(unproven, now, context);
}

async function record(phases: readonly Phase[], now: Survey, context: RunContext): Promise<void> {
  const proven = phases.filter(phase => isUnproven(phase, now.world, now.intents));
  // A run about one machine has not seen all that the phase wants.
  if (proven.length > 0 && context.goal.about === undefined)
    await recordProofs(proven, now.world, now.intents, context.machines, context.abort);
}

function announce(found: Plan, world: World, { bus }: RunContext): void {
  bus.emit({ type: 'machines', machines: seenMachines(world) });
  bus.emit({ type: 'plan', steps: found.steps.map(planned), refusals: found.refusals, notes: found.notes });
}

function refuse({ refusals }: Plan): void {
  const [first] = refusals;
  if (!first) return;
  throw new HomelabError(
    'HL_REFUSED',
    `${refusals.length === 1 ? 'one thing stands' : `${refusals.length} things stand`} against going on`,
    {
      context: { details: refusals.map(({ id, host, reason, hint }) => `${host}: ${reason} [${id}]\n  ${hint}`) },
      hint: 'do what the lines above say, then run the same command again',
    },
  );
}

function throwIfStopped({ stop }: RunContext): void {
  if (stop.aborted) {
    throw new HomelabError('HL_CANCELLED', 'interrupted; what had begun was finished', {
      hint: 'run the same command again: it goes on from here',
    });
  }
}

function surprised(step: Step): HomelabError {
  return new HomelabError(
    'HL_REFUSED',
    `${step.title} on ${step.host} is ${step.risk} and was not in the plan you approved`,
    {
      context: { host: step.host, step: step.id, details: [step.why] },
      hint: 'run the same command again: the plan that it shows has this step',
    },
  );
}

function unpredicted(phase: Phase, differences: readonly string[]): HomelabError {
  return new HomelabError(
    'HL_PREDICTION',
    `${phase.id} ended otherwise than predicted (${differences.length} differences)`,
    {
      context: { details: differences },
      hint: 'somebody else may be changing these machines; run homelab plan and see what it still wants',
    },
  );
}

function notSettled(what: string, left: readonly Step[]): HomelabError {
  return new HomelabError(
    'HL_PREDICTION',
    `${what} was done and still wants ${left.length === 1 ? '1 step' : `${left.length} steps`}`,
    {
      context: { details: left.map(step => `${step.id}: ${step.why}`) },
      hint: 'something on these machines undoes the change; see who writes what the lines above name',
    },
  );
}
