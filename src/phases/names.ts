// What homelab does, in order, as names: --help and --only know the phases without loading them.

export interface PhaseName {
  readonly id: string;
  readonly title: string;
  /** One line for --help. */
  readonly summary: string;
}

export const phaseNames = {
  connect: {
    id: 'connect',
    title: 'Reach every machine',
    summary: 'host keys, login, root, facts; clocks against their median',
  },
  preflight: {
    id: 'preflight',
    title: 'Check what cannot end well',
    summary: 'clones, hardware, disks, ports, DNS, subnets, firewalls, leftovers, apt, sources; all failures at once',
  },
  hostBase: {
    id: 'host-base',
    title: 'Prepare the machines',
    summary: 'prerequisites, time sync, swap off, modules, sysctl, endpoint name',
  },
  nicPower: {
    id: 'nic-power',
    title: 'Keep the network adapters awake',
    summary: 'EEE, runtime power management, autosuspend, sleep off; read back now and after every boot',
  },
  containerd: {
    id: 'containerd',
    title: 'Install containerd',
    summary: 'package on hold, config.toml with the systemd cgroup driver, running',
  },
  kubePackages: {
    id: 'kube-packages',
    title: 'Install kubeadm, kubelet, kubectl',
    summary: 'repository of the minor version, packages on hold; images that were added to the bundle',
  },
  controlPlane: {
    id: 'control-plane',
    title: 'Start the control plane',
    summary: 'images, kubeadm init, API server, etcd, certificates',
  },
  controlPlaneJoin: {
    id: 'control-plane-join',
    title: 'Join the other control planes',
    summary: 'one at a time, etcd members healthy before and after',
  },
  workers: {
    id: 'workers',
    title: 'Join the workers',
    summary: 'kubeadm join side by side, token of 15 minutes, CA pinned',
  },
  kubeletCertificates: {
    id: 'kubelet-certificates',
    title: 'Certify the kubelets',
    summary: "kubelets' requests for serving certificates checked and approved; the API server reaches each",
  },
  crds: {
    id: 'crds',
    title: 'Make the kinds that charts ask for',
    summary: "the Prometheus operator's kinds, server-side, before anything has a monitor",
  },
  network: {
    id: 'network',
    title: 'Connect the pods',
    summary: 'Cilium, or bridge, portmap and routes; pods, services and DNS proven across machines',
  },
  metricsServer: {
    id: 'metrics-server',
    title: 'Measure pods and machines',
    summary: 'kubectl top and autoscalers; kubelets by their certificates',
  },
  sealedSecrets: {
    id: 'sealed-secrets',
    title: 'Keep secrets that may be published',
    summary: 'a secret sealed, and opened by this cluster alone',
  },
  localPath: {
    id: 'local-path',
    title: 'Give pods folders of their machine',
    summary: 'volumes that stay when their pod goes',
  },
  longhorn: {
    id: 'longhorn',
    title: 'Give pods volumes that outlive a machine',
    summary: 'copies on several machines; a file read where another machine wrote it',
  },
  backups: {
    id: 'backups',
    title: 'Schedule backups',
    summary: 'a timer on each control plane, where the inventory has backup.schedule',
  },
} as const satisfies Record<string, PhaseName>;

/** homelab layers uninstall. */
export const uninstallName = {
  id: 'uninstall',
  title: 'Uninstall the layer',
  summary: 'never while a volume of it holds data; kinds stay, and a namespace with anything of others in it',
} as const satisfies PhaseName;

/** homelab layers verify --power-off. */
export const recoveryName = {
  id: 'recovery',
  title: 'Take a machine away',
  summary: 'its power goes; what was written there is read on another, and how many seconds that took',
} as const satisfies PhaseName;

/** What happens to a machine that leaves. */
export const leavingNames = {
  drain: {
    id: 'drain',
    title: 'Move the pods away',
    summary: 'cordon, evict within disruption budgets',
  },
  etcdMember: {
    id: 'etcd-member',
    title: 'Take it out of etcd',
    summary: 'a control plane only; never without a majority',
  },
  reset: {
    id: 'reset',
    title: 'Reset the machine',
    summary: 'evidence saved, then bare again',
  },
  forget: {
    id: 'forget',
    title: 'Delete the node object',
    summary: 'the API server forgets it',
  },
} as const satisfies Record<string, PhaseName>;
