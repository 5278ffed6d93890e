// etcdctl as it is called on a control plane: the one in etcd's own image, with the certificates of its health check.

/** sh: defines `etcdctl`. Runs in the running etcd's own files: no kubelet, no API server and no tool on the machine is needed. */
export const etcdctl = `etcdctl() {
  chroot "/proc/$(pgrep -ox etcd)/root" /usr/local/bin/etcdctl --endpoints=https://127.0.0.1:2379 --command-timeout=5s \\
    --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key "$@"
}`;
