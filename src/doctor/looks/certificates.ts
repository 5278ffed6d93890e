// The certificates that a member lives by. Files that hold a key beside the certificate never leave the machine: only what is public is printed.
import { X509Certificate } from 'node:crypto';
import { iso, type Look, sectionsOf } from './look.ts';

export const certificates: Look = {
  id: 'certificates',
  lane: 'quick',
  facts: ['certificates'],
  script: () => `set --
for path in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt /etc/kubernetes/*.conf /var/lib/kubelet/pki/kubelet-client-current.pem /var/lib/kubelet/pki/kubelet-server-current.pem /var/lib/kubelet/pki/kubelet.crt; do
  [ ! -f "$path" ] || set -- "$@" "$path"
done
[ "$#" -gt 0 ] || exit 0
# The first certificate of a file is its own.
awk 'FNR == 1 { print "@file " FILENAME; seen = 0 }
/^ *client-certificate-data: / { print "@data"; print $2; next }
/^-----BEGIN CERTIFICATE-----/ { seen++ }
seen == 1 && /^-----BEGIN CERTIFICATE-----/, /^-----END CERTIFICATE-----/ { if (seen == 1) print }' "$@"
`,
  parse(output) {
    const sections = sectionsOf(output);
    const read = sections.flatMap(({ word, rest, body }, index) => {
      if (word !== 'file') return [];
      const next = sections[index + 1];
      const pem = next?.word === 'data' ? Buffer.from(next.body.trim(), 'base64').toString('latin1') : body;
      return factsOf(rest, pem);
    });
    // Where the kubelet asks the cluster for what it serves, what it signed itself is history.
    const asks = read.some(({ path }) => path.endsWith('/kubelet-server-current.pem'));
    return { certificates: read.filter(({ path }) => !(asks && path.endsWith('/pki/kubelet.crt'))) };
  },
};

// A kubeconfig without one names a file; what cannot be read is for the process that needs it to complain of.
function factsOf(path: string, pem: string) {
  try {
    const { subject, validFrom, validTo } = new X509Certificate(pem);
    return [
      {
        path,
        subject: (subject ?? '').split('\n').filter(Boolean).join(', '),
        notBefore: iso(Date.parse(validFrom)),
        notAfter: iso(Date.parse(validTo)),
      },
    ];
  } catch {
    return [];
  }
}
