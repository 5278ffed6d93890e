// A script on this computer, with its programs and its kubeconfig.
import { execa } from 'execa';
import type { ExecResult } from '../model/ports.ts';

/** Like a machine's: resolves with any exit code, 124 when the deadline struck, 127 where sh has not what it needs. */
export async function runHere(
  script: string,
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ExecResult> {
  const result = await execa('sh', ['-s'], {
    input: script,
    reject: false,
    timeout: limits.timeoutMs,
    cancelSignal: limits.signal,
    maxBuffer: 1024 ** 3,
  });
  return {
    code: result.timedOut ? 124 : (result.exitCode ?? 127),
    stdout: result.stdout ?? '',
    stderr: result.stderr ?? '',
    durationMs: result.durationMs,
  };
}
