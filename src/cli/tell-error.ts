// An error that ended a command before its run began: printed once, turned into an exit code.
import { CommanderError } from 'commander';
import { exitCodes } from '../model/errors.ts';
import { exitCodeOf } from './exit-code.ts';
import type { Io } from './session.ts';

export async function tellError(error: unknown, io: Io): Promise<number> {
  if (error instanceof CommanderError) {
    // commander has printed it. Help and version are answers, everything else is a usage error.
    return ['commander.helpDisplayed', 'commander.version', 'commander.help'].includes(error.code) &&
      error.exitCode === 0
      ? exitCodes.ok
      : exitCodes.usage;
  }
  // --help ends here too, and must not wait for what it does not print with.
  const [{ createRedactor }, { paletteFor }, { formatError }, { marksFor }] = await Promise.all([
    import('../engine/redact.ts'),
    import('../render/color.ts'),
    import('../render/error.ts'),
    import('../render/marks.ts'),
  ]);
  const redactor = createRedactor();
  io.stderr.write(
    formatError(error, {
      color: await paletteFor(io.stderr, io.env),
      marks: marksFor(io.env),
      redact: redactor.redact,
    }),
  );
  return exitCodeOf(error);
}
