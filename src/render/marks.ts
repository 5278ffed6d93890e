// The few symbols that lines start with, and what stands for them where the locale cannot show them.

export type Env = Readonly<Record<string, string | undefined>>;

export interface Marks {
  readonly ok: string;
  readonly failed: string;
  readonly skipped: string;
  readonly running: string;
  readonly more: string;
  readonly spinner: readonly string[];
}

export const unicodeMarks: Marks = {
  ok: '✔',
  failed: '✖',
  skipped: '–',
  running: '›',
  more: '…',
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
};

export const asciiMarks: Marks = {
  ok: '+',
  failed: 'x',
  skipped: '-',
  running: '>',
  more: '...',
  spinner: ['-', '\\', '|', '/'],
};

/** POSIX order: the first of the three that is set and not empty decides. */
export function marksFor(env: Env): Marks {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || 'C';
  return /utf-?8/i.test(locale) ? unicodeMarks : asciiMarks;
}
