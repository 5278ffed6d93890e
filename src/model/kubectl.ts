// kubectl as it is called on a control plane: with the admin's kubeconfig and a bounded request.

/** The beginning of a command line, for sh. A request that nobody answers ends after `seconds`. */
export function adminKubectl(seconds: number): string {
  return `kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=${seconds}s`;
}
