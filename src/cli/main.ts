// The process: arguments in, exit code out. Everything heavy is loaded by the command that needs it.
import { createProgram } from './program.ts';

/** Parses argv, runs, sets process.exitCode and lets the loop drain: process.exit would cut piped output. */
export async function main(argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  // A reader that went away (`| head`, a closed terminal) is no reason to stop half way through a machine: the journal goes on.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    });
  }
  const io = { env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, argv };
  let code = 0;
  const program = createProgram(io, exitCode => {
    code = exitCode;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    const { tellError } = await import('./tell-error.ts');
    code = await tellError(error, io);
  }
  process.exitCode = code;
}
