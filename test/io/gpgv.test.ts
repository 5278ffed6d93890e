import { describe, expect, test, vi } from 'vitest';
import { verifySigned, withoutArmor } from '../../src/io/gpgv.ts';

const signal = new AbortController().signal;

describe('gpgv', () => {
  test('that this machine has not is told by no text at all', async () => {
    vi.stubEnv('PATH', '/nowhere');
    try {
      expect(await verifySigned({ of: 'x', text: Buffer.from('x'), key: '' }, signal)).toBeUndefined();
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test('reads keys without their armor: headers, checksums and several blocks', () => {
    const block = (headers: string, body: string, sum: string) =>
      `-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n${headers}\r\n${body}\r\n${sum}-----END PGP PUBLIC KEY BLOCK-----\r\n`;
    const text = Buffer.from('first').toString('base64');
    const other = Buffer.from('second').toString('base64');
    const both = `${block('Version: 1\r\nComment: x\r\n', text, '=abcd\r\n')}${block('', other, '')}`;
    expect(withoutArmor(both).toString()).toBe('firstsecond');
  });
});
