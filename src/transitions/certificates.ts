// The control plane's keys on their way to another one: encrypted in the cluster for the length of a join, and taken away again.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Transition } from '../model/plan.ts';
import type { World } from '../model/world.ts';
import { certificateKeySecret, configFunction } from './kubeadm.ts';
import { renderUploadCerts } from './kubeadm-config.ts';

const kubectl = adminKubectl(20);

/** kubeadm's own name for it. */
const secretName = 'kubeadm-certs';

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
        script: `${configFunction(renderUploadCerts(world, host))}config | kubeadm init phase upload-certs --upload-certs --skip-certificate-key-print --config /dev/stdin >/dev/null\n`,
        secrets: certificateKeySecret,
        timeoutMs: 60_000,
      },
    },
    predict: before => before,
  };
}

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
${kubectl} delete secret -n kube-system --ignore-not-found ${secretName} $owner >/dev/null
`,
        timeoutMs: 60_000,
      },
    },
    predict: before => before,
  };
}
