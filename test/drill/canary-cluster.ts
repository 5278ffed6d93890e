// What the canary drill plants before and among its runs, and what it reads afterwards of what was drawn and made on the way.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump, load } from 'js-yaml';
import type { Lab } from '../lab/machines.ts';
import { run } from '../lab/run.ts';
import { inside, inventoryOf } from '../lab/test-lab.ts';
import type { Canary } from './canary-search.ts';

export interface Planted {
  readonly inventory: string;
  readonly canaries: readonly Canary[];
}

const roles = { 'k8s-cp': 'control-plane', 'k8s-worker1': 'control-plane', 'k8s-worker2': 'worker' } as const;

/** The user whose sudo asks, a registry that asks, a key that opens backups; three machines of which two are control planes. */
export async function plant(lab: Lab): Promise<Planted> {
  const sudo = { name: 'sudo password', value: "canary-sudo/+%&$'9d4e1b" };
  const registry = { name: 'registry password', value: 'canary-registry/+%&$"5c27f0' };
  for (const { name } of lab.hosts) await lab.exec(name, ['chpasswd'], { stdin: `pw:${sudo.value}\n` });
  const files = {
    sudo: path.join(lab.dir, 'sudo-password'),
    registry: path.join(lab.dir, 'registry-password'),
    backup: path.join(lab.dir, 'backup.key'),
  };
  await writeFile(files.sudo, `${sudo.value}\n`, { mode: 0o600 });
  await writeFile(files.registry, `${registry.value}\n`, { mode: 0o600 });
  const request = 'req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=backup'.split(' ');
  await run(['openssl', ...request, '-keyout', files.backup, '-out', path.join(lab.dir, 'backup.crt')]);
  const backup = { name: "backup's key", value: (await readFile(files.backup, 'utf8')).split('\n')[4] ?? '' };

  const file = await inventoryOf(lab, 'canaries', roles);
  const inventory = load(await readFile(file, 'utf8')) as Record<'ssh' | 'containerd', object>;
  const credentials = { username: 'somebody', password: `\${file:${files.registry}}` };
  const changed = {
    ...inventory,
    ssh: { ...inventory.ssh, user: 'pw', sudo: { password: `\${file:${files.sudo}}` } },
    containerd: { ...inventory.containerd, registries: { 'registry.home.arpa:5000': { credentials } } },
    backup: { recipient: 'backup.crt', key: `\${file:${files.backup}}`, schedule: '03:00', keep: 2 },
  };
  await writeFile(file, dump(changed, { lineWidth: -1 }));
  return { inventory: file, canaries: [sudo, registry, backup] };
}

/** A Secret of the cluster, as somebody makes it. */
export async function plantSecret(lab: Lab): Promise<Canary> {
  const canary = { name: "a Secret's value", value: 'canary-secret/+%&$7b03ae' };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'canary' }, stringData: { v: canary.value } };
  const argv = ['kubectl', '--kubeconfig', '/etc/kubernetes/admin.conf', 'create', '-f', '-'] as const;
  const { code, stderr } = await lab.exec('k8s-cp', argv, { stdin: JSON.stringify(secret) });
  if (code !== 0) throw new Error(`the Secret was not made: ${stderr}`);
  return canary;
}

/** What homelab's vault drew: join tokens, certificate keys. */
export async function drawn(file: string): Promise<readonly Canary[]> {
  const text = await readFile(file, 'utf8');
  const tokens = (text.match(/[a-z0-9]+/g) ?? [])
    .filter(word => word.length % 22 === 0)
    .flatMap(word => word.match(/.{22}/g) ?? []);
  const keys = text.match(/(?<= )[0-9a-f]{64}(?= )/g) ?? [];
  if (tokens.length === 0 || keys.length === 0) throw new Error('no join token or no certificate key was overheard');
  return [
    // The id before the dot is a name, not a secret.
    ...tokens.map((token, index) => ({ name: `join token ${index + 1}`, value: token.slice(6) })),
    ...keys.map((value, index) => ({ name: `certificate key ${index + 1}`, value })),
  ];
}

/** What was made on the machines: the key that Secrets are encrypted with, and a line of each private key. */
export async function made(lab: Lab, when: string): Promise<readonly Canary[]> {
  const read = (script: string) => inside(lab, 'k8s-cp', script).then(text => text.trim());
  const keys = ['ca.key', 'sa.key', 'front-proxy-ca.key', 'etcd/ca.key', 'apiserver.key', 'etcd/server.key'];
  const found = [
    { name: 'encryption key', value: await read("sed -n 's/^ *secret: //p' /etc/kubernetes/homelab/encryption.yaml") },
    ...(await Promise.all(
      keys.map(async key => ({ name: key, value: await read(`sed -n 5p /etc/kubernetes/pki/${key}`) })),
    )),
    {
      name: "admin.conf's key",
      value: await read("sed -n 's/^ *client-key-data: //p' /etc/kubernetes/admin.conf | base64 -d | sed -n 5p"),
    },
  ];
  return found.map(({ name, value }) => ({ name: `${name} ${when}`, value }));
}
