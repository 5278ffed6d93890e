// What `homelab certs` says of a machine's certificates: who signs and renews each, how long it lasts, whether it is the one in use. Pure.
import type {
  Certificate,
  CertificateState,
  FileCertificate,
  ListedCertificate,
  MachineCertificates,
  ServingProcess,
} from '../model/certificates.ts';
import {
  dayMs,
  dayOf,
  isCa,
  isForeign,
  kubeletClient,
  kubeletServing,
  readerOf,
  renewedAs,
} from '../resources/certificates.ts';
import { components } from '../resources/control-plane-process.ts';

const soonDays = 30;

interface Verdict {
  readonly state: CertificateState;
  readonly remark?: string;
}

/** Files first, then what is served and lies in no file. */
export function listCertificates(host: string, read: MachineCertificates): readonly ListedCertificate[] {
  const files = read.files.map(file => ({
    host,
    path: file.path,
    ...factsOf(file.certificate, read.clockMs),
    renewedBy: renewerOf(file, read),
    ...verdictOf(file, read),
  }));
  const inMemory = read.processes.flatMap(({ component, port, served, startedMs }) =>
    servedFile(component, read) === undefined
      ? [
          {
            host,
            path: `${component} :${port}`,
            ...factsOf(served, read.clockMs),
            renewedBy: component === 'kubelet' ? 'its owner' : 'itself, when it starts',
            ...(served
              ? lasting(served, read.clockMs)
              : startedMs === undefined
                ? notServed(component, port)
                : { state: 'unreadable' as const, remark: 'it answers without a certificate' }),
          },
        ]
      : [],
  );
  return [...files, ...inMemory];
}

function factsOf(certificate: Certificate | undefined, clockMs: number) {
  if (!certificate) return { subject: '', signer: '', endsAt: null, daysLeft: null };
  const { subject, signer, endsMs } = certificate;
  return { subject, signer, endsAt: new Date(endsMs).toISOString(), daysLeft: Math.floor((endsMs - clockMs) / dayMs) };
}

function renewerOf(file: FileCertificate, { keys, processes }: MachineCertificates): string {
  const { path } = file;
  // A worker never has the key.
  const isKept = keys.includes(path) || !processes.some(({ component }) => component === 'kube-apiserver');
  if (isCa(path)) return isKept ? 'nobody: kubeadm renews no CA' : 'its owner: the key is not here';
  if (renewedAs(file, keys) !== undefined) return 'homelab certs renew';
  if (isForeign(file, keys)) return 'its owner';
  if (path === kubeletClient || path === '/etc/kubernetes/kubelet.conf') return 'the kubelet';
  if (path === kubeletServing[0]) return 'the kubelet; homelab bootstrap approves';
  if (path === kubeletServing[1]) return 'nobody: without the file a new kubelet makes another';
  return 'its owner';
}

// Worst first.
function verdictOf(file: FileCertificate, read: MachineCertificates): Verdict {
  const { path, certificate, writtenMs } = file;
  if (!certificate) return { state: 'unreadable', remark: 'it holds no certificate' };
  const own = lasting(certificate, read.clockMs);
  const process = read.processes.find(({ component }) => servedFile(component, read) === path);
  const differs = process && servedOtherwise(process, certificate, read.clockMs);
  if (own.state === 'over' && path === kubeletClient) return { ...own, remark: 'the kubelet does not start with it' };
  if (own.state === 'over') return differs ? { ...own, remark: differs.remark ?? '' } : own;
  if (differs) return differs;
  const reader = process ? undefined : read.processes.find(({ component }) => component === readerOf(path));
  if (reader?.startedMs !== undefined && reader.startedMs + 1000 < writtenMs)
    return { state: 'not loaded', remark: `${reader.component} runs since before it was written` };
  return own;
}

function servedOtherwise(
  { component, port, served }: ServingProcess,
  file: Certificate,
  clockMs: number,
): Verdict | undefined {
  if (!served) return notServed(component, port);
  if (served.fingerprint === file.fingerprint) return undefined;
  const isOver = served.endsMs <= clockMs;
  return {
    state: 'served differs',
    remark: `${component} still serves one that ${isOver ? 'ended' : 'ends'} ${dayOf(served.endsMs)}`,
  };
}

function notServed(component: string, port: number): Verdict {
  return { state: 'not served', remark: `nothing answers on ${port}, where ${component} should` };
}

function lasting({ endsMs }: Certificate, clockMs: number): Verdict {
  const leftMs = endsMs - clockMs;
  return { state: leftMs <= 0 ? 'over' : leftMs < soonDays * dayMs ? 'ends soon' : 'ok' };
}

// The kubelet of an owner who gave it another file shows what lies in none of these.
function servedFile(component: string, { files, processes }: MachineCertificates): string | undefined {
  if (component !== 'kubelet') return components.find(({ name }) => name === component)?.serves;
  const served = processes.find(each => each.component === component)?.served;
  const file = files.find(({ path }) => kubeletServing.some(each => each === path));
  const isOurs = served === undefined || served.subject === file?.certificate?.subject;
  return isOurs ? file?.path : undefined;
}
