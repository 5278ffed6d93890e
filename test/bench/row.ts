// One row of the budget table, and what it is given.
import type { BenchLab } from './lab.ts';
import type { Measurement } from './measurement.ts';

export interface RowContext {
  /** --runs; undefined: each row's own number. */
  readonly runs: number | undefined;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
  /** The lab, made when the first row asks for it. */
  readonly lab: () => Promise<BenchLab>;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  /** Why it cannot run here; undefined: it can. */
  readonly missing: () => Promise<string | undefined>;
  readonly run: (context: RowContext) => Promise<readonly Measurement[]>;
}
