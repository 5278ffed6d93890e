// A cluster's life on real machines: machines join, one dies, others leave, all are reset, and it is made again.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lab } from '../lab/machines.ts';
import { eventsOf, finished, type HomelabRun, plannedSteps, stepsWith, story } from '../lab/run-homelab.ts';
import {
  freshLab,
  homelab,
  inside,
  inventoryOf,
  kubectl,
  readyNodes,
  untilInside,
  whyNoCluster,
} from '../lab/test-lab.ts';

const reason = await whyNoCluster();

const first = 'k8s-cp';
const staying = 'k8s-worker1';
const newcomer = 'k8s-worker2';
const second = 'k8s-worker3';
const third = 'k8s-worker4';

const begun = { [first]: 'control-plane', [staying]: 'worker' } as const;
const grown = { ...begun, [newcomer]: 'worker' } as const;
const whole = { ...grown, [second]: 'control-plane', [third]: 'control-plane' } as const;
const survivors = {
  [staying]: 'worker',
  [newcomer]: 'worker',
  [second]: 'control-plane',
  [third]: 'control-plane',
} as const;
const last = { [staying]: 'worker', [second]: 'control-plane', [third]: 'control-plane' } as const;

describe.skipIf(reason !== undefined)(reason ?? "a cluster's life", () => {
  let lab: Lab;
  let bundle = '';

  beforeAll(async () => {
    lab = await freshLab('test-life', 5);
    bundle = lab.bundle ?? '';
  });
  afterAll(async () => {
    await lab?.down();
  });

  type Roles = Parameters<typeof inventoryOf>[2];

  /** Runs homelab with an inventory of these machines, and says how long it took. */
  const life = async (roles: Roles, ...args: readonly string[]): Promise<HomelabRun> => {
    const inventory = await inventoryOf(lab, Object.values(roles).join('-'), roles);
    const run = await homelab(
      lab,
      [...args, ...(args[0] === 'verify' ? [] : ['--yes']), '--bundle', bundle],
      inventory,
    );
    console.error(`${args.join(' ')}: ${(run.durationMs / 1000).toFixed(1)} s`);
    return run;
  };
  const expectOk = (run: HomelabRun): void => {
    expect(run.code, story(run)).toBe(0);
    expect(finished(run)).toMatchObject({ outcome: 'ok', predictionErrors: 0 });
    expect(stepsWith(run, 'done').toSorted()).toEqual(plannedSteps(run).toSorted());
  };
  const expectConverged = async (roles: Roles): Promise<void> => {
    const run = await life(roles, 'bootstrap');
    expectOk(run);
    expect(plannedSteps(run)).toEqual([]);
  };

  test('one control plane and one worker, then one worker more: the others get its route and nothing else', async () => {
    expectOk(await life(begun, 'bootstrap'));
    const run = await life(grown, 'join-node', newcomer);
    expectOk(run);
    const onOthers = stepsWith(run, 'done').filter(id => !id.includes(`/${newcomer}/`));
    expect(onOthers.filter(id => id.includes(`/${staying}/`))).toEqual([
      `network/${staying}/routes-unit`,
      `network/${staying}/routes-service`,
      `network/${staying}/routes`,
    ]);
    expect(onOthers.filter(id => id.includes(`/${first}/`)).toSorted()).toEqual([
      `kubelet-certificates/${first}/approve`,
      `network/${first}/routes`,
      `network/${first}/routes-service`,
      `network/${first}/routes-unit`,
      `workers/${first}/join-token`,
      `workers/${first}/join-token-gone`,
    ]);
    expect(await readyNodes(lab)).toEqual([first, staying, newcomer]);
    await expectConverged(grown);
  });

  test('two control planes more, one after the other: three etcd members, no key and no token left', async () => {
    expectOk(await life({ ...grown, [second]: 'control-plane' }, 'join-node', second));
    expectOk(await life(whole, 'join-node', third));
    expect(await readyNodes(lab)).toEqual(Object.keys(whole).toSorted());
    expect(await members(lab, first)).toEqual([first, second, third]);
    const secrets = await kubectl(lab, 'get secrets -n kube-system -o name');
    expect(secrets).not.toMatch(/bootstrap-token|kubeadm-certs/);
    const verified = await life(whole, 'verify');
    expect(verified.code, story(verified)).toBe(0);
    expect(eventsOf(verified, 'evidence').filter(({ evidence }) => !evidence.ok)).toEqual([]);
    await expectConverged(whole);
  });

  test("the first control plane's machine dies: the API answers a worker by the others, and it is removed dead", async () => {
    await lab.powerCut(first);
    const began = performance.now();
    const asked = 'kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=20s get --raw /readyz';
    await untilInside(lab, staying, asked, 'the API to answer a worker');
    console.error(`the API answers again: ${((performance.now() - began) / 1000).toFixed(1)} s`);

    const run = await life(whole, 'remove-node', first, '--dead');
    expectOk(run);
    const done = stepsWith(run, 'done');
    expect(done).toContain(`etcd-member/${second}/etcd-without-${first}`);
    expect(done).toContain(`forget/${second}/forget-${first}`);
    expect(await members(lab, second)).toEqual([second, third]);
    expect(await readyNodes(lab, second)).toEqual(Object.keys(survivors).toSorted());
    await expectConverged(survivors);
  });

  test('a worker leaves; while a budget never lets its pod go it stays, and is not even cordoned', async () => {
    await inside(lab, second, `kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f - <<'YAML'\n${guarded}YAML\n`);
    await kubectl(lab, 'rollout status deployment/guarded --timeout=60s', second);
    const kept = await life(survivors, 'remove-node', newcomer, '--drain-timeout', '10');
    expect(kept.code, story(kept)).toBe(5);
    expect(eventsOf(kept, 'plan')[0]?.refusals.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(
        /the disruption budget default\/guarded never lets default\/guarded-\S+ go: it says minAvailable 1/,
      ),
    ]);
    const node = `get node ${newcomer} -o jsonpath='{.spec.unschedulable}{.metadata.annotations.homelab/cordoned}'`;
    expect(await kubectl(lab, node, second)).toBe('');
    expect(await readyNodes(lab, second)).toEqual(Object.keys(survivors).toSorted());

    await kubectl(lab, 'delete poddisruptionbudget guarded', second);
    const run = await life(survivors, 'remove-node', newcomer);
    expectOk(run);
    expect(phasesOf(run)).toEqual(['drain', 'reset', 'network', 'forget']);
    expect(await readyNodes(lab, second)).toEqual(Object.keys(last).toSorted());
    await expectConverged(last);
  });

  test('all are reset by the name of the cluster, the dead one too once it is back, and made again', async () => {
    await lab.powerOn(first);
    await lab.waitReachable(first);
    const run = await life(whole, 'reset', lab.name);
    expectOk(run);
    for (const host of lab.hosts) {
      const left = await inside(
        lab,
        host.name,
        'ls -d /etc/kubernetes /etc/cni/net.d/* /var/lib/etcd/* 2>/dev/null || :',
      );
      expect(left, host.name).toBe('');
      expect(await inside(lab, host.name, 'iptables-save | grep -c -e KUBE- -e homelab || :')).toBe('0\n');
    }
    // The machine that had been removed alive was reset then, and keeps what explains it.
    expect((await inside(lab, newcomer, 'ls /var/log/homelab/reset-*/')).split('\n')).toContain('journal.log');
    expect(await inside(lab, second, 'ls /var/log/homelab/reset-*/')).toContain('etcd.db');

    expectOk(await life(last, 'bootstrap'));
    expect(await members(lab, second)).toEqual([second, third]);
    expect(await readyNodes(lab, second)).toEqual(Object.keys(last).toSorted());
    await expectConverged(last);
  });
});

/** Names of the etcd members that have started, sorted. */
async function members(lab: Lab, host: string): Promise<readonly string[]> {
  const script = `chroot "/proc/$(pgrep -ox etcd)/root" /usr/local/bin/etcdctl --endpoints=https://127.0.0.1:2379 \\
  --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key member list`;
  const lines = (await inside(lab, host, script)).trim().split('\n');
  return lines.map(line => line.split(', ')[2] ?? '').sort();
}

/** Phases that had steps, in order. */
function phasesOf(run: HomelabRun): readonly string[] {
  return [...new Set(stepsWith(run, 'done').map(id => id.split('/')[0] ?? ''))];
}

const guarded = `apiVersion: apps/v1
kind: Deployment
metadata: {name: guarded, namespace: default}
spec:
  selector: {matchLabels: {app: guarded}}
  template:
    metadata: {labels: {app: guarded}}
    spec:
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [${newcomer}]}]}
      terminationGracePeriodSeconds: 0
      containers: [{name: pause, image: registry.k8s.io/pause:3.10}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guarded, namespace: default}
spec: {minAvailable: 1, selector: {matchLabels: {app: guarded}}}
`;
