// `bundle make` with layers, against a mirror on loopback: a Helm that is a script, charts of two lines, images of a few bytes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type MakeRequest, makeBundle } from '../../src/bundle/make.ts';
import type { MakeTools } from '../../src/bundle/tools.ts';
import type { WantedRelease } from '../../src/bundle/wanted.ts';
import { loadBundle, readBundleList } from '../../src/io/bundle.ts';
import { createHttp } from '../../src/io/http.ts';
import { HomelabError } from '../../src/model/errors.ts';
import { type Mirror, type MirrorOptions, startMirror } from './mirror.ts';
import { buildDeb, buildImages, buildRepository, canSign, ociChart } from './small-world.ts';

const arch = process.arch === 'x64' ? 'amd64' : process.arch;
const other = arch === 'amd64' ? 'arm64' : 'amd64';
const never = new AbortController().signal;
const secret = 'hunter2-of-the-values';
const kubeadms = 'registry.k8s.io/pause:3.10';
const images = buildImages(
  [kubeadms, 'quay.io/cilium/cilium:v1', 'docker.io/library/busybox:1'].map(name => ({ name, arches: [arch, other] })),
);
const digest = digestIn('cilium/cilium');

let world = '';
let key = '';
let sums: Readonly<Record<string, string>> = {};
let dir = '';
let mirror: Mirror;

beforeAll(() => {
  if (!canSign) return;
  world = mkdtempSync(join(tmpdir(), 'homelab-charts-'));
  mkdirSync(join(world, 'pool'));
  const deb = (name: string, version: string, of: string, does?: string) =>
    buildDeb(join(world, 'pool'), name, version, of, does);
  key = buildRepository(
    world,
    [arch, other].flatMap(of => [
      deb('kubeadm', '1.31.1-1.1', of, `echo ${kubeadms}`),
      deb('kubelet', '1.31.1-1.1', of),
      deb('kubectl', '1.31.1-1.1', of),
      deb('kubernetes-cni', '1.4.0-1.1', of),
    ]),
  );
  // It makes of a chart what stands in it, tells how it was called, and refuses values that say so.
  const helm = `#!/bin/sh
values=$(cat)
case $values in *refuse*) echo "Error: values don't meet the specifications" >&2; exit 1 ;; esac
printf '%s\\n' "$*" "$values" "$HOME" "$(env | grep -c ^HELM_)" >>${join(world, 'asked')}
tar -xzOf "$3" "$(tar -tzf "$3" | grep manifest.yaml)"
`;
  sums = Object.fromEntries(
    [arch, other].map(of => [
      of,
      tarball(join(world, `helm-v9.9.9-linux-${of}.tar.gz`), { [`linux-${of}/helm`]: helm }),
    ]),
  );
  const one = { 'cilium/manifest.yaml': `containers: [{image: "quay.io/cilium/cilium:v1@${digest}"}]\n` };
  const sum = tarball(join(world, 'cilium-1.10.tgz'), one);
  writeFileSync(
    join(world, 'index.yaml'),
    `entries: {cilium: [{version: 1.10, urls: [cilium-1.10.tgz], digest: ${sum}}]}\n`,
  );
  tarball(join(world, 'sources.tar.gz'), {
    'p-1/deploy/chart/p/manifest.yaml': 'containers: [{image: "busybox:1"}]\n',
  });
});
afterAll(() => {
  if (world) rmSync(world, { recursive: true });
});
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'homelab-make-')), 'bundle');
  rmSync(join(world, 'asked'), { force: true });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await mirror?.close();
  rmSync(join(dir, '..'), { recursive: true, force: true });
});

