// `npm run lab`: real machines to try homelab on, on this machine.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import process from 'node:process';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { execa } from 'execa';
import { exitCodes, HomelabError } from '../../src/model/errors.ts';
import { faults, mend } from './faults.ts';
import { type Lab, labDown, labOpen, labUp, type MachineStatus } from './machines.ts';

const log = (line: string): void => console.error(line);
const interrupt = new AbortController();
const ciliumHelp = "the first user's network, Cilium with Hubble, and what stands on it, instead of basic";

interface UpOptions {
  readonly machines?: number;
  readonly bundle?: string;
  readonly qemu?: boolean;
  readonly cilium?: boolean;
}

interface FaultFlags {
  readonly seconds: number;
  readonly off: boolean;
}

function program(): Command {
  const lab = new Command('lab')
    .description(
      'Real Debian machines on this one, and the cluster on them. Without a verb: bundle, up, homelab bootstrap.',
    )
    .helpOption('-h, --help', 'this text')
    .showHelpAfterError('(run with --help)')
    .exitOverride()
    .enablePositionalOptions();
  common(lab)
    .option('--machines <n>', 'one control plane, the others workers', count)
    .option('--cilium', ciliumHelp)
    .addHelpText(
      'after',
      examples('npm run lab', 'npm run lab -- --cilium', 'npm run lab -- up', 'npm run lab -- down'),
    )
    .allowExcessArguments()
    .action(async ({ machines, cilium }: UpOptions, command: Command) => {
      const [verb] = command.args;
      if (verb !== undefined) {
        throw new HomelabError('HL_USAGE', `There is no verb ${verb}`, { hint: 'npm run lab -- --help' });
      }
      const { everything } = await import('./everything.ts');
      process.exitCode = await everything({ name: nameOf(command), machines, cilium, log, signal: interrupt.signal });
    });
  common(lab.command('up'))
    .description('make the machines, or start those that are off; prints the inventory')
    .option('--machines <n>', 'one control plane, the others workers (default: 4)', count)
    .option('--qemu', 'a kernel, clock and network cards of their own (default machines: 1); a minute to boot, or more')
    .option('--cilium', ciliumHelp)
    .option('--bundle <dir>', 'folder that the machines see as /srv/homelab-lab (default: what `bundle` has built)')
    .addHelpText(
      'after',
      examples(
        'npm run lab -- up',
        'npm run lab -- up --name small --machines 1',
        'npm run lab -- up --name own --qemu',
      ),
    )
    .action(up);
  common(lab.command('status'))
    .description('one line a machine; exits 1 unless every one is up')
    .addHelpText('after', examples('npm run lab -- status', 'npm run lab -- status --name small'))
    .action(async (_options: unknown, command: Command) => {
      const machines = await (await theLab(nameOf(command))).status();
      console.log(statusTable(machines));
      if (!machines.every(machine => machine.ssh)) process.exitCode = 1;
    });
  common(lab.command('ssh'))
    .description('log in as admin, or run a command there')
    .argument('<host>')
    .argument('[command...]', 'after --; the machine shell reads it, as with ssh itself')
    .option('--user <user>', 'admin, or pw: the one whose sudo asks for a password', 'admin')
    .addHelpText(
      'after',
      examples('npm run lab -- ssh k8s-cp', 'npm run lab -- ssh k8s-worker1 -- sudo journalctl -u kubelet -n 20'),
    )
    .action(ssh);
  common(lab.command('fault'))
    .description('break something')
    .argument('<kind>', Object.keys(faults).join(', '))
    .argument('<host>')
    .option('--seconds <n>', 'how long link-cut and freeze last', count, 30)
    .option('--off', 'power-cut: leave it off', false)
    .addHelpText('after', `\nKinds:\n${faultList()}`)
    .addHelpText(
      'after',
      examples(
        'npm run lab -- fault link-cut k8s-worker1 --seconds 90',
        'npm run lab -- fault power-cut k8s-worker2 --off',
      ),
    )
    .action(fault);
  common(lab.command('power-on'))
    .description('switch a machine on; also thaws it and plugs its cable in')
    .argument('<host>')
    .addHelpText('after', examples('npm run lab -- power-on k8s-worker2'))
    .action(async (host: string, _options: unknown, command: Command) => {
      await mend(await theLab(nameOf(command)), host, interrupt.signal);
    });
  common(lab.command('snapshot'))
    .description('what the machines and their cluster are, as JSON, without times and random parts')
    .option('--out <file>', 'write it there')
    .addHelpText('after', examples('npm run lab -- snapshot --out before.json'))
    .action(async ({ out }: { readonly out?: string }, command: Command) => {
      const { takeSnapshot } = await import('../snapshot/take.ts');
      const text = `${JSON.stringify(await takeSnapshot(await theLab(nameOf(command))), null, 1)}\n`;
      if (out === undefined) process.stdout.write(text);
      else await writeFile(out, text);
    });
  lab
    .command('compare')
    .description('two snapshots side by side; exits 1 when they differ')
    .argument('<first>')
    .argument('<second>')
    .addHelpText('after', examples('npm run lab -- compare before.json after.json'))
    .action(async (first: string, second: string) => {
      const [{ readSnapshot }, { compare, renderComparison }] = await Promise.all([
        import('../snapshot/snapshot.ts'),
        import('../snapshot/compare.ts'),
      ]);
      const [a, b] = [await readSnapshot(first), await readSnapshot(second)];
      console.log(renderComparison(a, b));
      if (compare(a, b).length > 0) process.exitCode = 1;
    });
  common(lab.command('down'))
    .description('take everything away: machines, disks, network, settings of this machine')
    .addHelpText('after', examples('npm run lab -- down', 'npm run lab -- down --name small'))
    .action(async (_options: unknown, command: Command) => {
      const name = nameOf(command);
      log((await labDown(name, { log })) ? `lab ${name} is gone` : `there is no lab ${name}`);
    });
  lab
    .command('bundle')
    .description('build the packages and images that the machines install from; prints the folder')
    .option('--layers', 'with helm, charts and the images that they want')
    .option('--kubernetes <version>', 'a later release, to upgrade to (default: the one that `up` installs from)')
    .addHelpText(
      'after',
      examples(
        'npm run lab -- bundle',
        'npm run lab -- bundle --kubernetes v1.31.4',
        'npm run lab -- bundle --layers --kubernetes v1.32.0',
      ),
    )
    .action(async ({ kubernetes, layers }: { readonly kubernetes?: string; readonly layers?: boolean }) => {
      const { ensureBundle } = await import('./bundle.ts');
      const { ensureLayers } = await import('./layers-bundle.ts');
      const options = { log, signal: interrupt.signal, kubernetes };
      console.log(layers ? await ensureLayers(options) : (await ensureBundle(options)).dir);
    });
  return lab;
}

