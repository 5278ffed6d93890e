// One thing that is wrong with an inventory, with the place to put the cursor.

export type Path = readonly (string | number)[];

/** What a check has against a value: what was expected instead, and the nearest right spelling. */
export interface Problem {
  readonly expectation: string;
  readonly suggestion?: string | undefined;
}

/** A problem of the value (or of the key itself) at a path; its line is looked up later. */
export interface Finding extends Problem {
  readonly path: Path;
  /** 'key': the key is wrong, not what it holds. 'absence': nothing is there. */
  readonly of?: 'key' | 'absence';
  /** The path as people see it, where a part of the real one may be a secret. */
  readonly shownPath?: Path;
}

/** A problem with its place. Lines and columns count from 1. */
export interface Issue extends Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** 'hosts[0].ssh.port'; '(document)' for the whole. */
  readonly path: string;
}

/** `file:line:column  path  expectation  (did you mean "…"?)`, one line whatever the user's text holds. */
export function renderIssue(issue: Issue): string {
  const guess = issue.suggestion === undefined ? '' : `  (did you mean "${issue.suggestion}"?)`;
  return escapeControls(`${issue.file}:${issue.line}:${issue.column}  ${issue.path}  ${issue.expectation}${guess}`);
}

export function renderPath(path: Path): string {
  if (path.length === 0) return '(document)';
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(part)) return `[${shown(part)}]`;
      return index === 0 ? part : `.${part}`;
    })
    .join('');
}

/** A value as an issue quotes it: in quotes, on one line, not longer than an eye reads. */
export function shown(value: string): string {
  const points = [...value.slice(0, 200)];
  return JSON.stringify(points.length > 60 ? `${points.slice(0, 60).join('')}…` : value);
}

/** Terminal escapes, line breaks, bidi overrides and lone surrogates in user text would forge or garble the output. */
function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
