// One machine as the engine uses it: look, read, do, prove. Real over SSH, or predicted in a rehearsal.
import { randomBytes } from 'node:crypto';
import type { Json } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import type { Evidence, Probe, RemoteAction, Resource, Step } from '../model/plan.ts';
import type { Clock, ExecResult } from '../model/ports.ts';
import { printing } from '../model/shell.ts';
import type { Facts } from '../model/world.ts';
import { clockFragment, factFragments, factsTimeoutMs, parseReading, type Reading } from './facts.ts';
import { type FenceReading, fenceFragment, type LeftWork } from './fence.ts';
import { deadlineMark } from './fence-script.ts';
import { type Fragment, type Frame, joinFragments, splitFrames } from './frames.ts';
import type { Station } from './station.ts';
import type { Vault } from './vault.ts';
import { createWorker } from './worker.ts';

export type ReadProbe = Extract<Probe, { readonly kind: 'read' }>;

/** What a claim goes by: what was read last. */
export type Seen = { readonly facts: Pick<Facts, 'bootId'>; readonly fence: FenceReading };

export interface Machine {
  readonly host: string;
  /** Remote commands so far; uploads count. */
  commands(): number;
  observe(signal: AbortSignal): Promise<Reading>;
  read(resources: readonly Resource[], signal: AbortSignal): Promise<ReadonlyMap<string, Json>>;
  /** Takes the machine for this run, as it was read last. */
  claim(reading: Seen, steal: boolean, signal: AbortSignal): Promise<void>;
  run(step: Step, signal: AbortSignal): Promise<void>;
  /** Waits for what an interrupted run began. */
  wait(work: LeftWork, signal: AbortSignal): Promise<ExecResult>;
  release(): Promise<void>;
  prove(probes: readonly ReadProbe[], signal: AbortSignal): Promise<readonly Evidence[]>;
  exec(script: string, timeoutMs: number, signal: AbortSignal): Promise<ExecResult>;
  close(): Promise<void>;
}

const readTimeoutMs = 120_000;
/** Above the longest deadline of a step, a drain's of a day: the unit's own one ends the wait. */
const waitTimeoutMs = 25 * 3_600_000;

export interface MachineOptions {
  readonly vault: Vault;
  readonly clock: Clock;
  /** Told of every round trip. */
  readonly onCommand: (command: { readonly what: string; readonly durationMs: number }) => void;
  readonly onNote: (text: string) => void;
  /** This run's name, and who it is for people. */
  readonly run: string;
  readonly who: string;
}