function common(command: Command): Command {
  return command.option('--name <name>', 'which lab; several stand side by side (default: lab)');
}

/** Before the verb or after it: `lab --name x down` must not take another lab away. */
function nameOf(command: Command): string {
  const { name } = command.optsWithGlobals<{ readonly name?: string }>();
  return name ?? 'lab';
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map(line => `  ${line}`).join('\n')}`;
}

function faultList(): string {
  return Object.entries(faults)
    .map(([kind, { does }]) => `  ${kind.padEnd(10)} ${does}`)
    .join('\n');
}

function count(value: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(value)) throw new InvalidArgumentError('Expected a number from 1.');
  return Number(value);
}

async function theLab(name: string): Promise<Lab> {
  const lab = await labOpen(name, log);
  if (lab !== undefined) return lab;
  throw new HomelabError('HL_USAGE', `There is no lab ${name}`, { hint: `npm run lab -- up --name ${name}` });
}

async function up(_options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<UpOptions>();
  const { machines, qemu, cilium } = options;
  const bundle = options.bundle ?? (await newestBundle(cilium === true));
  const lab = await labUp({
    name: nameOf(command),
    log,
    signal: interrupt.signal,
    bundle,
    qemu,
    cilium,
    ...(machines === undefined ? {} : { machines }),
  });
  if (lab.bundle === undefined) {
    log('/srv/homelab-lab is empty in the machines: there is no bundle yet (npm run lab -- bundle, then down and up)');
  }
  log(statusTable(await lab.status()));
  console.log(lab.inventoryPath);
}

/** None is no reason to build one: `up` is for machines alone too. */
async function newestBundle(layers: boolean): Promise<string | undefined> {
  const { bundlePath } = await import('./bundle.ts');
  const { layersPath } = await import('./layers-bundle.ts');
  const path = layers ? layersPath() : bundlePath();
  return existsSync(path) ? path : undefined;
}

async function ssh(
  host: string,
  words: readonly string[],
  { user }: { readonly user: string },
  command: Command,
): Promise<void> {
  const lab = await theLab(nameOf(command));
  if (user !== 'admin' && user !== 'pw') {
    throw new HomelabError('HL_USAGE', `The machines have no user ${user}`, { hint: 'use --user admin or --user pw' });
  }
  const [file, ...args] = lab.sshArgv(host, user);
  const { exitCode } = await execa(file, [...args, ...words], { stdio: 'inherit', reject: false });
  process.exitCode = exitCode ?? exitCodes.reach;
}

async function fault(kind: string, host: string, { seconds, off }: FaultFlags, command: Command): Promise<void> {
  const chosen = Object.hasOwn(faults, kind) ? faults[kind] : undefined;
  if (chosen === undefined) {
    throw new HomelabError('HL_USAGE', `There is no fault ${kind}`, {
      hint: `use one of ${Object.keys(faults).join(', ')}`,
    });
  }
  await chosen.run(await theLab(nameOf(command)), host, { seconds, off, log, signal: interrupt.signal });
  log(`${host}: ${off && kind === 'power-cut' ? `off until npm run lab -- power-on ${host}` : 'fault over'}`);
}

function statusTable(machines: readonly MachineStatus[]): string {
  return machines
    .map(({ name, address, running, frozen, ssh: answers, bootId }) => {
      const state = running ? (frozen ? 'frozen' : 'running') : 'off';
      return [
        name.padEnd(12),
        address.padEnd(13),
        state.padEnd(8),
        `ssh ${answers ? 'ok' : 'no'}`,
        `boot ${bootId ?? '-'}`,
      ].join(' ');
    })
    .join('\n');
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  if (!(error instanceof HomelabError)) {
    console.error(error);
    return exitCodes.bug;
  }
  log(`✖ ${error.message}`);
  for (const line of error.context.details ?? []) log(`  ${line}`);
  const said = error.context.stderr?.trimEnd().split('\n').slice(-15) ?? [];
  for (const line of said) if (line !== '') log(`  | ${line}`);
  if (error.hint !== undefined) log(`  → ${error.hint}`);
  return error.exitCode;
}

// The first Ctrl-C ends the wait we are in, and what was made stays for `down`; the second leaves at once.
for (const [signal, code] of [
  ['SIGINT', exitCodes.interrupted],
  ['SIGTERM', exitCodes.terminated],
] as const) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) process.exit(code);
    interrupt.abort();
  });
}

try {
  await program().parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}
