// certs renew as a plan: one control plane after the other, or all at once where nothing answers.
import { describe, expect, it } from 'vitest';
import { intend, planFrom, resourcesOf } from '../../src/engine/plan.ts';
import type { Json } from '../../src/model/cluster.ts';
import type { World } from '../../src/model/world.ts';
import { renewalPhases } from '../../src/phases/renewal.ts';
import { living, member, threeControlPlanes } from '../life-sample.ts';
import { bareWorld, cluster, everything, host, withFacts } from '../sample.ts';

const three = living(threeControlPlanes);
const ids = (world: World) => renewalPhases(world, undefined).map(({ id }) => id);

function planOf(world: World, states: Readonly<Record<string, Json>>) {
  const intents = intend(world, renewalPhases(world, undefined), everything);
  const observed = new Map(
    [...resourcesOf(intents)].map(([name, all]) => [
      name,
      new Map(all.map(each => [each.key, states[each.key] ?? each.desired])),
    ]),
  );
  return planFrom(intents, observed);
}

describe('certs renew', () => {
  it('goes from one control plane to the next, and touches no worker', () => {
    expect(ids(three)).toEqual(['certificates-k8s-cp', 'certificates-k8s-worker1', 'certificates-k8s-worker2']);
    expect(ids(living(cluster))).toEqual(['certificates-k8s-cp']);
  });

  it('brings the etcd member back first that is down', () => {
    const etcd = threeControlPlanes.hosts
      .slice(0, 3)
      .map(each => member(each, { healthy: each.name !== 'k8s-worker2' }));
    expect(ids({ ...three, etcd })[0]).toBe('certificates-k8s-worker2');
  });

  it('takes all at once where neither the API server nor etcd answers: none could come back alone', () => {
    expect(ids({ ...three, nodes: 'unknown', etcd: 'unknown' })).toEqual([
      'certificates-k8s-cp+k8s-worker1+k8s-worker2',
    ]);
    expect(ids({ ...three, nodes: 'unknown' })).toHaveLength(3);
  });

  it('has nothing to go to before there is a cluster', () => {
    expect(ids(bareWorld())).toEqual([]);
  });

  it('renews, then restarts etcd, the API server, the controller manager and the scheduler', () => {
    const { steps } = planOf(living(cluster), { 'certificates:kubeadm': ['apiserver 2026-12-01'] });
    expect(steps.map(({ id }) => id)).toEqual([
      'certificates-k8s-cp/k8s-cp/renew',
      'certificates-k8s-cp/k8s-cp/etcd',
      'certificates-k8s-cp/k8s-cp/kube-apiserver',
      'certificates-k8s-cp/k8s-cp/kube-controller-manager',
      'certificates-k8s-cp/k8s-cp/kube-scheduler',
    ]);
    expect(steps.every(({ risk }) => risk === 'disruptive')).toBe(true);
  });

  it('goes on where it was cut off, and has nothing to do in the end', () => {
    const { steps } = planOf(living(cluster), { 'process:kube-scheduler': 'it runs since before it was written' });
    expect(steps.map(({ id }) => id)).toEqual(['certificates-k8s-cp/k8s-cp/kube-scheduler']);
    expect(planOf(living(cluster), {}).steps).toEqual([]);
  });

  it('is asked for by name: a cluster that somebody else built gets the same steps', () => {
    const adopted = { ...withFacts(living(cluster), 'k8s-cp', { isPrepared: false }), proofs: {} };
    expect(planOf(adopted, { 'certificates:kubeadm': ['apiserver 2026-12-01'] }).steps).toHaveLength(5);
  });

  it('proves what is served, the API server and etcd of each', () => {
    const [phase] = renewalPhases(three, undefined);
    expect(phase?.probes(three).map(({ id }) => id)).toEqual([
      'served-etcd',
      'served-kube-apiserver',
      'readyz',
      'etcd',
    ]);
    expect(phase?.probes(three).every(probe => probe.host === host('k8s-cp').name)).toBe(true);
  });
});
