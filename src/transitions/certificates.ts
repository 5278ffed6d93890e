// The control plane's keys on their way to another one: encrypted in the cluster for the length of a join, and taken away again.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Transition } from '../model/plan.ts';
import type { World } from '../model/world.ts';
import { choicesFolder, encryptionPath, madeWith } from './choices.ts';
import { certificateKeySecret, configFunction, keepingOutput } from './kubeadm.ts';
import { renderUploadCerts } from './kubeadm-config.ts';

const kubectl = adminKubectl(20);

/** kubeadm's own name for it. */
const secretName = 'kubeadm-certs';
/** The key that Secrets are encrypted with, beside it: every API server needs the same. */
const keySecret = 'homelab-encryption';

export function uploadCertificates(world: World, host: Host): Transition {
  return {
    kind: 'transition',
    name: 'certificates',
    title: "Lend the control plane's keys, encrypted",
    stage: 'before',
    now: 'absent',
    to: 'lent',
    change: {
      why: 'another control plane is about to join',
      risk: 'safe',
      action: {
        script: `${configFunction(renderUploadCerts(world, host))}config | kubeadm init phase upload-certs --upload-certs --skip-certificate-key-print --config /dev/stdin >/dev/null
${madeWith(world, 'encryption-provider-config', encryptionPath) ? lendKey : ''}`,
        secrets: certificateKeySecret,
        timeoutMs: 60_000,
      },
    },
    predict: before => before,
  };
}

const lendKey = `${kubectl} delete secret -n kube-system --ignore-not-found ${keySecret} >/dev/null
${kubectl} create secret generic -n kube-system ${keySecret} --from-file=key=${encryptionPath} >/dev/null
`;

/**
 * sh, on the machine that joins: kubeadm fetches the CA's keys first and makes an admin's kubeconfig with them; with that the
 * encryption key is fetched, before an API server starts that needs it. The whole join comes after.
 */
export const borrowEncryptionKey = `${['download-certs', 'kubeconfig']
  .map(phase =>
    keepingOutput(`join-${phase}`, `config | kubeadm join phase control-plane-prepare ${phase} --config /dev/stdin`),
  )
  .join('')}install -d -m 700 ${choicesFolder}
install -m 600 /dev/null ${encryptionPath}.new
${kubectl} get secret -n kube-system ${keySecret} -o jsonpath='{.data.key}' | base64 -d > ${encryptionPath}.new
[ -s ${encryptionPath}.new ] || { echo 'homelab: the cluster lends no encryption key' >&2; exit 1; }
mv -fT ${encryptionPath}.new ${encryptionPath}
`;

/** kubeadm itself would leave them for two hours, with a token that says how long. */
export function withdrawCertificates(): Transition {
  return {
    kind: 'transition',
    name: 'certificates-gone',
    title: "Take the control plane's keys back",
    stage: 'after',
    now: 'lent',
    to: 'absent',
    change: {
      why: 'nobody joins any more',
      risk: 'safe',
      action: {
        script: `owner=$(${kubectl} get secret -n kube-system ${secretName} --ignore-not-found -o jsonpath='{.metadata.ownerReferences[0].name}')
${kubectl} delete secret -n kube-system --ignore-not-found ${secretName} ${keySecret} \${owner:+"$owner"} >/dev/null
`,
        timeoutMs: 60_000,
      },
    },
    predict: before => before,
  };
}