/** A machine that is there. `questions` are asked in the reading too: a control plane is asked what its API server knows. */
export function createMachine(
  station: Station,
  questions: readonly Fragment[],
  { vault, clock, onCommand, onNote, run, who }: MachineOptions,
): Machine {
  const { host } = station;
  const worker = createWorker(station, { run, who, clock, onNote });
  let commands = 0;
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    commands += 1;
    const begun = clock.now();
    try {
      return await work();
    } finally {
      onCommand({ what, durationMs: clock.now() - begun });
    }
  };
  const variables = async (secrets: RemoteAction['secrets'] = {}): Promise<string> => {
    const lines = Object.entries(secrets).map(
      async ([name, ref]) => `${name}=$(${printing(await vault.resolve(ref))})\n`,
    );
    return (await Promise.all(lines)).join('');
  };
  const ask = async (
    what: string,
    fragments: readonly Fragment[],
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Frame>> => {
    const mark = `@${randomBytes(9).toString('hex')}`;
    const script = joinFragments(fragments, mark);
    const result = await timed(what, () => worker.again(() => station.exec(script, { timeoutMs, signal }), signal));
    if (result.code === 124) {
      throw new HomelabError('HL_OBSERVE', `${host} did not finish answering within ${timeoutMs / 1000} s`, {
        context: { host, stderr: result.stderr },
        hint: `see what it is busy with (ssh ${host}, then top), then run the same command again`,
      });
    }
    return splitFrames(result, fragments, mark);
  };
  const kept = new Map<string, Frame>();
  return {
    host,
    commands: () => commands,
    async observe(signal) {
      const sentMs = clock.now();
      const open = questions.filter(({ id }) => !kept.has(id));
      const said = await ask(
        'facts',
        [...factFragments, fenceFragment, ...open, clockFragment],
        factsTimeoutMs,
        signal,
      );
      for (const { id, once } of open) {
        const frame = said.get(id);
        if (once && frame) kept.set(id, frame);
      }
      const frames = new Map([...kept, ...said]);
      return parseReading(host, run, frames, sentMs, clock.now());
    },
    async read(resources, signal) {
      if (resources.length === 0) return new Map();
      const frames = await ask(
        'states',
        await Promise.all(
          resources.map(async ({ key, read, secrets }) => ({ id: key, script: `${await variables(secrets)}${read}` })),
        ),
        readTimeoutMs,
        signal,
      );
      return new Map(resources.map(resource => [resource.key, stateFrom(host, resource, frames.get(resource.key))]));
    },
    claim: (reading, steal, signal) =>
      timed('claim', () => worker.claim({ reading: reading.fence, bootId: reading.facts.bootId }, steal, signal)),
    wait: (work, signal) =>
      timed(`${work.step} of ${work.run}`, () =>
        worker.again(() => station.wait(work.unit, { timeoutMs: waitTimeoutMs, signal }), signal),
      ),
    release: () => timed('release', () => worker.release()),
    async run(step, signal) {
      const { action } = step;
      for (const upload of action.uploads ?? []) {
        await timed(`${step.id} upload`, () => worker.upload(upload, action.timeoutMs, signal));
      }
      const script = `set -eu\n${await variables(action.secrets)}${action.script}`;
      const result = await timed(step.id, () => worker.work(step.id, script, action.timeoutMs, signal));
      if (result.code !== 0) throw stepFailure(step, result);
    },
    async prove(probes, signal) {
      if (probes.length === 0) return [];
      // One after the other: two that wait their whole time are two failed proofs, not a machine that does not answer.
      const timeoutMs = probes.reduce((sum, probe) => sum + probe.timeoutMs, 30_000);
      // Probes that ask the very same share one answer: a list of nodes is fetched once, whoever looks at it.
      const scripts = [...new Set(probes.map(({ script }) => script))];
      const frames = await ask(
        'evidence',
        // Numbered: probes of several phases travel together, and their ids are unique within a phase only.
        scripts.map((script, index) => ({ id: String(index), script })),
        timeoutMs,
        signal,
      );
      return probes.map(probe => evidenceOf(probe, frames.get(String(scripts.indexOf(probe.script)))));
    },
    exec: (script, timeoutMs, signal) => timed('probe', () => worker.exec(script, timeoutMs, signal)),
    close: () => worker.close(),
  };
}

function stateFrom(host: string, resource: Resource, frame: Frame | undefined): Json {
  const failure = (cause: unknown) =>
    new HomelabError('HL_OBSERVE', `${resource.key} could not be read on ${host}`, {
      context: {
        host,
        command: resource.read.trim(),
        stderr: frame ? frame.stderr || frame.stdout : 'no answer',
        ...(frame ? { exitStatus: frame.code } : {}),
      },
      hint: `run the command above on ${host} as root and see what it says`,
      cause,
    });
  if (frame?.code !== 0) throw failure(undefined);
  try {
    return resource.parse(frame.stdout);
  } catch (cause) {
    throw failure(cause);
  }
}

function evidenceOf(probe: ReadProbe, frame: Frame | undefined): Evidence {
  const { id, host, title, expected, reproduce, hint } = probe;
  const judged = frame ? probe.judge(frame) : { ok: false, observed: 'no answer' };
  return { id, host, title, expected, reproduce, ...(judged.ok ? {} : { hint }), ...judged };
}

/** What a known failure means. */
export function explanationOf(
  explain: RemoteAction['explain'],
  stderr: string,
): { readonly message: string; readonly hint: string } | undefined {
  for (const { pattern, message, hint } of explain ?? []) {
    const match = pattern.exec(stderr);
    if (!match) continue;
    const filled = (text: string) => text.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? '');
    return { message: filled(message), hint: filled(hint) };
  }
  return undefined;
}

function stepFailure(step: Step, result: ExecResult): HomelabError {
  // 124 alone may be the exit code of something inside the script.
  const isTimeout =
    result.code === 124 && (result.durationMs >= step.action.timeoutMs || result.stderr.includes(deadlineMark));
  const known = explanationOf(step.action.explain, result.stderr);
  const reason = known
    ? known.message
    : isTimeout
      ? `it did not end within ${step.action.timeoutMs / 1000} s`
      : `exit ${result.code}`;
  return new HomelabError(
    isTimeout ? 'HL_STEP_TIMEOUT' : 'HL_STEP_FAILED',
    `${step.title} on ${step.host} failed: ${reason}`,
    {
      context: {
        host: step.host,
        step: step.id,
        exitStatus: result.code,
        afterMs: result.durationMs,
        stderr: result.stderr || result.stdout,
      },
      hint: known?.hint ?? 'mend what the machine says above, then run the same command again: it goes on from here',
    },
  );
}
