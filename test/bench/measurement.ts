// What a row of the benchmark found, and whether it is within its budget.

export interface Measurement {
  readonly what: string;
  readonly value: number;
  readonly unit: 's' | 'ms' | '×' | '%' | 'MiB' | 'commands' | 'steps';
  /** From docs and design: what this value may be at most, or must be at least. */
  readonly budget?: { readonly atMost: number } | { readonly atLeast: number };
  /** How it came about: how many runs, smallest and largest. */
  readonly detail?: string;
}

export function isMissed({ value, budget }: Measurement): boolean {
  if (budget === undefined) return false;
  return 'atMost' in budget ? value > budget.atMost : value < budget.atLeast;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/** Median of ratios pair by pair: what slowed both of a pair down cancels out. */
export function pairedRatio(what: string, ours: readonly number[], theirs: readonly number[]): Measurement {
  const ratios = ours.map((value, index) => value / (theirs[index] ?? Number.NaN));
  return { what, value: median(ratios), unit: '×', detail: spread(ratios, 2) };
}

/** '5 runs, 1.2 to 1.9'. */
export function spread(values: readonly number[], digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length === 1 ? '1 run' : `${values.length} runs, ${least.toFixed(digits)} to ${most.toFixed(digits)}`;
}

/** Wall times in milliseconds as their median in seconds. */
export function seconds(what: string, wallMs: readonly number[]): Measurement {
  const values = wallMs.map(ms => ms / 1000);
  return { what, value: median(values), unit: 's', detail: spread(values, 2) };
}
