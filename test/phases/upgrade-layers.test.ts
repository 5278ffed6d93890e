// Layers in an upgrade: Cilium and Longhorn before the first hop, for the Kubernetes that still runs; all of them anew after the last.
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import { type LayerName, layerNames } from '../../src/model/layers.ts';
import type { Resource } from '../../src/model/plan.ts';
import type { World } from '../../src/model/world.ts';
import { kubePackages } from '../../src/phases/kube-packages.ts';
import { layerPhase } from '../../src/phases/layers.ts';
import { phaseNames } from '../../src/phases/names.ts';
import { layerImages, layersBefore } from '../../src/phases/upgrade-layers.ts';
import { convergedWorld, host, sampleBundle } from '../sample.ts';
import { upgradeWorld } from '../upgrade-sample.ts';

const all = Object.fromEntries(layerNames.map(name => [name, { version: '1.19.6', values: {} }]));
const plain = upgradeWorld('v1.32.3');
const world: World = { ...plain, cluster: { ...plain.cluster, network: { provider: 'cilium' }, layers: all } };
const releases = (of: World) =>
  layersBefore
    .wants(of, host('k8s-cp'))
    .flatMap(want => (want.kind === 'resource' && want.key.startsWith('release:') ? [want] : []));
const minorOf = (resource: Resource | undefined) => Object(resource?.desired).kubernetes;

describe('before the first hop', () => {
  it('are those whose rule it is, for the minor that runs', () => {
    expect(releases(world).map(({ name }) => name)).toEqual(['release-cilium', 'release-longhorn']);
    expect(releases(world).map(minorOf)).toEqual(['1.31', '1.31']);
  });

  it('nothing is done where they are as the inventory says', () => {
    for (const resource of releases(world)) expect(resource.change(resource.desired, [])).toBeUndefined();
  });

  it('nothing of layers that nobody wants', () => {
    expect(releases(plain)).toEqual([]);
    expect(layersBefore.probes(plain)).toEqual([]);
  });

  it('it is over once the upgrade has begun: a run that goes on renders nothing for a minor in between', () => {
    expect(releases({ ...world, upgrading: 'v1.32.3' })).toEqual([]);
    expect(layersBefore.probes({ ...world, upgrading: 'v1.32.3' })).toEqual([]);
    expect(releases({ ...world, live: 'unknown' })).toEqual([]);
  });

  it('their images are on every machine, joined or not, where the bundle has them', () => {
    const { dir, entries } = sampleBundle();
    const [some] = entries.filter(({ kind }) => kind === 'image');
    if (!some) throw new Error('the bundle has images');
    const agent = { ...some, name: 'quay.io/cilium/cilium:v1.19.6' };
    const bundled = { ...world, bundle: { dir, entries: [...entries, agent] } };
    for (const each of world.cluster.hosts) {
      const wants = layerImages.wants(bundled, each);
      expect(wants.map(want => want.kind === 'resource' && want.desired)).toEqual([{ missing: [] }]);
      expect(JSON.stringify(wants)).not.toContain('kube-apiserver');
      expect(kubePackages.wants({ ...convergedWorld(), bundle: bundled.bundle }, each)).toContainEqual(
        expect.objectContaining({ key: 'images:bundle' }),
      );
      expect(layerImages.wants(world, each)).toEqual([]);
    }
  });

  it('each is proven', () => {
    const ids = layersBefore.probes(world).map(({ id }) => id);
    expect(ids).toEqual(
      expect.arrayContaining(
        (['cilium', 'longhorn'] as const).flatMap(name => layers[name].probes(world).map(({ id }) => id)),
      ),
    );
  });
});

it('after the last hop every release is rendered anew for the new minor', () => {
  const names = Object.values(phaseNames);
  for (const name of layerNames.filter(each => each !== 'cilium')) {
    const phaseName = names.find(({ id }) => id === (name as LayerName));
    if (!phaseName) throw new Error(`${name} has no phase`);
    const found = layerPhase(layers[name], phaseName)
      .wants(world, host('k8s-cp'))
      .find(want => want.kind === 'resource' && want.key.startsWith('release:'));
    if (found?.kind !== 'resource') throw new Error(`${name} has no release`);
    const before = { ...Object(found.desired), kubernetes: '1.31' };
    expect(found.change(before, [])?.why).toBe('it was rendered for Kubernetes 1.31');
  }
});
