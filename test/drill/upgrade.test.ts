// One upgrade of a real cluster, v1.31.1 to v1.31.4, with everything that can come between; what a plain re-run makes of it.
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBundle } from '../lab/bundle.ts';
import type { Lab } from '../lab/machines.ts';
import { pause, run, until } from '../lab/run.ts';
import {
  eventsOf,
  failuresOf,
  finished,
  type HomelabProcess,
  type HomelabRun,
  plannedSteps,
  startHomelab,
  stepsWith,
  story,
} from '../lab/run-homelab.ts';
import { freshLab, homelab, homeOf, inside, kubectl, untilInside, whyNoCluster } from '../lab/test-lab.ts';
import { workload } from './workload.ts';

const reason = await whyNoCluster();
const to = 'v1.31.4';

describe.skipIf(reason !== undefined)(reason ?? `an upgrade to ${to}`, () => {
  let lab: Lab;
  let bundle = '';

  beforeAll(async () => {
    bundle = (await ensureBundle({ log: line => console.error(line), kubernetes: to })).dir;
    lab = await freshLab('test-upgrade', 4);
    const made = await homelab(lab, ['bootstrap', '--yes', '--bundle', lab.bundle ?? '']);
    expect(made.code, story(made)).toBe(0);
    await inside(lab, 'k8s-cp', `cat > /root/workload.json <<'OBJECTS'\n${JSON.stringify(workload)}\nOBJECTS`);
    await kubectl(lab, 'apply -f /root/workload.json');
    await kubectl(lab, 'rollout status deployment/shop --timeout=60s');
    await kubectl(lab, 'cordon k8s-worker3');
  });
  afterAll(async () => {
    await lab?.down();
  });

  const args = (more: readonly string[]) => ['upgrade', '--to', to, '--yes', '--bundle', bundle, ...more];
  const upgrade = (...more: readonly string[]): Promise<HomelabRun> => homelab(lab, args(more));
  const begin = (...more: readonly string[]): Promise<HomelabProcess> =>
    startHomelab(homeOf(lab), [...args(more), '-i', lab.inventoryPath]);
  const cordons = () =>
    kubectl(
      lab,
      `get nodes -o jsonpath='{range .items[?(@.spec.unschedulable==true)]}{.metadata.name} {.metadata.annotations.homelab/cordoned}{"\\n"}{end}'`,
    );
  const versions = () =>
    kubectl(
      lab,
      `get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion}{"\\n"}{end}'`,
    );
  const stepOf = (host: string, name: string, seat = host) => `${host}-${to}/${seat}/${name}`;
  const patiently = (script: string, what: string): Promise<true> =>
    until(async () => (await lab.exec('k8s-cp', ['sh', '-c', script])).code === 0, { timeoutMs: 300_000, what });
  /** The step has begun and its unit runs. */
  const amid = async (process: HomelabProcess, id: string): Promise<void> => {
    await process.event('step-started', event => event.id === id);
    const [, host = ''] = id.split('/');
    await untilInside(lab, host, `systemctl is-active homelab-${id.replaceAll('/', '-')}`, id);
  };

  test('a budget that never allows an eviction is told before anything moves', async () => {
    await kubectl(lab, 'create poddisruptionbudget never --selector app=shop --max-unavailable 0');
    const run = await upgrade();
    expect(run.code, story(run)).toBe(5);
    expect(story(run)).toMatch(/default\/never/);
    expect(stepsWith(run, 'done')).toEqual([]);
    await kubectl(lab, 'delete poddisruptionbudget never');
  });

  test('an image that nobody has stops it before the first machine is emptied', async () => {
    const holed = path.join(lab.dir, 'holed');
    await run(['cp', '-r', '--link', bundle, holed]).catch(() => run(['cp', '-r', bundle, holed]));
    const list = JSON.parse(await readFile(path.join(bundle, 'bundle.json'), 'utf8'));
    list.entries = list.entries.filter(({ name }: { name: string }) => !name.includes('kube-scheduler'));
    // Not into the file that both have.
    await rm(path.join(holed, 'bundle.json'));
    await writeFile(path.join(holed, 'bundle.json'), JSON.stringify(list));
    const refused = await homelab(lab, ['upgrade', '--to', to, '--yes', '--bundle', holed]);
    expect(refused.code, story(refused)).toBe(5);
    expect(story(refused)).toMatch(/kube-scheduler/);
    expect(await cordons()).toBe('k8s-worker3 \n');
  });

  test('an etcd without space is told before the first machine is emptied', async () => {
    const etcdctl = `pid=$(pgrep -ox etcd); nsenter -t "$pid" -m etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key`;
    const quota = '[q]uota-backend-bytes';
    await inside(
      lab,
      'k8s-cp',
      "cp /etc/kubernetes/manifests/etcd.yaml /root/etcd.yaml && sed -i 's/^    - etcd$/    - etcd\\n    - --quota-backend-bytes=8000000/' /etc/kubernetes/manifests/etcd.yaml && head -c 600000 /dev/urandom | base64 >/root/filling",
    );
    await patiently(`pgrep -f '${quota}'`, 'etcd with a small quota');
    await patiently(
      'kubectl --kubeconfig /etc/kubernetes/admin.conf create configmap filling-$(date +%s%N) --from-file=/root/filling 2>&1 | grep -q "database space exceeded"',
      'etcd to be full',
    );
    const run = await upgrade();
    expect([5, 6], story(run)).toContain(run.code);
    expect(story(run)).toMatch(/etcd/);
    await inside(lab, 'k8s-cp', 'cp /root/etcd.yaml /etc/kubernetes/manifests/etcd.yaml');
    await patiently(`! pgrep -f '${quota}' && pgrep -x etcd`, 'etcd with its own quota');
    await patiently(`${etcdctl} alarm disarm`, 'the alarm to be taken back');
    await patiently(
      'kubectl --kubeconfig /etc/kubernetes/admin.conf get configmaps -o name | grep filling | xargs kubectl --kubeconfig /etc/kubernetes/admin.conf delete',
      'what filled it to be gone',
    );
    expect(await cordons()).toBe('k8s-worker3 \n');
  });

  test('an API server that does not come up: the old one is put back, the evidence is kept', async () => {
    // Another program under the new image's name.
    await inside(
      lab,
      'k8s-cp',
      `ctr -n k8s.io images tag --force registry.k8s.io/pause:3.10 registry.k8s.io/kube-apiserver:${to} >/dev/null
ctr -n k8s.io images label registry.k8s.io/kube-apiserver:${to} io.cri-containerd.pinned=pinned >/dev/null`,
    );
    const run = await upgrade();
    expect(run.code, story(run)).toBe(6);
    expect(story(run)).toMatch(/put the old one back/);
    expect(await inside(lab, 'k8s-cp', `ls /var/log/homelab/upgrade-${to}`)).toMatch(/manifests/);
    expect(await versions()).not.toContain(to);
    expect(await cordons()).toBe('k8s-worker3 \n');
    await inside(lab, 'k8s-cp', `ctr -n k8s.io images rm registry.k8s.io/kube-apiserver:${to}`);
  }, 1_200_000);

  test('killed in the middle of the control plane: the next run waits for what goes on, and goes on itself', async () => {
    const first = await begin();
    await amid(first, stepOf('k8s-cp', 'kubeadm-upgrade'));
    first.signal('SIGKILL');
    await expect(first.ended).rejects.toThrow(/SIGKILL/);
    const other = await begin();
    await other.event('note', ({ text }) => text.startsWith('waiting for'));
    // And a second operator meanwhile: once the run above has its claim.
    await other.event('step-started');
    const second = await upgrade();
    expect(second.code, story(second)).toBe(5);
    expect(failuresOf(second).map(({ code }) => code)).toContain('HL_FENCE');
    // The kubelet of the first worker will not start.
    await inside(
      lab,
      'k8s-worker1',
      'mkdir -p /etc/systemd/system/kubelet.service.d && printf "[Service]\\nExecStartPre=/bin/false\\n" > /etc/systemd/system/kubelet.service.d/99-broken.conf',
    );
    const run = await other.ended;
    expect(run.code, story(run)).toBe(6);
    expect(story(run)).toMatch(/kubelet/);
    expect(await versions()).toContain(`k8s-cp ${to}`);
    expect(await cordons()).toBe('k8s-worker3 \n');
    await inside(
      lab,
      'k8s-worker1',
      'rm /etc/systemd/system/kubelet.service.d/99-broken.conf && systemctl daemon-reload',
    );
  }, 1_200_000);

  test('the cable is out in the middle of a worker, the next one loses its power: a plain re-run ends it', async () => {
    const first = await begin();
    await first.event('step-started', ({ id }) => id === stepOf('k8s-worker2', 'drain-k8s-worker2', 'k8s-cp'));
    await lab.cutLink('k8s-worker2');
    await pause(40_000);
    await lab.restoreLink('k8s-worker2');
    await first.event('step-started', ({ id }) => id === stepOf('k8s-worker2', 'packages'));
    await lab.powerCut('k8s-worker2');
    await lab.powerOn('k8s-worker2');
    await lab.waitReachable('k8s-worker2');
    const cut = await first.ended;
    expect([4, 5, 6], story(cut)).toContain(cut.code);
    expect(await cordons()).toBe('k8s-worker3 \n');

    await inside(
      lab,
      'k8s-worker3',
      'mkdir -p /var/cache/homelab && mount -t tmpfs -o size=1m tmpfs /var/cache/homelab',
    );
    const full = await upgrade();
    expect(full.code, story(full)).toBe(6);
    expect(story(full)).toMatch(/df -h \/var\/cache\/homelab/);
    await inside(lab, 'k8s-worker3', 'umount /var/cache/homelab');

    const run = await upgrade();
    expect(run.code, story(run)).toBe(0);
    expect(finished(run).predictionErrors).toBe(0);
  }, 1_200_000);

  test('the end: every machine runs it, the owner’s cordon stands, the service lost nothing, nothing is left to do', async () => {
    expect(
      (await versions())
        .trim()
        .split('\n')
        .map(line => line.split(' ')[1]),
    ).toEqual([to, to, to, to]);
    expect(await cordons()).toBe('k8s-worker3 \n');
    expect(await readFile(lab.inventoryPath, 'utf8')).toContain(`version: "${to}"`);
    expect(await kubectl(lab, 'get configmap,namespace -A -o name')).not.toMatch(/homelab-(upgrade|watch)/);
    const again = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle]);
    expect(again.code, story(again)).toBe(0);
    expect(plannedSteps(again)).toEqual([]);
    const evidence = eventsOf(await upgrade(), 'note').map(({ text }) => text);
    expect(evidence).toContain(`every machine runs ${to}`);
  });
});
