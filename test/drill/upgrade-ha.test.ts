// An upgrade by a minor of three control planes and two workers, these two at once, with a workload and under load.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBundle } from '../lab/bundle.ts';
import type { Lab } from '../lab/machines.ts';
import { eventsOf, finished, type HomelabRun, plannedSteps, story } from '../lab/run-homelab.ts';
import { freshLab, homelab, inside, inventoryOf, kubectl, whyNoCluster } from '../lab/test-lab.ts';
import { phaseTimes, renderTimes } from './own-time.ts';
import { workload } from './workload.ts';

const reason = await whyNoCluster();
const to = 'v1.32.0';

describe.skipIf(reason !== undefined)(reason ?? `three control planes to ${to}`, () => {
  let lab: Lab;
  let inventory = '';
  let bundle = '';

  beforeAll(async () => {
    lab = await freshLab('drill-upgrade-ha', 5);
    bundle = (await ensureBundle({ log: line => console.error(line), kubernetes: to })).dir;
    inventory = await inventoryOf(lab, 'ha', {
      'k8s-cp': 'control-plane',
      'k8s-worker1': 'control-plane',
      'k8s-worker2': 'control-plane',
      'k8s-worker3': 'worker',
      'k8s-worker4': 'worker',
    });
    const made = await homelab(lab, ['bootstrap', '--yes', '--bundle', lab.bundle ?? ''], inventory);
    expect(made.code, story(made)).toBe(0);
    await inside(lab, 'k8s-cp', `cat > /root/workload.json <<'OBJECTS'\n${JSON.stringify(workload)}\nOBJECTS`);
    await kubectl(lab, 'apply -f /root/workload.json');
    await kubectl(lab, 'rollout status deployment/shop --timeout=60s');
  });
  afterAll(async () => {
    await lab?.down();
  });

  const planned = () => ['upgrade', '--to', to, '--parallel', '2', '--bundle', bundle];
  const refusals = (found: HomelabRun) => eventsOf(found, 'plan')[0]?.refusals.map(({ reason: why }) => why);
  const evidence = (found: HomelabRun, id: string) =>
    eventsOf(found, 'evidence').find(each => each.evidence.id === id)?.evidence.observed;

  test('a feature gate that is gone in the minor is told by the plan, with what to type', async () => {
    const config = '/var/lib/kubelet/config.yaml';
    const restarted = `systemctl restart kubelet && sleep 2 && systemctl is-active kubelet`;
    await inside(
      lab,
      'k8s-worker3',
      `cp -p ${config} /root/ && echo 'featureGates: {KMSv2: true}' >> ${config} && ${restarted}`,
    );
    const found = await homelab(lab, ['plan', ...planned()], inventory);
    await inside(lab, 'k8s-worker3', `cp -p /root/config.yaml ${config} && ${restarted}`);
    expect(found.code, story(found)).toBe(5);
    expect(refusals(found)).toContainEqual(expect.stringMatching(/config\.yaml has .*KMSv2.*, gone in 1\.32/));
  });

  test('two workers at once are refused while that would leave a Deployment without a pod', async () => {
    const found = await homelab(lab, ['plan', ...planned()], inventory);
    expect(found.code, story(found)).toBe(5);
    expect(refusals(found)).toEqual([expect.stringMatching(/Deployment default\/shop would have no pod left/)]);
    await kubectl(lab, 'create poddisruptionbudget shop --selector app=shop --min-available 1');
    await kubectl(
      lab,
      `patch deployment shop -p '{"spec":{"template":{"spec":{"tolerations":[{"key":"node-role.kubernetes.io/control-plane","operator":"Exists"}]}}}}'`,
    );
    await kubectl(lab, 'rollout status deployment/shop --timeout=60s');
  });

  test('one control plane after the other, then two workers at a time; nobody loses a pod too many', async () => {
    const found = await homelab(lab, [...planned(), '--yes'], inventory);
    expect(found.code, story(found)).toBe(0);
    expect(eventsOf(found, 'note').map(({ text }) => text)).toContain(`the way: v1.31.1 → ${to}`);
    expect(finished(found).predictionErrors).toBe(0);
    const versions = `{range .items[*]}{.status.nodeInfo.kubeletVersion} {.spec.unschedulable}{"\\n"}{end}`;
    expect(await kubectl(lab, `get nodes -o jsonpath='${versions}'`)).toBe(`${to} \n`.repeat(5));
    console.log(renderTimes(phaseTimes(found.events)));
    console.log(`requests lost: service ${evidence(found, 'lost-service')}, API ${evidence(found, 'lost-api')}`);
    console.log(`whole run: ${Math.round(found.durationMs / 1000)} s, ${finished(found).steps} steps`);
  }, 3_600_000);

  test('nothing is left to do', async () => {
    const again = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], inventory);
    expect(again.code, story(again)).toBe(0);
    expect(plannedSteps(again)).toEqual([]);
  });
});
