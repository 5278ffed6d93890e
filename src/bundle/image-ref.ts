// Names of images: 'registry.k8s.io/coredns/coredns:v1.11.3' is a registry, a repository in it and a tag.
import { HomelabError } from '../model/errors.ts';

export interface ImageRef {
  /** As containerd looks it up when a pod asks for it: where there is a digest, without the tag (distribution/reference, ParseDockerRef). */
  readonly name: string;
  /** Host and port. */
  readonly registry: string;
  readonly repository: string;
  /** What the registry is asked for: a tag, or 'sha256:…'. */
  readonly reference: string;
  /** For people: the tag, also where there is a digest. */
  readonly version: string;
}

const pattern =
  /^(?:([A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?|[A-Za-z0-9-]+:[0-9]+|localhost)\/)?([a-z0-9][a-z0-9._/-]*?)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/;

/** Docker Hub's short names are written out. Throws HL_USAGE for what is no reference. */
export function parseImageRef(text: string): ImageRef {
  const match = pattern.exec(text);
  if (!match) {
    throw new HomelabError('HL_USAGE', `${JSON.stringify(text)} is not the name of an image`, {
      hint: 'for example registry.k8s.io/pause:3.10',
    });
  }
  const [, registry = 'docker.io', path = '', tag, digest] = match;
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  const name = `${registry}/${repository}${digest === undefined ? `:${tag ?? 'latest'}` : `@${digest}`}`;
  const reference = digest ?? tag ?? 'latest';
  return { name, registry, repository, reference, version: tag ?? reference.replace(/^sha256:/, '') };
}

export function isImageRef(text: string): boolean {
  return pattern.test(text);
}
