// The findings as a table for people.
import { isMissed, type Measurement } from './measurement.ts';

export type Outcome =
  | { readonly row: string; readonly title: string; readonly found: readonly Measurement[] }
  | { readonly row: string; readonly title: string; readonly skipped: string }
  | { readonly row: string; readonly title: string; readonly failed: string };

export function renderTable(outcomes: readonly Outcome[]): string {
  return outcomes.map(renderRow).join('\n');
}

/** 'ROW: WHAT is VALUE, budget BUDGET', for every budget that is missed. */
export function misses(outcomes: readonly Outcome[]): readonly string[] {
  return outcomes.flatMap(outcome =>
    'found' in outcome
      ? outcome.found
          .filter(isMissed)
          .map(each => `${outcome.row}: ${each.what} is ${amount(each)}, the budget ${budgetOf(each)}`)
      : [],
  );
}

/** Rows that gave no findings although they should have. */
export function failures(outcomes: readonly Outcome[]): readonly string[] {
  return outcomes.flatMap(outcome => ('failed' in outcome ? [`${outcome.row}: ${outcome.failed}`] : []));
}

function renderRow(outcome: Outcome): string {
  const head = `${outcome.row}: ${outcome.title}`;
  if ('skipped' in outcome) return `${head}\n  skipped: ${outcome.skipped}\n`;
  if ('failed' in outcome) return `${head}\n  failed: ${outcome.failed.split('\n')[0]}\n`;
  const cells = outcome.found.map(each => [
    each.what,
    amount(each),
    budgetOf(each),
    each.budget === undefined ? '' : isMissed(each) ? 'MISSED' : 'ok',
    each.detail ?? '',
  ]);
  const widths = [0, 1, 2, 3].map(column => Math.max(0, ...cells.map(line => line[column]?.length ?? 0)));
  const lines = cells.map(line =>
    line
      .map((cell, column) => (column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return `${head}\n${lines.map(line => `  ${line}\n`).join('')}`;
}

function amount({ value, unit }: Measurement): string {
  const digits = unit === 'commands' || unit === 'steps' || unit === 'MiB' ? 0 : unit === '%' ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

function budgetOf({ budget, unit }: Measurement): string {
  if (budget === undefined) return '';
  return 'atMost' in budget ? `≤ ${budget.atMost} ${unit}` : `≥ ${budget.atLeast} ${unit}`;
}
