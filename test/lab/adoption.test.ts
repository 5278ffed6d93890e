// A cluster that somebody made by hand: refused as long as the inventory does not describe it, described, and then kept without disturbing it.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump, load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectPods, handMade, makeByHand } from './bare-kubeadm.ts';
import type { Lab } from './machines.ts';
import { eventsOf, finished, type HomelabRun, plannedSteps, story } from './run-homelab.ts';
import { freshLab, homelab, inside, onAll, readyNodes, untilInside, whyNoCluster } from './test-lab.ts';

const reason = await whyNoCluster();

describe.skipIf(reason !== undefined)(reason ?? 'a cluster made by kubeadm alone', () => {
  let lab: Lab;
  /** The three that are a cluster; the fourth machine is bare. */
  let made: Lab;
  let sketch = '';
  let found = '';

  beforeAll(async () => {
    lab = await freshLab('test-adoption', 4);
    made = { ...lab, hosts: lab.hosts.slice(0, 3) };
    await makeByHand(made);
    sketch = path.join(lab.dir, 'sketch.yaml');
    found = path.join(lab.dir, 'found.yaml');
    await writeFile(
      sketch,
      `apiVersion: homelab/v1
kind: Cluster
name: attic
ssh: {user: admin, identityFile: ${lab.dir}/id_ed25519, knownHosts: ${lab.dir}/known_hosts}
hosts:
${made.hosts.map(({ name, role, address }) => `  - {name: ${name}, role: ${role}, address: ${address}}\n`).join('')}`,
    );
    await untilInside(
      lab,
      'k8s-cp',
      `[ "$(kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes | grep -c ' Ready ')" = 3 ]`,
      'all nodes to be Ready',
    );
  });

  afterAll(async () => {
    await lab?.down();
  });

  test('an inventory that says otherwise is refused line by line, and no step would disturb a machine', async () => {
    const run = await homelab(lab, ['plan']);
    expect(run.code, story(run)).toBe(5);
    const refusals = planOf(run).refusals.map(({ id }) => id);
    expect(refusals).toEqual(
      expect.arrayContaining([
        'connect/k8s-worker2/node-name',
        'control-plane/k8s-cp/podSubnet',
        'control-plane/k8s-cp/serviceSubnet',
        'control-plane/k8s-cp/endpoint',
        'network/k8s-cp/other-network',
        'network/k8s-worker1/other-network',
      ]),
    );
    expect(disturbing(run)).toEqual([]);
    const bootstrap = await homelab(lab, ['bootstrap', '--yes']);
    expect(bootstrap.code, story(bootstrap)).toBe(5);
    expect(finished(bootstrap)).toMatchObject({ steps: 0 });
  });

  test('plan --describe writes the inventory of what runs', async () => {
    const run = await homelab(lab, ['plan', '--describe', '--out', found], sketch);
    expect(run.code, story(run)).toBe(0);
    const text = await readFile(found, 'utf8');
    const address = lab.hosts[0]?.address;
    expect(load(text)).toEqual({
      apiVersion: 'homelab/v1',
      kind: 'Cluster',
      name: 'attic',
      kubernetes: {
        version: handMade.version,
        endpoint: address,
        podSubnet: handMade.podSubnet,
        serviceSubnet: handMade.serviceSubnet,
        kubeProxy: true,
        kubeletConfig: {
          evictionHard: { 'imagefs.available': '1Gi', 'memory.available': '100Mi', 'nodefs.available': '1Gi' },
          imageGCHighThresholdPercent: 100,
          maxPods: 42,
        },
      },
      containerd: { version: '2.1.5', package: 'containerd' },
      ssh: { user: 'admin', identityFile: `${lab.dir}/id_ed25519`, knownHosts: `${lab.dir}/known_hosts` },
      network: { provider: 'external' },
      hosts: [
        { name: 'k8s-cp', role: 'control-plane', address },
        { name: 'k8s-worker1', role: 'worker', address: lab.hosts[1]?.address },
        {
          name: handMade.oddName,
          role: 'worker',
          address: lab.hosts[2]?.address,
          labels: { disk: 'ssd', 'topology.kubernetes.io/zone': 'attic' },
          taints: ['dedicated=backup:PreferNoSchedule'],
        },
      ],
    });
    expect(text).not.toMatch(/PRIVATE KEY|BEGIN/);
  });

  test('with that inventory nothing is refused, every step is safe, and what was made by hand is told', async () => {
    const run = await homelab(lab, ['plan'], found);
    expect(run.code, story(run)).toBe(0);
    expect(planOf(run).refusals).toEqual([]);
    expect(disturbing(run)).toEqual([]);
    const notes = planOf(run).notes.map(({ host, text }) => `${host}: ${text}`);
    for (const told of [
      /^k8s-cp: homelab did not build this cluster/,
      /^k8s-cp: the manifest of kube-scheduler was edited by hand \(--profiling\)/,
      /^old-nas: left from the days of docker: .*dockershim/,
      /^k8s-worker1: kubelet has flags of its own in \/etc\/default\/kubelet: --v=1/,
      /^k8s-worker1: \/etc\/containerd\/config.toml is not homelab's and is left alone: it does what is needed/,
    ])
      expect(notes).toContainEqual(expect.stringMatching(told));
  });

  test('bootstrap takes the safe steps and disturbs nothing; a second run has none', async () => {
    const before = await whatRuns(made);
    const run = await homelab(lab, ['bootstrap', '--yes'], found);
    expect(run.code, story(run)).toBe(0);
    expect(finished(run)).toMatchObject({ outcome: 'ok', predictionErrors: 0 });
    expect(plannedSteps(run)).toEqual(expect.arrayContaining(['kube-packages/k8s-cp/hold', 'containerd/old-nas/hold']));
    expect(await whatRuns(made)).toEqual(before);
    const again = await homelab(lab, ['bootstrap', '--yes'], found);
    expect(again.code, story(again)).toBe(0);
    expect(plannedSteps(again)).toEqual([]);
    expect(Math.max(...Object.values(finished(again).remoteCommands))).toBeLessThanOrEqual(3);
    expect(await readyNodes(lab)).toEqual(['k8s-cp', 'k8s-worker1', handMade.oddName]);
  });

  test('what changed behind the kubelet’s and containerd’s back is told, not restarted', async () => {
    await inside(lab, 'k8s-worker1', 'touch /var/lib/kubelet/config.yaml /etc/containerd/config.toml');
    const run = await homelab(lab, ['bootstrap', '--yes'], found);
    expect(run.code, story(run)).toBe(0);
    expect(plannedSteps(run)).toEqual([]);
    const notes = planOf(run).notes.map(({ text }) => text);
    for (const unit of ['kubelet', 'containerd'])
      expect(notes).toContainEqual(expect.stringMatching(new RegExp(`left as it is.*${unit}.service runs with what`)));
  });

  test('a machine joins it: the others are not disturbed, and the next run has nothing to do', async () => {
    const wider = await withBareMachine(lab, found);
    const before = await whatRuns(made);
    const run = await homelab(lab, ['join-node', 'k8s-worker3', '--yes', '--bundle', lab.bundle ?? ''], wider);
    expect(run.code, story(run)).toBe(0);
    expect(finished(run)).toMatchObject({ outcome: 'ok', predictionErrors: 0 });
    expect(plannedSteps(run).filter(id => !id.includes('/k8s-worker3/'))).toEqual([
      'workers/k8s-cp/join-token',
      'workers/k8s-cp/join-token-gone',
    ]);
    expect(await whatRuns(made)).toEqual(before);
    // The pod network is its owner's, for this node too.
    await connectPods(lab);
    await untilInside(
      lab,
      'k8s-cp',
      `kubectl --kubeconfig /etc/kubernetes/admin.conf wait --for=condition=Ready --timeout=30s node/k8s-worker3`,
      'the new node to be Ready',
    );
    const again = await homelab(lab, ['bootstrap', '--yes', '--bundle', lab.bundle ?? ''], wider);
    expect(again.code, story(again)).toBe(0);
    expect(plannedSteps(again)).toEqual([]);
    expect(await readyNodes(lab)).toEqual(['k8s-cp', 'k8s-worker1', 'k8s-worker3', handMade.oddName]);
  });

  test('that machine leaves it; a second control plane is refused while the endpoint is an address', async () => {
    const before = await whatRuns(made);
    const removed = await homelab(lab, ['remove-node', 'k8s-worker3', '--yes'], await withBareMachine(lab, found));
    expect(removed.code, story(removed)).toBe(0);
    expect(finished(removed)).toMatchObject({ predictionErrors: 0 });
    expect(await whatRuns(made)).toEqual(before);
    expect(await readyNodes(lab)).toEqual(['k8s-cp', 'k8s-worker1', handMade.oddName]);
    const run = await homelab(
      lab,
      ['join-node', 'k8s-worker3', '--yes'],
      await withBareMachine(lab, found, 'control-plane'),
    );
    expect(run.code).toBe(3);
    expect(story(run)).toMatch(/kubernetes\.endpoint .*expected an endpoint that is a name/);
  });
});

