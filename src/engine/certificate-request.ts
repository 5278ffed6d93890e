// The names that a PKCS#10 certificate request asks for (RFC 2986, 5280 §4.2.1.6), read from its DER: Node has no parser for it.
import type { RequestedNames } from '../model/world.ts';

interface Value {
  readonly tag: number;
  readonly bytes: Buffer;
}

const tags = { sequence: 0x30, set: 0x31, oid: 0x06, octets: 0x04, attributes: 0xa0, dns: 0x82, ip: 0x87 } as const;
const oids = {
  '55040a': 'O',
  '550403': 'CN',
  '2a864886f70d01090e': 'extensionRequest',
  '551d11': 'subjectAltName',
} as const;

/** Every name in it, whatever form it has: a kind that is not understood is named, never left out. */
export function parseCertificateRequest(pem: string): RequestedNames | 'unreadable' {
  const body = /^-----BEGIN CERTIFICATE REQUEST-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----\s*$/.exec(
    pem,
  );
  if (!body?.[1]) return 'unreadable';
  try {
    return namesOf(Buffer.from(body[1], 'base64'));
  } catch {
    return 'unreadable';
  }
}

function namesOf(der: Buffer): RequestedNames {
  const [request] = valuesOf(der, 1);
  const [info] = inside(request, tags.sequence);
  const [, subject, , ...attributes] = inside(info, tags.sequence);
  const pairs = inside(subject, tags.sequence).flatMap(part => inside(part, tags.set));
  return {
    subject: pairs.map(pair => {
      const [type, value] = inside(pair, tags.sequence);
      return `${nameOf(type)}=${value?.bytes.toString('utf8') ?? ''}`;
    }),
    alternatives: attributes
      .flatMap(all => inside(all, tags.attributes))
      .flatMap(attribute => {
        const [type, set] = inside(attribute, tags.sequence);
        if (nameOf(type) !== 'extensionRequest') return ['other'];
        return inside(set, tags.set)
          .flatMap(list => inside(list, tags.sequence))
          .flatMap(alternativesOf);
      }),
  };
}

function alternativesOf(extension: Value): readonly string[] {
  const parts = inside(extension, tags.sequence);
  // Between its name and its value may stand whether it is critical.
  const value = parts.at(-1);
  if (nameOf(parts[0]) !== 'subjectAltName' || value?.tag !== tags.octets) return ['other'];
  const [names] = valuesOf(value.bytes, 1);
  return inside(names, tags.sequence).map(({ tag, bytes }) => {
    if (tag === tags.dns) return `DNS:${bytes.toString('latin1')}`;
    if (tag === tags.ip && bytes.length === 4) return `IP:${[...bytes].join('.')}`;
    return 'other';
  });
}

function nameOf(value: Value | undefined): string {
  if (value?.tag !== tags.oid) throw new Error('not an object identifier');
  const hex = value.bytes.toString('hex');
  return Object.hasOwn(oids, hex) ? oids[hex as keyof typeof oids] : hex;
}

function inside(value: Value | undefined, tag: number): readonly Value[] {
  if (value?.tag !== tag) throw new Error('not what stands there');
  return valuesOf(value.bytes);
}

/** The values that follow each other in these bytes, to their end. DER: lengths are definite. */
function valuesOf(bytes: Buffer, count?: number): readonly Value[] {
  const values: Value[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at);
    const first = bytes.readUInt8(at + 1);
    const more = first < 0x80 ? 0 : first - 0x80;
    if (first === 0x80 || more > 4) throw new Error('no definite length');
    const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
    const start = at + 2 + more;
    if (start + length > bytes.length) throw new Error('longer than what holds it');
    values.push({ tag, bytes: bytes.subarray(start, start + length) });
    at = start + length;
  }
  if (count !== undefined && values.length !== count) throw new Error('more than one value');
  return values;
}
