import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addFiles } from '../../src/bundle/add.ts';
import { layoutIndex, layoutMarker } from '../../src/bundle/image-manifest.ts';
import { loadBundle, readBundleList } from '../../src/io/bundle.ts';
import { writeTar } from '../../src/io/tar.ts';
import { digestOf } from './mirror.ts';
import { buildDeb, canSign } from './small-world.ts';

const signal = new AbortController().signal;
let dir = '';
let from = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'homelab-bundle-'));
  from = mkdtempSync(join(tmpdir(), 'homelab-files-'));
});
afterEach(() => {
  for (const folder of [dir, from]) rmSync(folder, { recursive: true });
});

const config = Buffer.from(JSON.stringify({ architecture: 'arm64', os: 'linux' }));

async function dockerArchive(tags: readonly string[]): Promise<string> {
  const path = join(from, 'docker.tar');
  const manifest = Buffer.from(JSON.stringify([{ Config: 'config.json', RepoTags: tags, Layers: [] }]));
  await writeTar(
    path,
    [
      { name: 'manifest.json', content: manifest },
      { name: 'config.json', content: config },
    ],
    signal,
  );
  return path;
}

describe('bundle add', () => {
  test('lists an image of docker save and one of an OCI layout by their own names, compressed or not', async () => {
    const docker = await dockerArchive(['app:1']);
    execFileSync('gzip', [docker]);
    const manifest = Buffer.from(
      JSON.stringify({ config: { digest: digestOf(config), size: 1, mediaType: 'x' }, layers: [] }),
    );
    const layout = join(from, 'layout.tar');
    const descriptor = { mediaType: 'x', digest: digestOf(manifest), size: manifest.length };
    const blob = (bytes: Buffer) => ({ name: `blobs/${digestOf(bytes).replace(':', '/')}`, content: bytes });
    await writeTar(
      layout,
      [
        { name: 'oci-layout', content: Buffer.from(layoutMarker) },
        { name: 'index.json', content: Buffer.from(layoutIndex('ghcr.io/me/web:2', 'arm64', descriptor)) },
        blob(manifest),
        blob(config),
      ],
      signal,
    );
    await addFiles(dir, [`${docker}.gz`, layout], signal);
    expect(
      (await loadBundle(dir, { signal })).entries.map(({ kind, name, version, arch }) => [kind, name, version, arch]),
    ).toEqual([
      ['image', 'docker.io/library/app:1', '1', 'arm64'],
      ['image', 'ghcr.io/me/web:2', '2', 'arm64'],
    ]);
  });

  test.skipIf(!canSign)('lists a package by its control file; once more replaces it', async () => {
    const deb = buildDeb(from, 'socat', '1:1.7.4-2', 'amd64');
    await addFiles(dir, [deb], signal);
    await addFiles(dir, [buildDeb(from, 'socat', '1:1.7.4-2', 'amd64', 'echo other')], signal);
    const { entries } = await loadBundle(dir, { signal });
    expect(entries).toMatchObject([{ kind: 'deb', name: 'socat', version: '1:1.7.4-2', arch: 'amd64' }]);
    expect(await readBundleList(dir)).toHaveLength(1);
  });

  test('takes nothing when one of the files is not understood', async () => {
    mkdirSync(join(from, 'folder'));
    writeFileSync(join(from, 'text.tar'), 'no tar');
    writeFileSync(join(from, 'text.deb'), 'no deb');
    const good = await dockerArchive(['app:1']);
    for (const [bad, message] of [
      ['text.tar', 'is not the tar of one image'],
      ['text.deb', 'is not a Debian package'],
      ['folder', 'is not a file'],
      ['absent.deb', 'is not a file'],
    ] as const) {
      await expect(addFiles(dir, [good, join(from, bad)], signal), bad).rejects.toThrow(message);
    }
    await expect(addFiles(dir, [await dockerArchive(['a:1', 'b:1'])], signal)).rejects.toThrow(
      'one image with one name',
    );
    await expect(readBundleList(dir)).rejects.toThrow('no readable bundle.json');
  });

  test('refuses an image named by tag and digest: no pod would find it', async () => {
    const archive = await dockerArchive([`quay.io/a/b:1@sha256:${'1'.repeat(64)}`]);
    await expect(addFiles(dir, [archive], signal)).rejects.toThrow('by tag and digest');
  });
});
