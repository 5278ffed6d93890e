import { describe, expect, it } from 'vitest';
import { certificateEnds } from '../../src/phases/certificates.ts';
import { caPem } from '../sample.ts';

const api = '/etc/kubernetes/pki/apiserver.crt';

describe('certificateEnds', () => {
  it('gives each file with what is left of its certificate by the machine’s own clock', () => {
    const end = Date.parse('2126-10-29T03:25:53Z');
    const output = `${end / 1000 - 60}\n==> ${api} <==\n${caPem}\n==> /etc/kubernetes/pki/ca.crt <==\n${caPem}`;
    expect(certificateEnds(output)).toEqual([
      { path: api, leftMs: 60_000, end: 'Oct 29 03:25:53 2126 GMT' },
      { path: '/etc/kubernetes/pki/ca.crt', leftMs: 60_000, end: 'Oct 29 03:25:53 2126 GMT' },
    ]);
  });

  it('says so where there is no certificate in the file', () => {
    expect(certificateEnds(`1\n==> ${api} <==\nhalf a fi`)).toEqual([
      { path: api, leftMs: Number.NaN, end: 'not a certificate' },
    ]);
  });
});
