// Source offsets to lines and columns, the way editors count them.

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units: what `code --goto file:line:column` takes. */
  readonly column: number;
}

/** CRLF, LF and a lone CR each end a line: YAML and js-yaml see it so. */
export function positionsIn(text: string): (offset: number) => Position {
  const starts = [0];
  for (const match of text.matchAll(/\r\n|\n|\r/g)) starts.push(match.index + match[0].length);
  return offset => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: Math.max(0, offset - (starts[low] ?? 0)) + 1 };
  };
}
