import { describe, expect, it } from 'vitest';
import { intend, planFrom } from '../../src/engine/plan.ts';
import type { World } from '../../src/model/world.ts';
import { phases } from '../../src/phases/index.ts';
import { afterInit, cluster, convergedWorld, everything, host, untouched, withMembership } from '../sample.ts';

const second = { ...host('k8s-worker1'), name: 'k8s-cp2', role: 'control-plane' as const, address: '192.168.0.20' };
const two = { cluster: { ...cluster, hosts: [host('k8s-cp'), second] }, bundle: undefined };
// afterInit makes members of all control planes.
const beforeItsJoin = withMembership(afterInit(two), 'k8s-cp2', { state: 'absent' });
const planOf = (world: World) => planFrom(intend(world, phases, everything), untouched(world));
const scriptOf = (world: World, id: string) => planOf(world).steps.find(step => step.id === id)?.action.script ?? '';

describe('a second control plane', () => {
  it('gets its files before it joins, and the first one’s key instead of one of its own', () => {
    const ids = planOf(beforeItsJoin).steps.map(({ id }) => id);
    const join = ids.indexOf('control-plane-join/k8s-cp2/join');
    for (const name of ['control-plane-folders', 'audit-policy'])
      expect(ids.slice(0, join)).toContain(`control-plane-join/k8s-cp2/${name}`);
    expect(ids.filter(id => id.endsWith('/encryption-key') && id.includes('k8s-cp2'))).toEqual([]);
  });

  it('is lent the encryption key with the certificates, and it is taken back with them', () => {
    const world = beforeItsJoin;
    expect(scriptOf(world, 'control-plane-join/k8s-cp/certificates')).toContain('create secret generic');
    const script = scriptOf(world, 'control-plane-join/k8s-cp2/join');
    const order = ['download-certs', 'get secret', 'base64 -d > /etc', 'kubeadm join --config'].map(part =>
      script.indexOf(part),
    );
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order).not.toContain(-1);
    expect(scriptOf(world, 'control-plane-join/k8s-cp/certificates-gone')).toContain('homelab-encryption');
  });

  it('of a cluster that does not encrypt needs no key', () => {
    const world = beforeItsJoin;
    if (world.live === 'unknown') throw new Error('the sample is alive');
    const plain = { ...world, live: { ...world.live, args: {} } };
    expect(scriptOf(plain, 'control-plane-join/k8s-cp/certificates')).not.toContain('homelab-encryption');
    expect(scriptOf(plain, 'control-plane-join/k8s-cp2/join')).not.toContain('get secret');
  });

  it('proves that its own API server encrypts and reads', () => {
    const probes = phases.flatMap(phase => phase.probes(convergedWorld(two)));
    expect(probes.filter(({ id }) => id === 'encryption').map(probe => probe.host)).toEqual(['k8s-cp', 'k8s-cp2']);
  });
});

describe('a run about the one machine that joins', () => {
  it('approves its request on the control plane, and nothing else there', () => {
    const world: World = {
      ...withMembership(convergedWorld(), 'k8s-worker3', { state: 'absent' }),
      about: { kind: 'join', hosts: [host('k8s-worker3')] },
    };
    const intents = intend(world, phases, (_, each) => each.name === 'k8s-worker3');
    const onControlPlane = planFrom(intents, untouched(world)).steps.filter(step => step.host === 'k8s-cp');
    expect(onControlPlane.map(({ id }) => id).filter(id => id.startsWith('kubelet-certificates/'))).toEqual([
      'kubelet-certificates/k8s-cp/approve',
    ]);
    expect(onControlPlane.filter(({ id }) => /init|control-plane\//.test(id))).toEqual([]);
    const reached = phases.flatMap(phase => phase.probes(world)).find(({ id }) => id === 'kubelets-reached');
    expect(reached).toMatchObject({ about: 'k8s-worker3', pieces: [{ id: 'reached-k8s-worker3' }] });
  });
});
