// What init decides for the processes of a control plane, for as long as the cluster lives: hardening, audit, encryption, metrics.
import type { JsonObject } from '../model/cluster.ts';
import type { LiveCluster, World } from '../model/world.ts';

/** Files of ours that the API server reads; mounted into its pod. Only root may look into it. */
export const choicesFolder = '/etc/kubernetes/homelab';
export const auditPolicyPath = `${choicesFolder}/audit-policy.yaml`;
export const encryptionPath = `${choicesFolder}/encryption.yaml`;
export const auditFolder = '/var/log/kubernetes/audit';
export const auditLogPath = `${auditFolder}/audit.log`;

/** kubeadm's own default; said, because its owner and mode are ours. */
export const etcdFolder = '/var/lib/etcd';

type Args = LiveCluster['args'];

/** The arguments, by process. `verifiesKubelets`: kubelets serve certificates of the cluster's CA. */
export function controlPlaneArgs(verifiesKubelets: boolean): Args {
  return {
    'kube-apiserver': {
      profiling: 'false',
      // Tokens that outlive their hour for a year are what bound tokens were made against.
      'service-account-extend-token-expiration': 'false',
      ...(verifiesKubelets ? { 'kubelet-certificate-authority': '/etc/kubernetes/pki/ca.crt' } : {}),
      'encryption-provider-config': encryptionPath,
      'audit-policy-file': auditPolicyPath,
      'audit-log-path': auditLogPath,
      'audit-log-maxage': '30',
      'audit-log-maxbackup': '10',
      'audit-log-maxsize': '100',
    },
    'kube-controller-manager': { profiling: 'false', 'bind-address': '127.0.0.1' },
    'kube-scheduler': { profiling: 'false', 'bind-address': '127.0.0.1' },
    // Metrics and health only, no keys and no values. kubeadm's own choice, loopback, could be scraped from nowhere else.
    etcd: { 'listen-metrics-urls': 'http://0.0.0.0:2381' },
  };
}

/** Was, or will be, the cluster's API server made with this argument? */
export function madeWith({ live }: World, argument: string, value: string): boolean {
  return live === 'unknown' || live.args['kube-apiserver']?.[argument] === value;
}

/** What the API server's pod must see of its machine. */
export const apiServerVolumes: readonly JsonObject[] = [
  {
    name: 'homelab',
    hostPath: choicesFolder,
    mountPath: choicesFolder,
    readOnly: true,
    pathType: 'Directory',
  },
  { name: 'audit-log', hostPath: auditFolder, mountPath: auditFolder, pathType: 'DirectoryOrCreate' },
];

/** Extra arguments as this kubeadm API has them: v1beta4 made them a list, so that one may stand twice. */
export function extraArgs(api: string, args: Readonly<Record<string, string>>): JsonObject | readonly JsonObject[] {
  return api.endsWith('v1beta4') ? Object.entries(args).map(([name, value]) => ({ name, value })) : args;
}
