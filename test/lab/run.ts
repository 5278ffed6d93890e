// Runs one program on this machine: its output, or an error that says what it was and what the program said.
import { execa } from 'execa';
import { HomelabError } from '../../src/model/errors.ts';

/** Takes one line of the story; callers decide where it is shown. */
export type Log = (line: string) => void;

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly hint?: string | undefined;
}

/** Exit code and output; a program that cannot be started, was killed or took too long is an error. */
export async function output(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<Output> {
  const [file, ...args] = argv;
  const result = await execa(file, args, {
    ...(options.stdin === undefined ? { stdin: 'ignore' as const } : { input: options.stdin }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    env: { LC_ALL: 'C.UTF-8', ...options.env },
    forceKillAfterDelay: 2_000,
    stripFinalNewline: false,
    reject: false,
  });
  const { exitCode: code, stdout, stderr } = result;
  if (result.isCanceled) throw cancelled();
  if (code !== undefined && !result.timedOut) return { code, stdout, stderr };
  const how = result.timedOut
    ? `took longer than ${Math.round((options.timeoutMs ?? 0) / 1000)} s`
    : `did not run (${result.signal ?? result.code ?? 'unknown reason'})`;
  throw new HomelabError(result.timedOut ? 'HL_STEP_TIMEOUT' : 'HL_STEP_FAILED', `${file} ${how}`, {
    hint: options.hint,
    context: { command: argv.join(' '), stderr },
    cause: result.cause,
  });
}

/** stdout of a program that has to succeed. */
export async function run(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await output(argv, options);
  if (code === 0) return stdout;
  throw new HomelabError('HL_STEP_FAILED', `${argv.slice(0, 3).join(' ')} … exited with ${code}`, {
    hint: options.hint,
    context: { command: argv.join(' '), exitStatus: code, stderr },
  });
}

export interface WaitOptions {
  readonly timeoutMs: number;
  /** Completes the sentence 'Waiting for …'. */
  readonly what: string;
  readonly everyMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly hint?: string | undefined;
}

/** Asks until the answer is neither undefined nor false. */
export async function until<T>(ask: () => Promise<T | undefined | false>, options: WaitOptions): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    if (options.signal?.aborted) throw cancelled();
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() >= deadline) {
      throw new HomelabError(
        'HL_STEP_TIMEOUT',
        `Waiting for ${options.what} took longer than ${Math.round(options.timeoutMs / 1000)} s`,
        { hint: options.hint },
      );
    }
    await pause(options.everyMs ?? 100);
  }
}

/** The pause between two questions of a bounded wait, and the length of a fault. */
export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

export function cancelled(): HomelabError {
  return new HomelabError('HL_CANCELLED', 'The lab command was cancelled', {
    hint: 'npm run lab -- up goes on from here, npm run lab -- down takes everything away',
  });
}
