// What goes wrong while machines come and go, on real machines: each case says what happened and what to type, and that works.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatFailures } from '../../src/render/error.ts';
import type { Lab } from '../lab/machines.ts';
import { run as runHere } from '../lab/run.ts';
import {
  failuresOf,
  finished,
  type HomelabProcess,
  type HomelabRun,
  startHomelab,
  stepsWith,
  story,
} from '../lab/run-homelab.ts';
import { freshLab, homeOf, inside, inventoryOf, kubectl, readyNodes, whyNoCluster } from '../lab/test-lab.ts';

const reason = await whyNoCluster();

type Roles = Parameters<typeof inventoryOf>[2];

/** A lab and what is run on it; the bundle is the lab's own unless another is given. */
function life(lab: Lab, bundle = lab.bundle ?? '') {
  const argv = async (roles: Roles, args: readonly string[]) => [
    ...[...args, ...(args[0] === 'verify' ? [] : ['--yes']), '--bundle', bundle],
    ...['-i', await inventoryOf(lab, Object.entries(roles).flat().join('-'), roles)],
  ];
  return {
    run: async (roles: Roles, ...args: readonly string[]): Promise<HomelabRun> => {
      const run = await (await startHomelab(homeOf(lab), await argv(roles, args))).ended;
      console.error(`${args.join(' ')}: exit ${run.code}, ${(run.durationMs / 1000).toFixed(1)} s`);
      return run;
    },
    begin: async (roles: Roles, ...args: readonly string[]): Promise<HomelabProcess> =>
      startHomelab(homeOf(lab), await argv(roles, args)),
  };
}

function expectOk(run: HomelabRun): void {
  expect(run.code, story(run)).toBe(0);
  expect(finished(run)).toMatchObject({ outcome: 'ok', predictionErrors: 0 });
}

/** Everything that a person reads of a failure. */
function said(run: HomelabRun): string {
  return formatFailures(failuresOf(run), {}).join('\n');
}

function expectRefused(run: HomelabRun, ...what: readonly (string | RegExp)[]): void {
  expect(run.code, story(run)).toBe(5);
  expect(stepsWith(run, 'done')).toEqual([]);
  for (const each of what) expect(said(run)).toMatch(each);
}

/** kubeadm is killed as by a reset button, as soon as this file is there. */
async function killKubeadmAt(lab: Lab, host: string, file: string): Promise<void> {
  await inside(
    lab,
    host,
    `systemd-run --quiet --collect --unit=killer sh -c 'until [ -e ${file} ]; do sleep 0.02; done; pkill -KILL -x kubeadm'`,
  );
}

describe.skipIf(reason !== undefined)(reason ?? 'bad luck while the first control plane is made', () => {
  let lab: Lab;
  const one = { 'k8s-cp': 'control-plane' } as const;

  beforeAll(async () => {
    lab = await freshLab('test-life-init', 1);
  });
  afterAll(async () => {
    await lab?.down();
  });

  test('an image is missing in the bundle: it is named, and nothing is begun', async () => {
    const folder = await bundleWithout(lab, 'registry.k8s.io/etcd');
    const run = await life(lab, folder).run(one, 'bootstrap');
    expectRefused(run, /registry\.k8s\.io\/etcd/, /give the images with --bundle DIR/);
  });

  test('kubeadm init is killed half way: the same command goes on; a reset saves what explains it', async () => {
    const { run } = life(lab);
    await killKubeadmAt(lab, 'k8s-cp', '/etc/kubernetes/manifests/kube-apiserver.yaml');
    const killed = await run(one, 'bootstrap');
    expect(killed.code, story(killed)).toBe(6);
    expect(stepsWith(killed, 'failed')).toEqual(['control-plane/k8s-cp/init']);
    expectOk(await run(one, 'bootstrap'));

    expectOk(await run(one, 'reset', 'k8s-cp'));
    expect((await inside(lab, 'k8s-cp', 'ls /var/log/homelab/reset-*/')).split('\n')).toEqual(
      expect.arrayContaining(['journal.log', 'kubeadm-reset.log', 'kubernetes.tar']),
    );
    expectOk(await run(one, 'bootstrap'));
    expect(await readyNodes(lab)).toEqual(['k8s-cp']);
  });
});