/** Its sum. */
function tarball(file: string, members: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'homelab-tar-'));
  for (const [name, text] of Object.entries(members)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  execFileSync('tar', ['-czf', file, '-C', folder, ...readdirSync(folder)]);
  rmSync(folder, { recursive: true });
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function digestIn(repository: string): string {
  const list = [...images.manifests].find(([name, bytes]) => name.startsWith(`${repository}/sha256`) && isList(bytes));
  return list?.[0].slice(repository.length + 1) ?? '';
}

function isList(bytes: Buffer): boolean {
  return bytes.toString().includes('manifest.list');
}

async function start(more: MirrorOptions = {}): Promise<void> {
  mirror = await startMirror({ apt: world, ...images, ...more });
}

function releases(): readonly WantedRelease[] {
  const url = `${mirror.url}/apt`;
  return [
    {
      layer: 'cilium',
      release: 'cilium',
      namespace: 'kube-system',
      chart: { name: 'cilium', version: '1.10', source: { kind: 'repository', url } },
      values: { password: secret },
    },
    {
      layer: 'local-path',
      release: 'p',
      namespace: 'storage',
      chart: {
        name: 'p',
        version: '1',
        source: { kind: 'archive', url: `${url}/sources.tar.gz`, folder: 'deploy/chart/p' },
      },
      values: {},
    },
  ];
}

async function make(request: Partial<MakeRequest> = {}, tools: Partial<MakeTools> = {}) {
  const said: string[] = [];
  const http = createHttp({ env: {}, silenceMs: 500 });
  const url = `${mirror.url}/apt`;
  const repository = { url, suite: '/', components: [], pin: [], key: { kind: 'text' as const, text: key } };
  const registries = ['registry.k8s.io', 'quay.io', 'docker.io'].map(host => ({
    host,
    mirrors: [mirror.url],
    ca: undefined,
    credentials: undefined,
  }));
  const software = {
    kubernetes: { version: 'v1.31.1', repository, kubeProxy: true },
    containerd: { version: '2.1.5', package: 'containerd', repository: undefined, registries },
  };
  try {
    const made = await makeBundle(
      {
        dir,
        software,
        releases: releases(),
        helm: { version: '9.9.9', place: url, sums },
        arches: [arch],
        os: { id: 'debian', codename: 'bookworm' },
        images: undefined,
        ...request,
      },
      {
        http,
        signal: never,
        resolveSecret: async () => '',
        progress: { say: text => said.push(text), expect: () => {}, got: () => {} },
        ownArch: arch,
        patience: { tries: 2, firstPauseMs: 1 },
        ...tools,
      },
    );
    return { ...made, said };
  } finally {
    await http.close();
  }
}

async function failure(work: Promise<unknown>): Promise<HomelabError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof HomelabError) return error;
  throw error ?? new Error('it did not fail');
}

const listed = async () =>
  (await readBundleList(dir))
    .filter(({ kind }) => kind !== 'deb')
    .map(entry => [entry.kind, entry.name, entry.version, entry.arch].join(' '));

