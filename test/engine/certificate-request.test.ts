import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCertificateRequest } from '../../src/engine/certificate-request.ts';
import { servingRequestOf } from '../../src/model/world.ts';
import { host } from '../sample.ts';

// Made with `openssl req -new -newkey ec -subj … -addext subjectAltName=…`; nobody has their keys.
const fixture = (name: string) =>
  readFileSync(new URL(`../fixtures/serving-requests/${name}.pem`, import.meta.url), 'utf8');
const pemOf = (der: Buffer) =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
const derOf = (pem: string) => Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64');

describe('a certificate request', () => {
  it('of a kubelet asks for its own name and address', () => {
    expect(parseCertificateRequest(fixture('own'))).toEqual(servingRequestOf(host('k8s-worker1')).asks);
  });

  it('hides no name, whatever its kind', () => {
    expect(parseCertificateRequest(fixture('many'))).toEqual({
      subject: ['O=system:nodes', 'CN=system:node:k8s-worker1', '55040b=x'],
      alternatives: ['DNS:k8s-worker1', 'DNS:kubernetes.default.svc', 'IP:192.168.0.11', 'other', 'other', 'other'],
    });
  });

  it('may ask for no other name, or for more than names', () => {
    expect(parseCertificateRequest(fixture('none'))).toMatchObject({ alternatives: [] });
    expect(parseCertificateRequest(fixture('ca'))).toMatchObject({ alternatives: ['DNS:k8s-worker1', 'other'] });
  });

  it.each([
    ['nothing', ''],
    ['a certificate', fixture('own').replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE')],
    ['two', fixture('own') + fixture('none')],
    ['what goes on behind its end', pemOf(Buffer.concat([derOf(fixture('own')), Buffer.from([0])]))],
    ['an indefinite length', pemOf(Buffer.from([0x30, 0x80, 0, 0]))],
  ])('is not read from %s', (_, pem) => {
    expect(parseCertificateRequest(pem)).toBe('unreadable');
  });

  it('cut off or damaged is unreadable or asks for something else, and nothing is thrown', () => {
    const whole = derOf(fixture('own'));
    for (let length = 0; length < whole.length; length += 1) {
      expect(parseCertificateRequest(pemOf(whole.subarray(0, length)))).toBe('unreadable');
    }
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const damaged = Buffer.from(whole);
        damaged[at] = byte;
        parseCertificateRequest(pemOf(damaged));
      }),
    );
  });
});
