// Debian trees around a binary: made from the bundle's own repository, so that nothing but the bundle decides what is in them.
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { versions } from './recipe.ts';
import { repositoryKeyring } from './repository.ts';
import { run } from './run.ts';

/** What no container ever opens: half of the tree's size. */
const pruned = [
  'dev',
  'usr/lib/locale',
  'usr/share/doc',
  'usr/share/i18n',
  'usr/share/info',
  'usr/share/lintian',
  'usr/share/locale',
  'usr/share/man',
  'usr/share/zoneinfo',
  'var/cache',
  'var/lib/apt/lists',
  'var/log',
];

/** A minimal Debian with these packages. Whatever it mounts is in its own namespace and goes with it, even when we are killed. */
export async function writeDebianRoot(options: {
  readonly root: string;
  readonly repository: string;
  readonly packages: readonly string[];
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
  for (const folder of pruned) await empty(path.join(root, folder));
  // Traces of this host and of the moment.
  for (const file of ['etc/hostname', 'etc/machine-id', 'etc/resolv.conf', 'etc/apt/sources.list']) {
    await rm(path.join(root, file), { force: true });
  }
}

async function empty(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    await rm(path.join(folder, name), { recursive: true, force: true });
  }
}
