// Charts out of a registry on loopback: found, checked by their digest, refused where they are none.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fetchCharts } from '../../src/bundle/charts.ts';
import type { Listed } from '../../src/io/bundle.ts';
import { createHttp } from '../../src/io/http.ts';
import { HomelabError } from '../../src/model/errors.ts';
import { chartRepository } from '../../src/model/layers.ts';
import { digestOf, type Mirror, type MirrorOptions, startMirror } from './mirror.ts';
import { buildImages, ociChart } from './small-world.ts';

const archive = Buffer.alloc(3000, 'an archive ');
const web = ociChart('charts/web', '1.0.0_build.3', archive);
const secret = { kind: 'env', name: 'X' } as const;

let dir = '';
let mirror: Mirror | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'homelab-oci-'));
});
afterEach(async () => {
  await mirror?.close();
  rmSync(dir, { recursive: true });
});

interface Asked {
  readonly name?: string;
  readonly version?: string;
  readonly password?: string;
}

async function fetchWeb(served: MirrorOptions, asked: Asked = {}): Promise<readonly Listed[]> {
  mirror = await startMirror(served);
  const { host } = new URL(mirror.url);
  const { name = 'web', version = '1.0.0+build.3', password } = asked;
  const credentials = password === undefined ? undefined : { username: 'me', password: secret };
  const http = createHttp({ env: {}, silenceMs: 500 });
  const added: Listed[] = [];
  try {
    await fetchCharts([{ name, version, source: { kind: 'oci', url: `oci://${host}/charts` } }], {
      dir,
      http,
      // As itself it would be asked by https.
      registries: [{ host, mirrors: [mirror.url], ca: undefined, credentials }],
      atOnce: 2,
      entries: new Map(),
      add: async entry => void added.push(entry),
      signal: new AbortController().signal,
      resolveSecret: async () => password ?? '',
      progress: { say: () => {}, expect: () => {}, got: () => {} },
      ownArch: undefined,
      patience: { tries: 2, firstPauseMs: 1 },
    });
    return added;
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

it('comes by its version, whose + is _ in a tag, and is listed with the sum of its archive', async () => {
  expect(await fetchWeb(web)).toEqual([
    {
      kind: 'chart',
      name: 'web',
      version: '1.0.0+build.3',
      arch: 'all',
      file: 'charts/web-1.0.0+build.3.tgz',
      sha256: digestOf(archive).slice('sha256:'.length),
      bytes: archive.length,
    },
  ]);
  expect(readFileSync(join(dir, 'charts/web-1.0.0+build.3.tgz'))).toEqual(archive);
});

it('is asked for with the login of its registry', async () => {
  const token = { login: 'me:hunter2' };
  expect(await fetchWeb({ ...web, token }, { password: 'hunter2' })).toHaveLength(1);
});

it('a login that is refused says where it is given, and keeps it to itself', async () => {
  const error = await failure(fetchWeb({ ...web, token: { login: 'me:other' } }, { password: 'hunter2' }));
  expect(error.hint).toContain('credentials');
  expect(JSON.stringify([error, error.context, error.hint])).not.toContain('hunter2');
});

it('a registry that is away for a moment is asked again', async () => {
  const away = { path: /blobs/, does: { status: 503 }, times: 1 };
  expect(await fetchWeb({ ...web, faults: [away] })).toHaveLength(1);
});

it('other bytes than the manifest names are an error, and no chart', async () => {
  const error = await failure(fetchWeb({ ...web, faults: [{ path: /blobs/, does: 'corrupt', times: 9 }] }));
  expect(error).toMatchObject({ code: 'HL_BUNDLE', message: expect.stringContaining('is not what it should be') });
  expect(readdirSync(join(dir, 'charts'))).toEqual([]);
});

it.each([
  ['chart', { name: 'other' }],
  ['version', { version: '2.0.0' }],
])('a %s that is not there is said', async (_, asked) => {
  const error = await failure(fetchWeb(web, asked));
  expect(error).toMatchObject({ code: 'HL_DOWNLOAD', hint: expect.stringContaining('check the version') });
  expect(JSON.stringify(error.context)).toContain('404');
});

const other = [...web.manifests].map(
  ([name, bytes]) => [name, Buffer.from(bytes.toString().replace('helm.config', 'other.config'))] as const,
);

it.each([
  ['an image', buildImages([{ name: 'x/charts/web:1.0.0_build.3', arches: ['amd64'] }])],
  ['what somebody else made', { ...web, manifests: new Map(other) }],
])('%s of that name is no chart', async (_, served) => {
  expect(await failure(fetchWeb(served))).toMatchObject({
    code: 'HL_BUNDLE',
    message: expect.stringContaining('/charts/web 1.0.0+build.3 is no Helm chart'),
  });
});

it.each([
  ['oci://ghcr.io/grafana-community/helm-charts', 'ghcr.io', 'grafana-community/helm-charts/web'],
  ['oci://registry-1.docker.io/bitnamicharts/', 'docker.io', 'bitnamicharts/web'],
  ['oci://registry.home.arpa:5000', 'registry.home.arpa:5000', 'web'],
])('%s is a registry and a folder in it', (url, registry, repository) => {
  const chart = { name: 'web', version: '1', source: { kind: 'oci', url } } as const;
  expect(chartRepository(chart, url)).toEqual({ registry, repository });
});
