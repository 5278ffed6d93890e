// How long the certificates of a control plane last: read as they lie there, compared here. One openssl a file is slow.
import { X509Certificate } from 'node:crypto';

/** sh: the machine's time in seconds, then every certificate under its path, as `tail` heads it. */
export const readCertificates = 'date +%s\ntail -n +1 /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt\n';

export interface CertificateEnd {
  readonly path: string;
  /** Not a number when it is no certificate. */
  readonly leftMs: number;
  /** As the certificate says it: 'Nov 22 03:00:00 2027 GMT'. */
  readonly end: string;
}

export function certificateEnds(output: string): readonly CertificateEnd[] {
  const [now, ...files] = output.split(/^==> /m);
  return files.map(file => {
    const [path = '', pem = ''] = file.split(' <==\n');
    const end = endOf(pem);
    return { path, leftMs: Date.parse(end) - Number(now) * 1000, end };
  });
}

function endOf(pem: string): string {
  try {
    return new X509Certificate(pem).validTo;
  } catch {
    return 'not a certificate';
  }
}
