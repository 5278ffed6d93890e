import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeBundle } from '../../src/bundle/make.ts';
import type { Software } from '../../src/bundle/wanted.ts';
import { loadBundle, readBundleList } from '../../src/io/bundle.ts';
import { createHttp } from '../../src/io/http.ts';
import type { Registry } from '../../src/model/cluster.ts';
import { HomelabError } from '../../src/model/errors.ts';
import { pinnedHelm } from '../../src/resources/helm-tool.ts';
import { digestOf, type Fault, type Mirror, type MirrorOptions, startMirror } from './mirror.ts';
import { buildDeb, buildImages, buildRepository, canSign } from './small-world.ts';

const images = ['registry.k8s.io/kube-apiserver:v1.31.1', 'registry.k8s.io/coredns/coredns:v1.11.3'];
const arch = process.arch === 'x64' ? 'amd64' : process.arch;
const other = arch === 'amd64' ? 'arm64' : 'amd64';
const never = new AbortController().signal;

let world = '';
let key = '';
const registry = buildImages(images.map(name => ({ name, arches: [arch, other] })));

let dir = '';
const mirrors: Mirror[] = [];

beforeAll(() => {
  if (!canSign) return;
  world = mkdtempSync(join(tmpdir(), 'homelab-apt-'));
  mkdirSync(join(world, 'pool'));
  const script = `[ "$*" = 'config images list --kubernetes-version v1.31.1' ] && printf '%s\\n' ${images.join(' ')}`;
  const deb = (name: string, version: string, of = arch, does?: string) =>
    buildDeb(join(world, 'pool'), name, version, of, does);
  key = buildRepository(world, [
    ...[arch, other].flatMap(of => [
      deb('kubeadm', '1.31.1-1.1', of, script),
      deb('kubeadm', '1.31.2-1.1', of),
      deb('kubelet', '1.31.1-1.1', of),
      deb('kubectl', '1.31.1-1.1', of),
      deb('kubernetes-cni', '1.4.0-1.1', of),
      deb('kubernetes-cni', '1.10.0-1.1', of),
    ]),
    deb('containerd.io', '2.1.5-1~debian.12~bookworm', 'all'),
  ]);
});
afterAll(() => {
  if (world) rmSync(world, { recursive: true });
});
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'homelab-make-')), 'bundle');
});
afterEach(async () => {
  for (const mirror of mirrors.splice(0)) await mirror.close();
  rmSync(join(dir, '..'), { recursive: true, force: true });
});

async function mirrorOf(more: MirrorOptions = {}): Promise<Mirror> {
  const mirror = await startMirror({ apt: world, ...registry, ...more });
  mirrors.push(mirror);
  return mirror;
}

function software(
  mirror: Mirror,
  more: { readonly key?: Software['kubernetes']['repository']['key']; readonly registry?: Partial<Registry> } = {},
): Software {
  const repository = {
    url: `${mirror.url}/apt`,
    suite: '/',
    components: [],
    pin: [],
    key: more.key ?? { kind: 'text' as const, text: key },
  };
  return {
    kubernetes: { version: 'v1.31.1', repository, kubeProxy: true },
    containerd: {
      version: '2.1.5',
      package: 'containerd.io',
      repository,
      registries: [
        { host: 'registry.k8s.io', mirrors: [mirror.url], ca: undefined, credentials: undefined },
        { host: new URL(mirror.url).host, mirrors: [], ca: undefined, credentials: undefined, ...more.registry },
      ],
    },
  };
}

