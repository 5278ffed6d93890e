// A cluster with backups, one of its backups, and the world in which it is restored: nobody reads the archive itself.
import { execFileSync } from 'node:child_process';
import type { BackupManifest } from '../src/model/backup.ts';
import type { Backup, Cluster } from '../src/model/cluster.ts';
import type { Restore, World } from '../src/model/world.ts';
import { endpointOf } from '../src/model/world.ts';
import { bareWorld, caHash, cluster, withFacts } from './sample.ts';

const argv = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=backup', '-keyout', '/dev/null'];

/** A certificate whose key nobody has. */
export const recipient = execFileSync('openssl', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

export const backup: Backup = {
  recipient,
  key: { kind: 'file', path: '/home/operator/backup.key' },
  schedule: 'Sun 03:00',
  keep: 7,
  inventory: 'apiVersion: homelab/v1\nkind: Cluster\n',
};

export const withBackups: Cluster = { ...cluster, backup };

export function manifestOf(of: Cluster = withBackups): BackupManifest {
  const { podSubnet, serviceSubnet, version } = of.kubernetes;
  const endpoint = endpointOf({ cluster: of, bundle: undefined });
  const configuration = `controlPlaneEndpoint: ${endpoint}\nnetworking: {podSubnet: ${podSubnet}, serviceSubnet: ${serviceSubnet}}\n`;
  return {
    cluster: of.name,
    homelab: '0.1.0',
    recipient: 'b'.repeat(64),
    made: '2026-11-22T03:00:00Z',
    host: 'k8s-cp',
    caHash,
    kubernetes: version,
    etcd: '3.5.15-0',
    snapshot: { hash: 1, revision: 4711, totalKey: 900 },
    configuration: Buffer.from(configuration).toString('base64'),
    plain: { sha256: 'c'.repeat(64), bytes: 100 },
    payload: { sha256: 'd'.repeat(64), bytes: 200 },
  };
}

export function restoreOf(of: Cluster = withBackups): Restore {
  return {
    path: '/home/operator/homelab.backup',
    sha256: 'e'.repeat(64),
    bytes: 300,
    manifest: manifestOf(of),
    key: { kind: 'file', path: '/home/operator/backup.key' },
  };
}

/** The control plane is a new machine, the workers are members still, and no API server answers. */
export function beforeRestore(of: Cluster = withBackups, theirCa = caHash): World {
  const world: World = { ...bareWorld({ cluster: of, bundle: undefined }), restore: restoreOf(of) };
  const version = of.kubernetes.version.replace(/^v/, '');
  return of.hosts
    .filter(({ role }) => role === 'worker')
    .reduce(
      (before, { name, role }) =>
        withFacts(before, name, {
          membership: { state: 'joined', role, caHash: theirCa },
          kubeadm: version,
          kubelet: version,
          isPrepared: true,
        }),
      world,
    );
}