describe.skipIf(reason !== undefined)(reason ?? 'bad luck while machines come', () => {
  let lab: Lab;
  const alone = { 'k8s-cp': 'control-plane' } as const;
  const both = { ...alone, 'k8s-worker1': 'worker' } as const;
  const foreign = { ...both, 'k8s-worker2': 'worker' } as const;
  const two = { ...both, 'k8s-worker2': 'control-plane' } as const;
  const three = { ...two, 'k8s-worker3': 'control-plane' } as const;
  const all = { ...foreign, 'k8s-worker3': 'worker' } as const;

  beforeAll(async () => {
    lab = await freshLab('test-life-luck', 4);
    const { run } = life(lab);
    expectOk(await run(all, 'bootstrap', '--until', 'kube-packages'));
    expectOk(await run(alone, 'bootstrap'));
  });
  afterAll(async () => {
    await lab?.down();
  });

  test('a machine of another cluster is neither joined nor reset; its owner resets it, then it joins', async () => {
    const { run } = life(lab);
    await inside(lab, 'k8s-worker2', anotherCluster);
    const ours = { ...alone, 'k8s-worker2': 'worker' } as const;
    expectRefused(
      await run(ours, 'join-node', 'k8s-worker2'),
      /another cluster/,
      /sudo kubeadm reset -f on k8s-worker2/,
    );
    expectRefused(await run(ours, 'reset', 'k8s-worker2'), /another cluster/, /sudo kubeadm reset/);
    // As the hint says.
    await inside(lab, 'k8s-worker2', 'kubeadm reset -f >/dev/null 2>&1');
    expectOk(await run(ours, 'join-node', 'k8s-worker2'));
    expectOk(await run(ours, 'remove-node', 'k8s-worker2'));
  });

  test("a worker's join is killed half way: the same command goes on", async () => {
    const { run } = life(lab);
    await killKubeadmAt(lab, 'k8s-worker1', '/etc/kubernetes/bootstrap-kubelet.conf');
    const killed = await run(both, 'join-node', 'k8s-worker1');
    expect(killed.code, story(killed)).toBe(6);
    expect(stepsWith(killed, 'failed')).toEqual(['workers/k8s-worker1/join']);
    expect(stepsWith(killed, 'done')).toContain('workers/k8s-cp/join-token-gone');
    expectOk(await run(both, 'join-node', 'k8s-worker1'));
    expectOk(await run(both, 'reset', 'k8s-worker1'));
  });

  test("a control plane's join is killed half way: refused with the command that makes it bare again", async () => {
    const { run } = life(lab);
    await killKubeadmAt(lab, 'k8s-worker2', '/etc/kubernetes/manifests/etcd.yaml');
    const killed = await run(two, 'join-node', 'k8s-worker2');
    expect(killed.code, story(killed)).toBe(6);
    expect(stepsWith(killed, 'failed')).toEqual(['control-plane-join/k8s-worker2/join']);
    expectRefused(
      await run(two, 'join-node', 'k8s-worker2'),
      /kubeadm (join did not finish|run left)/,
      /homelab reset k8s-worker2/,
    );
    expectOk(await run(two, 'reset', 'k8s-worker2'));
  });

  test('the token is gone before it is used: said so, and the same command makes a new one', async () => {
    const { run, begin } = life(lab);
    const address = lab.hosts[0]?.address ?? '';
    const rule = `OUTPUT --destination ${address} --protocol tcp --dport 6443 --jump DROP`;
    const process = await begin(both, 'join-node', 'k8s-worker1');
    // Held back until the token is gone; before that the machine is seen to reach the API server.
    await process.event('phase-started', ({ phase }) => phase === 'workers');
    await inside(lab, 'k8s-worker1', `iptables --wait --append ${rule}`);
    await process.event('step-finished', ({ id }) => id === 'workers/k8s-cp/join-token');
    await kubectl(lab, 'delete secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token');
    await inside(lab, 'k8s-worker1', `iptables --wait --delete ${rule}`);
    const failed = await process.ended;
    expect(failed.code, story(failed)).toBe(6);
    expect(said(failed)).toMatch(/the join token was gone before the machine had used it/);
    expect(stepsWith(failed, 'failed')).toEqual(['workers/k8s-worker1/join']);
    expectOk(await run(both, 'join-node', 'k8s-worker1'));
    expect(await readyNodes(lab)).toEqual(['k8s-cp', 'k8s-worker1']);
  });

  test('containerd is set to another cgroup driver by hand: verify names it, bootstrap mends it', async () => {
    const { run } = life(lab);
    await inside(
      lab,
      'k8s-worker1',
      `sed -i 's/SystemdCgroup = true/SystemdCgroup = false/' /etc/containerd/config.toml
systemctl restart containerd`,
    );
    const broken = await run(both, 'verify', '--only', 'containerd');
    expect(broken.code, story(broken)).toBe(7);
    expect(said(broken)).toMatch(/SystemdCgroup = false/);
    const mended = await run(both, 'bootstrap');
    expectOk(mended);
    // On k8s-cp the name of the control plane goes that did not become one.
    expect(stepsWith(mended, 'done').filter(id => !id.startsWith('host-base/k8s-cp/'))).toEqual([
      'containerd/k8s-worker1/config',
      'containerd/k8s-worker1/service',
    ]);
    expect(await inside(lab, 'k8s-worker1', 'containerd config dump')).toContain('SystemdCgroup = true');
  });

  test('a control plane is half a member of etcd: no other joins until it is taken out', async () => {
    const { run } = life(lab);
    const [, , second] = lab.hosts;
    await inside(
      lab,
      'k8s-cp',
      `${etcdctl} member add --learner k8s-worker2 --peer-urls=https://${second?.address}:2380`,
    );
    expectRefused(await run(two, 'join-node', 'k8s-worker2'), /not healthy/, /homelab reset NAME/);
    const reset = await run(two, 'reset', 'k8s-worker2');
    expectOk(reset);
    expect(stepsWith(reset, 'done')).toEqual(['etcd-member/k8s-cp/etcd-without-k8s-worker2']);
    expectOk(await run(two, 'join-node', 'k8s-worker2'));
  });

  test('one of three etcd members stands still: no fourth joins, and the one that is lost is named', async () => {
    const { run } = life(lab);
    const manifest = '/etc/kubernetes/manifests/etcd.yaml';
    expectOk(await run(three, 'join-node', 'k8s-worker3'));
    expectOk(await run(three, 'reset', 'k8s-worker1'));
    await inside(
      lab,
      'k8s-worker3',
      `mv ${manifest} /root/etcd.yaml; while pgrep -x etcd >/dev/null; do sleep 0.2; done`,
    );
    const four = { ...three, 'k8s-worker1': 'control-plane' } as const;
    const refused = await run(four, 'join-node', 'k8s-worker1');
    await inside(lab, 'k8s-worker3', `mv /root/etcd.yaml ${manifest}`);
    expectRefused(refused, /not healthy: k8s-worker3 of 3 members/);
  });

  test('the control plane loses its power while a worker joins: said so, and the same command goes on', async () => {
    const { run, begin } = life(lab);
    const fresh = { ...alone, 'k8s-worker1': 'worker' } as const;
    expectOk(await run(three, 'reset', lab.name));
    expectOk(await run(alone, 'bootstrap'));
    const process = await begin(fresh, 'join-node', 'k8s-worker1');
    await process.event('step-started', ({ id }) => id === 'workers/k8s-worker1/join');
    await lab.powerCut('k8s-cp');
    const failed = await process.ended;
    expect([4, 6], story(failed)).toContain(failed.code);
    expect(said(failed)).toMatch(/k8s-cp/);
    await lab.powerOn('k8s-cp');
    await lab.waitReachable('k8s-cp');
    expectOk(await run(fresh, 'join-node', 'k8s-worker1'));
    expect(await readyNodes(lab)).toEqual(['k8s-cp', 'k8s-worker1']);
  });
});

