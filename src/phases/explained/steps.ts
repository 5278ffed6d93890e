// Why each step is what it is, where that is known from, and how it is undone: what `homelab explain` tells. A new step is one entry here;
// a test says which is missing. The commands themselves stand nowhere here: they come from the step.

import type { Json } from '../../model/cluster.ts';

export interface Explained {
  readonly why: string;
  readonly source: string;
  readonly undo: string;
  /** A state in which it has something to do, where a bare machine's is none. */
  readonly found?: Json;
}

const apt = 'apt_preferences(5), sources.list(5)';
const kubeadm = 'https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/';
const runtimes = 'https://kubernetes.io/docs/setup/production-environment/container-runtimes/';
const byReset = 'homelab reset NAME makes the machine bare again';
const noUndo = 'nothing to undo: it is gone with the run';

/** By the step's name; 'phase/name' where the same name means something else; * stands for a machine's, registry's or version's name. */
export const explainedSteps: Readonly<Record<string, Explained>> = {
  // host-base
  needrestart: {
    why: 'On Debian and Ubuntu needrestart restarts services after apt has run, containerd among them, in the middle of whatever pods do.',
    source: 'needrestart(1), /etc/needrestart/conf.d',
    undo: 'sudo rm /etc/needrestart/conf.d/homelab.conf',
  },
  networkd: {
    why: 'systemd-networkd removes routes and rules that it did not make, whenever it starts: an update of systemd then takes the pod network away.',
    source: 'networkd.conf(5) ManageForeignRoutes; cilium/cilium#18706',
    undo: 'sudo rm /etc/systemd/networkd.conf.d/10-kubernetes.conf',
  },
  prerequisites: {
    why: "kubeadm's preflight and kube-proxy call conntrack, socat, iptables and ethtool; ca-certificates is what registries are checked against.",
    source: 'kubernetes/kubernetes cmd/kubeadm/app/preflight/checks_linux.go',
    undo: 'sudo apt-get remove them, once the machine is no member',
  },
  'sysctl-network-file': {
    why: 'Pods on different machines reach each other only if the kernel forwards packets; the file keeps that over a reboot.',
    source: `${runtimes} (Network configuration)`,
    undo: 'sudo rm /etc/sysctl.d/90-homelab-network.conf && sudo sysctl --system',
  },
  'sysctl-network': {
    why: 'The file alone is read at the next boot; this is the running kernel.',
    source: 'sysctl.d(5)',
    undo: 'sudo sysctl -w net.ipv4.ip_forward=0',
  },
  'sysctl-kubernetes-file': {
    why: 'Bridged packets have to pass iptables for services to work; the inotify limits are what a few dozen pods use up; the others are what the kubelet sets itself unless protectKernelDefaults forbids it.',
    source: `${runtimes}; kubernetes/kubernetes pkg/kubelet/cm/container_manager_linux.go (protectKernelDefaults)`,
    undo: 'sudo rm /etc/sysctl.d/90-homelab-kubernetes.conf && sudo sysctl --system',
  },
  'sysctl-kubernetes': {
    why: 'The file alone is read at the next boot; this is the running kernel.',
    source: 'sysctl.d(5)',
    undo: 'a reboot without the file has the old values',
  },
  'modules-kubernetes-file': {
    why: 'overlay holds the layers of images, br_netfilter shows bridged packets to iptables; the file loads them at every boot.',
    source: 'modules-load.d(5)',
    undo: 'sudo rm /etc/modules-load.d/homelab-kubernetes.conf',
  },
  'modules-kubernetes': {
    why: 'The file alone is read at the next boot; containerd and kube-proxy need the modules now.',
    source: runtimes,
    undo: 'a reboot without the file',
  },
  'hosts-names': {
    why: 'The API server is reached by a name, so that a second control plane or a restore elsewhere stays possible; every machine has to know it without a name server.',
    source: 'docs/adr/0007',
    undo: "take the lines between homelab's marks out of /etc/hosts",
  },
  'time-sync-package': {
    why: 'Certificates, etcd and tokens of 15 minutes need clocks that agree; without a time service they drift apart.',
    source: 'https://etcd.io/docs/latest/op-guide/hardware/',
    undo: 'sudo apt-get remove systemd-timesyncd',
  },
  'time-sync': {
    why: 'Certificates, etcd and tokens of 15 minutes need clocks that agree.',
    source: 'systemd-timesyncd.service(8)',
    undo: 'sudo systemctl disable --now systemd-timesyncd',
  },
  'swap-off': {
    why: 'The kubelet does not start with swap on (failSwapOn), and a pod that swaps keeps no promise about its memory. fstab, units and zram are settled too, so that the next boot does not bring it back.',
    source: `${kubeadm} (Swap configuration)`,
    undo: "lines of /etc/fstab are commented out with '# homelab:', units masked: take the mark away, sudo systemctl unmask the units (and give a file /etc/systemd/system/UNIT.homelab its name back), sudo swapon -a; the swap file itself is still there",
    found: { active: ['/swap.img'], fstab: ['/swap.img'], units: [] },
  },
  'apt-proxy': {
    why: "apt gets out by the inventory's proxy; a file of ours that is wanted no more is removed.",
    source: 'apt.conf(5), Acquire::http::Proxy',
    undo: 'sudo rm /etc/apt/apt.conf.d/90homelab-proxy',
  },
  // nic-power: what its steps are called depends on the machine's adapters.
  'nic-power/machine': {
    why: 'A kernel that suspends, or saves power on PCI Express links, takes the network away with it, whatever the adapter itself is set to.',
    source:
      'https://docs.kernel.org/admin-guide/pm/sleep-states.html; https://docs.kernel.org/admin-guide/kernel-parameters.html (pcie_aspm)',
    undo: 'nicPower: {level: 0} in the inventory; sudo systemctl unmask sleep.target suspend.target hibernate.target hybrid-sleep.target suspend-then-hibernate.target; a reboot has the old ASPM policy',
  },
  'nic-power/udev-rules': {
    why: 'Adapters get their settings as soon as the kernel finds them: at boot, and when one is plugged in.',
    source: 'udev(7)',
    undo: 'sudo rm /etc/udev/rules.d/81-homelab-nic.rules',
  },
  'nic-power/link-*': {
    why: 'What systemd itself can set of an adapter is set where it sets everything else of it; only one .link file counts, so that one is extended.',
    source: 'systemd.link(5)',
    undo: 'sudo rm its 50-homelab.conf under /etc/systemd/network',
  },
  'nic-power/boot-script': {
    why: 'What neither udev nor a .link file can set is set by a script, at every boot.',
    source: 'ethtool(8), iw(8)',
    undo: 'sudo rm /usr/local/sbin/homelab-nic-tune',
  },
  'nic-power/boot-unit': {
    why: 'The unit that runs the script for one adapter.',
    source: 'systemd.unit(5), templates',
    undo: 'sudo rm /etc/systemd/system/homelab-nic@.service',
  },
  'nic-power/boot-*': {
    why: "An adapter's settings are gone with a reboot: they are set again before anything needs the network.",
    source: 'systemd.unit(5), templates',
    undo: 'sudo systemctl disable homelab-nic@NAME',
  },
  'nic-power/tlp': {
    why: 'TLP switches power saving of adapters on again, whenever it starts.',
    source: 'https://linrunner.de/tlp/settings/',
    undo: 'sudo rm /etc/tlp.d/90-homelab.conf',
  },
  'nic-power/tuned-profile': {
    why: 'A profile of tuned that saves power works against every knob that is set here.',
    source: 'tuned-adm(8)',
    undo: 'sudo tuned-adm profile the one before',
  },
  'nic-power/network-manager': {
    why: 'NetworkManager switches power save of Wi-Fi on with every connection that it makes.',
    source: 'NetworkManager.conf(5), wifi.powersave',
    undo: 'sudo rm /etc/NetworkManager/conf.d/99-homelab.conf',
  },
  'nic-power/no-*': {
    why: 'It switches power saving on at boot, for everything that can save power.',
    source: 'powertop(8), --auto-tune',
    undo: 'sudo systemctl enable the unit that the step names',
  },
  'nic-power/*': {
    why: 'An adapter that sleeps loses its machine: a node becomes NotReady, and nothing in the cluster says why.',
    source: 'https://docs.kernel.org/power/runtime_pm.html; ethtool(8), --set-eee; iw(8), power_save',
    undo: 'nicPower: {level: 0} in the inventory; undo what keeps it at boot (udev-rules, link-*, boot-*); a reboot has the old settings',
  },
  // containerd and packages
  '*-repository-key': {
    why: 'apt installs from a repository only what is signed with the key that is named for this repository, and for no other.',
    source: apt,
    undo: 'sudo rm the keyring that the step names, under /etc/apt/keyrings',
  },
  '*-repository': {
    why: 'The versions that the inventory names are in no repository of the distribution.',
    source: apt,
    undo: 'sudo rm the file that the step names, under /etc/apt/sources.list.d',
  },
  '*-repository-pin': {
    why: 'A whole distribution is offered by that repository: only the packages that are wanted may come from it.',
    source: apt,
    undo: 'sudo rm the file that the step names, under /etc/apt/preferences.d',
  },
  package: {
    why: "containerd at the inventory's version; on hold, because apt upgrade would restart every pod's runtime some night.",
    source: 'apt-mark(8)',
    undo: 'sudo apt-mark unhold it, sudo apt-get remove it, once the machine is no member',
  },
  config: {
    why: "containerd's defaults with what kubeadm needs: the systemd cgroup driver (two drivers on one machine fight), the sandbox image that kubeadm expects, mirrors.",
    source: `${runtimes} (containerd); containerd docs/cri/config.md`,
    undo: 'containerd config default | sudo tee /etc/containerd/config.toml; pods of a member need the systemd cgroup driver',
  },
  service: {
    why: 'It runs, starts at boot, and was started after its configuration was written: what runs is what the file says.',
    source: 'docs/adr/0001; systemctl(1)',
    undo: 'sudo systemctl disable --now containerd, once the machine is no member',
  },
  proxy: {
    why: 'Images come through the proxy of the inventory; services and pods do not. Without a proxy the file is removed.',
    source: 'systemd.exec(5), Environment=',
    undo: 'sudo rm the file that the step names, sudo systemctl daemon-reload and restart',
  },
  'registry-*': {
    why: "Mirrors, CAs and logins of the inventory's registries, where containerd looks for them.",
    source: 'containerd docs/hosts.md',
    undo: 'sudo rm -r its folder under /etc/containerd/certs.d',
  },
  'old-registries': {
    why: 'A registry that left the inventory leaves the machine: otherwise a login that nobody knows of stays there.',
    source: 'containerd docs/hosts.md',
    undo: 'write the registry into the inventory again',
    found: ['ghcr.io'],
  },
  hold: {
    why: 'A member that homelab did not set up: apt upgrade must not change its versions by itself.',
    source: 'apt-mark(8)',
    undo: 'sudo apt-mark unhold the packages that the step names',
    found: ['kubelet'],
  },
  packages: {
    why: 'Kubelets follow their API server within three minors; kubeadm, kubelet and kubectl are kept at one version, and on hold.',
    source: 'https://kubernetes.io/releases/version-skew-policy/',
    undo: byReset,
  },
  kubeadm: {
    why: 'Only the kubeadm of a version knows its images and its way: it is there before the first machine is emptied.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/',
    undo: 'sudo apt-get install the version before; nothing runs by it yet',
  },
  'kubelet-unit': {
    why: "The kubelet's unit file is root's alone, as the CIS benchmark asks (4.1.1).",
    source: 'CIS Kubernetes Benchmark 1.11, 4.1',
    undo: 'sudo chmod 644 the file that the step names',
  },
  'kubeadm-files': {
    why: "kubeadm's files with keys and settings are root's alone, as the CIS benchmark asks (1.1 and 4.1).",
    source: 'CIS Kubernetes Benchmark 1.11, 1.1 and 4.1',
    undo: 'sudo chmod 644 the files that the step names',
  },
  kubelet: {
    why: 'The kubelet runs, starts at boot, and was started after its settings were written.',
    source: 'systemctl(1)',
    undo: byReset,
  },
  // control plane
  images: {
    why: "kubeadm's images are there before it needs them: an init that pulls for minutes looks like one that hangs.",
    source: 'kubeadm config images pull --help',
    undo: 'sudo ctr -n k8s.io images rm them',
  },
  'bundle-images': {
    why: 'Images that somebody added to the bundle are there for pods on machines without internet.',
    source: 'docs/adr/0011',
    undo: 'sudo ctr -n k8s.io images rm them',
  },
  'old-images': {
    why: 'Pinned images are never collected. Those of versions that no longer run would fill the disk over the years.',
    source: 'https://kubernetes.io/docs/concepts/architecture/garbage-collection/#container-image-lifecycle',
    undo: 'sudo ctr -n k8s.io images label IMAGE io.cri-containerd.pinned=pinned',
  },
  'control-plane-folders': {
    why: "etcd's data, homelab's choices and the audit log are for their owners alone, as the CIS benchmark asks (1.1.11, 1.1.12).",
    source: 'CIS Kubernetes Benchmark 1.11, 1.1',
    undo: 'sudo chmod 755 the folders that the step names',
  },
  'audit-policy': {
    why: 'The API server writes who changed what; never the content of a Secret. Which requests, this file says.',
    source: 'https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/',
    undo: 'take audit-policy-file out of /etc/kubernetes/manifests/kube-apiserver.yaml; the API server restarts',
  },
  'encryption-key': {
    why: 'Without it Secrets lie in etcd, and in every backup of it, as anybody can read them. It never leaves the control planes but in homelab backup.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/',
    undo: 'not to be undone: without the key every Secret in etcd is lost',
  },
  init: {
    why: 'kubeadm makes the CAs, etcd and the API server from a configuration that homelab renders and kubeadm validates. A bootstrap token of 15 minutes is given to it: without, kubeadm leaves one of 24 hours.',
    source: 'https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init/; docs/adr/0007',
    undo: byReset,
  },
  restore: {
    why: "The cluster's CAs, keys and etcd as a backup has them, on another machine; etcd begins as a cluster of one.",
    source: 'https://etcd.io/docs/latest/op-guide/recovery/; docs/adr/0013',
    undo: byReset,
  },
  certificates: {
    why: 'A further control plane needs the CAs. kubeadm hands them over encrypted, in a Secret, for as long as the joins take.',
    source: 'https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init/ (--upload-certs)',
    undo: 'certificates-gone does it, also after a join that failed',
  },
  'certificates-gone': {
    why: 'Keys of the CAs stay nowhere longer than they are needed.',
    source: 'https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init/ (--upload-certs)',
    undo: noUndo,
  },
  'join-token': {
    why: 'A machine that joins proves itself by a token, and knows the cluster by the hash of its CA. The token lives 15 minutes.',
    source: 'https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/',
    undo: 'join-token-gone does it, also after a join that failed',
  },
  'join-token-gone': {
    why: 'Whoever has a token can join a machine: it goes as soon as nobody needs it.',
    source: 'https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/',
    undo: noUndo,
  },
  'join-tokens-left': {
    why: 'A run that was killed left a token of its own; it would live on until its 15 minutes are over.',
    source: 'https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/',
    undo: noUndo,
  },
  join: {
    why: 'kubeadm makes the machine a member: its kubelet gets a certificate of the cluster. The API server was reached from there first.',
    source: 'https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join/',
    undo: 'homelab remove-node NAME',
  },
  approve: {
    why: 'kubelets ask the cluster for the certificate that they serve. Nobody approves that by itself; homelab checks who asks, and for which names, and approves those alone.',
    source: 'docs/adr/0006; https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/',
    undo: 'none is needed: they end after a year',
  },
  // network
  'cni-config': {
    why: 'containerd gives every pod a network by this file: a bridge on the machine, an address of the node’s own /24.',
    source: 'https://www.cni.dev/plugins/current/main/bridge/',
    undo: 'network.provider: external in the inventory, then sudo rm /etc/cni/net.d/10-homelab.conflist',
  },
  'routes-unit': {
    why: 'Pods of the other machines are reached by one route a machine; the unit sets them at every boot.',
    source: 'ip-route(8)',
    undo: 'sudo systemctl disable --now homelab-network and sudo rm its unit',
  },
  'routes-service': {
    why: 'The routes are set now, by the same unit that sets them at every boot.',
    source: 'systemctl(1)',
    undo: 'sudo systemctl disable --now homelab-network',
  },
  routes: {
    why: 'What the kernel has is what counts: a route that somebody took away is set again.',
    source: 'ip-route(8)',
    undo: 'sudo systemctl stop homelab-network, and ip route del what the step names',
  },
  'kube-proxy-hosts': {
    why: 'A pod reads /etc/hosts when it starts: kube-proxy goes on asking a control plane that is gone.',
    source: 'kubernetes/kubernetes pkg/kubelet/kubelet_pods.go (managed hosts file)',
    undo: 'nothing to undo: kube-proxy was started again',
  },
  'node-*': {
    why: "Labels and taints of the inventory decide where pods run; nobody else's are touched.",
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/',
    undo: 'change them in the inventory, and run homelab bootstrap',
  },
  // backups
  'backup-recipient': {
    why: 'Backups are encrypted on the machine, for a certificate whose key is not in the cluster.',
    source: 'docs/adr/0013',
    undo: 'take backup.schedule out of the inventory',
  },
  'backups/inventory': {
    why: 'A backup that cannot say of which inventory it is cannot be restored by somebody else.',
    source: 'docs/adr/0013',
    undo: 'take backup.schedule out of the inventory',
  },
  'backup-script': {
    why: 'The control plane makes backups by itself: no other computer has to be awake.',
    source: 'docs/adr/0013',
    undo: 'take backup.schedule out of the inventory',
  },
  'backup-service': {
    why: 'What the timer starts.',
    source: 'systemd.service(5)',
    undo: 'take backup.schedule out of the inventory',
  },
  'backup-timer-unit': {
    why: 'The schedule of the inventory, in its time zone.',
    source: 'systemd.timer(5)',
    undo: 'take backup.schedule out of the inventory',
  },
  'backup-timer': {
    why: 'The timer runs, and will after a boot; a time that was missed is made up for.',
    source: 'systemd.timer(5)',
    undo: 'take backup.schedule out of the inventory',
  },
  'no-backup': {
    why: 'The inventory has no schedule any more; the backups that were made stay.',
    source: 'systemd.timer(5)',
    undo: 'write backup.schedule into the inventory again',
  },
  // leaving
  'drain-*': {
    why: 'Pods are asked to move before their machine goes, within disruption budgets; the cordon keeps new ones away. It was simulated first.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/',
    undo: 'sudo kubectl --kubeconfig /etc/kubernetes/admin.conf uncordon NAME, on a control plane',
  },
  'uncordon-*': {
    why: "homelab's own cordon ends with its work; one that its owner made stays.",
    source: 'docs/adr/0014',
    undo: 'kubectl cordon NAME',
  },
  'etcd-without-*': {
    why: 'A member that is gone still counts for the majority: it leaves etcd first, and never without a majority of healthy ones before and after.',
    source: 'https://etcd.io/docs/latest/op-guide/runtime-configuration/',
    undo: 'homelab join-node NAME',
  },
  reset: {
    why: 'kubeadm reset leaves network, mounts and folders behind; this leaves none, and saves journal, /etc/kubernetes and a snapshot of etcd under /var/log/homelab first.',
    source: 'https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-reset/',
    undo: 'homelab bootstrap, or homelab join-node NAME: it joins anew',
  },
  'forget-*': {
    why: 'A node object without a machine keeps its pods in limbo and its route in everybody’s table.',
    source: 'https://kubernetes.io/docs/concepts/architecture/nodes/',
    undo: 'homelab join-node NAME',
  },
  // upgrades and certificates
  baseline: {
    why: 'After each machine every workload has to be as well as before: this notes how they were.',
    source: 'docs/adr/0014',
    undo: 'the step finish takes it away',
  },
  backup: {
    why: 'A minor version of etcd’s data has no way back: what was there before is kept on the control plane.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/',
    undo: 'sudo rm -r the folder that the step names, when all is well',
  },
  watch: {
    why: 'What users noticed of an upgrade is measured, not guessed: a service and the API server are asked all along.',
    source: 'docs/adr/0014',
    undo: 'the watch ends with the upgrade',
  },
  finish: { why: 'The note of how the workloads were is of no use any more.', source: 'docs/adr/0014', undo: noUndo },
  'kubeadm-upgrade': {
    why: 'kubeadm changes manifests and settings to the new version, one machine at a time, control planes first.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/',
    undo: 'there is no downgrade: homelab restore, from the backup that was made before',
  },
  renew: {
    why: "kubeadm's certificates end after a year. They are made anew from the same CAs.",
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/',
    undo: 'none is needed: the old ones stay valid until their end',
  },
  etcd: {
    why: 'It goes on with the certificate that it read when it started: a restart, and proof that the new one is served.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/',
    undo: 'nothing to undo: it was started again',
  },
  'kube-*': {
    why: 'It goes on with the certificate that it read when it started: a restart, and proof that the new one is served.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/',
    undo: 'nothing to undo: it was started again',
  },
  'certificates-*/kubelet': {
    why: "A kubelet whose own certificate has ended logs in nowhere, and cannot renew it: the cluster's CA signs another for it.",
    source: 'https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/',
    undo: 'none is needed: it renews its own from there on',
  },
  // Sights: they look, and change nothing.
  'hand-made': {
    why: 'What somebody else set up on a member is told, and left as it is.',
    source: 'docs/adr/0009',
    undo: 'nothing to undo: it only looks',
  },
  settings: {
    why: 'A containerd that somebody else set up is compared with what it runs with, and left as it is.',
    source: 'docs/adr/0009',
    undo: 'nothing to undo: it only looks',
  },
  'other-network': {
    why: 'Two pod networks on one machine take each other’s packets.',
    source: 'docs/adr/0009',
    undo: 'nothing to undo: it only looks',
  },
  'basic-network': {
    why: "Cilium and homelab's own bridge would both give pods addresses; a cluster keeps the network it began with.",
    source: 'docs/adr/0018',
    undo: 'nothing to undo: it only looks',
  },
  helm: {
    why: "Layers are Helm releases, and Helm runs on the control plane: it goes on when this computer's lid is closed. One that is there already and is new enough is taken.",
    source: 'docs/adr/0018',
    undo: 'sudo rm -r /usr/local/lib/homelab',
  },
  'modules-layers-file': {
    why: 'Volumes of Longhorn are disks that come over iSCSI; the file loads what the kernel needs for it at every boot.',
    source: 'longhorn/longhorn#8697, modules-load.d(5)',
    undo: 'sudo rm /etc/modules-load.d/homelab-layers.conf',
  },
  'modules-layers': {
    why: 'The file alone is read at the next boot.',
    source: 'longhorn/longhorn#8697',
    undo: 'a reboot without the file',
  },
  'layers-iscsid': {
    why: 'Without the iSCSI daemon no volume of Longhorn is attached to its machine.',
    source: 'https://longhorn.io/docs/latest/deploy/install/#installation-requirements',
    undo: 'sudo systemctl disable --now iscsid',
  },
  'namespace-*': {
    why: 'Helm would make the namespace without its Pod Security label, and pods of the layer would be refused or everything allowed.',
    source: 'https://kubernetes.io/docs/concepts/security/pod-security-admission/',
    undo: 'kubectl delete namespace NAME, once nothing is in it',
  },
  'release-*': {
    why: 'What is installed is what chart, values and Kubernetes minor make of it; their digest stands on the record that Helm keeps, and nothing is done while it is the same.',
    source: 'docs/adr/0018',
    undo: 'homelab layers uninstall NAME',
  },
  'object-*': {
    why: 'What a layer has beside its chart: applied as it stands in homelab, and only the fields that stand there are compared and set.',
    source: 'docs/adr/0018, https://kubernetes.io/docs/reference/using-api/server-side-apply/',
    undo: 'homelab layers uninstall NAME takes it away with its layer',
  },
  'no-release-*': {
    why: 'A layer goes only when its name was typed: what pods have from it is gone with it. Its kinds stay where Helm leaves them, and with them what others made of them.',
    source: 'docs/adr/0018, https://helm.sh/docs/helm/helm_uninstall/',
    undo: 'homelab layers install NAME',
  },
  'not-renewed': {
    why: 'Certificates of a CA whose key is elsewhere, or that somebody else put there, are told and left.',
    source: 'https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/ (external CA)',
    undo: 'nothing to undo: it only looks',
  },
};
