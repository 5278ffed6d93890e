// An upgrade by a minor of a cluster with Cilium and what stands on it: the network first, then Kubernetes, then every release anew.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ciliumFor, layerVersions } from '../lab/bundle/layer-images.ts';
import { ensureLayers } from '../lab/layers-bundle.ts';
import { type Lab, labDown, labUp } from '../lab/machines.ts';
import {
  eventsOf,
  finished,
  type HomelabRun,
  plannedSteps,
  startHomelab,
  stepsWith,
  story,
} from '../lab/run-homelab.ts';
import {
  changedInventory,
  homelab,
  homeOf,
  inside,
  kubectl,
  onAll,
  untilInside,
  whyNoCluster,
} from '../lab/test-lab.ts';
import { workload } from './workload.ts';

const reason = await whyNoCluster();
const to = 'v1.32.0';
const log = (line: string): void => console.error(line);
const [older, newer] = [layerVersions.cilium, ciliumFor(false)];
const step = 'layers-before/k8s-cp/release-cilium';

describe.skipIf(reason !== undefined)(reason ?? `Cilium ${older} to ${newer}, then Kubernetes to ${to}`, () => {
  let lab: Lab;
  let bundle = '';
  let inventory = '';

  beforeAll(async () => {
    const own = await ensureLayers({ log });
    bundle = await ensureLayers({ log, kubernetes: to });
    const name = 'drill-layers';
    await labDown(name, { log });
    lab = await labUp({ name, machines: 3, log, bundle: own, cilium: true });
    await onAll(lab, "echo 'deb [trusted=yes] file:/srv/homelab-lab/apt bookworm main' >/etc/apt/sources.list");
    const made = await homelab(lab, ['bootstrap', '--yes', '--bundle', own]);
    expect(made.code, story(made)).toBe(0);
    await inside(lab, 'k8s-cp', `cat > /root/workload.json <<'OBJECTS'\n${JSON.stringify(workload)}\nOBJECTS`);
    await kubectl(lab, 'apply -f /root/workload.json');
    await kubectl(lab, 'rollout status deployment/shop --timeout=120s');
    inventory = await changedInventory(lab, 'newer', { [`version: ${older}`]: `version: ${newer}` });
  }, 2_400_000);
  afterAll(async () => {
    await lab?.down();
  });

  const args = (): readonly string[] => ['upgrade', '--to', to, '--yes', '--bundle', bundle];
  const refusals = (found: HomelabRun) => eventsOf(found, 'plan')[0]?.refusals.map(({ reason: why }) => why);
  /** Of each release, the newest revision: its name, status, chart and minor. */
  const releases = async () => {
    const columns =
      'N:.metadata.labels.name,R:.metadata.labels.version,S:.metadata.labels.status,C:.metadata.labels.homelab-chart,K:.metadata.labels.homelab-kubernetes';
    const lines = await kubectl(lab, `get secret -A -l owner=helm --no-headers -o custom-columns=${columns}`);
    const newest = new Map<string, readonly string[]>();
    for (const line of lines.trim().split('\n')) {
      const [name = '', revision = '', ...rest] = line.split(/\s+/);
      if (Number(newest.get(name)?.[0] ?? 0) < Number(revision)) newest.set(name, [revision, ...rest]);
    }
    return Object.fromEntries([...newest].map(([name, [, ...rest]]) => [name, rest.join(' ')]));
  };

  test('two minors of Cilium at once are refused, before anything moves', async () => {
    const far = await changedInventory(lab, 'far', { [`version: ${older}`]: 'version: 1.18.4' });
    const found = await homelab(lab, ['plan', 'upgrade', '--to', to, '--bundle', bundle], far);
    expect(found.code, story(found)).toBe(5);
    expect(refusals(found)).toContainEqual(expect.stringMatching(/one minor version at a time/));
  });

  test('killed while Helm upgrades Cilium: Helm ends by itself, the next run goes on and does not do it twice', async () => {
    const first = await startHomelab(homeOf(lab), [...args(), '-i', inventory]);
    await first.event('step-started', event => event.id === step);
    await untilInside(lab, 'k8s-cp', `systemctl is-active homelab-${step.replaceAll('/', '-')}`, step);
    first.signal('SIGKILL');
    await expect(first.ended).rejects.toThrow(/SIGKILL/);
    const found = await homelab(lab, args(), inventory);
    expect(found.code, story(found)).toBe(0);
    expect(stepsWith(found, 'done')).not.toContain(step);
    expect(finished(found).predictionErrors).toBe(0);
    const lost = (id: string) => eventsOf(found, 'evidence').find(each => each.evidence.id === id)?.evidence.observed;
    console.log(`requests lost: service ${lost('lost-service')}, API ${lost('lost-api')}`);
    console.log(`whole run: ${Math.round(found.durationMs / 1000)} s, ${finished(found).steps} steps`);
  }, 3_600_000);

  test('every machine runs the new Kubernetes and the new agent, every release was rendered for it', async () => {
    const versions = '{range .items[*]}{.status.nodeInfo.kubeletVersion} {.spec.unschedulable}{"\\n"}{end}';
    expect(await kubectl(lab, `get nodes -o jsonpath='${versions}'`)).toBe(`${to} \n`.repeat(3));
    const images = '{range .items[*]}{.spec.containers[0].image} {.status.containerStatuses[0].ready}{"\\n"}{end}';
    const agents = await kubectl(lab, `get pods -n kube-system -l k8s-app=cilium -o jsonpath='${images}'`);
    expect(agents).toBe(`quay.io/cilium/cilium:v${newer} true\n`.repeat(3));
    const all = await releases();
    expect(Object.keys(all)).toContain('cilium');
    for (const [name, said] of Object.entries(all)) expect(`${name}: ${said}`).toMatch(/: deployed \S+ 1\.32$/);
    expect(all['cilium']).toBe(`deployed cilium-${newer} 1.32`);
    expect(await kubectl(lab, 'get daemonset,deployment -n kube-system -o name')).not.toMatch(/pre-flight/);
  });

  test('nothing is left to do, every proof holds, Hubble names the dropped flow', async () => {
    const again = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], inventory);
    expect(again.code, story(again)).toBe(0);
    expect(plannedSteps(again)).toEqual([]);
    const proven = await homelab(lab, ['verify', '--bundle', bundle], inventory);
    expect(proven.code, story(proven)).toBe(0);
    const observed = eventsOf(proven, 'evidence').map(({ evidence }) => evidence.observed);
    expect(observed).toContain('DROPPED: POLICY_DENIED');
  }, 900_000);
});
