// The certificates of a member: how they are read, and kubeadm's own renewed. Private keys are never read out.
import { X509Certificate } from 'node:crypto';
import type { Certificate, FileCertificate, MachineCertificates, ServingProcess } from '../model/certificates.ts';
import type { Remark, Resource } from '../model/plan.ts';
import { command } from '../model/shell.ts';
import { components, lookAtProcesses } from './control-plane-process.ts';
import { defineResource, defineSight } from './resource.ts';

const pki = '/etc/kubernetes/pki';
const kubeletPki = '/var/lib/kubelet/pki';
export const kubeletClient = `${kubeletPki}/kubelet-client-current.pem`;
export const kubeletServing = [`${kubeletPki}/kubelet-server-current.pem`, `${kubeletPki}/kubelet.crt`] as const;

/** What `kubeadm certs renew` knows, by its names there. */
const names: Readonly<Record<string, { readonly name: string; readonly ca: string }>> = {
  '/etc/kubernetes/admin.conf': { name: 'admin.conf', ca: `${pki}/ca.crt` },
  '/etc/kubernetes/super-admin.conf': { name: 'super-admin.conf', ca: `${pki}/ca.crt` },
  '/etc/kubernetes/controller-manager.conf': { name: 'controller-manager.conf', ca: `${pki}/ca.crt` },
  '/etc/kubernetes/scheduler.conf': { name: 'scheduler.conf', ca: `${pki}/ca.crt` },
  [`${pki}/apiserver.crt`]: { name: 'apiserver', ca: `${pki}/ca.crt` },
  [`${pki}/apiserver-kubelet-client.crt`]: { name: 'apiserver-kubelet-client', ca: `${pki}/ca.crt` },
  [`${pki}/front-proxy-client.crt`]: { name: 'front-proxy-client', ca: `${pki}/front-proxy-ca.crt` },
  [`${pki}/apiserver-etcd-client.crt`]: { name: 'apiserver-etcd-client', ca: `${pki}/etcd/ca.crt` },
  [`${pki}/etcd/server.crt`]: { name: 'etcd-server', ca: `${pki}/etcd/ca.crt` },
  [`${pki}/etcd/peer.crt`]: { name: 'etcd-peer', ca: `${pki}/etcd/ca.crt` },
  [`${pki}/etcd/healthcheck-client.crt`]: { name: 'etcd-healthcheck-client', ca: `${pki}/etcd/ca.crt` },
};

export const dayMs = 24 * 3600 * 1000;

/** sh: the clock, every certificate with the time of its file, which CAs have their key there. */
const readFiles = `echo "clock $(date +%s)"
for path in ${pki}/*.crt ${pki}/etcd/*.crt /etc/kubernetes/*.conf ${command(kubeletClient, ...kubeletServing)}; do
  [ -f "$path" ] || continue
  case $path in
    *.conf) said=$(sed -n 's/^ *client-certificate-data: *//p' "$path" | head -n 1 | base64 -d 2>/dev/null) || said= ;;
    *) said=$(sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' "$path") ;;
  esac
  echo "file $(stat -L -c %Y "$path") $path"
  printf '%s\\n' "$said"
done
for path in ${command(`${pki}/ca`, `${pki}/front-proxy-ca`, `${pki}/etcd/ca`)}; do
  [ ! -e "$path.key" ] || echo "key $path.crt"
done
`;

/** sh: the same, and what every process of the member serves. */
export const readCertificates = `${readFiles}${lookAtProcesses}`;

export function parseCertificates(output: string): MachineCertificates {
  const sections = output.split(/^(?=(?:clock|file|key|process) )/m).map(section => {
    const [head = '', ...rest] = section.split('\n');
    const [kind = '', ...words] = head.split(' ');
    return { kind, words, pem: pemOf(rest.join('\n')) };
  });
  const of = (kind: string) => sections.filter(section => section.kind === kind);
  const files = of('file').map(({ words: [written = '', ...path], pem }) => ({
    path: path.join(' '),
    writtenMs: Number(written) * 1000,
    pem,
  }));
  const cas = files.flatMap(({ path, pem }) => (isCa(path) && pem ? [{ path, pem }] : []));
  const facts = (pem: X509Certificate | undefined) => pem && factsOf(pem, cas);
  return {
    clockMs: Number(of('clock')[0]?.words[0]) * 1000,
    // A kubeconfig without one names a file; where the kubelet asks the cluster for what it serves, what it signed itself is history.
    files: files
      .filter(({ path, pem }) => pem || !path.endsWith('.conf'))
      .filter(({ path }) => path !== kubeletServing[1] || !files.some(each => each.path === kubeletServing[0]))
      .map(({ path, writtenMs, pem }) => ({ path, writtenMs, certificate: facts(pem) })),
    keys: of('key').map(({ words }) => words.join(' ')),
    processes: of('process').map(({ words: [component = '', port = '', started = ''], pem }): ServingProcess => {
      const startedMs = started === 'none' ? undefined : Number(started) * 1000;
      return { component, port: Number(port), startedMs, served: facts(pem) };
    }),
  };
}

export function isCa(path: string): boolean {
  return /\/(?:front-proxy-)?ca\.crt$/.test(path);
}

/** The name that kubeadm renews it by; undefined for what is not kubeadm's, or whose CA is kept elsewhere. */
export function renewedAs({ path, certificate }: FileCertificate, keys: readonly string[]): string | undefined {
  const known = names[path];
  if (!known || !keys.includes(known.ca)) return undefined;
  // One that cannot be read, or was put there by somebody else, is not overwritten.
  return certificate?.signer === known.ca ? known.name : undefined;
}