describe.skipIf(!canSign)('bundle make with layers', () => {
  test('brings Helm for each architecture, the charts, and the images that they ask for', async () => {
    await start();
    await make({ arches: [arch, other] });
    expect(await listed()).toEqual([
      'chart cilium 1.10 all',
      'chart p 1 all',
      ...['amd64', 'arm64'].map(of => `image docker.io/library/busybox:1 1 ${of}`),
      ...['amd64', 'arm64'].map(of => `image quay.io/cilium/cilium@${digest} v1 ${of}`),
      ...['amd64', 'arm64'].map(of => `image ${kubeadms} 3.10 ${of}`),
      ...['amd64', 'arm64'].map(of => `tool helm 9.9.9 ${of}`),
    ]);
    const { entries } = await loadBundle(dir, { signal: never });
    const chart = entries.find(({ name }) => name === 'p')?.path ?? '';
    expect(execFileSync('tar', ['-tzf', chart], { encoding: 'utf8' })).toContain('p/manifest.yaml');
  });

  test('an image that is asked for by its digest is in its tar under the name that containerd looks up', async () => {
    await start();
    await make();
    const entry = (await readBundleList(dir)).find(({ name }) => name.startsWith('quay.io'));
    const index = execFileSync('tar', ['-xOf', join(dir, entry?.file ?? ''), 'index.json'], { encoding: 'utf8' });
    expect(JSON.parse(index).manifests[0].annotations['io.containerd.image.name']).toBe(
      `quay.io/cilium/cilium@${digest}`,
    );
  });

  test('Helm is asked with the values that bootstrap gives, on stdin, and with nothing of the user’s own', async () => {
    await start();
    vi.stubEnv('HELM_PLUGINS', '/home/somebody/plugins');
    const { said } = await make();
    const [argv = '', values, home = '', places] = readFileSync(join(world, 'asked'), 'utf8').split('\n');
    expect(argv).toMatch(
      /^template cilium \/.*\/charts\/cilium-1.10.tgz --namespace kube-system --kube-version v1.31.1/,
    );
    expect(JSON.parse(values ?? '')).toEqual({ password: secret });
    expect(places).toBe('3');
    // Its folder is gone.
    expect(() => readdirSync(home)).toThrow('ENOENT');
    expect(JSON.stringify([argv, said])).not.toContain(secret);
  });

  test('a second time asks nobody for anything', async () => {
    await start();
    await make();
    mirror.seen.length = 0;
    expect(await make()).toMatchObject({ fetched: 0 });
    expect(mirror.seen).toEqual([]);
  });

  test('interrupted after the charts, it fetches them no second time', async () => {
    await start({ faults: [{ path: /manifests/, does: { status: 403 }, times: 99 }] });
    await failure(make());
    await mirror.close();
    await start();
    expect((await make()).entries).toBe(10);
    expect(mirror.seen.filter(({ path }) => /index.yaml|\.tgz|tar.gz/.test(path))).toEqual([]);
  });

  test('a chart out of a registry is asked for its images like any other', async () => {
    const web = ociChart('charts/web', '2.0.0', readFileSync(join(world, 'cilium-1.10.tgz')));
    await start({
      manifests: new Map([...images.manifests, ...web.manifests]),
      blobs: new Map([...images.blobs, ...web.blobs]),
    });
    const chart = { name: 'web', version: '2.0.0', source: { kind: 'oci' as const, url: 'oci://quay.io/charts' } };
    const [cilium] = releases();
    await make({ releases: cilium ? [{ ...cilium, chart }] : [] });
    expect(await listed()).toEqual([
      'chart web 2.0.0 all',
      `image quay.io/cilium/cilium@${digest} v1 ${arch}`,
      `image ${kubeadms} 3.10 ${arch}`,
      `tool helm 9.9.9 ${arch}`,
    ]);
  });

  test('a chart without a published sum is said to be one', async () => {
    await start();
    expect((await make()).said.join('\n')).toMatch(/chart p 1: out of .*sources.tar.gz, which has no published sum/);
  });

  test.each([
    ['Helm', /helm-v9/, 'is not what it should be'],
    ['a chart', /cilium-1.10.tgz/, 'is not what its repository lists'],
  ])('%s with other bytes is an error that names it, and nothing is run', async (_, path, message) => {
    await start({ faults: [{ path, does: 'corrupt', times: 99 }] });
    const error = await failure(make());
    expect(error).toMatchObject({ code: 'HL_BUNDLE', message: expect.stringContaining(message) });
    expect(error.context.details?.join()).toMatch(/expected sha256 [0-9a-f]{64},found sha256 +[0-9a-f]{64}/);
    expect(readdirSync(world)).not.toContain('asked');
    expect(readdirSync(dir)).not.toContain('bundle.json');
  });

  test('a repository that is away for a moment is asked again', async () => {
    await start({ faults: [{ path: /index.yaml/, does: { status: 503 }, times: 1 }] });
    await make();
    expect(mirror.seen.filter(({ path }) => path.endsWith('index.yaml'))).toHaveLength(2);
  });

  test('sources without the folder are an error that names it', async () => {
    await start();
    const [, local] = releases();
    const url = `${mirror.url}/apt/sources.tar.gz`;
    const chart = { name: 'p', version: '1', source: { kind: 'archive' as const, url, folder: 'charts/p' } };
    const error = await failure(make({ releases: local ? [{ ...local, chart }] : [] }));
    expect(error.message).toBe(`${url} does not give charts/p`);
  });

  test('values that Helm refuses are told by the layer whose they are', async () => {
    await start();
    const wrong = releases().map(each => ({ ...each, values: { refuse: true } }));
    const error = await failure(make({ releases: wrong }));
    expect(error).toMatchObject({ code: 'HL_BUNDLE', message: 'Helm makes nothing of chart cilium 1.10' });
    expect(error.hint).toContain('layers.cilium');
    expect(error.context.stderr).toContain("values don't meet");
  });

  test('where Helm cannot run, it says how images are named, and takes them', async () => {
    await start();
    const error = await failure(make({ arches: [other] }));
    expect(error).toMatchObject({ code: 'HL_USAGE', message: expect.stringContaining('kubeadm and Helm') });
    expect(error.hint).toContain('--images images.txt');
    await make({ arches: [other], images: [kubeadms] });
    expect(await listed()).toEqual([
      'chart cilium 1.10 all',
      'chart p 1 all',
      `image ${kubeadms} 3.10 ${other}`,
      `tool helm 9.9.9 ${other}`,
    ]);
  });

  test('an architecture that no Helm is known for is said before it is fetched', async () => {
    await start();
    const error = await failure(make({ helm: { version: '9.9.9', place: `${mirror.url}/apt`, sums: {} } }));
    expect(error).toMatchObject({ code: 'HL_USAGE', hint: expect.stringContaining('--arch') });
    expect(mirror.seen.filter(({ path }) => path.includes('helm'))).toEqual([]);
  });

  test('without layers neither Helm nor charts are asked for', async () => {
    await start();
    await make({ releases: [] });
    expect(await listed()).toEqual([`image ${kubeadms} 3.10 ${arch}`]);
  });
});
