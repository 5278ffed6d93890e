// An error that ended a command before its run began: printed once, turned into an exit code.
import { CommanderError } from 'commander';
import { createRedactor } from '../engine/redact.ts';
import { exitCodes } from '../model/errors.ts';
import { paletteFor } from '../render/color.ts';
import { formatError } from '../render/error.ts';
import { marksFor } from '../render/marks.ts';
import { exitCodeOf, type Io } from './session.ts';

export async function report(error: unknown, io: Io): Promise<number> {
  if (error instanceof CommanderError) {
    // commander has printed it. Help and version are answers, everything else is a usage error.
    return ['commander.helpDisplayed', 'commander.version', 'commander.help'].includes(error.code) &&
      error.exitCode === 0
      ? exitCodes.ok
      : exitCodes.usage;
  }
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
