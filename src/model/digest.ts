// What tells one text from another where nobody means harm: short enough for a file's name or a line.
import { createHash } from 'node:crypto';

export function shortDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
