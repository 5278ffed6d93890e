// What init and join share: how kubeadm gets its documents, and what its failures mean.
import type { RemoteAction } from '../model/plan.ts';
import { printing, sh } from '../model/shell.ts';
import { certificateKeyPlace, tokenPlace } from './kubeadm-config.ts';

/** Keys of what kubeadm itself leaves in order: it starts the kubelet, and under our umask its files are root's alone. */
export const settledByKubeadm: readonly string[] = ['unit:kubelet.service', 'permissions:kubeadm-files'];

/** A text as the diff that adds it. */
export function addedLines(text: string): string {
  return text.trimEnd().replace(/^/gm, '+ ');
}

/** What a joining machine shows; the vault makes it for this run. */
export const tokenSecret = { JOIN_TOKEN: { kind: 'run', name: 'join-token' } } as const;

/** What the control plane's keys are encrypted with while they travel to another control plane through the API server. */
export const certificateKeySecret = { CERTIFICATE_KEY: { kind: 'run', name: 'certificate-key' } } as const;

/**
 * sh: defines `config`, which prints the documents with the secrets in their places. kubeadm reads them from its stdin, so they
 * never lie on the machine's disk, and no secret is in any argv.
 */
export function configFunction(documents: string): string {
  const places = [
    [tokenPlace, 'JOIN_TOKEN'],
    [certificateKeyPlace, 'CERTIFICATE_KEY'],
  ].filter(([place = '']) => documents.includes(place));
  return `documents=$(${printing(documents)})
${places.map(([place, name]) => `documents="\${documents%%${place}*}$${name}\${documents#*${place}}"\n`).join('')}config() { printf '%s\\n' "$documents"; }
`;
}

/**
 * sh: a kubelet that runs although its machine belongs to no cluster (a reboot between its package and kubeadm's) listens on the port
 * that kubeadm wants free. kubeadm starts it when its time has come.
 */
export const stopKubelet = 'systemctl stop kubelet.service\n';

/**
 * sh: runs kubeadm with its output in a file. A connection that is cut would otherwise take away the pipe that kubeadm writes
 * to, and kubeadm with it, half way; and what it said is still there afterwards. The umask is kubeadm's alone: the folder that kubectl keeps
 * for itself would have other rights on a machine where a reading came before.
 */
export function keepingOutput(name: string, line: string): string {
  const log = `/var/log/homelab/kubeadm-${name}.log`;
  return `install -d -m 700 /var/log/homelab
[ ! -e ${log} ] || mv ${log} ${log}.before
(umask 077; ${line} >${log} 2>&1) || { code=$?; cat ${log} >&2; exit "$code"; }
`;
}

/** sh: waits until the machine's own node object has its pod subnet; later phases need it. */
export function awaitPodSubnet(kubeconfig: string, node: string): string {
  return `left=60
until [ -n "$(kubectl --kubeconfig ${sh(kubeconfig)} --request-timeout=5s get node ${sh(node)} -o jsonpath='{.spec.podCIDR}' 2>/dev/null)" ]; do
  [ "$left" -gt 0 ] || { echo 'homelab: the controller manager gave this node no pod subnet in 60 s' >&2; exit 1; }
  left=$((left - 1)); sleep 1
done
`;
}

export const kubeadmExplained: NonNullable<RemoteAction['explain']> = [
  {
    pattern: /homelab: cannot reach the API server at (\S+)/,
    message: 'this machine cannot reach the API server at $1',
    hint: 'check the route and every firewall between this machine and the control plane (TCP 6443), then run the same command again',
  },
  {
    pattern: /\[ERROR Port-(\d+)\]/,
    message: 'port $1, which Kubernetes needs, is taken on this machine',
    hint: 'see who has it (sudo ss -ltnp sport = :$1), stop it, then run the same command again',
  },
  {
    pattern: /\[ERROR (FileAvailable|DirAvailable)/,
    message: 'an earlier kubeadm run left its files on this machine',
    hint: 'if no cluster needs this machine: sudo kubeadm reset -f on it, then run the same command again',
  },
  {
    pattern: /could not find a JWS signature|token id \S+ is invalid for this cluster or it has expired/,
    message: 'the join token was gone before the machine had used it',
    hint: 'run the same command again: it makes a new one',
  },
  {
    pattern: /Secret "kubeadm-certs" was not found/,
    message: "the control plane's keys were taken back before the machine had fetched them",
    hint: 'run the same command again: it lends them anew',
  },
  {
    pattern: /\[ERROR ImagePull\]/,
    message: 'an image could not be pulled',
    hint: 'check that this machine reaches registry.k8s.io, or give the images with --bundle DIR',
  },
  {
    pattern: /\[ERROR [A-Za-z0-9-]+\]/,
    message: "kubeadm's own preflight refused",
    hint: 'mend what it names above, then run the same command again',
  },
];
