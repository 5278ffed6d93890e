// The shape of a check across fields.
import type { Finding, Path } from './issue.ts';

/** Works on an inventory that is wrong elsewhere: what it cannot read it skips. */
export type Rule = (raw: unknown, lineOf: (path: Path) => number) => readonly Finding[];
