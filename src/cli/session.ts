// One run from options to exit code: what is loaded, who listens, which machines, and how it ends.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createEventBus, type EventBus, errorBodies } from '../engine/events.ts';
import { inLanes, valuesOf } from '../engine/lanes.ts';
import { createMachine, type Machine } from '../engine/machine.ts';
import { createRedactor } from '../engine/redact.ts';
import { type Fault, parseFault, rehearse } from '../engine/rehearsal.ts';
import type { RunContext } from '../engine/run.ts';
import { createVault, type Vault } from '../engine/vault.ts';
import { loadInventory } from '../inventory/load.ts';
import { loadBundle } from '../io/bundle.ts';
import { createJournal, stateDir } from '../io/journal.ts';
import { createConnect } from '../io/ssh.ts';
import type { Host } from '../model/cluster.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import type { EventSink } from '../model/events.ts';
import type { Phase } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import { command } from '../model/shell.ts';
import type { Goal } from '../model/world.ts';
import { phaseNames } from '../phases/names.ts';
import { createRenderer, type OutputMode } from '../render/choose.ts';
import { exitCodeOf } from './exit-code.ts';
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
  /** The arguments as they were typed, for the line that says how to resume. */
  readonly argv: readonly string[];
}

export interface Session extends RunContext {
  /** For what leaves by another way than an event. */
  readonly redact: (text: string) => string;
  readonly io: Io;
  readonly options: RunOptions;
}

export type Work = (session: Session) => Promise<unknown>;

const connectTimeoutMs = 30_000;
const clock: Clock = { now: Date.now, sleep: (ms, signal) => delay(ms, undefined, { ...(signal ? { signal } : {}) }) };

/**
 * Runs `work` over all machines of the inventory and resolves with the exit code. Errors before the first event (bad
 * inventory, bad bundle, unknown phase) are thrown: no machine was touched and there is nothing to keep.
 */
export async function runSession(
  purpose: 'ask' | 'look' | 'change' | 'verify',
  options: RunOptions,
  io: Io,
  approval: (session: Session) => Pick<RunContext, 'approve' | 'isApproved'>,
  work: Work,
): Promise<number> {
  let say = (text: string): void => void io.stderr.write(`${text}\n`);
  const interruption = onInterrupt(text => say(text));
  try {
    const cluster = await loadInventory(options.inventory);
    const bundle =
      options.bundle === undefined ? undefined : await loadBundle(options.bundle, { signal: interruption.stop });
    const goal: Goal = { cluster, bundle };
    const isChosen = select(
      options,
      cluster.hosts.map(host => host.name),
    );
    const rehearsal = options.rehearse ? faultsOf(options) : undefined;
    const redactor = createRedactor();
    const run = randomBytes(4).toString('hex');
    const begun = clock.now();
    const journal = createJournal({ stateDir: stateDir(io.env), cluster: cluster.name, run, startedAt: begun });
    const renderer = await createRenderer({ ...io, output: options.output, journalPath: journal.path });
    const tally = tallied();
    const bus = createEventBus({ clock, redact: redactor.redact, sinks: [journal, renderer, tally.sink] });
    say = text => bus.emit({ type: 'note', text });
    const chosen = Object.values(phaseNames).filter(phase => cluster.hosts.some(host => isChosen(phase, host)));
    bus.emit({
      type: 'run-started',
      run,
      command: command('homelab', ...io.argv),
      purpose: purpose === 'ask' ? 'look' : purpose,
      cluster: cluster.name,
      version,
      simulated: rehearsal !== undefined,
      hosts: cluster.hosts.map(host => host.name),
      phases: chosen.map(({ id, title }) => ({ id, title })),
    });
    const vault = createVault({ env: io.env, readFile: path => readFile(path, 'utf8'), learn: redactor.add });
    let machines: readonly Machine[] = [];
    let exitCode: number = exitCodes.ok;
    try {
      const connecting = rehearsal
        ? rehearse(goal, rehearsal)
        : connectAll(
            // Asking the control plane something must work while a worker is down.
            cluster.hosts.filter(host => purpose !== 'ask' || host.role === 'control-plane'),
            options,
            io,
            vault,
            bus,
            interruption.stop,
          );
      // Loaded while the machines answer.
      const loading = phasesOf(chosen.map(({ id }) => id));
      machines = await connecting;
      const session: Session = {
        goal,
        phases: await loading,
        isChosen,
        machines: new Map(machines.map(machine => [machine.host, machine])),
        bus,
        clock,
        fork: options.fork,
        stop: interruption.stop,
        abort: interruption.abort,
        rehearsal,
        redact: redactor.redact,
        io,
        options,
        approve: async () => undefined,
        isApproved: () => false,
      };
      await work({ ...session, ...approval(session) });
    } catch (error) {
      exitCode = interruption.exitCode() ?? exitCodeOf(error);
      for (const body of errorBodies(error)) bus.emit(body);
    }
    bus.emit({
      type: 'run-finished',
      outcome: exitCode === 0 ? 'ok' : interruption.exitCode() === undefined ? 'failed' : 'cancelled',
      exitCode,
      ...tally.counts(),
      durationMs: clock.now() - begun,
      simulated: rehearsal !== undefined,
      remoteCommands: rehearsal ? {} : Object.fromEntries(machines.map(machine => [machine.host, machine.commands()])),
    });
    await Promise.all(machines.map(machine => machine.close()));
    await bus.close();
    return exitCode;
  } finally {
    interruption.release();
  }
}

async function phasesOf(ids: readonly string[]): Promise<readonly Phase[]> {
  const { phases } = await import('../phases/index.ts');
  return phases.filter(({ id }) => ids.includes(id));
}

function tallied(): {
  readonly sink: EventSink;
  counts(): { readonly steps: number; readonly predictionErrors: number };
} {
  let steps = 0;
  let predictionErrors = 0;
  return {
    sink: {
      handle(event) {
        if (event.type === 'step-finished' && event.outcome === 'done') steps += 1;
        if (event.type === 'prediction') predictionErrors += event.differences.length;
      },
      async close() {},
    },
    counts: () => ({ steps, predictionErrors }),
  };
}

async function connectAll(
  hosts: readonly Host[],
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
  const results = await inLanes(hosts, options.fork, async host => {
    const remote = await connect(host, { timeoutMs: connectTimeoutMs, signal });
    const machine = createMachine(remote, host.role === 'control-plane', {
      vault,
      clock,
      onCommand: round => bus.emit({ type: 'remote-command', host: host.name, ...round }),
    });
    opened.push(machine);
    return machine;
  });
  try {
    return valuesOf(results);
  } catch (error) {
    await Promise.all(opened.map(machine => machine.close()));
    throw error;
  }
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
