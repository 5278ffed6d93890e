// A healthy cluster is broken in one way after the other; doctor is asked, the cluster is put back, doctor must be silent again. Prints a line a case.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Diagnosis } from '../../src/doctor/diagnose.ts';
import { ensureBundle } from '../lab/bundle.ts';
import { type Lab, labDown, labOpen, labUp } from '../lab/machines.ts';
import { pause } from '../lab/run.ts';
import { story } from '../lab/run-homelab.ts';
import { freshLab, homelab, inventoryOf } from '../lab/test-lab.ts';
import { type DoctorCase, faultCases, healthyCases } from './doctor-cases.ts';
import { metalCases } from './doctor-metal.ts';

export interface DoctorDrill {
  /** Cases whose name has this. */
  readonly case?: string;
  /** A lab that is there already, with a healthy cluster of its first three machines; it is left as it is. */
  readonly lab?: string;
  /** One machine of its own kernel instead of the cluster, and what only such a one can suffer. */
  readonly machine?: boolean;
  /** Every snapshot, as a folder. */
  readonly keep?: string;
}

type Asked = Diagnosis & { readonly exitCode: number; readonly seconds: number };

const roles = { 'k8s-cp': 'control-plane', 'k8s-worker1': 'worker', 'k8s-worker2': 'worker' } as const;

/** Exit code: 0 when every first cause is right, nothing healthy is accused, and there is silence after every repair. */
export async function doctorDrill(options: DoctorDrill): Promise<number> {
  const there = options.lab === undefined ? undefined : await labOpen(options.lab);
  if (options.lab !== undefined && !there) throw new Error(`there is no lab ${options.lab}`);
  const lab = there ?? (options.machine ? await freshMachine() : await freshLab('drill-doctor', 3));
  try {
    const inventory = options.machine ? lab.inventoryPath : await inventoryOf(lab, 'three', roles);
    if (!there && !options.machine) {
      const made = await homelab(lab, ['bootstrap', '--yes', '--bundle', lab.bundle ?? ''], inventory);
      if (made.code !== 0) throw new Error(story(made));
    }
    const chosen = (options.machine ? metalCases : [...healthyCases, ...faultCases]).filter(({ name }) =>
      name.includes(options.case ?? ''),
    );
    let wrong = 0;
    console.log('case | first cause | verdict | certainty | doctor took | silent after');
    for (const each of chosen) if (!(await ran(each, lab, inventory, options))) wrong += 1;
    console.log(`${chosen.length - wrong} of ${chosen.length} right`);
    return wrong === 0 ? 0 : 1;
  } finally {
    if (!there) await lab.down();
  }
}

async function freshMachine(): Promise<Lab> {
  const [name, log] = ['drill-doctor-own', (line: string) => console.error(line)];
  const { dir } = await ensureBundle({ log });
  await labDown(name, { log });
  return labUp({ name, qemu: true, log, bundle: dir });
}

async function ran(each: DoctorCase, lab: Lab, inventory: string, { keep }: DoctorDrill): Promise<boolean> {
  const ask = (more: readonly string[] = []) => asked(lab, inventory, more);
  await each.inject(lab);
  const hit = await until(() => each.impact(lab).catch(() => false), 120);
  if (keep !== undefined) await mkdir(keep, { recursive: true });
  const found = await ask(
    keep === undefined ? [] : ['--save', path.resolve(keep, each.name.replaceAll(/[^a-z0-9]+/gi, '-'))],
  );
  const list = found[each.in ?? 'broken'];
  const [first] = list;
  const right =
    each.expected === undefined
      ? found.broken.length === 0
      : first !== undefined &&
        each.expected.rules.includes(first.rule) &&
        (each.expected.about === '' || first.about[0] === each.expected.about);
  const mended = each.repair === 'fix' ? await fixed(lab, inventory) : await each.repair(lab).then(() => true);
  const begun = performance.now();
  let last = found;
  const silent = await until(async () => {
    last = await ask();
    return left(each, last).length === 0;
  }, 420);
  const seconds = Math.round((performance.now() - begun) / 1000);
  // Silence about what was not seen is no verdict.
  const blind = found.unseen.some(({ what }) => what.startsWith('identity of '));
  const verdict = !hit ? 'void: no impact' : blind ? 'void: not looked at' : right ? 'right' : 'WRONG';
  console.log(
    [
      each.name,
      first ? `${first.rule} ${first.about[0]}` : 'none',
      verdict,
      first?.certainty ?? '-',
      `${found.seconds.toFixed(1)} s`,
      silent
        ? `${seconds} s`
        : `NOT: ${left(each, last)
            .map(({ rule, says }) => `${rule}: ${says}`)
            .join('; ')}`,
    ].join(' | '),
  );
  if (!right && found.broken.length > 1) for (const { rule, says } of found.broken) console.log(`    ${rule}: ${says}`);
  for (const { rule, says } of found.bugs) console.log(`    OUR BUG in ${rule}: ${says}`);
  return hit && right && !blind && mended && silent && found.bugs.length === 0;
}

/** What is there still when all should be as before. */
function left({ in: list = 'broken', expected }: DoctorCase, { broken, ...lists }: Diagnosis): Diagnosis['broken'] {
  return list === 'broken'
    ? broken
    : [...broken, ...lists[list].filter(({ rule }) => expected?.rules.includes(rule) === true)];
}

async function fixed(lab: Lab, inventory: string): Promise<boolean> {
  const run = await homelab(lab, ['doctor', '--fix', '--yes'], inventory);
  if (run.code !== 0) console.log(`    doctor --fix: exit ${run.code}\n${story(run)}`);
  return run.code === 0;
}

async function asked(lab: Lab, inventory: string, more: readonly string[]): Promise<Asked> {
  const run = await homelab(lab, ['doctor', ...more], inventory);
  const told = run.stdout.split('\n').find(line => line.startsWith('{"at"'));
  if (told === undefined) throw new Error(`doctor said nothing (exit ${run.code}):\n${run.stdout}${run.stderr}`);
  return { ...(JSON.parse(told) as Asked), seconds: run.durationMs / 1000 };
}

async function until(holds: () => Promise<boolean>, seconds: number): Promise<boolean> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    if (await holds()) return true;
    await pause(2000);
  }
  return false;
}
