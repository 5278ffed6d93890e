// homelab is killed (kill -9) at drawn moments of an upgrade. The plain re-run must lead to the same machines as an upgrade that nobody disturbed.
import { readFile } from 'node:fs/promises';
import { ensureBundle } from '../lab/bundle.ts';
import type { Lab } from '../lab/machines.ts';
import { pause } from '../lab/run.ts';
import { failuresOf, finished, type HomelabRun, startHomelab, story } from '../lab/run-homelab.ts';
import { freshLab, homeOf } from '../lab/test-lab.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { takeSnapshot } from '../snapshot/take.ts';
import { dealt, type KillMoment, killMoments, type Mark, marksOf } from './kill-moments.ts';
import { bootstrap, verdictOf } from './killed.ts';
import { readState, saveState, stateFile } from './killed-state.ts';

export interface UpgradeKilledOptions {
  readonly seed: number;
  readonly anew?: boolean | undefined;
}

const drill = 'upgrade-killed';
const to = 'v1.31.4';
const kills = 20;
// Each from a new cluster; a hop is killed several times.
const hops = 2;
const machines = 2;

interface State {
  readonly seed: number;
  /** Of an uninterrupted upgrade. */
  readonly marks: readonly Mark[];
  readonly baseline: Snapshot;
  /** By moment: whether its step went on, and how the plain re-run ended. */
  readonly killed: Record<string, { readonly at: string; readonly ended: string; readonly ok: boolean }>;
  readonly rounds: { readonly text: string; readonly ok: boolean }[];
}

/** Exit code: 0 when every re-run went on by itself and every hop ended with the machines of an uninterrupted one. */
export async function upgradeKilled({ seed, anew }: UpgradeKilledOptions): Promise<number> {
  const { dir: bundle } = await ensureBundle({ log: line => console.error(line), kubernetes: to });
  const state = (anew ? undefined : await readState<State>(drill, seed)) ?? (await uninterrupted(seed, bundle));
  await saveState(drill, state);
  const moments = killMoments(state.marks, seed, kills);
  const left = () => moments.filter(({ name }) => state.killed[name] === undefined);
  console.log(`${kills} moments of ${state.marks.length} marks, ${left().length} to do, seed ${seed}`);
  console.log(`(${stateFile(drill, seed)})`);
  // What did not come in its hop, because the kill before had it done meanwhile, comes in another one.
  while (left().length > 0) {
    const before = left().length;
    for (const hand of dealt(left(), Math.ceil(before / (kills / hops)))) await hop(state, hand, bundle);
    if (left().length === before) break;
  }
  const done = Object.values(state.killed);
  for (const { text } of state.rounds) console.log(text);
  const good = done.filter(({ ok }) => ok).length;
  const same = state.rounds.filter(({ ok }) => ok).length;
  console.log(`${done.length} of ${kills} kills in ${state.rounds.length} hops from v1.31.1 to ${to}`);
  console.log(`${good}: the plain re-run went on by itself; ${same} hops ended like an uninterrupted one`);
  return good === kills && same === state.rounds.length ? 0 : 1;
}

async function uninterrupted(seed: number, bundle: string): Promise<State> {
  console.log('an uninterrupted upgrade, to compare with');
  const lab = await cluster();
  try {
    const run = await (await upgrade(lab, bundle)).ended;
    if (run.code !== 0) throw new Error(story(run));
    console.log(`  done in ${Math.round(run.durationMs / 1000)} s, ${finished(run).steps} steps`);
    return { seed, marks: marksOf(run.events), baseline: await takeSnapshot(lab), killed: {}, rounds: [] };
  } finally {
    await lab.down();
  }
}

