// Debian trees around a binary: made from the bundle's own repository, so that nothing but the bundle decides what is in them.
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { versions } from './recipe.ts';
import { repositoryKeyring } from './repository.ts';
import { run } from './run.ts';

/** A minimal Debian with these packages. Whatever it mounts is in its own namespace and goes with it, even when we are killed. */
export async function writeDebianRoot(options: {
  readonly root: string;
  readonly repository: string;
  readonly packages: readonly string[];
  /** Whose content is taken out again. */
  readonly pruned: readonly string[];
  readonly signal: AbortSignal | undefined;
}): Promise<void> {
  const { root, repository, signal } = options;
  await rm(root, { recursive: true, force: true });
  await run(
    [
      'unshare',
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      'debootstrap',
      '--variant=minbase',
      `--keyring=${repositoryKeyring(repository)}`,
      `--include=${options.packages.join(',')}`,
      versions.debian,
      root,
      `file://${repository}`,
    ],
    { signal, hint: `look at ${path.join(root, 'debootstrap', 'debootstrap.log')}` },
  );
  await run(['find', root, '-xdev', '(', ...matching(root, options.pruned), ')', '-delete'], { signal });
  // Traces of this host and of the moment.
  for (const file of ['etc/hostname', 'etc/machine-id', 'etc/resolv.conf', 'etc/apt/sources.list']) {
    await rm(path.join(root, file), { force: true });
  }
}

/** find's tests for what is below the pruned folders; the folders stay. */
function matching(root: string, pruned: readonly string[]): readonly string[] {
  return pruned.flatMap((folder, index) => [...(index === 0 ? [] : ['-o']), '-path', `${root}/${folder}/*`]);
}
