// What a backup says of itself, in clear, in the first line of its file; the rest of the file is encrypted.

/** Its numbers and sums come from the machine that made it. */
export interface BackupManifest {
  readonly cluster: string;
  /** homelab's own version. */
  readonly homelab: string;
  /** sha256 of the public key that it is encrypted for, hex. */
  readonly recipient: string;
  /** ISO 8601, UTC. */
  readonly made: string;
  /** The control plane that it was made on. */
  readonly host: string;
  /** kubeadm's discovery hash of the cluster's CA. */
  readonly caHash: string;
  /** With its v. */
  readonly kubernetes: string;
  readonly etcd: string;
  readonly snapshot: { readonly hash: number; readonly revision: number; readonly totalKey: number };
  /** kubeadm's ClusterConfiguration, base64; empty when no API server answered. */
  readonly configuration: string;
  /** What is encrypted (a tar.gz), and the encrypted rest of the file (CMS, DER). */
  readonly plain: Sum;
  readonly payload: Sum;
}

export interface Sum {
  readonly sha256: string;
  readonly bytes: number;
}

/** Where archives lie on a control plane. */
export const backupFolder = '/var/backups/homelab';

/** Key in the ConfigMap kube-system/homelab, and a file under /var/lib/homelab: when, where and what the last backup was. */
export const backupLastKey = 'backup-last';

/** The names of a cluster's archives sort by time. */
export function archivePattern(cluster: string): RegExp {
  return new RegExp(`^${cluster}-[0-9]{8}T[0-9]{6}Z\\.backup$`);
}