/** The inventory at `found` with the bare machine, and with where this lab's packages come from. */
async function withBareMachine(lab: Lab, found: string, role = 'worker'): Promise<string> {
  type Inventory = Readonly<Record<'kubernetes' | 'containerd', { readonly repository?: object }>> & {
    readonly hosts: readonly object[];
  };
  const [inventory, labs] = await Promise.all(
    [found, lab.inventoryPath].map(async file => load(await readFile(file, 'utf8')) as Inventory),
  );
  const { name, address } = lab.hosts[3] ?? {};
  const file = path.join(lab.dir, 'wider.yaml');
  const wider = {
    ...inventory,
    kubernetes: { ...inventory?.kubernetes, repository: labs?.kubernetes.repository },
    containerd: labs?.containerd,
    hosts: [...(inventory?.hosts ?? []), { name, role, address }],
  };
  await writeFile(file, dump(wider, { lineWidth: -1 }));
  return file;
}

function planOf(run: HomelabRun) {
  const [plan] = eventsOf(run, 'plan');
  if (!plan) throw new Error(story(run));
  return plan;
}

function disturbing(run: HomelabRun): readonly string[] {
  return planOf(run).steps.flatMap(({ id, risk }) => (risk === 'safe' ? [] : [id]));
}

/** Processes that a restart would make anew, and files that are their owner's. */
// Not the scheduler: its manifest was edited by hand, and kubelet starts it anew in its own time, a minute later or in the middle of a run.
async function whatRuns(lab: Lab): Promise<readonly string[]> {
  return onAll(
    lab,
    `for unit in containerd kubelet; do systemctl show -p MainPID --value "$unit"; done
pgrep -x 'kube-apiserver|etcd' | sort || true
cat /etc/containerd/config.toml /etc/default/kubelet /etc/hosts /etc/cni/net.d/* /var/lib/kubelet/config.yaml | sha256sum`,
  );
}
