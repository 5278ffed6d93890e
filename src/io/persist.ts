// Tries again what only the network can have broken, a few times and ever later; everything else fails at once.
import { setTimeout as delay } from 'node:timers/promises';
import { HomelabError } from '../model/errors.ts';
import type { HttpAnswer } from './http.ts';

/** Thrown by a try that another one may mend. */
export class Transient extends Error {
  override readonly name = 'Transient';
}

export interface Patience {
  readonly tries: number;
  readonly firstPauseMs: number;
}

export const usualPatience: Patience = { tries: 5, firstPauseMs: 500 };

/** `attempt` says by `forgive` that it got further than before: then the count starts again. */
export async function persist<T>(
  what: string,
  patience: Patience,
  signal: AbortSignal,
  attempt: (forgive: () => void) => Promise<T>,
): Promise<T> {
  let failures = 0;
  for (;;) {
    try {
      return await attempt(() => {
        failures = 0;
      });
    } catch (error) {
      if (signal.aborted) throw cancelled();
      if (error instanceof HomelabError) throw error;
      const reason = reasonOf(error);
      failures += 1;
      if (!isTransient(error) || failures >= patience.tries) {
        throw new HomelabError('HL_DOWNLOAD', `${what} could not be fetched: ${reason}`, {
          hint: 'check the network, HTTPS_PROXY and NO_PROXY of this machine, then run the same command again: it goes on from here',
          cause: error,
        });
      }
      await delay(patience.firstPauseMs * 2 ** (failures - 1), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) throw cancelled();
    }
  }
}

/** Undefined for an answer that is an answer; else what it means. */
export async function refuseStatus(answer: HttpAnswer, what: string, ok: readonly number[]): Promise<void> {
  if (ok.includes(answer.status)) return;
  await answer.discard();
  if (answer.status >= 500 || answer.status === 429 || answer.status === 408) {
    throw new Transient(`the server answered ${answer.status}`);
  }
  throw new HomelabError('HL_DOWNLOAD', `${what} could not be fetched: the server answered ${answer.status}`, {
    hint:
      answer.status === 404
        ? 'it is not there: check the version, and the address of the repository or mirror in the inventory'
        : 'check the credentials and the address of the repository or mirror in the inventory',
  });
}

export function cancelled(): HomelabError {
  return new HomelabError('HL_CANCELLED', 'interrupted; what was fetched is kept', {
    hint: 'run the same command again: it goes on from here',
  });
}

// A name that does not exist and a certificate that does not fit stay so.
const forGood =
  /^(ENOTFOUND|ERR_INVALID_URL|ERR_TLS_CERT_ALTNAME_INVALID|CERT_.*|UNABLE_TO_.*|DEPTH_ZERO_.*|SELF_SIGNED_.*|ERR_SSL_.*|ENOSPC|EDQUOT|EACCES|EROFS|ENOENT)$/;

function isTransient(error: unknown): boolean {
  if (error instanceof Transient) return true;
  const code = codeOf(error);
  return code !== undefined && !forGood.test(code);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Several addresses of one name: each failed for itself.
  const inner = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error;
  return inner.message || codeOf(inner) || inner.name;
}
