// Why something is checked before it begins, and why it is refused: what `homelab explain` tells of the ids that stand in [brackets].
// A new check or refusal is one entry here; a test says which is missing. What was found, and what to type, the check itself says.
import type { Stuck } from '../../upgrade/simulation.ts';

export interface ExplainedCheck {
  readonly why: string;
  readonly source: string;
}

const preflight = 'kubernetes/kubernetes cmd/kubeadm/app/preflight/checks.go';
const skew = 'https://kubernetes.io/releases/version-skew-policy/';
const budgets = 'https://kubernetes.io/docs/tasks/run-application/configure-pdb/';
const decided = 'docs/adr/0007';

/** By id; 'phase/id' where the same id means something else; * stands for a version, a request's or a pod's name. */
export const explainedChecks: Readonly<Record<string, ExplainedCheck>> = {
  // connect
  'boot-id': {
    why: 'What was read of a machine counts for one boot. One that booted meanwhile is another machine.',
    source: 'docs/adr/0012',
  },
  clock: {
    why: "Machines that disagree about the time take each other's certificates and tokens for not yet, or no more, valid.",
    source: 'https://etcd.io/docs/latest/op-guide/hardware/',
  },
  'connect/os': {
    why: 'Packages, paths and services are those of Debian and Ubuntu; elsewhere every step would mean something else.',
    source: 'README, "Your own machines"',
  },
  address: {
    why: "The inventory's address becomes the node's InternalIP: what no card of the machine has, nobody reaches.",
    source: 'kubelet --node-ip',
  },
  'node-name': {
    why: 'A node keeps the name it joined with; another name would be another node on the same machine.',
    source: 'https://kubernetes.io/docs/concepts/architecture/nodes/',
  },
  'node-address': {
    why: "Certificates, etcd's members and routes name the address that the node joined with.",
    source: decided,
  },
  // preflight
  os: {
    why: 'A release without updates gets none for what everybody on the network can reach either.',
    source: 'https://www.debian.org/releases/, https://releases.ubuntu.com',
  },
  kernel: {
    why: "kubeadm's own check refuses older ones.",
    source: 'kubernetes/system-validators validators/types_unix.go',
  },
  cgroup: {
    why: 'From 1.35 on the kubelet does not start on cgroup v1.',
    source: 'Kubernetes CHANGELOG-1.35, failCgroupV1',
  },
  cpu: { why: "kubeadm's own check wants two processors of a control plane.", source: preflight },
  memory: { why: "kubeadm's own check wants 1700 MiB of a control plane.", source: preflight },
  disk: {
    why: 'Below its eviction thresholds the kubelet taints its node and kills pods, on a new node before anything runs there.',
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/',
  },
  inodes: {
    why: 'A disk without inodes is full, whatever its bytes say; images are tens of thousands of small files.',
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/',
  },
  ports: {
    why: 'What listens there already is in the way of the API server, etcd or the kubelet.',
    source: 'https://kubernetes.io/docs/reference/networking/ports-and-protocols/',
  },
  time: { why: 'Certificates that this run makes would not be valid yet, or no more.', source: preflight },
  hostname: { why: 'A machine that is called like another one was copied from it.', source: preflight },
  'machine-id': { why: 'Networks and DHCP tell machines apart by it; copies have the same.', source: 'machine-id(5)' },
  'product-uuid': {
    why: 'Kubernetes asks for one of its own of every machine; copies of a virtual machine have the same.',
    source: 'https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/',
  },
  mac: {
    why: "Two machines with one MAC address take each other's packets.",
    source: 'https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/',
  },
  'resolv-conf': {
    why: "CoreDNS passes on what it does not know to the machine's name servers, and does not start without.",
    source: 'https://coredns.io/plugins/forward/',
  },
  'dns-loop': {
    why: "A loopback address means CoreDNS itself inside CoreDNS's pod: it asks itself until it gives up.",
    source: 'https://coredns.io/plugins/loop/',
  },
  subnets: {
    why: 'A route of the machine into the pod or service subnet takes their packets away; after init the subnets cannot be changed.',
    source: decided,
  },
  firewall: {
    why: 'A firewall that does not know the pod subnet drops what pods send each other: all looks well, and nothing answers.',
    source: 'https://kubernetes.io/docs/reference/networking/ports-and-protocols/',
  },
  'other-kubernetes': {
    why: 'k3s, rke2, k0s and microk8s bring a kubelet and ports of their own.',
    source: 'https://kubernetes.io/docs/reference/networking/ports-and-protocols/',
  },
  'kubeadm-folders': { why: 'kubeadm fills these folders, and refuses when something lies there.', source: preflight },
  'cni-config': {
    why: 'containerd takes the first file of the folder, in the order of their bytes.',
    source: 'containerd docs/cri/config.md',
  },
  'pod-links': {
    why: 'Bridges and tunnels of another pod network have addresses and routes that ours would need.',
    source: 'docs/adr/0009',
  },
  dpkg: { why: 'A package that is half installed makes every later installation fail.', source: 'dpkg(1), --audit' },
  apt: {
    why: 'A line that cannot be read, or an unmet dependency, makes every installation fail.',
    source: 'apt-get(8), check',
  },
  'apt-sources': { why: 'Packages of the system come from the mirror of the machine.', source: 'sources.list(5)' },
  'containerd-repository': {
    why: 'The version of the inventory has to come from somewhere: installed, in the bundle, or a repository that answers.',
    source: 'sources.list(5)',
  },
  'kubernetes-repository': {
    why: 'The version of the inventory has to come from somewhere: installed, in the bundle, or a repository that answers.',
    source: 'sources.list(5)',
  },
  images: {
    why: "Without kubeadm's images nothing of a control plane starts.",
    source: 'kubeadm config images list --help',
  },
  'node-to-node': {
    why: 'What one machine cannot send to another with packets of full size becomes an error somewhere else, weeks later.',
    source: 'https://kubernetes.io/docs/reference/networking/ports-and-protocols/',
  },
  // what runs already
  version: {
    why: 'bootstrap never changes the version of a running cluster: an upgrade moves pods away first, and has an order.',
    source: skew,
  },
  podSubnet: { why: 'Decided at init: nodes, routes and running pods have addresses in it.', source: decided },
  serviceSubnet: {
    why: 'Decided at init: the API server’s certificate and every service have addresses in it.',
    source: decided,
  },
  endpoint: { why: 'Decided at init: it stands in certificates and in the kubeconfig of every node.', source: decided },
  tools: {
    why: 'EEE, Wake-on-LAN and Wi-Fi power save are read and set with ethtool and iw, which host-base installs; nic-power was asked for without it.',
    source: 'ethtool(8), iw(8)',
  },
  'pod-subnet': {
    why: 'Routes to the pods of a machine need its part of the pod subnet, which the API server gives.',
    source: 'kube-controller-manager --allocate-node-cidrs',
  },
  'other-network': { why: 'Two pod networks on one machine take each other’s packets.', source: 'docs/adr/0009' },
  'basic-network': {
    why: "Cilium and homelab's own bridge would both give pods addresses; which network a cluster has is decided before its first pod.",
    source: 'docs/adr/0018',
  },
  helm: {
    why: 'What is fetched to run as root is checked against a sum that was known before; there is none for that architecture.',
    source: 'docs/adr/0018',
  },
  'namespace-terminating': {
    why: 'Nothing can be made in a namespace that is being deleted.',
    source: 'https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/',
  },
  volumes: {
    why: 'What provides a volume is the only thing that can read it: without it the data is there and nobody gets at it, and Longhorn deletes it.',
    source: 'https://longhorn.io/docs/latest/deploy/uninstall/, docs/adr/0018',
  },
  'row-elsewhere': {
    why: 'Copies on several machines are worth what a database gets back of them when one of these machines is gone without a word: homelab layers verify longhorn --power-off WORKER.',
    source: 'docs/adr/0018',
  },
  'recovery-time': {
    why: 'A node is missed after 40 s (50 s from Kubernetes 1.32 on), its pods are given up 300 s later; only then may a volume go to another machine. Shorter tolerations in your own pods shorten it.',
    source:
      'https://kubernetes.io/docs/concepts/architecture/nodes/, https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions',
  },
  'not-a-worker': {
    why: 'The loss of a control plane is another matter than that of a volume: etcd needs its majority, and the proof itself needs somebody to ask.',
    source: 'docs/adr/0018',
  },
  'not-ready': {
    why: 'A machine that takes no pods would lose nothing when its power goes.',
    source: 'docs/adr/0018',
  },
  'no-other': {
    why: 'What a machine had can come back on another one only.',
    source: 'docs/adr/0018',
  },
  'is-the-network': {
    why: 'Without the pod network no pod of the cluster reaches another, nor the API server its webhooks.',
    source: 'docs/adr/0018',
  },
  'api-silent': {
    why: 'What nobody can look at is neither there nor gone: nothing is taken away on a guess.',
    source: 'docs/adr/0018',
  },
  'foreign-release': {
    why: 'What somebody installed with a Helm of their own is theirs to take away.',
    source: 'docs/adr/0018',
  },
  capacity: {
    why: 'A pod that asks for more than any machine has left waits for ever; requests are what the scheduler counts, whatever is used.',
    source: 'https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/',
  },
  'chart-version': {
    why: 'Its authors test the step from one minor version to the next, and no other; going back has no path at all.',
    source: 'https://docs.cilium.io/en/stable/operations/upgrade/, https://longhorn.io/docs/latest/deploy/upgrade/',
  },
  'csr-*': {
    why: 'A request for a certificate that asks for other names than its machine has is not approved: who holds such a certificate is taken for that machine.',
    source: 'docs/adr/0006',
  },
  'last-control-plane': {
    why: 'Without its last control plane there is no cluster, and its etcd is gone with it.',
    source: 'https://etcd.io/docs/latest/op-guide/runtime-configuration/',
  },
  '*.crt': {
    why: 'A CA that has ended takes everything along that it signed; kubeadm renews no CA.',
    source: 'https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/',
  },
  'certificates-*/kubelet': {
    why: 'A kubelet whose own certificate has ended starts nothing, and nothing that is restarted would come back.',
    source: 'https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/',
  },
  // upgrade-check
  way: { why: 'Minors come one after the other; kubelets follow their API server within three.', source: skew },
  brings: {
    why: 'kubeadm brings CoreDNS, etcd and pause along: what changes with them is said.',
    source: 'kubernetes/kubernetes cmd/kubeadm/app/constants/constants.go',
  },
  containerd: {
    why: 'A kubelet needs a runtime that speaks its CRI.',
    source: 'https://containerd.io/releases/ (Kubernetes support)',
  },
  settings: {
    why: 'A gate or flag that the new version does not know keeps its process from starting.',
    source: 'https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates-removed/',
  },
  certificates: {
    why: 'kubeadm upgrade renews its certificates; what it cannot renew stops it.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/',
  },
  'removed-apis': {
    why: 'Objects of an API that goes cannot be read any more by who still asks for it.',
    source: 'https://kubernetes.io/docs/reference/using-api/deprecation-guide/',
  },
  room: {
    why: 'New images, packages and a copy of etcd need room before the first machine is emptied.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/',
  },
  'kubelet-config': {
    why: 'kubeadm writes the kubelet’s settings anew from the cluster’s own: what was edited on the machine is lost.',
    source: 'kubeadm upgrade node phase kubelet-config --help',
  },
  manifests: {
    why: 'kubeadm writes the static pods anew: what was edited in them by hand is lost.',
    source: 'kubeadm upgrade apply --help',
  },
  'packages-*': {
    why: 'Every version on the way has to come from somewhere before the first machine is emptied.',
    source: skew,
  },
};

