// The day that a control plane's machine is lost: backups as they are made, those that are none, and the cluster on another machine.
import { createHash } from 'node:crypto';
import { copyFile, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump, load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lab } from './machines.ts';
import { run as runHere } from './run.ts';
import { eventsOf, failuresOf, finished, type HomelabRun, stepsWith, story } from './run-homelab.ts';
import { freshLab, homelab, homeOf, inside, kubectl, readyNodes, whyNoCluster } from './test-lab.ts';

const reason = await whyNoCluster();

type Inventory = { readonly name: string; readonly hosts: readonly { readonly name: string }[] };

describe.skipIf(reason !== undefined)(reason ?? 'backup and restore', () => {
  let lab: Lab;
  let bundle = '';
  let archive = '';
  let before: Objects = {};

  beforeAll(async () => {
    lab = await freshLab('test-backup', 3);
    bundle = lab.bundle ?? '';
    await pair('backup');
    await pair('other');
    const run = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], await old());
    expect(run.code, story(run)).toBe(0);
    await kubectl(lab, 'create namespace shop');
    await inside(
      lab,
      'k8s-cp',
      `export KUBECONFIG=/etc/kubernetes/admin.conf
for n in $(seq 20); do
  kubectl create secret generic "s$n" -n shop --from-literal="v=secret-$n"
  kubectl create configmap "c$n" -n shop --from-literal="v=$n"
done
kubectl create deployment web -n shop --image=registry.k8s.io/pause:3.10 --replicas=3
kubectl rollout status -n shop deployment/web --timeout=60s`,
    );
  });
  afterAll(async () => {
    await lab?.down();
  });

  async function pair(name: string): Promise<void> {
    const place = ['-keyout', path.join(lab.dir, `${name}.key`), '-out', path.join(lab.dir, `${name}.crt`)];
    await runHere([
      'openssl',
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '30',
      '-subj',
      '/CN=b',
      ...place,
    ]);
  }

  /** The lab's inventory with these machines, the first one the control plane. */
  async function inventory(file: string, names: readonly string[], over: object = {}): Promise<string> {
    const base = load(await readFile(lab.inventoryPath, 'utf8')) as Inventory;
    const hosts = names.map((name, index) => ({
      ...base.hosts.find(each => each.name === name),
      role: index === 0 ? 'control-plane' : 'worker',
    }));
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference's own syntax
    const backup = { recipient: 'backup.crt', key: '${file:backup.key}', schedule: '03:00', keep: 2 };
    const target = path.join(lab.dir, `${file}.yaml`);
    await writeFile(target, dump({ ...base, backup, ...over, hosts }, { lineWidth: -1 }));
    return target;
  }
  const old = () => inventory('old', ['k8s-cp', 'k8s-worker1']);
  const young = (over = {}) => inventory('young', ['k8s-worker2', 'k8s-worker1'], over);

  const restore = async (file: string, at: string): Promise<HomelabRun> =>
    homelab(lab, ['restore', file, '--yes', '--bundle', bundle], at);
  const refused = (run: HomelabRun): string => {
    expect(run.code, story(run)).toBe(5);
    expect(stepsWith(run, 'done')).toEqual([]);
    return [...failuresOf(run).flatMap(({ message, details }) => [message, ...details]), run.stderr].join('\n');
  };

  test('a backup comes here whole, opened with its key, and nothing of it lies in clear on the machine', async () => {
    const run = await homelab(lab, ['backup', '--output', 'plain'], await old());
    expect(run.code, story(run)).toBe(0);
    archive = run.stdout.trim();
    expect(path.dirname(archive)).toBe(path.join(homeOf(lab), 'state', 'homelab', 'test-backup', 'backups'));
    expect((await stat(archive)).mode & 0o777).toBe(0o600);
    expect(run.stderr).toMatch(/etcd revision \d+, \d+ keys; opened with backup\.key and whole/);
    expect(await inside(lab, 'k8s-cp', 'ls -A /var/lib/homelab /var/backups/homelab')).toBe(
      `/var/backups/homelab:\n${path.basename(archive)}\n\n/var/lib/homelab:\nbackup-last\n`,
    );
    expect(await inside(lab, 'k8s-cp', "find / /var/lib/etcd -xdev -name '*homelab-backup.db*'")).toBe('');
    before = await objects('k8s-cp');
    expect(Object.keys(before).filter(name => name.startsWith('Secret/shop/'))).toHaveLength(20);
  });

  test('the timer makes one that can be fetched, and says in the cluster when it was', async () => {
    await inside(lab, 'k8s-cp', 'systemctl start homelab-backup.service');
    const run = await homelab(lab, ['backup', '--fetch', '--output', 'plain'], await old());
    expect(run.code, story(run)).toBe(0);
    const name = path.basename(run.stdout.trim());
    expect(name > path.basename(archive)).toBe(true);
    const last = await kubectl(lab, `get configmap homelab -n kube-system -o jsonpath='{.data.backup-last}'`);
    expect(last).toMatch(new RegExp(`^\\S+Z k8s-cp /var/backups/homelab/${name}$`));
    // Two are kept, on either side.
    await inside(lab, 'k8s-cp', 'systemctl start homelab-backup.service');
    expect((await inside(lab, 'k8s-cp', 'ls /var/backups/homelab')).trim().split('\n')).toHaveLength(2);
    expect((await readdir(path.dirname(archive))).filter(each => each.endsWith('.backup'))).toHaveLength(2);
  });

  test('a folder that cannot be written is told before anything is asked', async () => {
    const run = await homelab(lab, ['backup', '--out', '/dev/null/backups', '--output', 'plain'], await old());
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/✖ backups cannot be written into \/dev\/null\/backups/);
    expect((await inside(lab, 'k8s-cp', 'ls /var/backups/homelab')).trim().split('\n')).toHaveLength(2);
  });

  test('what is no backup of this cluster is refused before anything changes', async () => {
    const cut = path.join(lab.dir, 'cut.backup');
    await copyFile(archive, cut);
    await truncate(cut, (await stat(archive)).size - 1000);
    expect(refused(await restore(cut, await young()))).toMatch(/cut short: \d+ of \d+ bytes/);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference's own syntax
    const wrongKey = { backup: { recipient: 'other.crt', key: '${file:other.key}' } };
    expect(refused(await restore(archive, await young(wrongKey)))).toContain('was encrypted for another key');
    expect(refused(await restore(archive, await young({ name: 'other' })))).toContain(
      "the backup's cluster is test-backup",
    );
    // The machines that are members say that it lives.
    expect(refused(await restore(archive, await old()))).toContain('a restore begins on a bare machine');
  });

  test('the machine is lost: on another one, at another address, everything is as it was', async () => {
    await kubectl(lab, 'create configmap after-the-backup -n shop');
    await lab.powerCut('k8s-cp');
    const run = await restore(archive, await young());
    expect(run.code, story(run)).toBe(0);
    expect(finished(run).predictionErrors).toBe(0);
    expect(stepsWith(run, 'done')).toContain('control-plane/k8s-worker2/restore');
    expect(stepsWith(run, 'done').filter(id => /\/(init|join)$/.test(id))).toEqual([]);
    expect(eventsOf(run, 'evidence').filter(({ evidence }) => !evidence.ok)).toEqual([]);
    const after = await objects('k8s-worker2');
    expect(different(before, after)).toEqual([]);
    expect(await readyNodes(lab, 'k8s-worker2')).toEqual(['k8s-worker1', 'k8s-worker2']);
    expect((await kubectl(lab, 'get nodes -o name', 'k8s-worker2')).trim().split('\n')).toHaveLength(2);
    expect(await inside(lab, 'k8s-worker2', 'ls -A /var/cache/homelab /var/lib/homelab')).not.toMatch(
      /backup\n|restore/,
    );
    for (const entry of await readdir(path.join(homeOf(lab), 'state', 'homelab', 'test-backup', 'runs')))
      expect(
        await readFile(path.join(homeOf(lab), 'state', 'homelab', 'test-backup', 'runs', entry), 'utf8'),
      ).not.toContain('PRIVATE KEY');
  });

  test('it takes changes, and there is nothing left to do', async () => {
    await inside(
      lab,
      'k8s-worker2',
      `export KUBECONFIG=/etc/kubernetes/admin.conf
kubectl rollout restart deployment/web -n shop
kubectl rollout status deployment/web -n shop --timeout=60s`,
    );
    const run = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], await young());
    expect(run.code, story(run)).toBe(0);
    expect(finished(run)).toMatchObject({ steps: 0, predictionErrors: 0 });
  });

  /** A digest of every object but its status, by kind, namespace and name. */
  async function objects(host: string): Promise<Objects> {
    // What a machine or a moment makes: it is another afterwards, or gone.
    const passing = /^(events|leases|componentstatuses|nodes|csinodes|certificatesigningrequests)(\.|$)/;
    const types = (await kubectl(lab, 'api-resources --verbs=list -o name', host)).split('\n');
    const wanted = types.filter(type => type !== '' && !passing.test(type)).join(',');
    const { items } = JSON.parse(await kubectl(lab, `get ${wanted} -A -o json`, host)) as {
      readonly items: readonly ApiObject[];
    };
    return Object.fromEntries(
      items.map(({ status, metadata: { resourceVersion, managedFields, ...metadata }, ...rest }) => [
        `${rest.kind}/${metadata.namespace ?? ''}/${metadata.name}`,
        createHash('sha256')
          .update(JSON.stringify({ ...rest, metadata }))
          .digest('hex'),
      ]),
    );
  }
});

interface ApiObject {
  readonly kind: string;
  readonly status?: unknown;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly managedFields?: unknown;
  };
}

type Objects = Readonly<Record<string, string>>;

/** What is there once only, or otherwise; without what the lost machine itself was, or kubeadm says of the new one. */
function different(before: Objects, after: Objects): readonly string[] {
  const ofMachines =
    /^(Pod\/kube-system\/|EndpointSlice\/|Endpoints\/|ConfigMap\/kube-system\/(kubeadm-config|kubelet-config|homelab)$|ConfigMap\/kube-public\/cluster-info$)/;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    name => before[name] !== after[name] && !ofMachines.test(name),
  );
}
