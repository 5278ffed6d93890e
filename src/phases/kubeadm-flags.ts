// The flags that kubeadm itself writes into its static pods, v1.26 to v1.34 (cmd/kubeadm/app/phases/controlplane/manifests.go, etcd/local.go).

const shared =
  'authentication-kubeconfig authorization-kubeconfig bind-address kubeconfig leader-elect port feature-gates';

export const kubeadmFlags: Readonly<Record<string, readonly string[]>> = {
  'kube-apiserver':
    'advertise-address allow-privileged authorization-mode client-ca-file enable-admission-plugins enable-bootstrap-token-auth etcd-cafile etcd-certfile etcd-keyfile etcd-servers insecure-port kubelet-client-certificate kubelet-client-key kubelet-preferred-address-types proxy-client-cert-file proxy-client-key-file requestheader-allowed-names requestheader-client-ca-file requestheader-extra-headers-prefix requestheader-group-headers requestheader-username-headers secure-port service-account-issuer service-account-key-file service-account-signing-key-file service-cluster-ip-range tls-cert-file tls-private-key-file feature-gates'.split(
      ' ',
    ),
  'kube-controller-manager':
    `${shared} allocate-node-cidrs client-ca-file cluster-cidr cluster-name cluster-signing-cert-file cluster-signing-key-file controllers node-cidr-mask-size requestheader-client-ca-file root-ca-file service-account-private-key-file service-cluster-ip-range use-service-account-credentials`.split(
      ' ',
    ),
  'kube-scheduler': shared.split(' '),
  etcd: 'advertise-client-urls cert-file client-cert-auth data-dir experimental-initial-corrupt-check experimental-watch-progress-notify-interval feature-gates initial-advertise-peer-urls initial-cluster initial-cluster-state key-file listen-client-urls listen-metrics-urls listen-peer-urls name peer-cert-file peer-client-cert-auth peer-key-file peer-trusted-ca-file snapshot-count trusted-ca-file watch-progress-notify-interval'.split(
    ' ',
  ),
};
