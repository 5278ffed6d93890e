// homelab is killed (kill -9) at both boundaries of every kind of step, inside it, and while a phase is proven. The plain re-run must lead
// to the same machines.
import type { Lab } from '../lab/machines.ts';
import { pause } from '../lab/run.ts';
import {
  type EventOf,
  eventsOf,
  failuresOf,
  finished,
  type HomelabRun,
  startHomelab,
  story,
} from '../lab/run-homelab.ts';
import { freshLab, homelab, homeOf, untilInside } from '../lab/test-lab.ts';
import { compare, renderComparison } from '../snapshot/compare.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { takeLayers, takeSnapshot } from '../snapshot/take.ts';
import { delayMs, type KillCase, killCases, stepFor } from './kill-cases.ts';
import { type Killed, type Outcome, readState, saveState, stateFile, tableOf } from './killed-state.ts';

export interface KilledOptions {
  readonly seed: number;
  /** A regular expression for the names of cases. */
  readonly cases?: string | undefined;
  /** Every case from bare machines, instead of one after the other on the same. */
  readonly each?: boolean | undefined;
  readonly anew?: boolean | undefined;
  /** On a cluster with Cilium, and only at what layers do. */
  readonly cilium?: boolean | undefined;
}

const labName = 'drill-killed';

/** What is killed, and what its end is compared by. */
interface Stage {
  readonly drill: string;
  /** Cases, unless others are asked for. */
  readonly usual: string;
  fresh(): Promise<Lab>;
  look(lab: Lab): Promise<Snapshot>;
}

const plain: Stage = { drill: 'killed', usual: '', fresh: () => freshLab(labName, 4), look: takeSnapshot };
const layered: Stage = {
  drill: 'killed-cilium',
  usual: ' (crds|network|metrics-server|sealed-secrets|local-path)',
  fresh: () => freshLab(labName, 2, true),
  look: takeLayers,
};

/** Exit code: 0 when every case led to a whole cluster that is like an uninterrupted run's. */
export async function killed(options: KilledOptions): Promise<number> {
  const { seed } = options;
  const stage = options.cilium ? layered : plain;
  const before = options.anew ? undefined : await readState<Killed>(stage.drill, seed);
  const state = before ?? (await uninterrupted(seed, stage));
  await saveState(stage.drill, state);
  const cases = killCases(Object.keys(state.steps), options.cases ?? stage.usual);
  const done = options.each ? state.each : state.chain;
  const left = () => cases.filter(({ name }) => done[name] === undefined);
  console.log(`${cases.length} cases, ${left().length} to do, seed ${seed} (${stateFile(stage.drill, seed)})`);
  for (const each of cases) console.log(`  ${each.name}`);
  await (options.each ? caseByCase(state, stage, left) : inChains(state, stage, left));
  const shown = Object.fromEntries(cases.flatMap(({ name }) => (done[name] ? [[name, done[name]]] : [])));
  console.log(`\n${tableOf(shown)}`);
  for (const { text } of state.rounds) console.log(text);
  const good = Object.values(shown).filter(each => each.ok).length;
  console.log(`${good} of ${cases.length} cases: the plain re-run went on by itself`);
  // A chain that went on and left other machines is not green, whenever it ran.
  const isLike = options.each || state.rounds.every(({ ok }) => ok);
  return isLike && good === cases.length ? 0 : 1;
}

async function uninterrupted(seed: number, stage: Stage): Promise<Killed> {
  console.log('an uninterrupted run, to compare with');
  const lab = await stage.fresh();
  try {
    const run = await bootstrap(lab);
    if (run.code !== 0) throw new Error(story(run));
    const steps = Object.fromEntries(eventsOf(run, 'step-finished').map(each => [each.id, each.durationMs]));
    return { seed, steps, proofs: proofsOf(run), baseline: await stage.look(lab), chain: {}, each: {}, rounds: [] };
  } finally {
    await lab.down();
  }
}

/** From the moment at which what was done is known to be as predicted to the phase's end. */
function proofsOf(run: HomelabRun): Record<string, number> {
  const ends = new Map(eventsOf(run, 'phase-finished').map(({ phase, time }) => [phase, Date.parse(time)]));
  return Object.fromEntries(
    eventsOf(run, 'prediction').map(({ phase, time }) => [phase, (ends.get(phase) ?? 0) - Date.parse(time)]),
  );
}

/** Round after round from bare machines, each run killed at the next moment not yet seen; until no round sees a new one. */
async function inChains(state: Killed, stage: Stage, left: () => readonly KillCase[]): Promise<void> {
  for (let round = state.rounds.length + 1; left().length > 0; round++) {
    const before = left().length;
    const lab = await stage.fresh();
    const seen: string[] = [];
    let unmended = 0;
    while (unmended < 8) {
      const result = await runAndKill(lab, state, left());
      if (result.kind === 'killed') {
        seen.push(result.name);
        unmended = 0;
        state.chain[result.name] = result.outcome;
      } else {
        const last = state.chain[seen.at(-1) ?? ''];
        if (result.run.code === 0 || last === undefined) break;
        unmended += 1;
        const ended = [...(last.ok ? [] : [last.ended]), await typed(lab, result.run)].join(', then ');
        state.chain[seen.at(-1) ?? ''] = { ...last, ended, ok: false };
      }
      await saveState(stage.drill, state);
    }
    const verdict = await verdictOf(lab, state.baseline, lab.bundle, stage.look);
    const text = `round ${round}: killed ${seen.length} times, then a whole run, then ${verdict.text}`;
    state.rounds.push({ text, ok: verdict.ok });
    console.log(text);
    await saveState(stage.drill, state);
    if (verdict.ok) await lab.down();
    else break;
    if (left().length === before) break;
  }
}

