// What each Kubernetes minor brings and stands on, each number with its source.

export interface Release {
  /** kubeadm's DefaultEtcdVersion and CoreDNSVersion at the minor's first patch (cmd/kubeadm/app/constants); later patches may bring newer. */
  readonly etcd: string;
  readonly coreDns: string;
  /** The oldest containerd of each of its minors (containerd RELEASES.md, "Kubernetes Support"); newer minors than these work too. */
  readonly containerd: readonly string[];
}

/** By minor. The profiles name what was tested together; this is what others say. */
export const releases: Readonly<Record<string, Release>> = {
  '1.26': { etcd: '3.5.6', coreDns: '1.9.3', containerd: ['1.6.15', '1.7.0'] },
  '1.27': { etcd: '3.5.7', coreDns: '1.10.1', containerd: ['1.6.15', '1.7.0'] },
  '1.28': { etcd: '3.5.9', coreDns: '1.10.1', containerd: ['1.6.15', '1.7.0'] },
  '1.29': { etcd: '3.5.10', coreDns: '1.11.1', containerd: ['1.6.27', '1.7.11'] },
  '1.30': { etcd: '3.5.12', coreDns: '1.11.1', containerd: ['1.6.28', '1.7.13', '2.0.0'] },
  '1.31': { etcd: '3.5.15', coreDns: '1.11.3', containerd: ['1.6.34', '1.7.20', '2.0.0'] },
  '1.32': { etcd: '3.5.16', coreDns: '1.11.3', containerd: ['1.6.36', '1.7.24', '2.0.1', '2.1.0'] },
  '1.33': { etcd: '3.5.21', coreDns: '1.12.0', containerd: ['1.6.36', '1.7.24', '2.0.4', '2.1.0'] },
  '1.34': { etcd: '3.6.4', coreDns: '1.12.1', containerd: ['1.6.39', '1.7.28', '2.0.6', '2.1.3'] },
  '1.35': { etcd: '3.6.6', coreDns: '1.13.1', containerd: ['1.7.28', '2.1.5', '2.2.0'] },
  '1.36': { etcd: '3.6.8', coreDns: '1.14.2', containerd: ['2.2.0', '2.3.0'] },
};

/** Until when a containerd minor gets fixes (containerd RELEASES.md, "Current State"). */
export const containerdEnds: Readonly<Record<string, string>> = {
  '1.6': 'August 2025',
  '1.7': 'September 2026',
  '2.0': 'November 2025',
  '2.1': 'May 2026',
  '2.2': 'November 2026',
  '2.3': 'April 2028',
};

/** The kubelet of this minor asks the runtime for its cgroup driver and no longer goes on without an answer; containerd 1.x has none
 * (kubernetes 1.36 cmd/kubelet/app/server.go, getCgroupDriverFromCRI: "CRILosingSupport 1.37.0"). */
export const needsContainerd2 = '1.37';

/** failCgroupV1 is on from here (kubernetes pkg/kubelet/apis/config/v1beta1/defaults.go); before, from 1.31 on, it is a warning. */
export const needsCgroup2 = '1.35';
export const warnsOfCgroup1 = '1.31';

/**
 * kubeadm's system verification (k8s.io/system-validators, KernelSpec): 1.9 since Kubernetes 1.32, 1.10 since 1.34. `kubeadm upgrade` does
 * not run it; init and join do, and what it does not know nobody tests.
 */
export const kernels: readonly { readonly since: string; readonly accepts: RegExp; readonly words: string }[] = [
  { since: '1.34', accepts: /^(5\.(4|10|15)\b|([6-9]|\d\d+)\.)/, words: '5.4, 5.10, 5.15, or 6.0 and later' },
  { since: '1.32', accepts: /^(4\.(19|[2-9]\d)\b|([5-9]|\d\d+)\.)/, words: '4.19 and later' },
  { since: '1.26', accepts: /^(3\.[1-9]\d\b|([4-9]|\d\d+)\.)/, words: '3.10 and later' },
];
