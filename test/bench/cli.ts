// `npm run bench`: the budgets as ratios, measured in one run on this machine. Prints; exits 1 when a budget is missed.
import process from 'node:process';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { exitCodes, HomelabError } from '../../src/model/errors.ts';
import { converged } from './converged.ts';
import { doctor } from './doctor.ts';
import { type BenchLab, openBenchLab } from './lab.ts';
import type { Row } from './row.ts';
import { scale } from './scale.ts';
import { scratch } from './scratch.ts';
import { startUp } from './start-up.ts';
import { failures, misses, type Outcome, renderTable } from './table.ts';

/** In this order: from-scratch leaves the cluster that converged looks at. */
const rows: readonly Row[] = [startUp, scale, doctor, scratch, converged];

interface Options {
  readonly only?: readonly string[];
  readonly runs?: number;
  readonly json?: boolean;
  readonly lab?: string;
}

const log = (line: string): void => console.error(line);
const interrupt = new AbortController();

function program(): Command {
  return new Command('bench')
    .description('Budgets as ratios, paired and interleaved, so that a busy machine slows both sides.')
    .addOption(new Option('--only <ROW...>', 'these rows only').choices(rows.map(row => row.id)))
    .option(
      '--runs <N>',
      'counted runs of every contestant (default: each row has its own; from-scratch takes one)',
      count,
    )
    .option('--json', 'the findings as JSON on stdout')
    .option(
      '--lab <NAME>',
      'a lab that is there already, used and left as it is (without: one of its own, taken down at the end)',
    )
    .addHelpText(
      'after',
      `\nRows:\n${rows.map(row => `  ${row.id.padEnd(14)} ${row.title}`).join('\n')}\n
Examples:\n  npm run bench\n  npm run bench -- --only start-up --runs 31\n  npm run bench -- --only converged --json`,
    )
    .exitOverride()
    .action(async (options: Options) => {
      process.exitCode = await bench(options);
    });
}

async function bench({ only, runs, json, lab: existing }: Options): Promise<number> {
  let opened: Promise<BenchLab> | undefined;
  const context = {
    runs,
    log,
    signal: interrupt.signal,
    lab: () => {
      opened ??= openBenchLab({ existing, log, signal: interrupt.signal });
      return opened;
    },
  };
  const outcomes: Outcome[] = [];
  try {
    for (const { id: row, title, missing, run } of rows.filter(each => only?.includes(each.id) ?? true)) {
      const skipped =
        row === scratch.id && existing !== undefined ? `the lab ${existing} is not bare` : await missing();
      outcomes.push(
        skipped === undefined ? await measured({ row, title }, () => run(context)) : { row, title, skipped },
      );
    }
  } finally {
    await (await opened?.catch(() => undefined))?.down();
  }
  console.log(json ? JSON.stringify(outcomes, null, 2) : renderTable(outcomes));
  const missed = [...misses(outcomes), ...failures(outcomes)];
  for (const line of missed) log(`✖ ${line}`);
  return missed.length > 0 ? 1 : 0;
}

// A row that cannot be measured takes no other along.
async function measured(
  of: { readonly row: string; readonly title: string },
  run: () => ReturnType<Row['run']>,
): Promise<Outcome> {
  try {
    return { ...of, found: await run() };
  } catch (error) {
    if (!(error instanceof HomelabError) || interrupt.signal.aborted) throw error;
    return { ...of, failed: linesOf(error).join('\n') };
  }
}

function linesOf({ message, context, hint }: HomelabError): readonly string[] {
  const said = [...(context.details ?? []), context.command ?? '', context.stderr ?? ''].filter(line => line !== '');
  return [message, ...said.map(line => `  ${line}`), ...(hint === undefined ? [] : [`  → ${hint}`])];
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw new InvalidArgumentError('Expected a number from 1.');
  return Number(text);
}

// The first Ctrl-C ends what is measured and takes the lab down; the second leaves at once.
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
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  else if (error instanceof HomelabError) {
    log(`✖ ${linesOf(error).join('\n')}`);
    process.exitCode = error.exitCode;
  } else throw error;
}
