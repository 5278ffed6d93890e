// What a file says, without what is random by nature: keys, certificates and the kubeconfigs that carry them.
import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';

type Words = (text: string) => string;

/** One line: what must be equal in two machines that were made alike. */
export function contentOf(path: string, content: Buffer, words: Words): string {
  const text = content.toString('utf8');
  if (content.length > 1_000_000 || text.includes('\0')) return `${content.length} bytes ${sum(content)}`;
  if (path.startsWith('/etc/ssh/ssh_host_')) return 'the machine’s own ssh key';
  return /-----BEGIN [A-Z ]+-----/.test(text) && !text.includes('kind: Config')
    ? reduced(text, words)
    : `text ${sum(Buffer.from(reduced(text, words)))}`;
}

/** The text with every key and certificate in it, also in base64, in words. */
export function reduced(text: string, words: Words): string {
  const plain = text
    // kubeconfigs carry PEM in base64.
    .replace(/LS0tLS1CRUdJTi[A-Za-z0-9+/]{40,}={0,2}/g, found => Buffer.from(found, 'base64').toString('utf8'))
    .replace(/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----\n?/g, (pem, kind: string) => `<${pemOf(kind, pem)}>`)
    // The key that Secrets are encrypted with.
    .replace(/^(\s*(?:- )?"?secret"?: *)"?([A-Za-z0-9+/]{16,}={0,2})"?/gm, (_, before: string, secret: string) => {
      return `${before}<${Buffer.from(secret, 'base64').length} bytes>`;
    });
  return words(plain);
}

function pemOf(kind: string, pem: string): string {
  if (kind === 'CERTIFICATE') return certificateOf(new X509Certificate(pem));
  if (!kind.endsWith('KEY')) return kind.toLowerCase();
  const key = kind === 'PUBLIC KEY' ? createPublicKey(pem) : createPrivateKey(pem);
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  return `${key.type} key ${key.asymmetricKeyType} ${modulusLength ?? namedCurve ?? ''}`.trim();
}

const usages: Readonly<Record<string, string>> = { '1.3.6.1.5.5.7.3.1': 'server', '1.3.6.1.5.5.7.3.2': 'client' };

function certificateOf(certificate: X509Certificate): string {
  const oneLine = (name: string) => name.split('\n').join(' ');
  const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000;
  const names = (certificate.subjectAltName ?? '').split(', ').filter(Boolean).sort().join(' ');
  return [
    `certificate ${oneLine(certificate.subject)} by ${oneLine(certificate.issuer)}`,
    ...(certificate.ca ? ['CA'] : []),
    ...(names === '' ? [] : [`for ${names}`]),
    ...(certificate.keyUsage ?? []).map(usage => usages[usage] ?? usage),
    `${Math.round(days)} days`,
  ].join(', ');
}

function sum(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
