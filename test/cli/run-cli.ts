// The command line in this process: arguments in; stdout, stderr and exit code out.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from '../../src/cli/program.ts';
import type { Io } from '../../src/cli/session.ts';
import { tellError } from '../../src/cli/tell-error.ts';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Io['env'];
  readonly isTty?: boolean;
}

export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return runWith(argv, options, async io => {
    let code = 0;
    await createProgram(io, exitCode => {
      code = exitCode;
    }).parseAsync([...argv], { from: 'user' });
    return code;
  });
}

/** One command by its function, where more is handed in than a command line can say. */
export async function runWith(
  argv: readonly string[],
  { env = {}, isTty = false }: CliOptions,
  work: (io: Io) => Promise<number>,
): Promise<CliResult> {
  const state = mkdtempSync(join(tmpdir(), 'homelab-cli-'));
  let stdout = '';
  let stderr = '';
  const stream = (write: (text: string) => void): NodeJS.WriteStream => {
    const fake = {
      isTTY: isTty,
      columns: 120,
      write: (text: string) => {
        write(text);
        return true;
      },
    };
    // A whole terminal is more than anybody here uses.
    return fake as unknown as NodeJS.WriteStream;
  };
  const io: Io = {
    env: { HOME: state, XDG_STATE_HOME: state, NO_COLOR: '1', ...env },
    stdin: { isTTY: isTty },
    stdout: stream(text => {
      stdout += text;
    }),
    stderr: stream(text => {
      stderr += text;
    }),
    argv,
  };
  let code = 0;
  try {
    code = await work(io);
  } catch (error) {
    code = await tellError(error, io);
  } finally {
    rmSync(state, { recursive: true });
  }
  return { code, stdout, stderr };
}
