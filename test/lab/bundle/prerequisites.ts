// What this machine must have before the bundle can be built, and what to type where it has not.
import { accessSync, constants, existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { debianKeyring, debianSources } from './debian.ts';
import { labCache } from './places.ts';
import { versions } from './recipe.ts';
import { run } from './run.ts';

export interface Missing {
  readonly what: string;
  readonly fix: string;
}

/** Go's caches, the finished commands and the packages together took 8 GiB at most; the rest is for the machines' own disks and for others. */
const neededGiB = 20;

const programs: Readonly<Record<string, string>> = {
  'apt-ftparchive': 'apt-utils',
  'apt-get': 'apt',
  debootstrap: 'debootstrap',
  'dpkg-deb': 'dpkg',
  gcc: 'gcc libc6-dev',
  gpg: 'gnupg',
  setpriv: 'util-linux',
  tar: 'tar',
  unshare: 'util-linux',
};

/** Everything that is missing, not only the first. */
export async function missingForBuilding(): Promise<readonly Missing[]> {
  const missing: Missing[] = [];
  if (process.platform !== 'linux')
    missing.push({ what: `Linux (this is ${process.platform})`, fix: 'use a Linux machine' });
  if (process.getuid?.() !== 0)
    missing.push({ what: 'root (debootstrap, owners of files)', fix: 'run it with sudo -E' });

  const absent = Object.keys(programs).filter(name => !isInPath(name));
  for (const name of absent) missing.push({ what: name, fix: `apt-get install -y ${programs[name]}` });
  if (!absent.includes('gcc') && !(await hasStaticC())) {
    missing.push({ what: 'a static C library', fix: 'apt-get install -y libc6-dev' });
  }
  if (!existsSync(debianKeyring)) {
    missing.push({ what: debianKeyring, fix: 'apt-get install -y debian-archive-keyring' });
  }
  if (!absent.includes('apt-get') && (await debianSources()).length === 0) {
    missing.push({
      what: `a source of Debian ${versions.debian}`,
      fix: 'apt-get update, or on another distribution: export HOMELAB_LAB_MIRROR=ADDRESS-OF-A-DEBIAN-MIRROR',
    });
  }

  const go = await goVersion();
  if (go === undefined || isOlderGo(go)) {
    missing.push({
      what: `Go 1.22 or newer (${go ?? 'none in PATH'})`,
      fix: 'install Go from go.dev/dl or your distribution; it fetches the exact toolchains itself',
    });
  }
  const free = await freeGiB(labCache());
  if (free < neededGiB) {
    missing.push({
      what: `${neededGiB} GiB of free disk below ${labCache()} (there are ${Math.floor(free)})`,
      fix: 'free some, or export HOMELAB_LAB_CACHE=A-FOLDER-ON-ANOTHER-DISK',
    });
  }
  return missing;
}

/** `go1.21.3` is older than 1.22; development versions count as new. */
export function isOlderGo(version: string): boolean {
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return false;
  return Number(major) < 1 || (Number(major) === 1 && Number(minor) < 22);
}

function isInPath(name: string): boolean {
  return (process.env['PATH'] ?? '').split(path.delimiter).some(folder => {
    try {
      accessSync(path.join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function goVersion(): Promise<string | undefined> {
  if (!isInPath('go')) return undefined;
  return (await run(['go', 'env', 'GOVERSION'], { env: { GOTOOLCHAIN: 'local' } })).trim();
}

/** gcc answers with a whole path when it has the file, with the bare name when not. */
async function hasStaticC(): Promise<boolean> {
  return path.isAbsolute((await run(['gcc', '-print-file-name=libc.a'])).trim());
}

async function freeGiB(folder: string): Promise<number> {
  if (!existsSync(folder)) return freeGiB(path.dirname(folder));
  const { bavail, bsize } = await statfs(folder);
  return (bavail * bsize) / 2 ** 30;
}
