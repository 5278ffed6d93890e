// Why a kubelet does not stay up, from its own last words. The fragments held from Kubernetes 1.24 to 1.34.

export interface Reason {
  readonly pattern: RegExp;
  /** After 'the kubelet of n2 does not stay up: '. */
  readonly says: string;
  readonly cure: readonly string[];
}

const certificate = [
  'sudo openssl x509 -noout -enddate -in /var/lib/kubelet/pki/kubelet-client-current.pem',
  'sudo ls -l /etc/kubernetes/kubelet.conf',
];

/** The first that fits wins: what is specific stands before what is general. */
export const reasons: readonly Reason[] = [
  { pattern: /running with swap on is not supported/, says: 'swap is on', cure: ['sudo swapoff -a'] },
  {
    pattern: /part of the existing bootstrap client certificate.*expired|unable to load bootstrap kubeconfig/,
    says: 'its client certificate cannot be used, and there is no bootstrap kubeconfig to ask for another',
    cure: certificate,
  },
  {
    pattern: /cgroup driver: "?\w+"? is different from|expected cgroupsPath to be of format/,
    says: 'its cgroup driver is not the container runtime’s',
    cure: ['sudo grep cgroupDriver /var/lib/kubelet/config.yaml', 'sudo containerd config dump | grep SystemdCgroup'],
  },
  {
    pattern: /kubelet is configured to not run on a host using cgroup v1/,
    says: 'the machine uses cgroup v1, which this kubelet refuses',
    cure: ['stat -fc %T /sys/fs/cgroup   # cgroup2fs is what it wants'],
  },
  {
    pattern:
      /failed to load kubelet config file|failed to decode|strict decoding error|invalid configuration|failed to validate kubelet configuration/i,
    says: 'its configuration cannot be read',
    cure: ['sudo cat /var/lib/kubelet/config.yaml', 'sudo journalctl -u kubelet -n 20   # names the field'],
  },
  {
    pattern: /unknown (?:shorthand )?flag|failed to parse kubelet flag|unrecognized feature gate/,
    says: 'it does not know a flag or feature gate that it is given',
    cure: ['cat /var/lib/kubelet/kubeadm-flags.env /etc/default/kubelet', 'kubelet --version'],
  },
  {
    pattern:
      /validate (?:service connection|CRI v1 runtime API)|failed to get cgroup driver from the CRI|connect: no such file or directory.*containerd\.sock|containerd\.sock.*(?:no such file|connection refused)/,
    says: 'it does not reach the container runtime',
    cure: ['systemctl status containerd', 'sudo ctr version'],
  },
  {
    pattern: /listen tcp .*: bind: address already in use/,
    says: 'another process has its port',
    cure: ['sudo ss -ltnp | grep -E ":(10248|10250) "'],
  },
  {
    pattern: /inotify_init.*too many open files|failed to create fsnotify watcher/,
    says: 'the kernel has no inotify instances left',
    cure: ['sysctl fs.inotify'],
  },
  {
    pattern: /no space left on device/,
    says: 'the disk is full',
    cure: ['df -h /var/lib/kubelet', 'df -i /var/lib/kubelet'],
  },
  { pattern: /read-only file system/, says: 'its disk is read-only', cure: ['findmnt -T /var/lib/kubelet'] },
  {
    pattern: /failed to run Kubelet|command failed|panic:/,
    says: 'it ends with an error',
    cure: ['sudo journalctl -u kubelet -n 50'],
  },
  // It goes on without one, and asks again: a hint where nothing else was said.
  {
    pattern: /node "?[\w.-]+"? (?:is )?not (?:found|allowed)|nodes "[\w.-]+" (?:not found|is forbidden)/,
    says: 'the cluster has no node of its name, or not for its certificate',
    cure: ['hostname', 'sudo openssl x509 -noout -subject -in /var/lib/kubelet/pki/kubelet-client-current.pem'],
  },
];

/** The newest line that says why; undefined when none does. */
export function reasonOf(
  lines: readonly { readonly at: string; readonly text: string }[],
): { readonly reason: Reason; readonly line: string; readonly at: string } | undefined {
  const said = lines.filter(({ text }) => !/systemd\[\d+\]/.test(text));
  for (const reason of reasons) {
    const line = said.findLast(({ text }) => reason.pattern.test(text));
    if (line) return { reason, line: line.text, at: line.at };
  }
  return undefined;
}
