// A kubeadm that power or a failure ended half way is gone on with: what homelab began, with the same documents, and nothing else.
import type { Host } from '../model/cluster.ts';
import { shortDigest } from '../model/digest.ts';
import { sh } from '../model/shell.ts';
import { factsOf, type World } from '../model/world.ts';

/** Bare, or left half done by a step of homelab's: a machine that init or join takes. */
export function isNewcomer(world: World, host: Host): boolean {
  const { membership } = factsOf(world, host);
  return membership.state === 'absent' || (membership.state === 'partial' && membership.begun !== undefined);
}

type Begun = 'fresh' | 'again' | { readonly refuse: string; readonly hint: string };

/** Whether this step finds a bare machine, or its own half-done work. Another's is not gone on with. */
export function begunBy(step: keyof typeof left, world: World, host: Host, documents: string): Begun {
  const { membership } = factsOf(world, host);
  if (membership.state === 'absent') return 'fresh';
  if (membership.state !== 'partial') throw new Error(`${host.name} is a member: ${step} has nothing to begin`);
  const { begun, why, hint } = membership;
  if (begun?.step !== step) return { refuse: why, hint };
  if (begun.digest === shortDigest(documents)) return 'again';
  return { refuse: `${why}, and the inventory has changed since`, hint };
}

/** sh: remembers what is begun, on the disk, until `ended`. */
export function beginning(step: keyof typeof left, documents: string): string {
  return `install -d -m 700 /var/lib/homelab
echo ${step} ${shortDigest(documents)} > /var/lib/homelab/begun
sync /var/lib/homelab/begun
`;
}

/** sh: it came to its end. The machine is a member from here on, so this stands before what may still be waited for in vain. */
export const ended = 'rm -f /var/lib/homelab/begun\n';

// What a kubeadm before has left, by the names of its checks (cmd/kubeadm/app/preflight/checks.go).
const ofInit = [
  'DirAvailable--var-lib-etcd',
  ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd'].map(
    name => `FileAvailable--etc-kubernetes-manifests-${name}.yaml`,
  ),
  ...[2379, 2380, 6443, 10250, 10257, 10259].map(port => `Port-${port}`),
];
const left = {
  init: ofInit,
  restore: ofInit,
  join: [
    ...['kubelet.conf', 'bootstrap-kubelet.conf', 'pki-ca.crt'].map(name => `FileAvailable--etc-kubernetes-${name}`),
    'Port-10250',
  ],
} as const;

/** The option for a kubeadm that goes on; empty on a bare machine. */
export function goingOn(step: keyof typeof left, begun: 'fresh' | 'again'): string {
  return begun === 'fresh' ? '' : ` --ignore-preflight-errors=${left[step].join(',')}`;
}

/**
 * sh: waits until a worker whose kubelet was stopped is no longer called Ready, as the API server does for 40 s (50 s from Kubernetes 1.32
 * on). kubeadm takes a Ready node of that name for another machine and refuses to join.
 */
export function awaitNotReady(node: string): string {
  return `left=90
while [ "$left" -gt 0 ] && [ "$(kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=5s get node ${sh(node)} -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ]; do
  left=$((left - 1)); sleep 1
done
`;
}
