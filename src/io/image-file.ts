// Reads the name and the architecture of an image out of its tar: docker's archive or an OCI layout, compressed or not.
import { execa } from 'execa';
import * as z from 'zod';
import { HomelabError } from '../model/errors.ts';

const dockerSchema = z.array(z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish() })).min(1);
const annotations = z.record(z.string(), z.string()).optional();
const layoutSchema = z.object({ manifests: z.array(z.object({ digest: z.string(), annotations })).min(1) });
const manifestSchema = z.object({ config: z.object({ digest: z.string() }) });
const configSchema = z.object({ architecture: z.string() });

export interface ImageFields {
  readonly name: string;
  readonly arch: string;
}

/** Throws HL_BUNDLE for a file that is no image, has no name, or has several. */
export async function readImageFile(path: string, signal: AbortSignal): Promise<ImageFields> {
  const read = async (member: string): Promise<unknown> => {
    const { stdout } = await execa('tar', ['-xOf', path, member], { reject: false, cancelSignal: signal });
    try {
      return JSON.parse(String(stdout));
    } catch {
      return undefined;
    }
  };
  const blob = (digest: string) => read(`blobs/${digest.replace(':', '/')}`);
  const layout = layoutSchema.safeParse(await read('index.json'));
  if (layout.success) {
    const [only, ...others] = layout.data.manifests;
    const name = only?.annotations?.['io.containerd.image.name'] ?? '';
    const manifest = manifestSchema.safeParse(await blob(only?.digest ?? ''));
    const config = configSchema.safeParse(manifest.success ? await blob(manifest.data.config.digest) : undefined);
    if (name !== '' && others.length === 0 && config.success) return { name, arch: config.data.architecture };
  }
  const docker = dockerSchema.safeParse(await read('manifest.json'));
  const tags = docker.success ? docker.data.flatMap(({ RepoTags }) => RepoTags ?? []) : [];
  const config = configSchema.safeParse(docker.success ? await read(docker.data[0]?.Config ?? '') : undefined);
  const [name] = tags;
  if (name !== undefined && tags.length === 1 && config.success) return { name, arch: config.data.architecture };
  throw new HomelabError('HL_BUNDLE', `${path} is not the tar of one image with one name`, {
    hint: 'make it with docker save NAME:TAG, or ctr -n k8s.io images export FILE NAME:TAG',
  });
}
