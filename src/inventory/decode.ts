// Bytes to text, refusing what is not UTF-8 at the byte where it stops being UTF-8.
import { isUtf8 } from 'node:buffer';
import type { Problem } from './issue.ts';
import type { Position } from './position.ts';

/** An inventory of 1000 machines has a tenth of this. */
export const maxBytes = 1024 * 1024;

export type Decoded = { readonly ok: true; readonly text: string } | ({ readonly ok: false } & Position & Problem);

/** Without the byte order mark, which would shift the first line's columns. */
export function decodeUtf8(bytes: Uint8Array): Decoded {
  if (bytes.byteLength > maxBytes) {
    return { ok: false, line: 1, column: 1, expectation: 'expected at most 1 MiB; this is not an inventory' };
  }
  if (!isUtf8(bytes)) return { ok: false, ...firstBadByte(bytes), expectation: notUtf8(bytes) };
  return { ok: true, text: new TextDecoder('utf-8').decode(bytes) };
}

function notUtf8(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const utf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  return utf16
    ? 'expected UTF-8, this is UTF-16: save it as UTF-8'
    : 'expected UTF-8, this byte is not: save it as UTF-8';
}

function firstBadByte(bytes: Uint8Array): Position {
  let start = 0;
  for (let line = 1; ; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.byteLength : newline;
    const part = bytes.subarray(start, end);
    if (!isUtf8(part)) {
      return { line, column: Math.max(0, new TextDecoder('utf-8').decode(part).indexOf('\u{fffd}')) + 1 };
    }
    if (newline === -1) return { line: 1, column: 1 };
    start = newline + 1;
  }
}
