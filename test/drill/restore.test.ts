// A control plane is restored onto a machine that loses its power again and again; and onto machines of another cluster, where it is refused.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump, load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lab } from '../lab/machines.ts';
import { run, until } from '../lab/run.ts';
import { failuresOf, finished, startHomelab, stepsWith, story } from '../lab/run-homelab.ts';
import { freshLab, homelab, homeOf, inside, kubectl, readyNodes, whyNoCluster } from '../lab/test-lab.ts';

const reason = await whyNoCluster();
const secrets = `get secrets -n shop -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.uid} {.data.v}{"\\n"}{end}'`;

describe.skipIf(reason !== undefined)(reason ?? 'a restore', () => {
  let lab: Lab;
  let bundle = '';
  let archive = '';
  let before = '';

  beforeAll(async () => {
    lab = await freshLab('drill-restore', 3);
    bundle = lab.bundle ?? '';
    const pair = ['-keyout', path.join(lab.dir, 'backup.key'), '-out', path.join(lab.dir, 'backup.crt')];
    await run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=b', ...pair]);
    await expectDone(['bootstrap', '--yes', '--bundle', bundle], await inventory('k8s-cp'));
    await inside(
      lab,
      'k8s-cp',
      `export KUBECONFIG=/etc/kubernetes/admin.conf
kubectl create namespace shop
for n in $(seq 20); do kubectl create secret generic "s$n" -n shop --from-literal="v=secret-$n"; done`,
    );
    before = await kubectl(lab, secrets);
    archive = (await expectDone(['backup', '--output', 'plain'], await inventory('k8s-cp'))).stdout.trim();
    await lab.powerCut('k8s-cp');
  });
  afterAll(async () => {
    await lab?.down();
  });

  async function expectDone(args: readonly string[], file: string) {
    const found = await homelab(lab, args, file);
    expect(found.code, story(found)).toBe(0);
    return found;
  }

  /** The first one is the control plane. */
  async function inventory(...names: readonly string[]): Promise<string> {
    const base = load(await readFile(lab.inventoryPath, 'utf8')) as { readonly hosts: readonly { name: string }[] };
    const hosts = names.map((name, index) => ({
      ...base.hosts.find(each => each.name === name),
      role: index === 0 ? 'control-plane' : 'worker',
    }));
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference's own syntax
    const backup = { recipient: 'backup.crt', key: '${file:backup.key}' };
    const file = path.join(lab.dir, `${names.join('-')}.yaml`);
    await writeFile(file, dump({ ...base, backup, hosts }, { lineWidth: -1 }));
    return file;
  }

  const restore = () => ['restore', archive, '--yes', '--bundle', bundle];

  test('machines of another cluster are refused, as control plane and as worker, before anything changes', async () => {
    await expectDone(['bootstrap', '--yes', '--bundle', bundle], await inventory('k8s-worker2'));
    for (const names of [['k8s-worker2'], ['k8s-worker1', 'k8s-worker2']]) {
      const found = await homelab(lab, restore(), await inventory(...names));
      expect(found.code, story(found)).toBe(5);
      expect(stepsWith(found, 'done')).toEqual([]);
      const said = failuresOf(found).flatMap(({ message, details }) => [message, ...details]);
      console.log(`${names.join(', ')}: ${said.join(' · ')}`);
      expect(said.join('\n')).toMatch(/k8s-worker2.*(cluster|member)/);
    }
    expect(await readyNodes(lab, 'k8s-worker2')).toEqual(['k8s-worker2']);
  });

  // In the order in which they come: every cut but the first is one of a run that goes on.
  test.each([
    ['the backup is opened', '[ -e /var/lib/homelab/restore/parts/etcd.db ]'],
    ["etcd's image is mounted", '[ -e /var/lib/homelab/restore/image/usr ]'],
    ['the data is in its place', '[ -d /var/lib/etcd/member ]'],
    ['kubeadm has written the first manifests', '[ -e /etc/kubernetes/manifests/etcd.yaml ]'],
    [
      'the API server answers',
      'kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=2s get --raw /readyz',
    ],
  ])('the power goes as soon as %s', async (what, script) => {
    const process = await startHomelab(homeOf(lab), [...restore(), '-i', await inventory('k8s-worker1')]);
    await process.event('step-started', ({ id }) => id === 'control-plane/k8s-worker1/restore');
    await until(async () => (await lab.exec('k8s-worker1', ['sh', '-c', script])).code === 0, {
      timeoutMs: 300_000,
      everyMs: 20,
      what,
    });
    await lab.powerCut('k8s-worker1');
    await lab.powerOn('k8s-worker1');
    const cut = await process.ended;
    // The machine has booted since: a run that looks anew may go on, this one may not.
    expect([4, 5, 6], story(cut)).toContain(cut.code);
  });

  test('the plain re-run ends it: every secret is there, and nothing is left to do', async () => {
    const found = await expectDone(restore(), await inventory('k8s-worker1'));
    expect(stepsWith(found, 'done')).toContain('control-plane/k8s-worker1/restore');
    expect(await kubectl(lab, secrets, 'k8s-worker1')).toBe(before);
    expect(await inside(lab, 'k8s-worker1', 'ls -A /var/lib/homelab /var/cache/homelab')).not.toMatch(
      /backup\n|restore/,
    );
    const again = await expectDone(['bootstrap', '--yes', '--bundle', bundle], await inventory('k8s-worker1'));
    expect(finished(again)).toMatchObject({ steps: 0, predictionErrors: 0 });
  });
});
