// An image's manifests: which one is for an architecture, which blobs it needs, and the layout that containerd imports.
import * as z from 'zod';

export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
] as const;

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const descriptor = z.object({ mediaType: z.string(), digest, size: z.int().min(0) });
const platform = z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() });

const listSchema = z.object({
  manifests: z.array(descriptor.extend({ platform: platform.optional() })),
});
const manifestSchema = z.object({ config: descriptor, layers: z.array(descriptor) });

export type Descriptor = z.output<typeof descriptor>;

export type Manifest =
  | { readonly kind: 'list'; readonly choices: z.output<typeof listSchema>['manifests'] }
  | { readonly kind: 'image'; readonly blobs: readonly Descriptor[]; readonly config: Descriptor };

/** Undefined for what is neither (schema 1, which has no digests worth the name). */
export function parseManifest(text: string): Manifest | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const list = listSchema.safeParse(json);
  if (list.success) return { kind: 'list', choices: list.data.manifests };
  const image = manifestSchema.safeParse(json);
  if (!image.success) return undefined;
  const { config, layers } = image.data;
  return { kind: 'image', config, blobs: [config, ...layers] };
}

/** Of a list, the image for linux on this architecture. */
export function choose(list: Extract<Manifest, { kind: 'list' }>, arch: string): Descriptor | undefined {
  const fitting = list.choices.filter(each => each.platform?.os === 'linux' && each.platform.architecture === arch);
  // arm64 stands with and without its variant v8.
  return fitting.find(each => [undefined, '', 'v8'].includes(each.platform?.variant)) ?? fitting[0];
}

/** index.json of an OCI layout; containerd takes the image's name from the first annotation. */
export function layoutIndex(name: string, arch: string, manifest: Descriptor): string {
  const tag = name.slice(name.lastIndexOf(':') + 1);
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        ...manifest,
        annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag },
        platform: { os: 'linux', architecture: arch },
      },
    ],
  });
}

export const layoutMarker = JSON.stringify({ imageLayoutVersion: '1.0.0' });

/** Where a blob stands in a layout. */
export function blobPath(of: string): string {
  return `blobs/${of.replace(':', '/')}`;
}
