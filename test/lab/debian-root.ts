// A Debian 12 as a folder, made by debootstrap after a recipe, once, and kept in the cache.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { HomelabError } from '../../src/model/errors.ts';
import { debianSources } from './bundle/debian.ts';
import { labCache } from './bundle/places.ts';
import { type GuestFile, readText, writeFiles } from './files.ts';
import { withLock } from './lock.ts';
import { type Log, output, run } from './run.ts';

/** Log in with the lab's key; `admin` has sudo without a password, `pw` is asked for one. */
export const users = { admin: 1000, pw: 1001 } as const;
export const sudoPassword = 'lab-sudo-password';

export interface Recipe {
  /** What the folder is called in the cache, before the hash of all that follows. */
  readonly name: string;
  readonly packages: readonly string[];
  readonly files: readonly GuestFile[];
  readonly masked: readonly string[];
  readonly maskedSysctls: readonly string[];
  /** Folders that are to be there, empty. */
  readonly dataFolders: readonly string[];
}

/** Counts up when the code below makes something else from the same data. */
const format = 1;
const release = 'bookworm';

export function rootFolder(recipe: Recipe): string {
  const { name, packages, files, masked, maskedSysctls, dataFolders } = recipe;
  const text = JSON.stringify({ format, release, packages, files, masked, maskedSysctls, users, dataFolders });
  return path.join(labCache(), `${name}-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`);
}

/** A folder that is there is whole: it gets its name last. */
export function haveRoot(recipe: Recipe): boolean {
  return existsSync(rootFolder(recipe));
}

export interface RootOptions {
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
}

/** The folder; debootstrap runs when it is not there yet. */
export async function ensureRoot(recipe: Recipe, options: RootOptions): Promise<string> {
  const folder = rootFolder(recipe);
  if (haveRoot(recipe)) return folder;
  await mkdir(labCache(), { recursive: true });
  return withLock(folder, options, async () => {
    if (!haveRoot(recipe)) await build(recipe, folder, options);
    return folder;
  });
}

async function build(recipe: Recipe, folder: string, { log, signal }: RootOptions): Promise<void> {
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  log(`making the machines' system with debootstrap (once, 1 to 4 min): ${folder}`);
  await debootstrap(recipe, partial, signal);
  await customise(recipe, partial);
  await rename(partial, folder);
}

async function debootstrap({ packages }: Recipe, folder: string, signal: AbortSignal | undefined): Promise<void> {
  const mirror = await debianMirror();
  // In namespaces of its own: when we are killed, so is all that it has started, and its mounts are gone.
  const alone = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--'];
  const what = ['--variant=minbase', `--include=${packages.join(',')}`, release, folder, ...mirror];
  const argv = ['setpriv', '--pdeathsig', 'KILL', '--', ...alone, 'debootstrap', ...what] as const;
  const { code, stdout, stderr } = await output([...argv], { signal, env: await aptProxy() });
  if (code === 0) return;
  const log = (await readText(path.join(folder, 'debootstrap', 'debootstrap.log'))) ?? '';
  throw new HomelabError('HL_STEP_FAILED', `debootstrap exited with ${code}`, {
    hint: 'run it again, or name a Debian mirror that answers: HOMELAB_LAB_MIRROR=URL npm run lab -- up',
    context: {
      command: argv.join(' '),
      exitStatus: code,
      stderr: `${stderr}${stdout.slice(-1_000)}${log.slice(-3_000)}`,
    },
  });
}

/** The mirror that this machine's own apt uses; where there is none, debootstrap's own choice. */
async function debianMirror(): Promise<readonly string[]> {
  const sources = await debianSources().catch(() => []);
  return sources.flatMap(({ suite, uri }) => (suite === release ? [uri] : [])).slice(0, 1);
}

/** debootstrap downloads with wget, which does not know apt's proxy. */
async function aptProxy(): Promise<Readonly<Record<string, string>>> {
  const { code, stdout } = await output(['apt-config', 'shell', 'PROXY', 'Acquire::http::Proxy']).catch(() => ({
    code: 1,
    stdout: '',
  }));
  const proxy = code === 0 ? /^PROXY='(http[^']+)'$/m.exec(stdout)?.[1] : undefined;
  return proxy === undefined || process.env['http_proxy'] ? {} : { http_proxy: proxy };
}

async function customise({ files, masked, maskedSysctls, dataFolders }: Recipe, root: string): Promise<void> {
  for (const [name, id] of Object.entries(users)) {
    await run(['chroot', root, 'useradd', '--create-home', '--shell', '/bin/bash', '--uid', String(id), name]);
    await run([
      'install',
      '-d',
      '-m',
      '0700',
      '-o',
      String(id),
      '-g',
      String(id),
      path.join(root, 'home', name, '.ssh'),
    ]);
  }
  await run(['chroot', root, 'usermod', '--append', '--groups', 'sudo', 'pw']);
  await run(['chroot', root, 'chpasswd'], { stdin: `pw:${sudoPassword}\n` });
  await removeMatching(path.join(root, 'etc/ssh'), /^ssh_host_/);
  await removeMatching(path.join(root, 'var/cache/apt/archives'), /\.deb$/);
  await removeMatching(path.join(root, 'var/lib/apt/lists'), /_/);
  // Each guest gets its own; an empty one would let systemd make a new one on every boot.
  await removeMatching(path.join(root, 'etc'), /^(machine-id|hostname|resolv\.conf)$/);
  const units = path.join(root, 'etc/systemd/system');
  await mkdir(path.join(units, 'multi-user.target.wants'), { recursive: true });
  await link(
    '/lib/systemd/system/systemd-networkd.service',
    path.join(units, 'multi-user.target.wants/systemd-networkd.service'),
  );
  for (const unit of masked) await link('/dev/null', path.join(units, unit));
  for (const name of maskedSysctls) await link('/dev/null', path.join(root, 'etc/sysctl.d', name));
  for (const folder of ['srv/homelab-lab', ...dataFolders]) await mkdir(path.join(root, folder), { recursive: true });
  await writeFiles(root, files);
}

async function link(target: string, file: string): Promise<void> {
  await rm(file, { force: true });
  await symlink(target, file);
}

async function removeMatching(folder: string, pattern: RegExp): Promise<void> {
  for (const name of await readdir(folder)) {
    if (pattern.test(name)) await rm(path.join(folder, name), { recursive: true, force: true });
  }
}
