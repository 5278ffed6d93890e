// One program, its output and how long it took.
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { HomelabError } from '../../src/model/errors.ts';

export interface Timed {
  readonly wallMs: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TimedOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
}

/** dist/bin/homelab.js, as npm installs it. */
export const homelab = fileURLToPath(new URL('../../bin/homelab.js', import.meta.url));

/** Resolves when it exits with 0; anything else is an error with the end of what it said. */
export async function timed(argv: readonly [string, ...string[]], options: TimedOptions = {}): Promise<Timed> {
  const [file, ...args] = argv;
  const begun = performance.now();
  const { exitCode, stdout, stderr, isCanceled } = await execa(file, args, {
    stdin: 'ignore',
    reject: false,
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  });
  const wallMs = performance.now() - begun;
  if (isCanceled) throw new HomelabError('HL_CANCELLED', 'The benchmark was cancelled');
  if (exitCode === 0) return { wallMs, stdout, stderr };
  throw new HomelabError('HL_STEP_FAILED', `${path.basename(file)} exited with ${exitCode ?? 'a signal'}`, {
    hint: 'run the command above by hand and see what it says',
    context: { command: argv.join(' '), stderr: `${stdout.slice(-2_000)}\n${stderr.slice(-2_000)}`.trim() },
  });
}

/** The repository's folder test/bench: playbook and deploy file are read from the sources. */
export function benchSources(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  return here.includes(`${path.sep}dist${path.sep}`) ? path.resolve(here, '../../../test/bench') : here;
}

export const node = process.execPath;