/** Files of kubeadm's that somebody else answers for. */
export function isForeign(file: FileCertificate, keys: readonly string[]): boolean {
  return names[file.path] !== undefined && renewedAs(file, keys) === undefined;
}

/**
 * What kubeadm renews and was not renewed within a day: a run that was cut off goes on where it was. With `withinDays` only what ends
 * within that time.
 */
export function dueFiles(read: MachineCertificates, withinDays: number | undefined): readonly FileCertificate[] {
  return read.files.filter(file => {
    if (renewedAs(file, read.keys) === undefined) return false;
    const leftMs = (file.certificate?.endsMs ?? 0) - read.clockMs;
    if (leftMs <= 0) return true;
    const isOld = read.clockMs - file.writtenMs >= dayMs;
    return isOld && (withinDays === undefined || leftMs < withinDays * dayMs);
  });
}

export const renewedKey = 'certificates:kubeadm';

/** The state: names of what is to be renewed. */
export function renewed(withinDays: number | undefined): Resource {
  return defineResource<readonly string[]>({
    key: renewedKey,
    name: 'renew',
    title: 'Renew its certificates',
    read: readFiles,
    parse(output) {
      const read = parseCertificates(output);
      return dueFiles(read, withinDays).flatMap(file => {
        const name = renewedAs(file, read.keys);
        const end = file.certificate ? dayOf(file.certificate.endsMs) : '';
        return name === undefined ? [] : [`${name} ${end}`];
      });
    },
    blank: [],
    desired: [],
    differences: due => due.map(each => each.replace(' ', ' ends ')),
    act: due => ({
      diff: due.map(each => `- ${each}\n+ ${each.split(' ')[0]} for as long as kubeadm gives`).join('\n'),
      risk: 'disruptive',
      action: {
        script: `umask 077
install -d -m 700 /var/log/homelab
for name in ${command(...due.map(each => each.split(' ')[0] ?? ''))}; do
  kubeadm certs renew "$name"
done >/var/log/homelab/kubeadm-renew.log 2>&1 || { code=$?; cat /var/log/homelab/kubeadm-renew.log >&2; exit "$code"; }
`,
        timeoutMs: 900_000,
      },
    }),
  });
}

/** What the renewal leaves alone, and why. */
export function notRenewed(): Resource {
  return defineSight<readonly string[]>({
    key: 'certificates:foreign',
    name: 'not-renewed',
    read: readFiles,
    parse: output => remarksOf(parseCertificates(output)).map(remark => JSON.stringify(remark)),
    blank: [],
    remarks: said => said.map(each => JSON.parse(each) as Remark),
  });
}

function remarksOf({ files, keys, clockMs }: MachineCertificates): readonly Remark[] {
  const foreign = files.filter(file => isForeign(file, keys));
  const ofCas = files.filter(({ path }) => isCa(path));
  const over = ofCas.filter(({ certificate }) => certificate && certificate.endsMs <= clockMs);
  const ending = ofCas.filter(each => !over.includes(each) && (each.certificate?.endsMs ?? 0) - clockMs < 365 * dayMs);
  const kubelet = files.find(({ path }) => path === kubeletClient)?.certificate;
  return [
    ...foreign.map(
      ({ path, certificate }): Remark => ({
        kind: 'note',
        text: `${path} is not renewed: ${certificate ? `it is signed by ${certificate.signer}, whose key is not there` : 'it is no certificate'}; its owner renews it`,
      }),
    ),
    ...ending.map(
      ({ path, certificate }): Remark => ({
        kind: 'note',
        text: `${path} ends ${certificate ? dayOf(certificate.endsMs) : 'at a time unknown'} and kubeadm renews no CA: everything that it signed ends with it`,
      }),
    ),
    ...over.map(
      ({ path, certificate }): Remark => ({
        kind: 'refusal',
        id: path.slice(pki.length + 1).replaceAll('/', '-'),
        reason: `the CA ${path} has ended (${dayOf(certificate?.endsMs ?? 0)}), and nothing that it signs is valid any more`,
        hint: 'kubeadm renews no CA: see "Manual Rotation of CA Certificates" in the documentation of Kubernetes',
      }),
    ),
    // Where the key is, it is given another.
    ...(kubelet && kubelet.endsMs <= clockMs && !keys.includes(`${pki}/ca.crt`)
      ? [
          {
            kind: 'refusal' as const,
            id: 'kubelet',
            reason: `the kubelet's own certificate has ended (${dayOf(kubelet.endsMs)}): it starts no more, and nothing would start what is restarted`,
            hint: `whoever has the CA's key signs another for it (${kubelet.subject}); it belongs into ${kubeletClient}`,
          },
        ]
      : []),
  ];
}

/** '2027-11-22'. */
export function dayOf(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 10) : 'at a time unknown';
}

/** Who restarts when this file is renewed. */
export function readerOf(path: string): string | undefined {
  return components.find(({ files }) => files.includes(path))?.name;
}

function pemOf(text: string): X509Certificate | undefined {
  const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text)?.[0];
  try {
    return pem === undefined ? undefined : new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function factsOf(
  pem: X509Certificate,
  cas: readonly { readonly path: string; readonly pem: X509Certificate }[],
): Certificate {
  const { subject, issuer, validTo, fingerprint256 } = pem;
  const isOf = (ca: X509Certificate) => pem.checkIssued(ca) && pem.verify(ca.publicKey);
  const signer = isOf(pem) ? 'itself' : (cas.find(ca => isOf(ca.pem))?.path ?? oneLine(issuer));
  return { subject: oneLine(subject), signer, endsMs: Date.parse(validTo), fingerprint: fingerprint256 };
}

function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').filter(Boolean).join(', ');
}
