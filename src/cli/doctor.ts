// doctor: one look at machines and API, then what is broken, why, and what to type. From a folder it needs no machine.

import { type Change, changesSince } from '../doctor/changes.ts';
import { type Diagnosis, diagnose } from '../doctor/diagnose.ts';
import { rules } from '../doctor/rules/index.ts';
import type { Snapshot } from '../doctor/snapshot.ts';
import { createRedactor } from '../engine/redact.ts';
import { loadSnapshot, saveSnapshot } from '../io/snapshot-folder.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import { outputMode } from '../render/choose.ts';
import { paletteFor } from '../render/color.ts';
import { formatDiagnosis } from '../render/diagnosis.ts';
import { marksFor } from '../render/marks.ts';
import { look } from './look.ts';
import { mend, remediesIn } from './mend.ts';
import { momentOf } from './moment.ts';
import type { Io, RunOptions } from './session.ts';

export interface DoctorOptions
  extends Pick<RunOptions, 'inventory' | 'output' | 'yes' | 'exclude' | 'trustNewHostKeys'> {
  readonly from?: string;
  readonly save?: string;
  readonly verbose?: boolean;
  readonly fix?: boolean;
  readonly since?: string;
  readonly kubeconfig?: string;
}

export async function runDoctor(options: DoctorOptions, io: Io): Promise<number> {
  refuseMixed(options);
  const begun = performance.now();
  const redactor = createRedactor();
  const since = options.since === undefined ? undefined : await momentOf(options.since, options, io);
  const snapshot = options.from === undefined ? await look(options, io, redactor) : await loadSnapshot(options.from);
  if (options.save !== undefined) await saveSnapshot(options.save, snapshot);
  const diagnosis = diagnose(snapshot, rules);
  const tell = async (found: Diagnosis, seen: Snapshot, exitCode: number): Promise<void> => {
    const changes = since === undefined ? undefined : changesSince(seen, since);
    const text =
      outputMode({ ...io, output: options.output }) === 'json'
        ? `${JSON.stringify(jsonOf(found, seen, exitCode, changes))}\n`
        : formatDiagnosis(found, seen, {
            color: await paletteFor(io.stdout, io.env),
            marks: marksFor(io.env),
            verbose: options.verbose ?? false,
            tookMs: performance.now() - begun,
            changes,
          });
    io.stdout.write(redactor.redact(text));
  };
  const exitCode = exitOf(diagnosis, snapshot);
  await tell(diagnosis, snapshot, exitCode);
  if (options.save !== undefined)
    io.stderr.write(`saved in ${options.save}; look again: homelab doctor --from ${options.save}\n`);
  if (!options.fix) return exitCode;
  if (remediesIn(diagnosis).length === 0) {
    io.stderr.write('--fix: nothing of this can be mended without a person\n');
    return exitCode;
  }
  const code = await mend(diagnosis, async () => diagnose(await look(options, io, redactor), rules), options, io);
  if (code !== 0) return code;
  // Without the run that mended, which holds its machines until its end.
  const seen = await look(options, io, redactor);
  const left = diagnose(seen, rules);
  const end = exitOf(left, seen);
  await tell(left, seen, end);
  return end;
}

function refuseMixed({ from, save, fix }: DoctorOptions): void {
  if (from === undefined || (save === undefined && !fix)) return;
  throw new HomelabError(
    'HL_USAGE',
    `--from looks at a folder; ${fix ? '--fix mends machines' : '--save keeps what machines say'}`,
    {
      hint: 'give one of them',
    },
  );
}

function jsonOf(
  diagnosis: Diagnosis,
  { at, machines, api }: Snapshot,
  exitCode: number,
  changes: readonly Change[] | undefined,
): object {
  return {
    at: new Date(at).toISOString(),
    exitCode,
    ...diagnosis,
    machines: machines.map(({ facts: _, missed: __, ...machine }) => machine),
    api,
    ...(changes === undefined ? {} : { changes }),
  };
}

/** 9 when something is broken, 4 when nothing could be looked at, 1 when a rule of ours threw and nothing else was found. */
function exitOf({ broken, bugs }: Diagnosis, { machines, api }: Snapshot): number {
  if (machines.every(({ unreached }) => unreached) && api.state !== 'answers') return exitCodes.reach;
  if (broken.length > 0) return exitCodes.findings;
  return bugs.length > 0 ? exitCodes.bug : exitCodes.ok;
}