/** Why a pod would not go, or would not come back: the first part of the refusal's id. */
export const explainedDrains: Readonly<Record<Stuck['rule'], ExplainedCheck>> = {
  bare: {
    why: 'A pod without a controller is not made anew elsewhere: draining deletes it for good.',
    source: 'kubectl drain --help (--force)',
  },
  orphan: {
    why: 'The DaemonSet that made the pod is gone: nothing would bring it back.',
    source: 'kubectl drain --help',
  },
  cordoned: {
    why: 'It fits no other node, and its owner has cordoned this one: it would wait for ever.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/',
  },
  room: {
    why: 'No node that stays has the room that the pod asks for.',
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/',
  },
  nowhere: {
    why: 'No node that stays takes the pod: taints, selectors or affinity are against it.',
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/',
  },
  parallel: {
    why: 'Side by side these machines would take all pods of a workload away at once.',
    source: 'docs/adr/0014',
  },
  data: {
    why: 'Its data lies on this very machine, and goes with it.',
    source: 'https://kubernetes.io/docs/concepts/storage/volumes/',
  },
  longhorn: {
    why: 'The last healthy replica of a volume lies on this machine.',
    source: 'https://longhorn.io/docs/latest/maintenance/maintenance/',
  },
  'two-budgets': {
    why: 'Two disruption budgets for one pod: the eviction API answers with an error, always.',
    source: budgets,
  },
  'budget-never': { why: 'The disruption budget never lets a pod go, however many are ready.', source: budgets },
  'budget-unhealthy': { why: 'The budget lets nobody go while its pods are not ready.', source: budgets },
  'budget-sequence': {
    why: 'The budget lets go one after the other, and the next only when the one before is ready again.',
    source: budgets,
  },
};
