import { HomelabError, PhaseFailed } from '../model/errors.ts';

/** The process's exit code for a failure; what is not a HomelabError is our bug. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof HomelabError) return error.exitCode;
  if (error instanceof PhaseFailed) return error.errors[0]?.exitCode ?? 1;
  return 1;
}
