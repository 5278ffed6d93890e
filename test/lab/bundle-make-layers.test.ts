// `bundle make` with the lab's own charts, programs and images, served as their publishers serve them: no machine is needed.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { dump } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeBundle } from '../../src/bundle/make.ts';
import type { WantedRelease } from '../../src/bundle/wanted.ts';
import { releasesOf } from '../../src/cli/bundle-commands.ts';
import { loadInventory } from '../../src/inventory/load.ts';
import { loadBundle } from '../../src/io/bundle.ts';
import { createHttp } from '../../src/io/http.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import { type Mirror, startMirror } from '../bundle/mirror.ts';
import { layerVersions } from './bundle/layer-images.ts';
import { sumsOf } from './bundle/sums.ts';
import { inventory } from './inventory.ts';
import { serveLabImages } from './lab-images.ts';
import { layersPath } from './layers-bundle.ts';
import { run } from './run.ts';

const lab = layersPath();
const reason = existsSync(lab) ? undefined : 'no lab bundle with layers here';
const arch = process.arch === 'x64' ? 'amd64' : process.arch;
const signal = new AbortController().signal;

describe.skipIf(reason !== undefined)(reason ?? 'a bundle of layers that was made', () => {
  let work = '';
  let mirror: Mirror;
  let cluster: Cluster;

  beforeAll(async () => {
    work = await mkdtemp(path.join(tmpdir(), 'homelab-make-'));
    const site = path.join(work, 'site');
    await mkdir(path.join(site, 'charts'), { recursive: true });
    const images = await serveLabImages(lab, path.join(work, 'images'));
    mirror = await startMirror({ apt: site, ...images });
    await run(['cp', '-r', `${path.join(lab, 'apt')}/.`, site]);
    await writeCharts(site);
    for (const version of [layerVersions.helm, layerVersions.helm3]) await writeHelm(site, version);
    cluster = await loadInventory(await writeInventory(images.names));
  });
  afterAll(async () => {
    await mirror?.close();
    if (work) await rm(work, { recursive: true, force: true });
  });

  async function writeCharts(site: string): Promise<void> {
    const entries: Record<string, object[]> = {};
    for (const file of await readdir(path.join(lab, 'charts'))) {
      const [, name = '', version = ''] = /^(.+)-(\d+\.\d+\.\d+)\.tgz$/.exec(file) ?? [];
      const from = path.join(lab, 'charts', file);
      await copyFile(from, path.join(site, 'charts', file));
      entries[name] = [{ name, version, urls: [file], digest: (await sumsOf(from)).sha256 }];
    }
    await writeFile(path.join(site, 'charts/index.yaml'), dump({ apiVersion: 'v1', entries }));
    const sources = path.join(work, 'sources/local-path-provisioner-1');
    await mkdir(path.join(sources, 'deploy/chart'), { recursive: true });
    const chart = (await readdir(path.join(lab, 'charts'))).find(file => file.startsWith('local-path')) ?? '';
    await run(['tar', '-xzf', path.join(lab, 'charts', chart), '-C', path.join(sources, 'deploy/chart')]);
    await run([
      'tar',
      '-czf',
      path.join(site, 'sources.tar.gz'),
      '-C',
      path.join(work, 'sources'),
      'local-path-provisioner-1',
    ]);
  }

  async function writeHelm(site: string, version: string): Promise<void> {
    const folder = path.join(work, `helm-${version}`);
    await mkdir(path.join(folder, `linux-${arch}`), { recursive: true });
    await copyFile(path.join(lab, `tools/helm-${version}-${arch}`), path.join(folder, `linux-${arch}/helm`));
    const archive = path.join(site, `helm-v${version}-linux-${arch}.tar.gz`);
    await run(['tar', '-czf', archive, '-C', folder, `linux-${arch}`]);
  }

  async function writeInventory(images: readonly string[]): Promise<string> {
    const file = path.join(work, 'inventory.yaml');
    const hosts = new Set(images.map(name => name.split('/')[0] ?? ''));
    const guests = [{ name: 'k8s-cp', role: 'control-plane' as const, address: '192.0.2.10', machine: '', groups: [] }];
    const state = {
      name: 'made',
      index: 0,
      bootId: '',
      base: '',
      bundle: lab,
      qemu: false,
      shared: false,
      cilium: true,
      guests,
    };
    const text = dump(inventory(state));
    const mirrors = Object.fromEntries([...hosts].map(host => [host, { mirrors: [mirror.url] }]));
    await writeFile(
      file,
      text
        .replaceAll('file:/srv/homelab-lab/apt', `${mirror.url}/apt`)
        .replace('containerd:\n', `containerd:\n  registries: ${JSON.stringify(mirrors)}\n`),
    );
    return file;
  }

  const served = (release: WantedRelease): WantedRelease => {
    const { source } = release.chart;
    const url = `${mirror.url}/apt/${source.kind === 'archive' ? 'sources.tar.gz' : 'charts'}`;
    return { ...release, chart: { ...release.chart, source: { ...source, url } } };
  };

  async function make(dir: string, version: string) {
    const archive = path.join(work, `site/helm-v${version}-linux-${arch}.tar.gz`);
    const sums = { [arch]: (await sumsOf(archive)).sha256 };
    const said: string[] = [];
    const http = createHttp({ env: {} });
    try {
      const made = await makeBundle(
        {
          dir,
          software: cluster,
          releases: releasesOf(cluster).map(served),
          helm: { version, place: `${mirror.url}/apt`, sums },
          arches: [arch],
          os: { id: 'debian', codename: 'bookworm' },
          images: undefined,
        },
        {
          http,
          signal,
          resolveSecret: async () => '',
          progress: { say: text => said.push(text), expect: () => {}, got: () => {} },
          ownArch: arch,
        },
      );
      return { ...made, said };
    } finally {
      await http.close();
    }
  }

  test.each(['helm3', 'helm'] as const)(
    'by %s, lists Helm, every chart, and every image that they want',
    async which => {
      const dir = path.join(work, which);
      const { said } = await make(dir, layerVersions[which]);
      const wanted: unknown = JSON.parse(await readFile(path.join(lab, 'bundle.json'), 'utf8'));
      const { entries } = await loadBundle(dir, { signal });
      const shown = (kind: string) =>
        entries.filter(each => each.kind === kind).map(({ name, version }) => `${name} ${version}`);
      expect(shown('tool')).toEqual([`helm ${layerVersions[which]}`]);
      expect(shown('chart')).toEqual(namesIn(wanted, 'chart'));
      // The lab's bundle has what its layers want, and pause and the rest of kubeadm's.
      expect(shown('image')).toEqual(namesIn(wanted, 'image'));
      expect(said.join('\n')).toContain('only TLS vouches for it');
      mirror.seen.length = 0;
      expect(await make(dir, layerVersions[which])).toMatchObject({ fetched: 0 });
      expect(mirror.seen).toEqual([]);
    },
  );
});

function namesIn(list: unknown, kind: string): readonly string[] {
  const { entries } = list as { entries: readonly { kind: string; name: string; version: string }[] };
  return entries
    .filter(each => each.kind === kind)
    .map(({ name, version }) => `${name} ${version}`)
    .toSorted();
}
