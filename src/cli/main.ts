// The process: arguments in, exit code out. Everything heavy is loaded by the command that needs it.
import { createProgram } from './program.ts';

/** Parses argv, runs, sets process.exitCode and lets the loop drain: process.exit would cut piped output. */
export async function main(argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  // `homelab plan | head` closes our stdout early; that is no error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const io = { env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, argv };
  let code = 0;
  const program = createProgram(io, exitCode => {
    code = exitCode;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    const { report } = await import('./report.ts');
    code = await report(error, io);
  }
  process.exitCode = code;
}
