// The command line: every option once, help with examples, the phase list from the code.
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { HomelabError } from '../model/errors.ts';
import { version } from '../model/version.ts';
import { phaseNames } from '../phases/names.ts';
import { addAnswers } from './answer-options.ts';
import type { BackupOptions } from './backup.ts';
import { addBundle } from './bundle-options.ts';
import type { CertsOptions } from './certs.ts';
import type { BootstrapOptions, KubeconfigOptions, PlanOptions, ValidateOptions } from './commands.ts';
import type { DoctorOptions } from './doctor.ts';
import { addInit } from './init-options.ts';
import { addLayers } from './layers-options.ts';
import type { JoinOptions } from './membership.ts';
import { collect, count, outputOption, withInventory, withMachines } from './options.ts';
import type { ReportOptions } from './report.ts';
import type { Io, RunOptions } from './session.ts';
import type { UpgradeOptions } from './upgrade.ts';

type Done = (exitCode: number) => void;

const phaseList = `Phases, in order:\n${Object.values(phaseNames)
  .map(({ id, summary }) => `  ${id.padEnd(15)} ${summary}`)
  .join('\n')}`;

const exitList = `Exit codes: 0 ok, 1 our bug, 2 usage, 3 inventory, 4 cannot reach, 5 refused, 6 apply, 7 verify, 8 changes pending, 9 doctor found something broken, 130 Ctrl-C`;

