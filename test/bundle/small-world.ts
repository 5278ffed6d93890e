// A repository and images of a few bytes each, made as real ones are: .debs with control files, a signed index, manifest lists.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Blob, digestOf } from './mirror.ts';

export const canSign = ['gpg', 'gpgv', 'dpkg-deb'].every(tool => spawnSync(tool, ['--version']).status === 0);

export interface Image {
  readonly name: string;
  readonly arches: readonly string[];
}

/** A .deb whose program is this script. */
export function buildDeb(folder: string, name: string, version: string, arch: string, script = 'true'): string {
  const root = mkdtempSync(join(tmpdir(), 'homelab-deb-'));
  mkdirSync(join(root, 'DEBIAN'));
  writeFileSync(
    join(root, 'DEBIAN/control'),
    `Package: ${name}\nVersion: ${version}\nArchitecture: ${arch}\nMaintainer: test <test@example.test>\nDescription: test\n`,
  );
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  writeFileSync(join(root, 'usr/bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const file = join(folder, `${name}_${version.replace(/^\d+:/, '')}_${arch}.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', root, file]);
  rmSync(root, { recursive: true });
  return file;
}

/** A flat repository in `folder`, signed; gives the armored key. */
export function buildRepository(folder: string, debs: readonly string[]): string {
  const paragraphs = debs.map(file => {
    const control = execFileSync('dpkg-deb', ['--field', file], { encoding: 'utf8' });
    const bytes = readFileSync(file);
    return `${control.trim()}\nFilename: ${file.slice(folder.length + 1)}\nSize: ${bytes.length}\nSHA256: ${sha256(bytes)}\n`;
  });
  const index = gzipSync(paragraphs.join('\n'));
  writeFileSync(join(folder, 'Packages.gz'), index);
  const release = `Origin: test\nSHA256:\n ${sha256(index)} ${index.length} Packages.gz\n`;
  writeFileSync(join(folder, 'Release'), release);
  const home = mkdtempSync(join(tmpdir(), 'homelab-gpg-'));
  const gpg = (...args: string[]) =>
    execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', '--passphrase', '', ...args], { stdio: 'pipe' });
  gpg('--quick-gen-key', 'test@example.test', 'ed25519', 'sign', 'never');
  gpg('--clearsign', '--yes', '-o', join(folder, 'InRelease'), join(folder, 'Release'));
  gpg('--detach-sign', '--yes', '-o', join(folder, 'Release.gpg'), join(folder, 'Release'));
  const key = gpg('--armor', '--export').toString('utf8');
  spawnSync('gpgconf', ['--homedir', home, '--kill', 'all']);
  rmSync(home, { recursive: true, force: true });
  return key;
}

/** Manifests and blobs of images that share a layer. */
export function buildImages(images: readonly Image[]): {
  readonly manifests: Map<string, Buffer>;
  readonly blobs: Map<string, Blob>;
} {
  const manifests = new Map<string, Buffer>();
  const blobs = new Map<string, Blob>();
  const keep = (bytes: Buffer, mediaType: string) => {
    blobs.set(digestOf(bytes), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const shared = Buffer.alloc(100_000, 'shared layer ');
  for (const { name, arches } of images) {
    const [, repository = '', tag = ''] = /^[^/]+\/(.+):([^:]+)$/.exec(name) ?? [];
    const list = arches.map(architecture => {
      const config = Buffer.from(JSON.stringify({ architecture, os: 'linux', of: name }));
      const manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
          config: keep(config, 'application/vnd.docker.container.image.v1+json'),
          layers: [
            keep(shared, 'application/vnd.docker.image.rootfs.diff.tar.gzip'),
            keep(Buffer.alloc(50_000, `${name} ${architecture} `), 'application/vnd.docker.image.rootfs.diff.tar.gzip'),
          ],
        }),
      );
      manifests.set(`${repository}/${digestOf(manifest)}`, manifest);
      return {
        mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
        digest: digestOf(manifest),
        size: manifest.length,
        platform: { os: 'linux', architecture },
      };
    });
    const top = {
      schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
      manifests: list,
    };
    const bytes = Buffer.from(JSON.stringify(top));
    manifests.set(`${repository}/${tag}`, bytes);
    manifests.set(`${repository}/${digestOf(bytes)}`, bytes);
  }
  return { manifests, blobs };
}

/** A chart as `helm push` leaves it in a registry. Constructed: media types of helm/helm@v4.2.4 pkg/registry/constants.go. */
export function ociChart(
  repository: string,
  tag: string,
  archive: Buffer,
): { readonly manifests: Map<string, Buffer>; readonly blobs: Map<string, Blob> } {
  const config = Buffer.from(JSON.stringify({ name: repository.split('/').at(-1), version: tag.replaceAll('_', '+') }));
  const described = (bytes: Buffer, type: string) => ({
    mediaType: `application/vnd.cncf.helm.${type}`,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: described(config, 'config.v1+json'),
    layers: [described(archive, 'chart.content.v1.tar+gzip')],
  };
  return {
    manifests: new Map([[`${repository}/${tag}`, Buffer.from(JSON.stringify(manifest))]]),
    blobs: new Map([config, archive].map(bytes => [digestOf(bytes), bytes])),
  };
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
