import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duration, elapsed, escapeControl, hostList, oneLine, truncate } from '../../src/render/text.ts';

describe('text', () => {
  it('keeps line feeds, tabs and every letter, and spells control characters out', () => {
    expect(escapeControl('a\tb\r\nc\u001b[31m한글 ✔\rd\u0000\u202e')).toBe('a\tb\nc\\x1b[31m한글 ✔\\rd\\x00\\u202e');
    expect(oneLine('  two\n   lines\there ')).toBe('two lines here');
  });

  it('never keeps a control character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        expect(escapeControl(text)).not.toMatch(/[^\P{Cc}\n\t]|\p{Bidi_Control}/u);
      }),
    );
  });

  it('writes times as people say them', () => {
    expect([0, 400, 9_949, 9_999, 59_600, 65_000, 3_725_000].map(duration)).toEqual([
      '0.0s',
      '0.4s',
      '9.9s',
      '10s',
      '1m 00s',
      '1m 05s',
      '1h 02m',
    ]);
    expect([-5, 999, 59_999, 60_000].map(elapsed)).toEqual(['0s', '0s', '59s', '1m 00s']);
  });

  it('cuts to columns, wide letters counted twice', () => {
    expect(truncate('0123456789', 10, '…')).toBe('0123456789');
    expect(truncate('0123456789', 9, '…')).toBe('01234567…');
    expect(truncate('한글한글', 6, '…')).toBe('한글…');
  });

  it('names few machines and counts many', () => {
    expect(hostList(['a', 'b'], 2)).toBe('a, b');
    expect(hostList(['a', 'b', 'c', 'd'], 2)).toBe('a and 3 more');
  });
});
