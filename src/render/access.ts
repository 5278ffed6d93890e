// The access table: what, where, and below it what to type.
import type { AccessRow } from '../model/access.ts';
import type { Palette } from './color.ts';
import { oneLine } from './text.ts';

export function accessLines(rows: readonly AccessRow[], color: Palette): readonly string[] {
  const width = Math.max(...rows.map(({ what }) => what.length), 0);
  return rows.flatMap(({ what, where, type }) => [
    `${color.bold(oneLine(what).padEnd(width))}  ${oneLine(where)}`,
    ...(type === undefined ? [] : [`${' '.repeat(width)}  ${color.dim('$')} ${oneLine(type)}`]),
  ]);
}
