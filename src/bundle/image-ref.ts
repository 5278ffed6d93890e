// Names of images: 'registry.k8s.io/coredns/coredns:v1.11.3' is a registry, a repository in it and a tag.
import { HomelabError } from '../model/errors.ts';

export interface ImageRef {
  /** The whole reference, as Kubernetes writes it. */
  readonly name: string;
  /** Host and port. */
  readonly registry: string;
  readonly repository: string;
  /** Tag, or 'sha256:…'. */
  readonly reference: string;
}

/** Docker Hub's short names are written out. Throws HL_USAGE for what is no reference. */
export function parseImageRef(text: string): ImageRef {
  const match =
    /^(?:([A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?|[A-Za-z0-9-]+:[0-9]+|localhost)\/)?([a-z0-9][a-z0-9._/-]*?)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(
      text,
    );
  if (!match) {
    throw new HomelabError('HL_USAGE', `${JSON.stringify(text)} is not the name of an image`, {
      hint: 'for example registry.k8s.io/pause:3.10',
    });
  }
  const [, registry = 'docker.io', path = '', tag, digest] = match;
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  const shownTag = tag ?? (digest === undefined ? 'latest' : undefined);
  const name = `${registry}/${repository}${shownTag === undefined ? '' : `:${shownTag}`}${digest === undefined ? '' : `@${digest}`}`;
  return { name, registry, repository, reference: digest ?? shownTag ?? 'latest' };
}

/** The version an image is listed with. */
export function versionOf({ reference }: ImageRef): string {
  return reference.replace(/^sha256:/, '');
}
