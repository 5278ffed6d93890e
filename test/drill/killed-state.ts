// What a drill that kills homelab has done so far, in the temp folder: an interrupted drill goes on, and what was done is not done again.
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isMissing } from '../lab/files.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';

export interface Outcome {
  readonly step: string;
  readonly delayMs: number;
  /** 'went on', or what the re-run said that had to be typed. */
  readonly ended: string;
  readonly ok: boolean;
}

export interface Killed {
  readonly seed: number;
  /** Of an uninterrupted run: every step, and how long it took. */
  readonly steps: Record<string, number>;
  /** Of each phase that had steps, how long its proofs took. */
  readonly proofs: Record<string, number>;
  readonly baseline: Snapshot;
  readonly chain: Record<string, Outcome>;
  readonly each: Record<string, Outcome>;
  /** How the rounds of the chain ended, those of earlier invocations too. */
  readonly rounds: { readonly text: string; readonly ok: boolean }[];
}

export const stateFile = (drill: string, seed: number): string =>
  path.join(tmpdir(), `homelab-drill-${drill}-${seed}.json`);

export async function readState<T>(drill: string, seed: number): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(stateFile(drill, seed), 'utf8')) as T;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export async function saveState(drill: string, state: { readonly seed: number }): Promise<void> {
  await writeFile(stateFile(drill, state.seed), JSON.stringify(state));
}

export function tableOf(outcomes: Readonly<Record<string, Outcome>>): string {
  return Object.entries(outcomes)
    .map(([name, { step, delayMs, ended, ok }]) => {
      const when = delayMs === 0 ? '' : `+${delayMs} ms`;
      return `${ok ? '✔' : '✖'} ${name.padEnd(46)} ${step.padEnd(52)} ${when.padStart(8)}  ${ended}`;
    })
    .join('\n');
}
