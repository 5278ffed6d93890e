// report: one run's journal as one HTML file. Reaches no machine.
import { diagnose } from '../doctor/diagnose.ts';
import { createRedactor } from '../engine/redact.ts';
import { loadInventory } from '../inventory/load.ts';
import { stateDir } from '../io/journal.ts';
import { journalBefore, journalsOf, lastJournal, readJournal, runIn } from '../io/past-runs.ts';
import { writePrivate } from '../io/private-file.ts';
import { loadSnapshot } from '../io/snapshot-folder.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import type { Looked } from '../report/diagnosis.ts';
import { masked, parseJournal } from '../report/journal.ts';
import { renderReport } from '../report/page.ts';
import { type Run, runOf } from '../report/run.ts';
import type { Io, RunOptions } from './session.ts';

export interface ReportOptions extends Pick<RunOptions, 'inventory'> {
  readonly out?: string;
  /** A folder of doctor --save. */
  readonly doctor?: string;
}

export async function runReport(wanted: string | undefined, options: ReportOptions, io: Io): Promise<number> {
  const path = await journalFor(wanted, options, io);
  const { redact } = createRedactor();
  const run = await readRun(path, redact);
  if (run === undefined)
    throw new HomelabError('HL_USAGE', `${path} is no journal: it does not begin with the beginning of a run`, {
      hint: 'journals stand in $XDG_STATE_HOME/homelab/CLUSTER/runs',
    });
  const out = options.out ?? `homelab-report-${run.started.run.replace(/[^A-Za-z0-9]/g, '_')}.html`;
  // A rehearsal begins with bare machines every time: there is nothing to compare.
  const before = run.started.simulated ? undefined : await journalBefore(path, run.started);
  const earlier = before === undefined ? undefined : await readRun(before, redact);
  await writePrivate(out, renderReport({ run, earlier, looked: await lookedAt(options, redact) }));
  io.stdout.write(`${out}\n`);
  return exitCodes.ok;
}

async function lookedAt({ doctor }: ReportOptions, redact: (text: string) => string): Promise<Looked | undefined> {
  if (doctor === undefined) return undefined;
  const [snapshot, { rules }] = await Promise.all([loadSnapshot(doctor), import('../doctor/rules/index.ts')]);
  return { at: snapshot.at, diagnosis: masked(diagnose(snapshot, rules), redact) };
}

async function readRun(path: string, redact: (text: string) => string): Promise<Run | undefined> {
  return runOf(parseJournal(await readJournal(path), redact));
}

/** A file, a run's name, or the last run of the inventory's cluster. */
async function journalFor(wanted: string | undefined, { inventory }: ReportOptions, io: Io): Promise<string> {
  if (wanted !== undefined && (wanted.includes('/') || wanted.endsWith('.jsonl'))) return wanted;
  const { name } = await loadInventory(inventory, { isSketch: true });
  const journals = await journalsOf(stateDir(io.env), name);
  const found =
    wanted === undefined ? await lastJournal(stateDir(io.env), name) : journals.find(each => runIn(each) === wanted);
  if (found !== undefined) return found;
  const last = journals.slice(-3).map(runIn);
  throw new HomelabError(
    'HL_USAGE',
    wanted === undefined
      ? `no run of ${name} has left a journal here`
      : `${name} has no run ${JSON.stringify(wanted)} here`,
    {
      hint:
        last.length > 0
          ? `one of the last runs: ${last.join(', ')}; or a journal's file`
          : 'homelab bootstrap leaves one',
    },
  );
}
