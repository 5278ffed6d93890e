// How far downloads are: one line that is drawn over on a terminal, a plain line now and then anywhere else.
import { oneLine } from './text.ts';

export interface DownloadProgress {
  say(text: string): void;
  expect(bytes: number): void;
  got(bytes: number): void;
  /** Clears what is drawn. */
  end(): void;
}

export interface ProgressOptions {
  readonly stderr: { readonly isTTY?: boolean; write(text: string): unknown };
  readonly now: () => number;
}

const drawEveryMs = 200;
const sayEveryMs = 10_000;

export function createProgress({ stderr, now }: ProgressOptions): DownloadProgress {
  const isTty = stderr.isTTY === true;
  let expected = 0;
  let received = 0;
  let last = now();
  const clear = isTty ? '\r\u001b[K' : '';
  const line = () => `${formatBytes(received)} of ${formatBytes(Math.max(expected, received))}`;
  return {
    say(text) {
      stderr.write(`${clear}${oneLine(text)}\n`);
    },
    expect(bytes) {
      expected += bytes;
    },
    got(bytes) {
      received += bytes;
      if (now() - last < (isTty ? drawEveryMs : sayEveryMs)) return;
      last = now();
      stderr.write(isTty ? `${clear}${line()}` : `${line()}\n`);
    },
    end() {
      stderr.write(received > 0 ? `${clear}${formatBytes(received)} fetched\n` : clear);
    },
  };
}

/** '74.9 MiB'. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${step === 0 ? bytes : (bytes / 1024 ** step).toFixed(1)} ${units[step]}`;
}

/** Columns as wide as their widest cell. The last one of numbers stands right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)));
  return rows
    .map(row =>
      row
        .map((cell, column) =>
          column === row.length - 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  '),
    )
    .map(row => `${row.trimEnd()}\n`)
    .join('');
}