async function caseByCase(state: Killed, stage: Stage, left: () => readonly KillCase[]): Promise<void> {
  for (const each of left()) {
    const lab = await stage.fresh();
    const result = await runAndKill(lab, state, [each]);
    if (result.kind !== 'killed') throw new Error(`${each.name} did not come:\n${story(result.run)}`);
    const ended: string[] = [];
    let again = await bootstrap(lab);
    for (; again.code !== 0 && ended.length < 8; again = await bootstrap(lab)) ended.push(await typed(lab, again));
    const verdict = await verdictOf(lab, state.baseline, lab.bundle, stage.look);
    const outcome = {
      ...result.outcome,
      ended: [...(ended.length === 0 ? ['went on'] : ended), verdict.text].join(', then '),
      ok: ended.length === 0 && verdict.ok,
    };
    state.each[each.name] = outcome;
    console.log(tableOf({ [each.name]: outcome }));
    await saveState(stage.drill, state);
    await lab.down();
  }
}

/** What tells that a moment has come; a prediction is what a phase's proofs begin after. */
const eventAt = {
  started: 'step-started',
  inside: 'step-started',
  finished: 'step-finished',
  proving: 'prediction',
} as const satisfies Record<KillCase['moment'], Telling>;

type Telling = 'step-started' | 'step-finished' | 'prediction';

const idOf = (event: EventOf<Telling>): string => (event.type === 'prediction' ? event.phase : event.id);

type Ended =
  | { readonly kind: 'killed'; readonly name: string; readonly outcome: Outcome }
  | { readonly kind: 'ended'; readonly run: HomelabRun };

/** A run, killed at the first of these moments that it comes to. */
async function runAndKill(lab: Lab, state: Killed, cases: readonly KillCase[]): Promise<Ended> {
  const process = await startHomelab(homeOf(lab), bootstrapArgs(lab));
  const ended = process.ended.then(run => ({ kind: 'ended', run }) as const);
  const plan = process.event('plan').then(({ steps }) => {
    const planned = steps.map(({ id }) => id);
    return cases.map(each => ({ each, id: stepFor(each, planned, state.seed) }));
  });
  const at = async (type: Telling) => {
    const wanted = (await plan).filter(({ each }) => eventAt[each.moment] === type);
    const event = await process.event(type, each => wanted.some(({ id }) => id === idOf(each)));
    return wanted.find(({ id }) => id === idOf(event));
  };
  const never = new Promise<never>(() => undefined);
  const found = await Promise.race([
    ended,
    at('step-started').catch(() => never),
    at('step-finished').catch(() => never),
    at('prediction').catch(() => never),
  ]);
  if (found === undefined || 'kind' in found) return found ?? ended;
  const { each, id = '' } = found;
  const tookMs = (each.moment === 'proving' ? state.proofs[id] : state.steps[id]) ?? 0;
  const delay = delayMs(each, tookMs, state.seed);
  if (delay > 0) await pause(delay);
  process.signal('SIGKILL');
  await process.ended.catch(() => undefined);
  const outcome: Outcome = { step: id, delayMs: delay, ended: 'went on', ok: true };
  console.log(`  killed: ${each.name} on ${id}${delay === 0 ? '' : ` after ${delay} of ${tookMs} ms`}`);
  return { kind: 'killed', name: each.name, outcome };
}

/** What the run said is done; where it said nothing that could be, a moment passes. Resolves with what it was, for the table. */
async function typed(lab: Lab, run: HomelabRun): Promise<string> {
  const said = failuresOf(run)
    .flatMap(({ message, details }) => [message, ...details])
    .join('\n');
  const [, busy] = /^(\S+): kubeadm is still at work/m.exec(said) ?? [];
  if (busy !== undefined) {
    await untilInside(lab, busy, '! pgrep -x kubeadm', 'kubeadm to end');
    return told(`waited for kubeadm on ${busy}`);
  }
  const [, host] = /homelab reset (\S+?)[,;.]?(\s|$)/.exec(said) ?? [];
  if (run.code === 5 && host !== undefined) {
    const reset = await homelab(lab, ['reset', host, '--yes']);
    return told(`homelab reset ${host}${reset.code === 0 ? '' : ` (exit ${reset.code}: ${story(reset)})`}`);
  }
  await pause(2_000);
  return told(`exit ${run.code} (${said.split('\n').slice(0, 2).join(': ')})`);
}

function told(text: string): string {
  console.log(`  ${text}`);
  return text;
}

/** The last run was whole: the next has nothing to do, and the machines are those of an uninterrupted one. */
export async function verdictOf(
  lab: Lab,
  baseline: Snapshot,
  bundle = lab.bundle,
  look: Stage['look'] = takeSnapshot,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const again = await bootstrap(lab, bundle);
  if (again.code !== 0 || finished(again).steps > 0)
    return {
      ok: false,
      text: `exit ${again.code}, ${finished(again).steps} steps in what should have been nothing to do`,
    };
  const snapshot = await look(lab);
  const ok = compare(baseline, snapshot).length === 0;
  return { ok, text: `0 steps; ${renderComparison(baseline, snapshot)}` };
}

const bootstrapArgs = (lab: Lab, bundle = lab.bundle): readonly string[] => [
  ...['bootstrap', '--yes', '--bundle', bundle ?? ''],
  ...['-i', lab.inventoryPath],
];

export async function bootstrap(lab: Lab, bundle = lab.bundle): Promise<HomelabRun> {
  return (await startHomelab(homeOf(lab), bootstrapArgs(lab, bundle))).ended;
}
