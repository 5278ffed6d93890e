// The script that makes backups, run here by dash with a folder for a machine and stand-ins for etcd.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readArchive, tryOpen } from '../../src/io/archive.ts';
import { printing } from '../../src/model/shell.ts';
import { backupScript, keyFiles } from '../../src/transitions/backup.ts';
import { dash } from '../dash.ts';
import { isRoot, scratch, standIns } from '../resources/rig.ts';
import { host } from '../sample.ts';

interface Over {
  /** What etcdctl is told to do and cannot. */
  readonly failing?: string;
  readonly without?: string;
  readonly before?: readonly string[];
}

function machine({ failing = 'nothing', without, before = [] }: Over = {}) {
  const folder = scratch();
  const at = (...names: readonly string[]) => join(folder, ...names);
  const write = (path: string, text: string) => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
  };
  const argv = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '36500', '-subj', '/CN=backup'];
  mkdirSync(at('k8s'));
  execFileSync('openssl', [...argv, '-keyout', at('key'), '-out', at('crt')], { stdio: 'ignore' });
  for (const name of keyFiles.filter(each => each !== without))
    write(at('k8s/pki', name), name === 'ca.crt' ? readFileSync(at('crt'), 'utf8') : `secret of ${name}\n`);
  write(at('k8s/manifests/etcd.yaml'), '    image: registry.k8s.io/etcd:3.5.15-0\n');
  write(
    at('k8s/manifests/kube-apiserver.yaml'),
    `    - --encryption-provider-config=${at('encryption.yaml')}\n    image: registry.k8s.io/kube-apiserver:v1.31.1\n`,
  );
  write(at('encryption.yaml'), 'the key of Secrets\n');
  write(at('proc/7/root/var/lib/etcd/member'), '');
  const tool = at('proc/7/root/usr/local/bin/etcdutl');
  write(tool, `#!/bin/sh\necho '{"hash":1,"revision":2,"totalKey":3,"totalSize":4}'\n`);
  chmodSync(tool, 0o755);
  for (const name of before) write(at('backups', name), '');
  const bin = standIns(folder, {
    pgrep: 'echo 7',
    chroot: `case "$*" in
  *${JSON.stringify(failing)}*) echo 'etcd says no' >&2; exit 1 ;;
  *'snapshot save'*) echo 'data of etcd' > ${at('proc/7/root/var/lib/etcd/homelab-backup.db')} ;;
esac`,
    kubectl: `case "$*" in *ClusterConfiguration*) echo 'controlPlaneEndpoint: here:6443' ;; esac`,
  });
  const script = backupScript({
    cluster: 'homelab',
    host: host('k8s-cp'),
    backup: { recipient: readFileSync(at('crt'), 'utf8'), keep: 2 },
    printRecipient: printing(readFileSync(at('crt'), 'utf8')),
    printInventory: printing('kind: Cluster\n'),
  });
  const moved: Readonly<Record<string, string>> = {
    '/var/lib/homelab': at('lib'),
    '/var/backups/homelab': at('backups'),
    '/etc/kubernetes': at('k8s'),
    '/run/homelab-backup.lock': at('lock'),
    '/proc/': `${at('proc')}/`,
  };
  const there = Object.entries(moved).reduce((text, [from, to]) => text.replaceAll(from, to), script);
  return { at, said: dash(`set -eu\n${there}`, { bin, timeoutMs: 60_000 }) };
}

// Folders are made root's alone, as on a machine.
describe.skipIf(!isRoot)('a backup', () => {
  it('has etcd, every key and the inventory in one file that the private key opens', async () => {
    const { at, said } = machine();
    expect([said.code, said.stderr]).toEqual([0, '']);
    const archive = await readArchive(said.stdout.trim());
    expect(archive.manifest).toMatchObject({
      cluster: 'homelab',
      host: 'k8s-cp',
      kubernetes: 'v1.31.1',
      etcd: '3.5.15-0',
      snapshot: { hash: 1, revision: 2, totalKey: 3 },
      configuration: Buffer.from('controlPlaneEndpoint: here:6443\n').toString('base64'),
    });
    const key = readFileSync(at('key'), 'utf8');
    expect(await tryOpen(archive, key, new AbortController().signal)).toBe('opened');
    const open = `tail -n +2 ${archive.path} | openssl cms -decrypt -binary -inform DER -inkey ${at('key')} | tar -xzC ${at('open')}`;
    mkdirSync(at('open'));
    execFileSync('sh', ['-c', open]);
    const read = (name: string) => readFileSync(at('open', name), 'utf8');
    expect(read('etcd.db')).toBe('data of etcd\n');
    expect(read('encryption.yaml')).toBe('the key of Secrets\n');
    expect(read('inventory.yaml')).toBe('kind: Cluster\n');
    for (const name of keyFiles) expect(existsSync(at('open/pki', name)), name).toBe(true);
    expect(() => execFileSync('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: at('open') })).not.toThrow();
  });

  it('leaves nothing in clear behind, and says when it was', () => {
    const { at, said } = machine();
    expect(said.code).toBe(0);
    expect(readdirSync(at('lib'))).toEqual(['backup-last']);
    expect(readFileSync(at('lib/backup-last'), 'utf8')).toMatch(/^2\S+Z k8s-cp \S+\/homelab-2\S+Z\.backup\n$/);
    expect(readdirSync(at('proc/7/root/var/lib/etcd'))).toEqual(['member']);
  });

  it('keeps the newest, and what is not its', () => {
    const before = [
      'homelab-20200101T000000Z.backup',
      'homelab-20200102T000000Z.backup',
      'other-20200101T000000Z.backup',
    ];
    const { at } = machine({ before: [...before, '.homelab-20200103T000000Z.backup.new'] });
    const left = readdirSync(at('backups')).toSorted();
    expect(left).toHaveLength(3);
    expect(left).toEqual(expect.arrayContaining(before.slice(1)));
  });

  it.each<[string, Over, string]>([
    ['etcd is not healthy', { failing: 'endpoint health' }, 'homelab: etcd here is not healthy'],
    ['etcd gives no snapshot', { failing: 'snapshot save' }, 'etcd says no'],
    ["a CA's key is kept elsewhere", { without: 'ca.key' }, 'pki/ca.key is missing'],
  ])('is none where %s: it fails, and leaves nothing', (_, over, message) => {
    const { at, said } = machine(over);
    expect(said.code).toBe(1);
    expect(said.stderr).toContain(message);
    expect(readdirSync(at('backups'))).toEqual([]);
    expect(readdirSync(at('lib'))).toEqual([]);
  });
});