/** One upgrade from a new cluster, killed at each of these moments that it comes to, and then run to its end. */
async function hop(state: State, hand: readonly KillMoment[], bundle: string): Promise<void> {
  const number = state.rounds.length + 1;
  const lab = await cluster();
  let last: string | undefined;
  let count = 0;
  let run: HomelabRun | undefined;
  for (let failed = 0; failed < 5; ) {
    const left = hand.filter(({ name }) => state.killed[name] === undefined);
    const ended = await runAndKill(lab, left, bundle);
    if (ended.kind === 'killed') {
      count += 1;
      last = ended.moment.name;
      state.killed[last] = { at: ended.at, ended: 'went on', ok: true };
      console.log(`  hop ${number}: kill -9 ${last}: ${ended.at}`);
      await saveState(drill, state);
      continue;
    }
    run = ended.run;
    if (run.code === 0) break;
    failed += 1;
    const said = failuresOf(run).flatMap(({ message, details }) => [message, ...details]);
    console.log(`  hop ${number}: exit ${run.code}: ${said.join(' · ').slice(0, 600)}`);
    if (last !== undefined)
      state.killed[last] = { at: state.killed[last]?.at ?? '', ended: said[0] ?? `exit ${run.code}`, ok: false };
    await saveState(drill, state);
    await pause(2_000);
  }
  const verdict = run?.code === 0 ? await endOf(lab, state, bundle) : { ok: false, text: 'no end' };
  const text = `hop ${number}: killed ${count} times, then a whole run, then ${verdict.text}`;
  console.log(text);
  state.rounds.push({ text, ok: verdict.ok });
  await saveState(drill, state);
  // One that ended otherwise is left to be looked at.
  if (!verdict.ok)
    throw new Error(`lab ${lab.name} is left as it is; see what differs above, then go on with the same command`);
  await lab.down();
}

type Ended =
  | { readonly kind: 'killed'; readonly moment: KillMoment; readonly at: string }
  | { readonly kind: 'ended'; readonly run: HomelabRun };

async function runAndKill(lab: Lab, moments: readonly KillMoment[], bundle: string): Promise<Ended> {
  const process = await upgrade(lab, bundle);
  const ended = process.ended.then(run => ({ kind: 'ended', run }) as const);
  const wanted = (type: Mark['type'], id: string) => moments.find(({ mark }) => mark.type === type && mark.id === id);
  const at = async (type: Mark['type']) => {
    const { id } = await process.event(type, event => wanted(type, event.id) !== undefined);
    return wanted(type, id);
  };
  const never = new Promise<never>(() => undefined);
  const started = at('step-started').catch(() => never);
  const found = await Promise.race([ended, started, at('step-finished').catch(() => never)]);
  if (found === undefined || 'kind' in found) return found ?? ended;
  // A run that is over before has not been killed.
  const over = await Promise.race([ended, pause(found.delayMs)]);
  if (over !== undefined) return over;
  process.signal('SIGKILL');
  const survived = await ended.catch(() => undefined);
  return survived ?? { kind: 'killed', moment: found, at: await atWork(lab, found.mark.id) };
}

/** Whether the step goes on without homelab. */
async function atWork(lab: Lab, id: string): Promise<string> {
  const [, host = ''] = id.split('/');
  const { stdout } = await lab.exec(host, ['systemctl', 'is-active', `homelab-${id.replaceAll('/', '-')}`]);
  return stdout.startsWith('activ') ? 'it went on there' : 'nothing went on there';
}

async function cluster(): Promise<Lab> {
  const lab = await freshLab('drill-upgrade-killed', machines);
  const made = await bootstrap(lab);
  if (made.code !== 0) throw new Error(story(made));
  return lab;
}

const upgrade = (lab: Lab, bundle: string) =>
  startHomelab(homeOf(lab), ['upgrade', '--to', to, '--yes', '--bundle', bundle, '-i', lab.inventoryPath]);

async function endOf(lab: Lab, state: State, bundle: string): Promise<{ readonly ok: boolean; readonly text: string }> {
  const verdict = await verdictOf(lab, state.baseline, bundle);
  const isWritten = (await readFile(lab.inventoryPath, 'utf8')).includes(`version: ${JSON.stringify(to)}`);
  return isWritten ? verdict : { ok: false, text: `${verdict.text}; the inventory does not say ${to}` };
}
