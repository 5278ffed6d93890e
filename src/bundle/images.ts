// Images from their registries to tars that containerd imports: manifests, then each blob once, then one tar an image.
import { join } from 'node:path';
import type { Listed } from '../io/bundle.ts';
import { diskError, download } from '../io/download.ts';
import { makeFolder, readJson, removeTree } from '../io/files.ts';
import type { RegistryRepository } from '../io/registry.ts';
import { writeTar } from '../io/tar.ts';
import type { Registry } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import {
  blobPath,
  choose,
  type Descriptor,
  layoutIndex,
  layoutMarker,
  manifestTypes,
  parseManifest,
} from './image-manifest.ts';
import type { ImageRef } from './image-ref.ts';
import { openAsTold } from './open-repository.ts';
import { inPool } from './pool.ts';
import { type MakeTools, roomFor } from './tools.ts';

export interface FetchImages extends MakeTools {
  readonly dir: string;
  readonly work: string;
  readonly atOnce: number;
  readonly add: (entry: Listed) => Promise<void>;
}

interface Wanted {
  readonly ref: ImageRef;
  readonly arch: string;
}

interface Resolved extends Wanted {
  readonly repository: RegistryRepository;
  readonly manifest: Descriptor & { readonly bytes: Buffer };
  readonly config: Descriptor;
  readonly blobs: readonly Descriptor[];
}

export async function fetchImages(
  wanted: readonly Wanted[],
  registries: readonly Registry[],
  options: FetchImages,
): Promise<void> {
  const { dir, work, atOnce, signal, progress, add } = options;
  const images = await inPool(wanted, atOnce, signal, (each, either) =>
    resolve(each, registries, { ...options, signal: either }),
  );
  // Images share layers.
  const blobs = new Map(
    images.flatMap(({ blobs: mine, repository }) => mine.map(blob => [blob.digest, { blob, repository }])),
  );
  const total = [...blobs.values()].reduce((sum, { blob }) => sum + blob.size, 0);
  // As blobs, and once more as tars.
  await roomFor(dir, 2 * total);
  progress.expect(total);
  const placeOf = (digest: string) => join(work, blobPath(digest));
  await inPool([...blobs.values()], atOnce, signal, ({ blob, repository }, either) =>
    download(
      {
        what: `blob ${blob.digest}`,
        path: placeOf(blob.digest),
        sha256: blob.digest.slice('sha256:'.length),
        bytes: blob.size,
        get: headers => repository.blob(blob.digest, headers),
      },
      { ...options, signal: either, onBytes: progress.got },
    ),
  );
  await makeFolder(join(dir, 'images'));
  for (const { ref, arch, manifest, config, blobs: mine } of images) {
    await expectArch(ref, arch, placeOf(config.digest));
    const file = `images/${ref.name.replaceAll(/[/:@]/g, '_')}_${arch}.tar`;
    const members = [
      { name: 'oci-layout', content: Buffer.from(layoutMarker) },
      {
        name: 'index.json',
        content: Buffer.from(
          layoutIndex(ref.name, arch, { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size }),
        ),
      },
      { name: blobPath(manifest.digest), content: manifest.bytes },
      ...[...new Map(mine.map(blob => [blob.digest, blob])).values()].map(({ digest, size }) => ({
        name: blobPath(digest),
        content: { path: placeOf(digest), bytes: size },
      })),
    ];
    const path = join(dir, file);
    const sums = await writeTar(path, members, signal).catch((error: unknown) => {
      throw diskError(error, path) ?? error;
    });
    await add({ kind: 'image', name: ref.name, version: ref.version, arch, file, ...sums });
    progress.say(`${ref.name} ${arch}`);
  }
  await removeTree(join(work, 'blobs'));
}

async function resolve(
  { ref, arch }: Wanted,
  registries: readonly Registry[],
  options: FetchImages,
): Promise<Resolved> {
  const repository = openAsTold(ref.registry, ref.repository, { ...options, registries });
  const accept = manifestTypes.join(', ');
  const read = async (reference: string) => {
    const { bytes, digest } = await repository.manifest(reference, accept);
    const parsed = parseManifest(bytes.toString('utf8'));
    if (!parsed) {
      throw new HomelabError('HL_BUNDLE', `${ref.name} has a manifest that is not understood`, {
        hint: 'images in the old format (schema 1) must be pushed again by a current tool',
      });
    }
    return { bytes, digest, parsed };
  };
  const top = await read(ref.reference);
  const choice = top.parsed.kind === 'list' ? choose(top.parsed, arch) : undefined;
  const image = top.parsed.kind === 'list' && choice ? await read(choice.digest) : top;
  if (image.parsed.kind === 'list') {
    throw new HomelabError('HL_BUNDLE', `${ref.name} is not there for linux/${arch}`, {
      hint: 'leave that architecture out of --arch',
    });
  }
  return {
    ref,
    arch,
    repository,
    manifest: {
      mediaType: mediaTypeOf(image.bytes),
      digest: image.digest,
      size: image.bytes.length,
      bytes: image.bytes,
    },
    config: image.parsed.config,
    blobs: image.parsed.blobs,
  };
}

// An image without a list is whatever it is.
async function expectArch({ name }: ImageRef, arch: string, config: string): Promise<void> {
  const found: unknown = Reflect.get(Object(await readJson(config)), 'architecture');
  if (found === arch) return;
  throw new HomelabError('HL_BUNDLE', `${name} is there for ${String(found)} only, not for ${arch}`, {
    hint: 'leave that architecture out of --arch',
  });
}

function mediaTypeOf(manifest: Buffer): string {
  const said: unknown = Reflect.get(Object(JSON.parse(manifest.toString('utf8'))), 'mediaType');
  return typeof said === 'string' ? said : 'application/vnd.oci.image.manifest.v1+json';
}
