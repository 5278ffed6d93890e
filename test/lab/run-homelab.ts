// Runs the built homelab as a person does, and tells what it said, while it says it.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Json } from '../../src/model/cluster.ts';
import type { RunEvent } from '../../src/model/events.ts';
import { type Failure, failureOf } from '../../src/render/error.ts';

// From the sources (tests) it lies in dist/, from dist/ (tools) beside it.
const [program = ''] = ['../../bin/homelab.js', '../../dist/bin/homelab.js']
  .map(each => fileURLToPath(new URL(each, import.meta.url)))
  .filter(each => existsSync(each));

/** One event of a type, with that type's fields. */
export type EventOf<T extends RunEvent['type']> = Extract<RunEvent, { readonly type: T }>;

export interface HomelabRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Empty without --output json. */
  readonly events: readonly RunEvent[];
  readonly durationMs: number;
}

export interface HomelabProcess {
  readonly ended: Promise<HomelabRun>;
  /** Resolves with the first event that matches, also one that came before; throws when the run ends without it. */
  event<T extends RunEvent['type']>(type: T, matches?: (event: EventOf<T>) => boolean): Promise<EventOf<T>>;
  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
}

/** `home` stands for the person's: journals end up there, and nothing of ~/.ssh of whoever runs the tests is read. */
export async function startHomelab(home: string, args: readonly string[]): Promise<HomelabProcess> {
  await mkdir(home, { recursive: true });
  const begun = performance.now();
  const isJson = !args.includes('--output');
  const child = execa(process.execPath, [program, ...args, ...(isJson ? ['--output', 'json'] : [])], {
    stdin: 'ignore',
    reject: false,
    env: {
      HOME: home,
      XDG_STATE_HOME: path.join(home, 'state'),
      SSH_AUTH_SOCK: undefined,
      KUBECONFIG: undefined,
      NO_COLOR: '1',
    },
    stripFinalNewline: false,
  });
  const events: RunEvent[] = [];
  const listeners = new Set<() => void>();
  let hasEnded = false;
  const tell = (): void => {
    for (const listener of [...listeners]) listener();
  };
  const reading = (async () => {
    for await (const line of child.iterable({ from: 'stdout' })) {
      if (isJson) events.push(JSON.parse(line));
      tell();
    }
  })();
  const ended = (async (): Promise<HomelabRun> => {
    const { exitCode, signal, stdout, stderr } = await child;
    await reading;
    const durationMs = performance.now() - begun;
    hasEnded = true;
    tell();
    if (exitCode === undefined)
      throw new Error(`homelab ${args.join(' ')} was ended by ${signal ?? 'nobody'}: ${stderr}`);
    return { code: exitCode, stdout, stderr, events, durationMs };
  })();
  // Who waits for an event hears of it there; an unhandled rejection would end the tests.
  ended.catch(() => undefined);
  return {
    ended,
    event: (type, matches = () => true) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = eventsOf({ events }, type).find(matches);
          if (found === undefined && !hasEnded) return;
          listeners.delete(look);
          if (found === undefined)
            reject(new Error(`homelab ${args.join(' ')} ended without such a ${type}:\n${tailOf(events)}`));
          else resolve(found);
        };
        listeners.add(look);
        look();
      }),
    signal: name => void child.kill(name),
  };
}

export async function runHomelab(home: string, args: readonly string[]): Promise<HomelabRun> {
  return (await startHomelab(home, args)).ended;
}

export function eventsOf<T extends RunEvent['type']>(
  { events }: Pick<HomelabRun, 'events'>,
  type: T,
): readonly EventOf<T>[] {
  return events.filter((event): event is EventOf<T> => event.type === type);
}

/** The last event of the run; a run without one has not reported itself. */
export function finished(run: HomelabRun): EventOf<'run-finished'> {
  const [found] = eventsOf(run, 'run-finished');
  if (found === undefined) throw new Error(`no run-finished event; exit ${run.code}: ${run.stderr}`);
  return found;
}

/** Every step of the plan as it was first told. */
export function plannedSteps(run: HomelabRun): readonly string[] {
  return eventsOf(run, 'plan')[0]?.steps.map(step => step.id) ?? [];
}

export function stepsWith(run: HomelabRun, outcome: 'done' | 'failed' | 'skipped'): readonly string[] {
  return eventsOf(run, 'step-finished')
    .filter(event => event.outcome === outcome)
    .map(event => event.id);
}

export function failuresOf(run: HomelabRun): readonly Failure[] {
  return eventsOf(run, 'error').map(event => failureOf(event.error as Json));
}

/** What a failed expectation should show: the errors, and where the run stood. */
export function story(run: HomelabRun): string {
  const failures = failuresOf(run).map(({ code, message, stderr, details }) =>
    [`${code}: ${message}`, stderr, ...details].filter(Boolean).join('\n'),
  );
  return `exit ${run.code} after ${Math.round(run.durationMs / 1000)} s\n${failures.join('\n')}\n${run.stderr.slice(-2_000)}\n${tailOf(run.events)}`;
}

function tailOf(events: readonly RunEvent[]): string {
  return events
    .slice(-5)
    .map(event => JSON.stringify(event).slice(0, 400))
    .join('\n');
}