const etcdctl = `chroot "/proc/$(pgrep -ox etcd)/root" /usr/local/bin/etcdctl --endpoints=https://127.0.0.1:2379 \\
  --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key`;

/** What a worker of somebody else's cluster has. */
const anotherCluster = `install -d /etc/kubernetes/pki /var/lib/kubelet
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=kubernetes -keyout /dev/null -out /etc/kubernetes/pki/ca.crt 2>/dev/null
echo 'kind: Config' > /etc/kubernetes/kubelet.conf
echo 'kind: KubeletConfiguration' > /var/lib/kubelet/config.yaml`;

/** The lab's bundle but for the images of this name. */
async function bundleWithout(lab: Lab, image: string): Promise<string> {
  const from = lab.bundle ?? '';
  const folder = path.join(lab.dir, 'bundle-without');
  const bundle = JSON.parse(await readFile(path.join(from, 'bundle.json'), 'utf8')) as {
    readonly entries: readonly { readonly name: string }[];
  };
  const entries = bundle.entries.filter(({ name }) => !name.startsWith(`${image}:`));
  expect(entries.length).toBe(bundle.entries.length - 1);
  await mkdir(folder, { recursive: true });
  // Where the lab's state is on another filesystem than the cache, cp copies.
  const images = ['--recursive', path.join(from, 'images'), folder] as const;
  await runHere(['cp', '--link', ...images]).catch(() => runHere(['cp', ...images]));
  await writeFile(path.join(folder, 'bundle.json'), JSON.stringify({ ...bundle, entries }));
  return folder;
}
