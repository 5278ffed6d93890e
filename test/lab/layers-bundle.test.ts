import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutDescriptions, writeChart } from './bundle/chart.ts';
import { ciliumFor, fromDebian, layerDebian, layerImages, layerVersions } from './bundle/layer-images.ts';
import { layerCharts, layerFiles, layerModules, layersRecipe, layerTools } from './bundle/layers.ts';
import { goModuleHash } from './bundle/recipe.ts';
import { run } from './bundle/run.ts';
import { sumsOf } from './bundle/sums.ts';
import { inventory } from './inventory.ts';
import { labLayers } from './layer-values.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lab-layers-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the recipe of the layers', () => {
  test.each([undefined, 'v1.32.0'])('builds everything that it packs, with Kubernetes %s', kubernetes => {
    const { cilium } = layersRecipe(kubernetes);
    const files = layerFiles(cilium).flatMap(({ name, paths }) => Object.keys(paths).map(file => `${name}/${file}`));
    const built = new Set([
      ...layerModules(cilium).flatMap(({ commands }) => Object.keys(commands)),
      ...Object.keys(fromDebian),
      ...files,
    ]);
    const packed = [
      ...layerImages(cilium).flatMap(image => [...Object.values(image.files), ...Object.values(image.folders ?? {})]),
      ...layerTools.map(({ binary }) => binary),
    ];
    expect(packed.filter(name => !built.has(name))).toEqual([]);
    expect(layerCharts(cilium).filter(({ name }) => !layerFiles(cilium).some(each => each.name === name))).toEqual([]);
    expect(layerDebian.flat()).toContain('clang');
  });

  test.each([
    ['cilium', `github.com/cilium/cilium v${layerVersions.cilium}`],
    ['cilium-v1.17.8', `github.com/cilium/cilium v${ciliumFor(false)}`],
    ['metrics-server', `sigs.k8s.io/metrics-server ${layerVersions.metricsServer}`],
    ['local-path-provisioner', `github.com/rancher/local-path-provisioner ${layerVersions.localPath}`],
    ['sealed-secrets', `github.com/bitnami-labs/sealed-secrets v${layerVersions.sealedSecrets}`],
    ['helm-v4', `helm.sh/helm/v4 v${layerVersions.helm}`],
    ['helm-v3', `helm.sh/helm/v3 v${layerVersions.helm3}`],
  ])('asks for the version of %s that it stamps', async (name, required) => {
    expect(await readFile(new URL(`go/${name}/go.mod`, import.meta.url), 'utf8')).toContain(`require ${required}\n`);
  });

  test('tells a Cilium for kernels without modules from the other', () => {
    const [patched, upstream] = [layerModules(undefined, false), layerModules(undefined, true)].map(modules =>
      modules.map(goModuleHash),
    );
    expect(patched?.[0]).not.toBe(upstream?.[0]);
    expect(patched?.slice(1)).toEqual(upstream?.slice(1));
  });

  test('gives every layer of the inventory the version of its chart', () => {
    const versions = Object.values(labLayers()).map(layer => Reflect.get(layer, 'version'));
    expect(versions.toSorted()).toEqual(
      layerCharts(layerVersions.cilium)
        .map(({ version }) => version)
        .toSorted(),
    );
  });
});

describe('the inventory', () => {
  const lab = { name: 'x', index: 0, bootId: '', base: '', bundle: null, qemu: false, shared: false, guests: [] };

  test('names layers where the lab is to have Cilium, and none where not', () => {
    expect(inventory({ ...lab, cilium: true })).toMatchObject({
      network: { provider: 'cilium' },
      layers: { cilium: { version: layerVersions.cilium, values: { envoy: { enabled: false } } } },
    });
    const plain = inventory({ ...lab, cilium: false });
    expect(plain).toMatchObject({ network: { provider: 'basic' } });
    expect(plain).not.toHaveProperty('layers');
  });
});

describe('a chart', () => {
  const spec = { name: 'small', version: '1.2.3', chartYaml: 'name: small\nversion: 1.2.3\n' };

  test('is packed to the same bytes whenever its files were made, in a folder of its name', async () => {
    const from = path.join(folder, 'from');
    await mkdir(path.join(from, 'templates'), { recursive: true });
    await writeFile(path.join(from, 'templates/a.yaml'), 'a: 1\n');
    const sums: string[] = [];
    for (const day of [1, 2]) {
      await utimes(path.join(from, 'templates/a.yaml'), day * 86_400, day * 86_400);
      const options = { spec, from, scratch: path.join(folder, 'scratch'), out: folder, signal: undefined };
      const file = path.join(folder, await writeChart(options));
      sums.push((await sumsOf(file)).sha256);
      expect((await run(['tar', '-tzf', file])).trim().split('\n')).toEqual([
        'small/',
        'small/Chart.yaml',
        'small/templates/',
        'small/templates/a.yaml',
      ]);
    }
    expect(sums[0]).toBe(sums[1]);
  });

  test('of kinds loses descriptions, and no property of that name', () => {
    const schema = { description: 'long', properties: { description: { type: 'string', description: 'long' } } };
    expect(withoutDescriptions([schema])).toEqual([{ properties: { description: { type: 'string' } } }]);
  });

  test('of another version than the recipe says is refused', async () => {
    const from = path.join(folder, 'other');
    await mkdir(from);
    await writeFile(path.join(from, 'Chart.yaml'), 'name: small\nversion: 1.2.4\n');
    const options = { from, scratch: path.join(folder, 'scratch2'), out: folder, signal: undefined };
    await expect(writeChart({ ...options, spec: { name: 'small', version: '1.2.3' } })).rejects.toThrow('1.2.4');
  });
});