async function make(
  wanted: Software,
  {
    arches = [arch],
    signal = never,
    onBytes = () => {},
  }: { arches?: readonly string[]; signal?: AbortSignal; onBytes?: () => void } = {},
) {
  const said: string[] = [];
  const http = createHttp({ env: {}, silenceMs: 500 });
  try {
    const made = await makeBundle(
      {
        dir,
        software: wanted,
        releases: [],
        helm: pinnedHelm,
        arches,
        os: { id: 'debian', codename: 'bookworm' },
        images: undefined,
      },
      {
        http,
        signal,
        resolveSecret: async () => 'hunter2',
        progress: { say: text => said.push(text), expect: () => {}, got: onBytes },
        ownArch: arch,
        patience: { tries: 3, firstPauseMs: 1 },
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

const fault = (path: RegExp, does: Fault['does'], times = 1): Fault => ({ path, does, times });

describe.skipIf(!canSign)('bundle make', () => {
  test('fetches the version, its newest companions and the images that kubeadm names, for each architecture', async () => {
    const mirror = await mirrorOf();
    const made = await make(software(mirror), { arches: [arch, other] });
    expect(made).toMatchObject({ entries: 13, fetched: 13 });
    const { entries } = await loadBundle(dir, { signal: never });
    expect(
      entries.filter(each => each.kind === 'deb').map(({ name, version, arch: of }) => `${name} ${version} ${of}`),
    ).toEqual([
      'containerd.io 2.1.5-1~debian.12~bookworm all',
      ...['amd64', 'arm64'].map(of => `kubeadm 1.31.1-1.1 ${of}`),
      ...['amd64', 'arm64'].map(of => `kubectl 1.31.1-1.1 ${of}`),
      ...['amd64', 'arm64'].map(of => `kubelet 1.31.1-1.1 ${of}`),
      ...['amd64', 'arm64'].map(of => `kubernetes-cni 1.10.0-1.1 ${of}`),
    ]);
    expect(readdirSync(dir).sort()).toEqual(['bundle.json', 'debs', 'images']);
    // A layer that images share is fetched once.
    const blobs = mirror.seen.filter(({ path }) => path.includes('/blobs/')).map(({ path }) => path.split('/').at(-1));
    expect(new Set(blobs).size).toBe(blobs.length);
  });

  test('writes images as layouts whose names and digests containerd finds', async () => {
    await make(software(await mirrorOf()));
    const [entry] = (await readBundleList(dir)).filter(each => each.name === images[1]);
    const tar = join(dir, entry?.file ?? '');
    const member = (name: string) => execFileSync('tar', ['-xOf', tar, name]);
    const [manifest] = JSON.parse(member('index.json').toString()).manifests;
    expect(manifest.annotations['io.containerd.image.name']).toBe(images[1]);
    const bytes = member(`blobs/sha256/${manifest.digest.slice(7)}`);
    expect(digestOf(bytes)).toBe(manifest.digest);
    const { config, layers } = JSON.parse(bytes.toString());
    for (const { digest, size } of [config, ...layers]) {
      const blob = member(`blobs/sha256/${digest.slice(7)}`);
      expect([digestOf(blob), blob.length]).toEqual([digest, size]);
    }
  });

  test('a second time asks nobody for anything', async () => {
    const mirror = await mirrorOf();
    await make(software(mirror));
    const before = readFileSync(join(dir, 'bundle.json'), 'utf8');
    mirror.seen.length = 0;
    expect(await make(software(mirror))).toMatchObject({ fetched: 0 });
    expect(mirror.seen).toEqual([]);
    expect(readFileSync(join(dir, 'bundle.json'), 'utf8')).toBe(before);
  });

  test('a file that was damaged since is fetched again, alone', async () => {
    const mirror = await mirrorOf();
    await make(software(mirror));
    writeFileSync(join(dir, `debs/kubelet_1.31.1-1.1_${arch}.deb`), 'damaged');
    mirror.seen.length = 0;
    expect(await make(software(mirror))).toMatchObject({ fetched: 1 });
    expect(mirror.seen.map(({ path }) => path).filter(path => path.endsWith('.deb'))).toEqual([
      `/apt/pool/kubelet_1.31.1-1.1_${arch}.deb`,
    ]);
    await loadBundle(dir, { signal: never });
  });

  test('a connection that is cut goes on where it ended', async () => {
    const mirror = await mirrorOf({ faults: [fault(/kubelet.*deb$/, 'cut'), fault(/\/blobs\//, 'cut', 3)] });
    await make(software(mirror));
    await loadBundle(dir, { signal: never });
    expect(mirror.seen.filter(({ path }) => /kubelet.*deb$/.test(path))).toHaveLength(2);
    expect(mirror.seen.map(({ range }) => range)).toContainEqual(expect.stringMatching(/^bytes=[1-9]\d*-$/));
  });

  test('a server that falls silent is left and asked again', async () => {
    const mirror = await mirrorOf({ faults: [fault(/kubelet.*deb$/, 'hang')] });
    await make(software(mirror));
    expect(mirror.seen.filter(({ path }) => /kubelet.*deb$/.test(path))).toHaveLength(2);
  });

  test('a server that cannot resume is taken from the start', async () => {
    const mirror = await mirrorOf({ faults: [fault(/kubelet.*deb$/, 'cut'), fault(/kubelet.*deb$/, 'ignore-range')] });
    await make(software(mirror));
    await loadBundle(dir, { signal: never });
  });

  test('a server that is busy is asked again, one that says no is not', async () => {
    const mirror = await mirrorOf({
      faults: [fault(/InRelease/, { status: 503 }, 2), fault(/kubelet.*deb$/, { status: 403 }, 9)],
    });
    const error = await failure(make(software(mirror)));
    expect(error).toMatchObject({ code: 'HL_DOWNLOAD', message: expect.stringMatching(/kubelet.*answered 403/) });
    expect(mirror.seen.filter(({ path }) => path.endsWith('InRelease')).length).toBeGreaterThanOrEqual(3);
    expect(mirror.seen.filter(({ path }) => /kubelet.*deb$/.test(path))).toHaveLength(1);
  });

  test.each([
    ['package', /kubelet.*deb$/],
    ['layer', /\/blobs\//],
  ])('a %s with other bytes is an error that names it, and leaves no bundle behind', async (_, path) => {
    const mirror = await mirrorOf({ faults: [fault(path, 'corrupt', 99)] });
    const error = await failure(make(software(mirror)));
    expect(error).toMatchObject({
      code: 'HL_BUNDLE',
      exitCode: 5,
      message: expect.stringContaining('not what it should be'),
    });
    expect(error.context.details?.join()).toMatch(/expected sha256 [0-9a-f]{64},found sha256 +[0-9a-f]{64}/);
    expect(readdirSync(dir)).not.toContain('bundle.json');
  });

  test('an index that another key signed is refused before any package', async () => {
    const stranger = mkdtempSync(join(tmpdir(), 'homelab-apt-'));
    const wrong = buildRepository(stranger, []);
    rmSync(stranger, { recursive: true });
    const mirror = await mirrorOf();
    const error = await failure(make(software(mirror, { key: { kind: 'text', text: wrong } })));
    expect(error).toMatchObject({ code: 'HL_BUNDLE', message: expect.stringContaining('is not signed by the key') });
    expect(mirror.seen.filter(({ path }) => path.endsWith('.deb'))).toEqual([]);
  });

  test('an index that the repository did not sign is refused', async () => {
    const mirror = await mirrorOf({ faults: [fault(/Packages.gz/, 'corrupt', 99)] });
    expect(await failure(make(software(mirror)))).toMatchObject({
      code: 'HL_BUNDLE',
      message: expect.stringContaining('not what the repository signed'),
    });
  });

  test('an unsigned repository is said to be one', async () => {
    const mirror = await mirrorOf({ faults: [fault(/InRelease/, { status: 404 }, 99)] });
    const { said } = await make(software(mirror, { key: { kind: 'none' } }));
    expect(said.join('\n')).toContain('trusts it unsigned');
  });

  test('Release with its signature apart will do', async () => {
    const mirror = await mirrorOf({ faults: [fault(/InRelease/, { status: 404 }, 99)] });
    expect(await make(software(mirror))).toMatchObject({ entries: 7 });
    expect(mirror.seen.map(({ path }) => path)).toContain('/apt/Release.gpg');
  });

  test('a version that is not there is named with those that are', async () => {
    const wanted = software(await mirrorOf());
    const error = await failure(make({ ...wanted, kubernetes: { ...wanted.kubernetes, version: 'v1.31.9' } }));
    expect(error.message).toContain('has no kubectl 1.31.9');
    expect(error.context.details?.join()).toContain('1.31.1-1.1');
  });

  test('a registry that wants a token gets one, also when it runs out, and the storage behind it gets none', async () => {
    const storage = await mirrorOf();
    const mirror = await mirrorOf({ token: { login: 'me:hunter2', uses: 3 }, storage: storage.url });
    const credentials = { username: 'me', password: { kind: 'env' as const, name: 'X' } };
    await make(software(mirror, { registry: { credentials } }));
    await loadBundle(dir, { signal: never });
    expect(mirror.seen.filter(({ path }) => path.startsWith('/token')).length).toBeGreaterThan(2);
    expect(storage.seen.filter(({ path }) => path.startsWith('/storage/')).length).toBeGreaterThan(0);
    expect(storage.seen.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });

  test('a registry that refuses the login says where credentials are given', async () => {
    const mirror = await mirrorOf({ token: { login: 'me:other' } });
    const credentials = { username: 'me', password: { kind: 'env' as const, name: 'X' } };
    const error = await failure(make(software(mirror, { registry: { credentials } })));
    expect(JSON.stringify(error)).toContain('refuses the login');
    expect(JSON.stringify(error)).not.toContain('hunter2');
  });

  test('a mirror without the image is passed over', async () => {
    const empty = await mirrorOf({ manifests: new Map() });
    const mirror = await mirrorOf();
    const wanted = software(mirror);
    const registries = wanted.containerd.registries.map(each => ({
      ...each,
      mirrors: each.mirrors.length > 0 ? [empty.url, mirror.url] : [],
    }));
    expect(await make({ ...wanted, containerd: { ...wanted.containerd, registries } })).toMatchObject({ entries: 7 });
  });

  test('an image for another architecture only is refused', async () => {
    const mirror = await mirrorOf(buildImages(images.map(name => ({ name, arches: [other] }))));
    expect((await failure(make(software(mirror)))).message).toContain(`is not there for linux/${arch}`);
  });

  test('interrupted, it keeps what it has and fetches only the rest', async () => {
    const mirror = await mirrorOf();
    const stop = new AbortController();
    let count = 0;
    const onBytes = () => {
      count += 1;
      if (count === 8) stop.abort();
    };
    expect(await failure(make(software(mirror), { signal: stop.signal, onBytes }))).toMatchObject({
      code: 'HL_CANCELLED',
      exitCode: 130,
    });
    expect(readdirSync(dir)).not.toContain('bundle.json');
    const fetched = mirror.seen.filter(({ path }) => path.endsWith('.deb')).map(({ path }) => path);
    mirror.seen.length = 0;
    await make(software(mirror));
    await loadBundle(dir, { signal: never });
    expect(readdirSync(dir)).not.toContain('.partial');
    const again = mirror.seen.filter(({ path }) => path.endsWith('.deb')).map(({ path }) => path);
    expect(again.length).toBeLessThan(fetched.length);
  });
});
