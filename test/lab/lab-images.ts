// The lab bundle's images as a registry has them: blobs in a folder, manifests that name them.
import { mkdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { type Blob, digestOf } from '../bundle/mirror.ts';
import { sumsOf } from './bundle/sums.ts';
import { run } from './run.ts';

const listSchema = z.object({
  entries: z.array(z.object({ kind: z.string(), name: z.string(), arch: z.string(), file: z.string() })),
});
const archiveSchema = z.array(z.object({ Config: z.string(), Layers: z.array(z.string()) })).length(1);

export interface ServedImages {
  /** Full references. */
  readonly names: readonly string[];
  readonly manifests: ReadonlyMap<string, Buffer>;
  readonly blobs: ReadonlyMap<string, Blob>;
}

export async function serveLabImages(bundle: string, work: string): Promise<ServedImages> {
  const { entries: all } = listSchema.parse(JSON.parse(await readFile(path.join(bundle, 'bundle.json'), 'utf8')));
  const entries = all.filter(({ kind }) => kind === 'image');
  const manifests = new Map<string, Buffer>();
  const blobs = new Map<string, Blob>();
  for (const [index, { name, arch, file }] of entries.entries()) {
    const folder = path.join(work, String(index));
    await mkdir(folder, { recursive: true });
    await run(['tar', '-xzf', path.join(bundle, file), '-C', folder]);
    const [archive] = archiveSchema.parse(JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8')));
    const keep = async (member: string, mediaType: string) => {
      const { sha256, bytes } = await sumsOf(path.join(folder, member));
      const place = path.join(work, sha256);
      await rename(path.join(folder, member), place);
      blobs.set(`sha256:${sha256}`, { path: place });
      return { mediaType, digest: `sha256:${sha256}`, size: bytes };
    };
    const config = await keep(archive?.Config ?? '', 'application/vnd.oci.image.config.v1+json');
    const layers = [];
    for (const layer of archive?.Layers ?? []) layers.push(await keep(layer, 'application/vnd.oci.image.layer.v1.tar'));
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }));
    const platform = { os: 'linux', architecture: arch };
    const list = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [{ mediaType, digest: digestOf(manifest), size: manifest.length, platform }],
      }),
    );
    const [, repository = '', tag = ''] = /^[^/]+\/(.+):([^:]+)$/.exec(name) ?? [];
    manifests.set(`${repository}/${tag}`, list);
    manifests.set(`${repository}/${digestOf(list)}`, list);
    manifests.set(`${repository}/${digestOf(manifest)}`, manifest);
  }
  return { names: entries.map(({ name }) => name), manifests, blobs };
}
