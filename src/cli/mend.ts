// doctor --fix: what is safe and can be undone, from the bottom up, one thing at a time; looked at again after each, and undone where it did not help.
import { type Diagnosed, type Diagnosis, findingsOf } from '../doctor/diagnose.ts';
import type { Fix } from '../doctor/rule.ts';
import { claim, letGo, refuseHeld } from '../engine/claims.ts';
import { execute } from '../engine/execute.ts';
import { inLanes, valuesOf } from '../engine/lanes.ts';
import { loadInventory } from '../inventory/load.ts';
import type { Step } from '../model/plan.ts';
import { approvalOf, requireAnswer } from './commands.ts';
import { type Io, type RunOptions, runSession, type Session } from './session.ts';
import { asItIs } from './target.ts';

/** How long what was mended may take to be seen: a kubelet that was started reports within 10 s, its node's pods a little later. */
const patienceMs = 90_000;
const pauseMs = 3_000;
const deadlineMs = 60_000;

interface Remedy {
  readonly finding: Diagnosed;
  readonly fix: Fix;
}

/** `again`: looks once more. Resolves with the exit code of the run that mended; what is left is for another look to say. */
export async function mend(
  diagnosis: Diagnosis,
  again: () => Promise<Diagnosis>,
  options: Omit<RunOptions, 'fork'>,
  io: Io,
): Promise<number> {
  const remedies = remediesIn(diagnosis);
  requireAnswer('doctor --fix', options, io, 'homelab doctor --fix --yes');
  const asked = new Set(remedies.map(({ fix }) => fix.machine));
  return runSession(
    'mend',
    { ...options, fork: asked.size, exclude: await others(options, asked) },
    io,
    session => approvalOf(session, undefined),
    session => inTurn(remedies, again, session),
    async path => asItIs(await loadInventory(path, { isSketch: true })),
  );
}

export function remediesIn(diagnosis: Diagnosis): readonly Remedy[] {
  return findingsOf(diagnosis).flatMap(finding => (finding.fix ? [{ finding, fix: finding.fix }] : []));
}

async function others(
  { inventory, exclude = [] }: Pick<RunOptions, 'inventory' | 'exclude'>,
  asked: ReadonlySet<string>,
): Promise<readonly string[]> {
  const { hosts } = await loadInventory(inventory, { isSketch: true });
  return [...new Set([...exclude, ...hosts.map(({ name }) => name)])].filter(name => !asked.has(name));
}

async function inTurn(remedies: readonly Remedy[], again: () => Promise<Diagnosis>, session: Session): Promise<void> {
  const { machines, bus, fork, stop, clock } = session;
  const readings = valuesOf(await inLanes([...machines.values()], fork, machine => machine.observe(stop)));
  refuseHeld({ readings }, session);
  const steps = remedies.map(stepOf);
  bus.emit({ type: 'plan', steps, refusals: [], notes: [] });
  await session.approve({ steps, refusals: [], notes: [] });
  await claim({ readings }, session);
  try {
    for (const remedy of remedies) {
      const host = remedy.fix.machine;
      // What was mended before may have been its cause.
      if (!isThere(remedy, await again())) {
        bus.emit({ type: 'note', host, text: `${remedy.finding.rule}: gone by itself` });
        continue;
      }
      await execute([stepOf(remedy)], session);
      const end = clock.now() + patienceMs;
      let now = await again();
      // It helped when what followed from it is gone, too.
      while ((isThere(remedy, now) || hasConsequence(remedy, now)) && clock.now() < end) {
        await clock.sleep(pauseMs, stop);
        now = await again();
      }
      if (!isThere(remedy, now)) continue;
      bus.emit({ type: 'note', host, text: `${remedy.finding.rule} is still there: it is put back as it was` });
      await execute([undoOf(remedy)], session);
    }
  } finally {
    if (!session.abort.aborted) await letGo([...machines.values()], session);
  }
}

function hasConsequence({ finding }: Remedy, diagnosis: Diagnosis): boolean {
  const all = (each: Diagnosed): readonly Diagnosed[] => each.consequences.flatMap(one => [one, ...all(one)]);
  const before = all(finding);
  return findingsOf(diagnosis).some(each =>
    before.some(({ rule, about }) => rule === each.rule && about[0] === each.about[0]),
  );
}

function isThere({ finding, fix }: Remedy, diagnosis: Diagnosis): boolean {
  return remediesIn(diagnosis).some(
    each =>
      each.finding.rule === finding.rule &&
      each.fix.machine === fix.machine &&
      each.finding.about[0] === finding.about[0],
  );
}

function stepOf({ finding, fix }: Remedy): Step {
  return {
    id: `doctor/${fix.machine}/${finding.rule}`,
    phase: 'doctor',
    host: fix.machine,
    title: fix.title,
    why: finding.says,
    diff: `${lines('+', fix.script)}\nif that does not help:\n${lines('-', fix.undo)}`,
    risk: 'safe',
    deadlineMs,
    action: { script: fix.script, timeoutMs: deadlineMs },
    stage: 'main',
    settles: [],
  };
}

function undoOf(remedy: Remedy): Step {
  const step = stepOf(remedy);
  return {
    ...step,
    id: `${step.id}-undo`,
    title: `${step.title}: undo`,
    action: { script: remedy.fix.undo, timeoutMs: deadlineMs },
  };
}

function lines(mark: string, script: string): string {
  return script
    .trimEnd()
    .split('\n')
    .map(line => `${mark} ${line}`)
    .join('\n');
}
