// One run from options to exit code: what is loaded, who listens, which machines, and how it ends.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createEventBus, type EventBus, errorBodies } from '../engine/events.ts';
import { inLanes, valuesOf } from '../engine/lanes.ts';
import { createMachine, type Machine } from '../engine/machine.ts';
import { createRedactor } from '../engine/redact.ts';
import { type Fault, parseFault, rehearse } from '../engine/rehearsal.ts';
import type { RunContext, RunResult } from '../engine/run.ts';
import { createVault, type Vault } from '../engine/vault.ts';
import { loadInventory } from '../inventory/load.ts';
import { loadBundle } from '../io/bundle.ts';
import { createJournal, stateDir } from '../io/journal.ts';
import { createConnect } from '../io/ssh.ts';
import { HomelabError, PhaseFailed } from '../model/errors.ts';
import type { Clock } from '../model/ports.ts';
import type { Goal } from '../model/world.ts';
import { phases } from '../phases/index.ts';
import { createRenderer, type OutputMode } from '../render/choose.ts';
import { select } from './selection.ts';
import { onInterrupt } from './signals.ts';
import { version } from './version.ts';

export interface RunOptions {
  readonly inventory: string;
  readonly output?: OutputMode;
  readonly yes?: boolean;
  readonly bundle?: string;
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly until?: string;
  readonly fork: number;
  readonly rehearse?: boolean;
  readonly fault?: readonly string[];
  readonly trustNewHostKeys?: boolean;
}

/** What the process gives; tests give their own. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export interface Session extends RunContext {
  readonly io: Io;
  readonly options: RunOptions;
}

export type Work = (session: Session) => Promise<RunResult>;

const connectTimeoutMs = 30_000;
const clock: Clock = { now: Date.now, sleep: (ms, signal) => delay(ms, undefined, { ...(signal ? { signal } : {}) }) };

/**
 * Runs `work` over all machines of the inventory and resolves with the exit code. Errors before the first event (bad
 * inventory, bad bundle, unknown phase) are thrown: no machine was touched and there is nothing to keep.
 */
export async function runSession(
  command: string,
  options: RunOptions,
  io: Io,
  approval: (session: Session) => Pick<RunContext, 'approve' | 'isApproved'>,
  work: Work,
): Promise<number> {
  const interruption = onInterrupt(text => io.stderr.write(`\n${text}\n`));
  const cluster = await loadInventory(options.inventory);
  const bundle =
    options.bundle === undefined ? undefined : await loadBundle(options.bundle, { signal: interruption.abort });
  const goal: Goal = { cluster, bundle };
  const isChosen = select(
    options,
    cluster.hosts.map(host => host.name),
  );
  const chosen = phases.filter(phase => cluster.hosts.some(host => isChosen(phase, host)));
  const rehearsal = options.rehearse ? faultsOf(options) : undefined;

  const redactor = createRedactor();
  const vault = createVault({ env: io.env, readFile: path => readFile(path, 'utf8'), learn: redactor.add });
  const run = randomBytes(4).toString('hex');
  const begun = clock.now();
  const journal = createJournal({ stateDir: stateDir(io.env), cluster: cluster.name, run, startedAt: begun });
  const renderer = await createRenderer({
    output: options.output,
    stdout: io.stdout,
    stderr: io.stderr,
    env: io.env,
    journalPath: journal.path,
  });
  const bus = createEventBus({ clock, redact: redactor.redact, sinks: [journal, renderer] });
  bus.emit({
    type: 'run-started',
    run,
    command,
    cluster: cluster.name,
    version,
    simulated: rehearsal !== undefined,
    hosts: cluster.hosts.map(host => host.name),
    phases: chosen.map(({ id, title }) => ({ id, title })),
  });

  let machines: readonly Machine[] = [];
  let result: RunResult = { steps: 0, predictionErrors: 0 };
  let exitCode = 0;
  let steps = 0;
  try {
    machines = rehearsal
      ? rehearse(goal, rehearsal)
      : await connectAll(goal, options, io, vault, bus, interruption.abort);
    const base = {
      goal,
      phases: chosen,
      isChosen,
      machines: new Map(machines.map(machine => [machine.host, machine])),
      bus: {
        ...bus,
        emit: (body: Parameters<EventBus['emit']>[0]) => {
          if (body.type === 'step-finished' && body.outcome === 'done') steps += 1;
          bus.emit(body);
        },
      },
      clock,
      fork: options.fork,
      stop: interruption.stop,
      abort: interruption.abort,
      rehearsal,
      io,
      options,
      approve: async () => undefined,
      isApproved: () => false,
    };
    result = await work({ ...base, ...approval(base) });
  } catch (error) {
    exitCode = interruption.exitCode() ?? exitCodeOf(error);
    for (const body of errorBodies(error)) bus.emit(body);
  }
  const commands = Object.fromEntries(machines.map(machine => [machine.host, machine.commands()]));
  bus.emit({
    type: 'run-finished',
    outcome: exitCode === 0 ? 'ok' : interruption.exitCode() === undefined ? 'failed' : 'cancelled',
    exitCode,
    steps: exitCode === 0 ? result.steps : steps,
    predictionErrors: result.predictionErrors,
    durationMs: clock.now() - begun,
    simulated: rehearsal !== undefined,
    remoteCommands: rehearsal ? {} : commands,
  });
  await Promise.all(machines.map(machine => machine.close()));
  await bus.close();
  interruption.release();
  return exitCode;
}

/** The process's exit code for a failure; what is not a HomelabError is our bug. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof HomelabError) return error.exitCode;
  if (error instanceof PhaseFailed) return error.errors[0]?.exitCode ?? 1;
  return 1;
}

async function connectAll(
  goal: Goal,
  options: RunOptions,
  io: Io,
  vault: Vault,
  bus: EventBus,
  signal: AbortSignal,
): Promise<readonly Machine[]> {
  const { HOME: home = '', SSH_AUTH_SOCK: sshAuthSock } = io.env;
  const connect = createConnect({
    trustNewHostKeys: options.trustNewHostKeys ?? false,
    resolveSecret: vault.resolve,
    env: { home, ...(sshAuthSock ? { sshAuthSock } : {}) },
    onNote: text => bus.emit({ type: 'note', text }),
  });
  const opened: Machine[] = [];
  const results = await inLanes(goal.cluster.hosts, options.fork, async host => {
    const remote = await connect(host, { timeoutMs: connectTimeoutMs, signal });
    const machine = createMachine(remote, host.role === 'control-plane', vault, clock);
    opened.push(machine);
    return machine;
  });
  try {
    return valuesOf(results, reasons => failureOf(reasons));
  } catch (error) {
    await Promise.all(opened.map(machine => machine.close()));
    throw error;
  }
}

function failureOf(reasons: readonly unknown[]): Error {
  const bug = reasons.find(reason => !(reason instanceof HomelabError));
  if (bug !== undefined) return bug instanceof Error ? bug : new Error(String(bug));
  const ours = reasons.filter(reason => reason instanceof HomelabError);
  return ours.length === 1 && ours[0] ? ours[0] : new PhaseFailed(`${ours.length} machines cannot be reached`, ours);
}

function faultsOf({ fault = [] }: RunOptions): readonly Fault[] {
  return fault.map(text => {
    const parsed = parseFault(text);
    if (parsed) return parsed;
    throw new HomelabError('HL_USAGE', `--fault: ${JSON.stringify(text)} is not HOST:STEP`, {
      hint: 'for example --fault k8s-worker2:workers/join',
    });
  });
}
