// Writes docker archives (manifest, config, one layer) that `ctr images import` takes. The same tree gives the same bytes.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { run } from './run.ts';
import { sumsOf } from './sums.ts';

export interface ImageFile {
  readonly reference: string;
  readonly architecture: string;
  readonly entrypoint: readonly string[];
  readonly user?: string;
  readonly env?: readonly string[];
  /** The tree that becomes the image's only layer. */
  readonly root: string;
  /** Keep the tree's owners (they are root's otherwise, whoever builds). */
  readonly keepOwners?: boolean;
  /** A folder for what is needed in between. */
  readonly scratch: string;
  /** The archive to write, `….tar.gz`. */
  readonly file: string;
  readonly signal?: AbortSignal | undefined;
}

/** Names of users and hosts that programs look up, and a place for temporary files: what a static binary may still ask for. */
export async function writeBareRoot(root: string, files: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(path.join(root, 'etc'), { recursive: true });
  await mkdir(path.join(root, 'tmp'), { recursive: true });
  await chmod(path.join(root, 'tmp'), 0o1777);
  await writeFile(path.join(root, 'etc/passwd'), bareUsers.map(user => `${user.join(':')}\n`).join(''));
  await writeFile(path.join(root, 'etc/group'), bareUsers.map(([name, , id]) => `${name}:x:${id}:\n`).join(''));
  await writeFile(path.join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  await addFiles(root, files);
}

/** Copies binaries (path in the tree to file) into a tree. */
export async function addFiles(root: string, files: ReadonlyMap<string, string>): Promise<void> {
  for (const [target, file] of files) {
    const at = path.join(root, target);
    await mkdir(path.dirname(at), { recursive: true });
    await copyFile(file, at);
    await chmod(at, 0o755);
  }
}

export async function writeImage(image: ImageFile): Promise<void> {
  const { scratch, signal } = image;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });

  const unnamed = path.join(scratch, 'layer');
  await tar(image.root, unnamed, { keepOwners: image.keepOwners === true, signal });
  const layer = (await sumsOf(unnamed)).sha256;
  await rename(unnamed, path.join(scratch, `${layer}.tar`));

  const config = JSON.stringify(imageConfig(image, layer));
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
  await writeFile(path.join(scratch, configName), config);
  const manifest = [{ Config: configName, RepoTags: [image.reference], Layers: [`${layer}.tar`] }];
  await writeFile(path.join(scratch, 'manifest.json'), JSON.stringify(manifest));

  const archive = `${scratch}.tar`;
  await tar(scratch, archive, { keepOwners: false, signal });
  // Node's gzip header carries no time and no name.
  await pipeline(createReadStream(archive), createGzip({ level: 1 }), createWriteStream(image.file), { signal });
  await rm(archive);
  await rm(scratch, { recursive: true });
}

const epoch = '1970-01-01T00:00:00Z';

const bareUsers = [
  ['root', 'x', '0', '0', 'root', '/root', '/sbin/nologin'],
  ['nobody', 'x', '65534', '65534', 'nobody', '/nonexistent', '/sbin/nologin'],
  ['nonroot', 'x', '65532', '65532', 'nonroot', '/home/nonroot', '/sbin/nologin'],
] as const;

function imageConfig(image: ImageFile, layer: string): object {
  return {
    architecture: image.architecture,
    os: 'linux',
    created: epoch,
    config: {
      ...(image.user === undefined ? {} : { User: image.user }),
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(image.env ?? [])],
      ...(image.entrypoint.length === 0 ? {} : { Entrypoint: image.entrypoint }),
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
    history: [{ created: epoch, created_by: 'homelab lab bundle' }],
  };
}

/** Everything in a folder, sorted, dated 1970. */
export async function tar(
  folder: string,
  file: string,
  options: { readonly keepOwners: boolean; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const names = (await readdir(folder)).sort();
  const owners = options.keepOwners ? [] : ['--owner=0', '--group=0'];
  await run(
    [
      'tar',
      '--create',
      `--file=${file}`,
      '--format=gnu',
      '--sort=name',
      '--mtime=@0',
      '--numeric-owner',
      ...owners,
      `--directory=${folder}`,
      '--',
      ...names,
    ],
    { signal: options.signal, hint: `look whether the disk is full: df -h ${path.dirname(file)}` },
  );
}
