import { describe, expect, it } from 'vitest';
import { joining, removing, resetting } from '../../src/cli/target.ts';
import { HomelabError } from '../../src/model/errors.ts';
import { layerNames } from '../../src/model/layers.ts';
import { phases as all } from '../../src/phases/index.ts';
import { threeControlPlanes } from '../life-sample.ts';
import { cluster } from '../sample.ts';

const names = cluster.hosts.map(({ name }) => name);
const idsOf = ({ phases }: { readonly phases: readonly { readonly id: string }[] }) => phases.map(({ id }) => id);

function failure(work: () => unknown): HomelabError {
  try {
    work();
  } catch (error) {
    if (error instanceof HomelabError) return error;
    throw error;
  }
  throw new Error('it was expected to fail');
}

describe('what a run is about', () => {
  it.each([
    ['join-node', joining('k8s-worker9')],
    ['remove-node', removing('k8s-worker9', {})],
    ['reset', resetting(['k8s-worker1', 'k8s-worker9'])],
  ])('%s of a machine that the inventory does not have is a mistake, and says which there are', (_, aim) => {
    expect(failure(() => aim(cluster))).toMatchObject({
      code: 'HL_USAGE',
      message: expect.stringContaining('"k8s-worker9"'),
      hint: `one of: ${names.join(', ')}`,
    });
  });

  it('a machine that joins: all phases, on it alone', () => {
    const { about, isChosen, phases, cluster: wanted } = joining('k8s-worker3')(cluster);
    expect(about).toMatchObject({ kind: 'join', hosts: [{ name: 'k8s-worker3' }] });
    expect(wanted).toBe(cluster);
    expect(idsOf({ phases })).toEqual(all.map(({ id }) => id).filter(id => !layerNames.some(name => name === id)));
    expect(names.filter(name => isChosen({ id: 'workers' }, { name }))).toEqual(['k8s-worker3']);
  });

  it('a machine that leaves is no machine of the cluster that is wanted', () => {
    const target = removing('k8s-worker3', { drainSeconds: 17 })(cluster);
    expect(target.about).toMatchObject({ kind: 'remove', hosts: [{ name: 'k8s-worker3' }], drainSeconds: 17 });
    expect(target.cluster.hosts.map(({ name }) => name)).toEqual(names.filter(name => name !== 'k8s-worker3'));
    expect(idsOf(target)).toEqual(['connect', 'drain', 'etcd-member', 'reset', 'host-base', 'network', 'forget']);
  });

  it('the last control plane never leaves: what to do instead is said', () => {
    expect(failure(() => removing('k8s-cp', {})(cluster))).toMatchObject({
      code: 'HL_REFUSED',
      message: expect.stringContaining('last control plane'),
      hint: expect.stringMatching(/homelab join-node.*homelab reset homelab/),
    });
    expect(failure(() => removing('k8s-cp', { dead: true })(cluster))).toMatchObject({ code: 'HL_REFUSED' });
    expect(removing('k8s-cp', {})(threeControlPlanes).cluster.hosts).toHaveLength(3);
  });

  it('a reset is of the machines that were named, and the inventory keeps them', () => {
    const target = resetting(['k8s-worker3', 'k8s-worker1'])(cluster);
    expect(target.about?.hosts.map(({ name }) => name)).toEqual(['k8s-worker3', 'k8s-worker1']);
    expect(target.cluster).toBe(cluster);
    expect(idsOf(target)).toEqual(['connect', 'etcd-member', 'reset', 'forget']);
  });

  it('a reset by the cluster’s name is of all of them; beside a machine it is no name', () => {
    expect(resetting(['homelab'])(cluster).about?.hosts).toEqual(cluster.hosts);
    expect(failure(() => resetting(['homelab', 'k8s-worker1'])(cluster)).code).toBe('HL_USAGE');
  });

  it('a machine that has the cluster’s name is asked for as a machine', () => {
    const [first, ...others] = cluster.hosts;
    if (!first) throw new Error('there is one');
    const twins = {
      ...cluster,
      hosts: [first, ...others.map((each, at) => (at === 0 ? { ...each, name: 'homelab' } : each))],
    };
    expect(resetting(['homelab'])(twins).about?.hosts.map(({ name }) => name)).toEqual(['homelab']);
  });

  it('a machine that is named twice is reset once', () => {
    expect(resetting(['k8s-worker1', 'k8s-worker1'])(cluster).about?.hosts).toHaveLength(1);
  });
});
