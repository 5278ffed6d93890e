// One run from options to exit code: what is loaded, who listens, which machines, and how it ends.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { createEventBus, type EventBus, errorBodies } from '../engine/events.ts';
import { inLanes, valuesOf } from '../engine/lanes.ts';
import { createMachine, type Machine } from '../engine/machine.ts';
import { questionsOf } from '../engine/questions.ts';
import { createRedactor } from '../engine/redact.ts';
import { type Fault, parseFault, rehearse } from '../engine/rehearsal.ts';
import type { RunContext } from '../engine/run.ts';
import { stationOver } from '../engine/station.ts';
import { createVault, type Vault } from '../engine/vault.ts';
import { loadBundle } from '../io/bundle.ts';
import { createRecorder, type Recorder } from '../io/cassette.ts';
import { createJournal, stateDir } from '../io/journal.ts';
import { connectLasting } from '../io/lasting.ts';
import { stepTimes } from '../io/past-runs.ts';
import { createConnect } from '../io/ssh.ts';
import type { Host } from '../model/cluster.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import type { EventSink } from '../model/events.ts';
import type { Clock } from '../model/ports.ts';
import { command } from '../model/shell.ts';
import { version } from '../model/version.ts';
import { type Goal, hostsOf } from '../model/world.ts';
import { createRenderer, type OutputMode } from '../render/choose.ts';
import { exitCodeOf } from './exit-code.ts';
import { onInterrupt } from './signals.ts';
import { oneOf } from './suggest.ts';
import { everything, type Target } from './target.ts';

export interface RunOptions {
  readonly inventory: string;
  readonly output?: OutputMode;
  readonly yes?: boolean;
  readonly bundle?: string;
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly until?: string;
  readonly exclude?: readonly string[];
  /** A folder for the run's cassette. */
  readonly record?: string;
  readonly fork: number;
  /** Take machines that another run holds. */
  readonly stealLock?: boolean;
  readonly rehearse?: boolean;
  readonly fault?: readonly string[];
  readonly trustNewHostKeys?: boolean;
  /** The inventory only says how machines are reached. */
  readonly describe?: boolean;
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
  readonly resolveSecret: Vault['resolve'];
  readonly io: Io;
  readonly options: RunOptions;
}

export type Work = (session: Session) => Promise<unknown>;

/** 'ask': the control planes only. 'mend': machines of a cluster that may be broken, of which nothing but themselves is asked. */
export type Purpose = 'ask' | 'look' | 'change' | 'verify' | 'mend';

const connectTimeoutMs = 30_000;
const clock: Clock = { now: Date.now, sleep: (ms, signal) => delay(ms, undefined, { ...(signal ? { signal } : {}) }) };

/**
 * Runs `work` over all machines of the inventory and resolves with the exit code. Errors before the first event (bad
 * inventory, bad bundle, unknown phase) are thrown: no machine was touched and there is nothing to keep.
 */
