// `bundle add`: files of the disk into the bundle, listed by what they say of themselves.
import { basename, join } from 'node:path';
import { type Listed, readBundleList, writeBundleList } from '../io/bundle.ts';
import { readDeb } from '../io/deb.ts';
import { sumOf } from '../io/download.ts';
import { copyInto, fileSize, isThere } from '../io/files.ts';
import { readImageFile } from '../io/image-file.ts';
import { HomelabError } from '../model/errors.ts';
import { parseImageRef } from './image-ref.ts';

/** All files are understood before the first is copied. A bundle is begun where there is none. */
export async function addFiles(dir: string, files: readonly string[], signal: AbortSignal): Promise<readonly Listed[]> {
  const listed = (await isThere(join(dir, 'bundle.json'))) ? await readBundleList(dir) : [];
  const found: { readonly from: string; readonly entry: Listed }[] = [];
  for (const from of files) found.push({ from, entry: await describe(from, signal) });
  for (const { from, entry } of found) await copyInto(from, join(dir, entry.file));
  const added = found.map(({ entry }) => entry);
  const isNew = ({ kind, name, version, arch, file }: Listed) =>
    !added.some(
      each =>
        (each.kind === kind && each.name === name && each.version === version && each.arch === arch) ||
        each.file === file,
    );
  await writeBundleList(dir, [...listed.filter(isNew), ...added]);
  return added;
}

async function describe(path: string, signal: AbortSignal): Promise<Listed> {
  const bytes = await fileSize(path);
  if (bytes === undefined) {
    throw new HomelabError('HL_USAGE', `${path} is not a file`, { hint: 'give .deb files or tars of images' });
  }
  const sums = { sha256: await sumOf(path, signal), bytes };
  if (path.endsWith('.deb')) return { kind: 'deb', ...(await readDeb(path)), file: `debs/${basename(path)}`, ...sums };
  const { name, arch } = await readImageFile(path, signal);
  if (/:[^/]+@/.test(name)) {
    throw new HomelabError(
      'HL_BUNDLE',
      `${path} names its image by tag and digest, ${name}: containerd finds it by one`,
      {
        hint: 'give it the name without the tag (ctr -n k8s.io images tag OLD NEW) and export that',
      },
    );
  }
  const ref = parseImageRef(name);
  const ending = /\.(tar\.gz|tgz|tar\.zst)$/.exec(path)?.[0] ?? '.tar';
  const file = `images/${ref.name.replaceAll(/[/:@]/g, '_')}_${arch}${ending}`;
  return { kind: 'image', name: ref.name, version: ref.version, arch, file, ...sums };
}