export function createProgram(io: Io, done: Done): Command {
  const program = new Command('homelab')
    .description('Bare machines to a verified Kubernetes cluster over SSH, every phase proven before the next')
    .version(version, '-V, --version')
    .exitOverride()
    .configureOutput({ writeOut: text => io.stdout.write(text), writeErr: text => io.stderr.write(text) })
    .showHelpAfterError('(run with --help for examples)')
    .addHelpText(
      'after',
      `
Examples:
  homelab init                              look at your machines, write inventory/homelab.yaml
  homelab validate                          check inventory/homelab.yaml
  homelab validate --machines               and every check of the machines; changes nothing
  homelab plan                              what would change, as diffs; changes nothing
  homelab bootstrap                         machines to cluster; asks first
  homelab bootstrap --rehearse --yes        the same on simulated machines, in seconds
  homelab verify                            prove again what bootstrap proved
  homelab upgrade --to v1.32.3              to another version of Kubernetes, one machine at a time
  homelab layers list                       what stands on the cluster, and what the inventory wants
  homelab doctor                            what is broken, why, and what to type
  homelab report                            the last run as one HTML file
  homelab bundle make --out bundle          all that machines need, for bootstrap --bundle bundle

${phaseList}

${exitList}`,
    );

  addInit(program, io, done);

  withMachines(program.command('validate'))
    .description('check the inventory, with --machines the machines too: all problems at once; changes nothing')
    .option('--machines', 'log in everywhere and make every check that bootstrap makes first (exit 5 when one fails)')
    .addHelpText(
      'after',
      '\nExamples:\n  homelab validate\n  homelab validate -i inventory/lab.yaml\n  homelab validate --machines\n  homelab validate --machines --bundle ./bundle',
    )
    .action(async (options: ValidateOptions) => done(await (await commands()).runValidate(options, io)));

  withRun(program.command('plan'))
    .addArgument(
      new Argument('[COMMAND]', 'what it is a plan of').choices(['bootstrap', 'upgrade']).default('bootstrap'),
    )
    .description('show every step, refusal and note as diffs; changes nothing')
    .option('--out <FILE>', 'write the plan, for bootstrap --plan FILE or upgrade --plan FILE')
    .option('--describe', 'print the inventory that describes the running cluster (to FILE with --out)')
    .option('--detailed-exitcode', 'exit 8 when there is something to do')
    .option('--verbose', 'whole diffs')
    .option('--to <VERSION>', 'of an upgrade: the version of Kubernetes')
    .addOption(parallelOption())
    .addOption(drainOption())
    .addHelpText(
      'after',
      `\nExamples:\n  homelab plan\n  homelab plan --until containerd --verbose\n  homelab plan --out today.plan && homelab bootstrap --plan today.plan\n  homelab plan --describe --out inventory/found.yaml\n  homelab plan upgrade --to v1.32.3\n\n${phaseList}`,
    )
    .action(async (what: string, options: PlanOptions & Partial<UpgradeOptions>) =>
      done(
        what === 'upgrade'
          ? await (await import('./upgrade.ts')).runPlanUpgrade(upgradeFrom(options), io)
          : options.describe
            ? await (await import('./describe.ts')).runDescribe(options, io)
            : await (await commands()).runPlan(options, io),
      ),
    );

  withRun(program.command('bootstrap'))
    .description('machines to cluster, each phase proven before the next; run it again at any time')
    .option('--yes', 'do not ask')
    .option('--plan <FILE>', 'approve what this plan has; anything riskier that is new stops the run')
    .addHelpText(
      'after',
      `\nExamples:\n  homelab bootstrap\n  homelab bootstrap --yes --bundle ./bundle\n  homelab bootstrap --yes --only containerd/k8s-worker1\n  homelab bootstrap --rehearse --yes --fault k8s-worker2:workers/join\n\n${phaseList}`,
    )
    .action(async (options: BootstrapOptions) => done(await (await commands()).runBootstrap(options, io)));

  withMachines(program.command('join-node'))
    .argument('<NAME>', 'a machine that is no member yet')
    .option('--address <IPV4>', 'write it into the inventory first, with this address')
    .addOption(new Option('--role <ROLE>', 'with --address').choices(['worker', 'control-plane']).default('worker'))
    .description('one machine more: prepared, joined and proven; the others get what it makes different on them')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      '\nExamples:\n  homelab join-node k8s-worker4\n  homelab join-node k8s-worker4 --address 192.168.0.14\n  homelab join-node k8s-cp2 --yes --bundle ./bundle',
    )
    .action(async (name: string, options: JoinOptions) =>
      done(await (await membership()).runJoinNode(name, options, io)),
    );

  withMachines(program.command('remove-node'))
    .argument('<NAME>', 'a machine of the inventory')
    .description('one machine less: pods moved away, out of etcd, reset, forgotten; never the last control plane')
    .option('--yes', 'do not ask')
    .option('--dead', 'the machine never comes back: do without it')
    .addOption(drainOption())
    .addHelpText(
      'after',
      '\nExamples:\n  homelab remove-node k8s-worker3\n  homelab remove-node k8s-cp2 --dead\n  homelab remove-node k8s-worker3 --yes --drain-timeout 900',
    )
    .action(
      async (name: string, { drainTimeout, ...options }: RunOptions & { dead?: boolean; drainTimeout?: number }) =>
        done(
          await (await membership()).runRemoveNode(
            name,
            { ...options, ...(drainTimeout === undefined ? {} : { drainSeconds: drainTimeout }) },
            io,
          ),
        ),
    );

  withMachines(program.command('upgrade'))
    .requiredOption('--to <VERSION>', 'the version of Kubernetes')
    .description(
      'every machine to another version, one after the other, each proven before the next; then the inventory',
    )
    .option('--yes', 'do not ask')
    .option('--plan <FILE>', 'approve what this plan has; anything riskier that is new stops the run')
    .addOption(parallelOption())
    .addOption(drainOption())
    .addHelpText(
      'after',
      `
Control planes come first, one at a time, then the workers. A machine is emptied (cordon and drain), upgraded and given back; when it, its
pods and every workload are as well as before, the next one follows. A run that did not come to its end is gone on with by the same command.

Examples:
  homelab plan upgrade --to v1.32.3         all of it before anything moves
  homelab upgrade --to v1.32.3
  homelab upgrade --to v1.32.3 --yes --bundle ./bundle
  homelab upgrade --to v1.32.3 --parallel 2 --drain-timeout 900`,
    )
    .action(async (options: UpgradeOptions) =>
      done(await (await import('./upgrade.ts')).runUpgrade(upgradeFrom(options), io)),
    );

  withMachines(program.command('reset'))
    .argument('<NAME...>', "machines of the inventory, or the cluster's name for all of them")
    .description('make machines bare again: evidence saved first, then everything of the cluster is gone from them')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      '\nExamples:\n  homelab reset k8s-worker2\n  homelab reset homelab        the whole cluster called homelab',
    )
    .action(async (names: readonly string[], options: RunOptions) =>
      done(await (await membership()).runReset(names, options, io)),
    );

  withRun(program.command('verify'))
    .description('the evidence alone: nothing to do, and every proof again (exit 7 when not)')
    .addHelpText('after', `\nExamples:\n  homelab verify\n  homelab verify --only network\n\n${phaseList}`)
    .action(async (options: RunOptions) => done(await (await commands()).runVerify(options, io)));

  withMachines(program.command('backup'))
    .description('etcd, the CAs and the key of Secrets in one encrypted file, made on a control plane and brought here')
    .option('--out <DIR>', 'the folder here (default: $XDG_STATE_HOME/homelab/CLUSTER/backups)')
    .option('--fetch', 'bring the newest that a control plane has made by its schedule; make none')
    .addHelpText(
      'after',
      `
Examples:
  homelab backup
  homelab backup --out /mnt/usb
  homelab backup --fetch

The inventory says for whom it is encrypted. Once, where the cluster's machines are not:
  openssl req -x509 -newkey rsa:4096 -nodes -days 36500 -subj /CN=backup -keyout backup.key -out backup.crt
and in the inventory:
  backup: {recipient: backup.crt, key: "\${file:backup.key}", schedule: "03:00", keep: 7}`,
    )
    .action(async (options: BackupOptions) => done(await (await import('./backup.ts')).runBackup(options, io)));

  withRun(program.command('restore'))
    .argument('<ARCHIVE>', 'what homelab backup made')
    .description("the cluster as it was, on a bare machine that is the inventory's first control plane")
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      `
Write the new machine into the inventory in the place of the lost one, with its address. The workers find it by the endpoint's name.

Examples:
  homelab restore ~/.local/state/homelab/homelab/backups/homelab-20261122T030000Z.backup
  homelab restore ARCHIVE --yes --bundle ./bundle`,
    )
    .action(async (archive: string, options: RunOptions) =>
      done(await (await import('./restore.ts')).runRestore(archive, options, io)),
    );

  withRun(program.command('kubeconfig'))
    .description("print the cluster's admin kubeconfig, or write it (a secret: files are 0600)")
    .option('--out <FILE>', 'write it to this file')
    .option(
      '--merge',
      "add it to KUBECONFIG's first file, else ~/.kube/config; keeps a backup, leaves other contexts alone",
    )
    .option('--use', 'with --merge: make it the current context')
    .option(
      '--server <ADDRESS>',
      "reach the API server by this name or address, where the endpoint's name is not known",
    )
    .addHelpText(
      'after',
      '\nExamples:\n  homelab kubeconfig --out ~/.kube/homelab.conf\n  homelab kubeconfig --merge --use\n  homelab kubeconfig --merge --server 192.168.0.10',
    )
    .action(async (options: KubeconfigOptions) => done(await (await commands()).runKubeconfig(options, io)));

  withMachines(program.command('certs'))
    .addArgument(new Argument('[ACTION]', 'what is done with them').choices(['list', 'renew']).default('list'))
    .description('every certificate: who signs it, until when, and whether it is the one in use; renew renews them')
    .option('--yes', 'with renew: do not ask')
    .addOption(new Option('--within <DAYS>', 'with renew: only what ends within so many days').argParser(count))
    .addHelpText(
      'after',
      `
renew has kubeadm make its certificates anew, one control plane at a time, restarts what uses them (etcd, API server, controller manager,
scheduler) and proves that the new ones are served. It works when the old ones have ended and nothing answers any more. What was renewed
within a day is left alone: a run that did not come to its end is gone on with by the same command. Kubelets renew their own.

Examples:
  homelab certs
  homelab certs --output json
  homelab certs renew
  homelab certs renew --within 60 --yes`,
    )
    .action(async (action: 'list' | 'renew', options: CertsOptions) => {
      const { runCerts, runRenewal } = await import('./certs.ts');
      done(action === 'renew' ? await runRenewal(options, io) : await runCerts(options, io));
    });

  withInventory(program.command('doctor'))
    .addOption(outputOption())
    .description(
      'what is broken, why, and what to type: one look at machines and API (exit 9 when something is broken)',
    )
    .option('--fix', 'do what is safe and can be undone, one thing at a time; what does not help is undone')
    .option('--yes', 'with --fix: do not ask')
    .option(
      '--since <RUN|TIME>',
      'what changed since that run of homelab (last: the newest), or since a time (ISO 8601)',
    )
    .option('--save <DIR>', 'keep what was seen, one file a machine and a kind; no Secret is in it')
    .option('--from <DIR>', 'look at what was saved: by --save, or lists of kubectl get -o json; reaches no machine')
    .option('--kubeconfig <FILE>', 'ask the API from here, with this; otherwise a control plane is asked over SSH')
    .option('--exclude <HOST>', 'do not look at this machine; may stand several times', collect)
    .option(
      '--trust-new-host-keys',
      'accept and save host keys that no known_hosts has; a changed key is refused all the same',
    )
    .option('-v, --verbose', 'all evidence and every consequence')
    .addHelpText(
      'after',
      `
Reads only, unless --fix is given. Works on clusters that homelab did not build: the inventory only says how machines are reached
(homelab plan --describe writes one). What cannot be looked at is said, and is never taken for an answer.

Examples:
  homelab doctor
  homelab doctor --fix
  homelab doctor --since 2026-11-21T20:00Z
  homelab doctor --save incident && homelab doctor --from incident --verbose
  homelab doctor --from examples/incidents/sleeping-worker
  homelab doctor --output json`,
    )
    .action(async (options: DoctorOptions) => done(await (await import('./doctor.ts')).runDoctor(options, io)));

  withInventory(program.command('report'))
    .argument(
      '[RUN]',
      "a run's name or its journal's path; left out: the last run of the inventory's cluster that was more than a look",
    )
    .description('a run as one HTML file: timeline, evidence, machines, what changed; reaches no machine')
    .option('--out <FILE>', 'the file (default: homelab-report-RUN.html, here)')
    .option('--doctor <DIR>', 'what doctor finds in this folder, which doctor --save wrote, stands in it too')
    .addHelpText(
      'after',
      `
The file needs no network and no other file: mail it, print it, keep it. A run's journal is all that it is made from, also of a run that
failed, was interrupted or killed. What the journal masked stays masked; machines, addresses and changes are in it.

Examples:
  homelab report
  homelab report 4f2a9c1d
  homelab doctor --save incident; homelab report --doctor incident
  homelab report ~/.local/state/homelab/homelab/runs/2026-11-21T19-50-08Z-4f2a9c1d.jsonl --out last-night.html`,
    )
    .action(async (run: string | undefined, options: ReportOptions) =>
      done(await (await import('./report.ts')).runReport(run, options, io)),
    );

  addLayers(program, io, done);
  addBundle(program, io, done);
  addAnswers(program, io, done);
  return program;
}

async function commands() {
  return import('./commands.ts');
}

async function membership() {
  return import('./membership.ts');
}

function withRun(command: Command): Command {
  return withMachines(command)
    .option('--only <PHASE[/HOST]>', 'these phases only; may stand several times', collect)
    .option('--skip <PHASE[/HOST]>', 'leave these out; may stand several times', collect)
    .option('--until <PHASE[/HOST]>', 'stop after this phase');
}

function drainOption(): Option {
  return new Option('--drain-timeout <SECONDS>', 'how long the pods of a machine may take to move')
    .argParser(seconds)
    .default(undefined, '300');
}

function parallelOption(): Option {
  return new Option('--parallel <N>', 'workers that are upgraded side by side')
    .argParser(count)
    .default(undefined, '1');
}

function upgradeFrom<T extends Partial<UpgradeOptions>>({ to, parallel = 1, drainTimeout = 300, ...options }: T) {
  if (to === undefined)
    throw new HomelabError('HL_USAGE', 'an upgrade needs to know where to', {
      hint: 'for example: homelab plan upgrade --to v1.32.3',
    });
  return { ...options, to, parallel, drainTimeout };
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 86_400)
    throw new InvalidArgumentError('a whole number of seconds from 1 to 86400');
  return value;
}