export async function runSession(
  purpose: Purpose,
  options: RunOptions,
  io: Io,
  approval: (session: Session) => Pick<RunContext, 'approve' | 'isApproved'>,
  work: Work,
  aim: (inventory: string) => Promise<Target> = everything(options),
): Promise<number> {
  let say = (text: string): void => void io.stderr.write(`${text}\n`);
  const interruption = onInterrupt(text => say(text));
  try {
    const { cluster, about, restore, upgrade, phases: names, isChosen, load } = await aim(options.inventory);
    const bundle =
      options.bundle === undefined ? undefined : await loadBundle(options.bundle, { signal: interruption.stop });
    const goal: Goal = {
      cluster,
      bundle,
      ...(about === undefined ? {} : { about }),
      ...(restore === undefined ? {} : { restore }),
      ...(upgrade === undefined ? {} : { upgrade }),
      ...(options.only === undefined ? {} : { named: options.only.map(place => place.split('/')[0] ?? '') }),
    };
    const hosts = reachable(goal, options, purpose);
    const rehearsal = options.rehearse ? faultsOf(options) : undefined;
    const redactor = createRedactor();
    const run = randomBytes(4).toString('hex');
    const who = whoIs(io);
    const begun = clock.now();
    const journal = createJournal({ stateDir: stateDir(io.env), cluster: cluster.name, run, startedAt: begun });
    const renderer = await createRenderer({
      ...io,
      output: options.output,
      journalPath: journal.path,
      // A rehearsal takes no time: nothing is to be expected of it.
      ...(rehearsal ? {} : { pastTimes: () => stepTimes(stateDir(io.env), cluster.name) }),
    });
    const tally = tallied();
    const bus = createEventBus({ clock, redact: redactor.redact, sinks: [journal, renderer, tally.sink] });
    say = text => bus.emit({ type: 'note', text });
    bus.emit({
      type: 'run-started',
      run,
      command: command('homelab', ...io.argv),
      purpose: purpose === 'ask' ? 'look' : purpose === 'mend' ? 'change' : purpose,
      cluster: cluster.name,
      version,
      simulated: rehearsal !== undefined,
      hosts: hosts.map(host => host.name),
      phases: names.map(({ id, title }) => ({ id, title })),
    });
    const vault = createVault({ env: io.env, readFile: path => readFile(path, 'utf8'), learn: redactor.add });
    const recorder =
      options.record === undefined || rehearsal
        ? undefined
        : createRecorder({ folder: options.record, goal, clock, redact: redactor.redact, run, who });
    let machines: readonly Machine[] = [];
    let exitCode: number = exitCodes.ok;
    try {
      const connecting = rehearsal
        ? rehearse(goal, rehearsal).filter(({ host }) => hosts.some(({ name }) => name === host))
        : connectAll(hosts, goal, options, io, { vault, bus, run, who, recorder, purpose }, interruption.stop);
      // Loaded while the machines answer.
      const loading = load();
      machines = await connecting;
      const session: Session = {
        goal,
        phases: (await loading).filter(phase => names.some(({ id }) => id === phase.id)),
        isChosen,
        machines: new Map(machines.map(machine => [machine.host, machine])),
        bus,
        clock,
        fork: options.fork,
        steal: options.stealLock ?? false,
        stop: interruption.stop,
        abort: interruption.abort,
        rehearsal,
        redact: redactor.redact,
        resolveSecret: vault.resolve,
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
    await recorder?.close();
    await bus.close();
    return exitCode;
  } finally {
    interruption.release();
  }
}

// Asking the control plane something must work while a worker is down; a dead machine is not waited for.
function reachable(goal: Goal, { exclude = [] }: RunOptions, purpose: Purpose): readonly Host[] {
  const all = hostsOf(goal);
  const stranger = exclude.find(name => !all.some(host => host.name === name));
  if (stranger !== undefined) {
    throw new HomelabError('HL_USAGE', `--exclude: no machine of the inventory is called ${JSON.stringify(stranger)}`, {
      hint: oneOf(
        stranger,
        all.map(host => host.name),
      ),
    });
  }
  const left = all.filter(
    host =>
      !exclude.includes(host.name) &&
      !(goal.about?.dead && goal.about.hosts.includes(host)) &&
      (purpose !== 'ask' || host.role === 'control-plane'),
  );
  // Machines of a cluster that has no control plane any more can still be made bare.
  const isAsked = goal.about?.kind !== 'reset' && purpose !== 'mend';
  if (left.some(({ role }) => role === 'control-plane' || !isAsked)) return left;
  throw new HomelabError('HL_USAGE', 'no control plane is left to work with', {
    hint: 'leave one out of --exclude: it is where the cluster is asked',
  });
}

// For the other person who finds a machine taken. A line break would end the record on the machine.
function whoIs({ argv, env }: Io): string {
  const user = env['USER'] ?? env['LOGNAME'] ?? 'somebody';
  return `${user}@${hostname()}: ${command('homelab', ...argv)}`.replaceAll(/\s+/g, ' ').slice(0, 200).trim();
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

interface Parts {
  readonly vault: Vault;
  readonly bus: EventBus;
  readonly run: string;
  readonly who: string;
  readonly recorder: Recorder | undefined;
  readonly purpose: Purpose;
}

async function connectAll(
  hosts: readonly Host[],
  goal: Goal,
  options: RunOptions,
  io: Io,
  { vault, bus, run, who, recorder, purpose }: Parts,
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
    const remote = await connectLasting(connect, host, { timeoutMs: connectTimeoutMs, signal }, clock);
    const questions = purpose === 'mend' ? [] : questionsOf(goal, host);
    const machine = createMachine(stationOver(recorder?.wrap(remote) ?? remote), questions, {
      vault,
      clock,
      run,
      who,
      onNote: text => bus.emit({ type: 'note', text }),
      onCommand: round => bus.emit({ type: 'remote-command', host: host.name, ...round }),
    });
    opened.push(machine);
    return machine;
  });
  try {
    return valuesOf(results);
  } catch (error) {
    await Promise.all(opened.map(machine => machine.close()));
    const missing = hosts.filter((_, index) => results[index]?.status === 'rejected').map(({ name }) => name);
    const lost =
      goal.about?.kind === 'remove' ? goal.about.hosts.find(({ name }) => missing.includes(name)) : undefined;
    if (lost)
      bus.emit({ type: 'note', text: `if ${lost.name} never comes back: homelab remove-node ${lost.name} --dead` });
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
