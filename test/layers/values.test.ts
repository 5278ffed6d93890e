// The values that layers give their charts: each path is one that the chart has, and the first user's numbers come out of the seed inventory.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadInventory } from '../../src/inventory/load.ts';
import { layers as inventoryLayers } from '../../src/inventory/schema-layers.ts';
import { layers } from '../../src/layers/index.ts';
import { merged } from '../../src/layers/values.ts';
import type { Cluster, Json, JsonObject } from '../../src/model/cluster.ts';
import { layerNames } from '../../src/model/layers.ts';
import { phaseNames } from '../../src/phases/names.ts';
import { root } from '../sample.ts';

const seed = await loadInventory(join(root, 'inventory/seed.yaml'), { home: '/home/operator' });
const bare: Cluster = { ...seed, kubernetes: { ...seed.kubernetes, kubeProxy: false } };

/** The keys of a chart's own values.yaml, one path a line. */
const keysOf = {
  cilium: 'cilium-1.19.6',
  'metrics-server': 'metrics-server-3.13.1',
  'sealed-secrets': 'sealed-secrets-2.18.5',
  'local-path': 'local-path-provisioner-0.0.37',
  longhorn: 'longhorn-1.12.1',
} as const;

/** Commented out in the chart, and read by its templates (cilium-configmap.yaml: hasKey). */
const commented = ['socketLB.hostNamespaceOnly', 'k8sServiceHost', 'k8sServicePort', 'bpf.masquerade'];

function pathsOf(values: JsonObject, at = ''): readonly string[] {
  return Object.entries(values).flatMap(([key, value]: [string, Json]) => {
    const path = at === '' ? key : `${at}.${key}`;
    const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isMapping ? pathsOf(value as JsonObject, path) : [path];
  });
}

describe.each(Object.entries(keysOf))('values of %s', (name, file) => {
  const keys = new Set(readFileSync(join(root, `test/fixtures/charts/${file}.keys`), 'utf8').split('\n'));
  it.each([
    ['with kube-proxy', seed],
    ['without', bare],
  ])('stand at paths that the chart has, %s', (_, cluster) => {
    const paths = pathsOf(layers[name as keyof typeof keysOf].values(cluster));
    // Below resources charts take whatever Kubernetes takes: they have them whole, empty or with some of their own.
    const has = (path: string) => keys.has(path) || [...keys].some(key => key.startsWith(`${path}.`));
    const known = paths.map(path => path.replace(/(^|\.)resources\..*$/, '$1resources'));
    const strange = known.filter(
      path => !(path.endsWith('resources') ? has(path) : keys.has(path)) && !commented.includes(path),
    );
    expect(strange).toEqual([]);
    expect(paths.length).toBeGreaterThan(0);
  });
});

const at = (values: JsonObject, path: string): Json | undefined =>
  path.split('.').reduce<Json | undefined>((value, key) => (value as JsonObject | undefined)?.[key], values);

describe("the first user's numbers", () => {
  it.each([
    ['kube-proxy is kept', 'cilium', 'kubeProxyReplacement', 'false'],
    ['pods have the subnets that kubeadm gives, not all of 10.0.0.0/8', 'cilium', 'ipam.mode', 'kubernetes'],
    ["Istio's plugin has room", 'cilium', 'cni.exclusive', false],
    ['sidecars see service addresses', 'cilium', 'socketLB.hostNamespaceOnly', true],
    ['Hubble is on', 'cilium', 'hubble.enabled', true],
    ['with its page', 'cilium', 'hubble.ui.enabled', true],
    ['three copies of a volume', 'longhorn', 'persistence.defaultClassReplicaCount', 3],
    ['also of those that name no class', 'longhorn', 'defaultSettings.defaultReplicaCount', 3],
    ['on different machines', 'longhorn', 'defaultSettings.replicaSoftAntiAffinity', false],
    ['data stays when a claim goes', 'longhorn', 'persistence.reclaimPolicy', 'Retain'],
    ["Longhorn's class is the default", 'longhorn', 'persistence.defaultClass', true],
    ['and the only one', 'local-path', 'storageClass.defaultClass', false],
    ['a folder is made where its pod is', 'local-path', 'storageClass.volumeBindingMode', 'WaitForFirstConsumer'],
    ['its data stays too', 'local-path', 'storageClass.reclaimPolicy', 'Retain'],
    ['kubeseal finds its controller', 'sealed-secrets', 'fullnameOverride', 'sealed-secrets-controller'],
  ] as const)('%s', (_, layer, path, value) => {
    expect(at(layers[layer].values(seed), path)).toBe(value);
  });

  it('stand in the order of installation wherever layers are listed', () => {
    expect(Object.keys(layers)).toEqual(layerNames);
    expect(Object.keys(seed.layers).toSorted()).toEqual(layerNames.toSorted());
    expect(Object.keys(inventoryLayers.shape)).toEqual(layerNames);
    const phases = Object.values(phaseNames).map(({ id }) => (id === 'network' ? 'cilium' : id));
    expect(phases.filter(id => layerNames.some(name => name === id))).toEqual(layerNames);
  });

  it('are those of every layer that there is', () => {
    expect(layerNames.filter(name => seed.layers[name] === undefined)).toEqual([]);
  });
});

describe('a cluster without kube-proxy', () => {
  it('is told where the API server is: nothing else serves its address yet', () => {
    const values = layers.cilium.values(bare);
    expect(values).toMatchObject({
      kubeProxyReplacement: 'true',
      k8sServiceHost: 'k8s-api.home.arpa',
      k8sServicePort: 6443,
    });
    const unnamed = { ...bare, kubernetes: { ...bare.kubernetes, endpoint: undefined } };
    expect(layers.cilium.values(unnamed)).toMatchObject({ k8sServiceHost: '192.168.0.10' });
  });
});

describe('as many copies as there are workers', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 3],
  ])('%i workers: %i', (workers, copies) => {
    const hosts = [seed.hosts[0], ...Array.from({ length: workers }, () => seed.hosts[1])].flatMap(each => each ?? []);
    expect(layers.longhorn.values({ ...seed, hosts })).toMatchObject({
      persistence: { defaultClassReplicaCount: copies },
    });
  });
});

describe("the inventory's values", () => {
  it('are laid over the own ones: mappings merged, lists and words replaced', () => {
    const below = { a: { b: 1, c: [1, 2] }, d: 'x' };
    expect(merged(below, { a: { c: [3] }, d: { e: 1 }, f: null })).toEqual({
      a: { b: 1, c: [3] },
      d: { e: 1 },
      f: null,
    });
    expect(merged(below, {})).toEqual(below);
  });
});
