// Where kubernetes.version stands in an inventory's text, or would stand, as a replacement in the text.
import { lineStart } from './hosts-layout.ts';
import type { Splice } from './hosts-splices.ts';
import type { Source } from './yaml.ts';

/** A text says why not. */
export function versionSplices(body: string, source: Source, version: string): readonly Splice[] | string {
  const value = `"${version}"`;
  const found = source.spanOf(['kubernetes', 'version']);
  if (found) return [{ ...found, insert: value }];
  const first = source.firstKeyOf(['kubernetes']);
  if (first === undefined) return 'it has no kubernetes section of its own';
  const start = lineStart(body, first);
  const indent = body.slice(start, first);
  if (!/^ +$/.test(indent)) return 'its kubernetes section stands on one line';
  return [{ from: start, to: start, insert: `${indent}version: ${value}\n` }];
}
