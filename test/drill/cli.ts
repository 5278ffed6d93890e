// `npm run drill`: long matrices on lab machines, each case from a known state; what is done is not done again.
import path from 'node:path';
import process from 'node:process';
import { Command, Option } from 'commander';
import { execa } from 'execa';
import { canaries } from './canaries.ts';
import { type DoctorDrill, doctorDrill } from './doctor.ts';
import { type KilledOptions, killed } from './killed.ts';
import { kinds, kubeadmKilled } from './kubeadm-killed.ts';
import { type UpgradeKilledOptions, upgradeKilled } from './upgrade-killed.ts';

const program = new Command('drill')
  .description('Matrices of bad luck on lab machines. Prints a line a case; exits 1 when one did not end well.')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run drill -- kubeadm-killed\n  npm run drill -- kubeadm-killed --only join --anew\n  npm run drill -- killed --seed 7\n  npm run drill -- killed --each --cases "finished workers/"\n  npm run drill -- upgrade-killed --seed 7\n  npm run drill -- bad-luck-life --case etcd\n  npm run drill -- simulation --schedules 100000',
  );

program
  .command('kubeadm-killed')
  .description('kubeadm is killed as soon as it says the name of each of its phases; then what homelab says is done')
  .addOption(new Option('--only <WHICH>', 'one of the three').choices(kinds))
  .option('--anew', 'forget what an earlier drill has done')
  .action(async (options: Parameters<typeof kubeadmKilled>[0]) => {
    process.exitCode = await kubeadmKilled(options);
  });

program
  .command('killed')
  .description(
    'homelab is killed at both boundaries of every kind of step, inside it and while a phase is proven; the re-run makes the same machines',
  )
  .addOption(new Option('--seed <N>', 'draws the machines and the moments').default(1).argParser(Number))
  .option('--cases <PATTERN>', 'cases whose name matches: "inside containerd/", "workers/join$"')
  .option('--cilium', 'two machines with Cilium and layers, killed at what makes those')
  .option('--each', 'every case from bare machines (hours), instead of one after the other on the same')
  .option(
    '--anew',
    'forget what an earlier drill has done; after every change of homelab, whose uninterrupted run is compared with',
  )
  .action(async (options: KilledOptions) => {
    process.exitCode = await killed(options);
  });

program
  .command('canaries')
  .description(
    'known secrets in every place that carries one, a bootstrap under strace, then they are looked for everywhere',
  )
  .option('--keep', 'leave the lab, with the traces in its folder')
  .action(async (options: { keep?: boolean }) => {
    process.exitCode = await canaries(options);
  });

program
  .command('life')
  .description('machines join, die, leave and are made bare again: one cluster from two machines to five and back')
  .action(() => tests('drill', 'test/drill/life.test.ts'));

program
  .command('bad-luck-life')
  .description('what goes wrong while machines come and go: ten cases, each with what it says and what leads on')
  .option('--case <PATTERN>', 'cases whose name has this')
  .action((options: { case?: string }) =>
    tests('drill', 'test/drill/bad-luck-life.test.ts', {}, options.case === undefined ? [] : ['-t', options.case]),
  );

program
  .command('upgrade')
  .description(
    'v1.31.1 to v1.31.4 on four machines, with all that can come between; builds a second lab bundle (6 min)',
  )
  .action(() => tests('drill', 'test/drill/upgrade.test.ts'));

program
  .command('upgrade-ha')
  .description(
    'three control planes and two workers by a minor, both workers at once; what users noticed, and how long it took',
  )
  .action(() => tests('drill', 'test/drill/upgrade-ha.test.ts'));

program
  .command('layers')
  .description(
    'layers by Helm 4 and by Helm 3 on a cluster with Cilium: changed, rolled back, killed, uninstalled, and eleven kinds of bad luck',
  )
  .action(() => tests('drill', 'test/drill/layers.test.ts'));

program
  .command('recovery')
  .description(
    "a worker's power goes: what was written there is read elsewhere, and after how many seconds; Longhorn's part is simulated",
  )
  .action(() => tests('drill', 'test/drill/recovery.test.ts'));

program
  .command('upgrade-layers')
  .description(
    'Cilium by a minor, killed meanwhile, then Kubernetes by a minor, then every layer anew; builds a second bundle (15 min)',
  )
  .action(() => tests('drill', 'test/drill/upgrade-layers.test.ts'));

program
  .command('upgrade-killed')
  .description('homelab is killed at 20 drawn moments of an upgrade by a patch; plain re-runs make the same machines')
  .addOption(new Option('--seed <N>', 'draws the moments').default(1).argParser(Number))
  .option('--anew', 'forget what an earlier drill has done; after every change of homelab')
  .action(async (options: UpgradeKilledOptions) => {
    process.exitCode = await upgradeKilled(options);
  });

program
  .command('restore')
  .description('a restore onto a machine whose power goes five times; refused on machines of another cluster')
  .action(() => tests('drill', 'test/drill/restore.test.ts'));

program
  .command('certs')
  .description('certificates renewed, renewed by hand, cut off at every step, and all ended with the cluster down')
  .action(() => tests('drill', 'test/drill/certs.test.ts'));

program
  .command('doctor')
  .description('a cluster is broken in one way after the other; doctor must name each, and be silent before and after')
  .option('--case <PATTERN>', 'cases whose name has this')
  .option('--lab <NAME>', 'a lab that is there already, with a healthy cluster of its first three machines')
  .option('--machine', 'a machine with a kernel of its own (QEMU): clock, swap, network cards')
  .option('--keep <DIR>', 'every snapshot, for doctor --from')
  .action(async (options: DoctorDrill) => {
    process.exitCode = await doctorDrill(options);
  });

program
  .command('own-kernel')
  .description(
    'a machine that is no container (QEMU): swap, modules, sysctls and time; power saving of four adapters set, over boots, and switched back',
  )
  .action(() => tests('drill', 'test/drill/own-kernel.test.ts'));

program
  .command('mutants')
  .description(
    "every decision of doctor's rules turned round, one at a time: a test must then fail; names those that none sees",
  )
  .option('--in <PATTERN>', 'decisions whose place matches: "^etcd\\.ts"')
  .option('--out <FILE>', 'what no test sees, a line each')
  .action(({ in: only, out }: { in?: string; out?: string }) =>
    vitest(['--config', 'test/drill/mutants/vitest.config.ts'], {
      ...(only === undefined ? {} : { MUTANTS: only }),
      ...(out === undefined ? {} : { MUTANTS_OUT: path.resolve(out) }),
    }),
  );

program
  .command('simulation')
  .description('the engine under seeded bad luck in virtual time; a failing seed replays alone: --seed N --schedules 1')
  .option('--schedules <N>', 'how many', '10000')
  .option('--seed <N>', 'the first', '1')
  .action(({ schedules, seed }: { schedules: string; seed: string }) =>
    tests('unit', 'test/simulation', { SCHEDULES: schedules, SEED: seed }),
  );

/** Drills that are tests: vitest tells how each case ended. */
async function tests(project: string, path: string, env: Record<string, string> = {}, more: readonly string[] = []) {
  await vitest(['--project', project, path, ...more], { DRILL: 'yes', ...env });
}

async function vitest(args: readonly string[], env: Record<string, string>) {
  const { exitCode = 1 } = await execa('npx', ['vitest', 'run', ...args], { stdio: 'inherit', reject: false, env });
  process.exitCode = exitCode;
}

await program.parseAsync(process.argv);
