// What this machine must have before a lab can be made: all that is missing at once, each with what to type.
import { constants, existsSync } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { HomelabError } from '../../src/model/errors.ts';
import { haveBase } from './base.ts';
import { labCache } from './bundle/places.ts';
import { hierarchies } from './cgroups.ts';
import { readText, stateRoot } from './files.ts';
import { haveQemuBase } from './qemu-base.ts';
import { output } from './run.ts';

export interface Missing {
  readonly what: string;
  readonly fix: string;
}

/** Programs, and the Debian package each comes in. */
const programs: Readonly<Record<string, string>> = {
  'systemd-nspawn': 'systemd-container',
  nft: 'nftables',
  ip: 'iproute2',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
};

const qemuPrograms: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'mkfs.ext4': 'e2fsprogs',
};

const GiB = 2 ** 30;
/** Seen: the base 0.23 GiB, debootstrap's downloads 0.1 GiB. */
const forBase = GiB;
/** Seen: a guest with all images of the cluster 2 GB. */
const perMachine = 2.5 * GiB;
/** Seen: a QEMU machine's disk 0.9 GiB before anything is installed. */
const perDisk = 1.5 * GiB;

export interface Need {
  readonly machines: number;
  /** Whether a cluster is to run on them. */
  readonly images: boolean;
  readonly qemu?: boolean;
}

export async function missing(need: Need): Promise<readonly Missing[]> {
  if (process.platform !== 'linux') {
    return [{ what: `Linux (this is ${process.platform})`, fix: 'run it in a Linux machine' }];
  }
  const found: Missing[] = [];
  if (process.getuid?.() !== 0) found.push({ what: 'root', fix: 'sudo npm run lab -- up' });
  const wanted = {
    ...programs,
    ...(need.qemu ? qemuPrograms : {}),
    ...(haveRoot(need) ? {} : { debootstrap: 'debootstrap' }),
  };
  for (const [program, name] of Object.entries(wanted)) {
    if (!(await onPath(program))) found.push({ what: program, fix: `apt-get install -y ${name}` });
  }
  if (found.length > 0) return found;
  return [...(await missingFromKernel()), ...(await missingSpace(need))];
}

/** Throws one error that names everything: what is missing here and, where a bundle is to be built too, for that. */
export async function requireAll(need: Need, more: readonly Missing[] = []): Promise<void> {
  const found = [...(await missing(need)), ...more];
  if (found.length === 0) return;
  const apt = /^apt-get install -y (.+)$/;
  const packages = [...new Set(found.flatMap(({ fix }) => apt.exec(fix)?.[1]?.split(' ') ?? []))];
  const others = [...new Set(found.flatMap(({ fix }) => (apt.test(fix) ? [] : [fix])))];
  throw new HomelabError('HL_REFUSED', 'This machine cannot hold a lab yet', {
    hint: [...(packages.length === 0 ? [] : [`apt-get install -y ${packages.join(' ')}`]), ...others].join('; '),
    context: { details: [...new Set(found.map(({ what, fix }) => `missing: ${what} (${fix})`))] },
  });
}

async function onPath(program: string): Promise<boolean> {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    const file = path.join(folder, program);
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return true;
  }
  return false;
}

async function missingFromKernel(): Promise<readonly Missing[]> {
  const found: Missing[] = [];
  const modules = (await readText('/proc/modules')) !== undefined;
  // Best effort where there are modules: guests cannot load any. Harmless where they are loaded already.
  if (modules)
    await output(['modprobe', '--all', 'overlay', 'bridge', 'br_netfilter', 'veth', 'nf_tables']).catch(
      () => undefined,
    );
  const filesystems = (await readText('/proc/filesystems')) ?? '';
  if (!/\boverlay$/m.test(filesystems)) found.push({ what: 'overlayfs in the kernel', fix: 'modprobe overlay' });
  if ((await hierarchies()).length === 0) found.push({ what: 'control groups at /sys/fs/cgroup', fix: 'mount them' });
  if ((await output(['nft', 'list', 'tables'])).code !== 0) {
    found.push({ what: 'nftables (nft list tables fails)', fix: 'use a kernel with nf_tables, and CAP_NET_ADMIN' });
  }
  if ((await output(['unshare', '--mount', '--net', '--pid', '--fork', 'true'])).code !== 0) {
    found.push({ what: 'the right to make namespaces', fix: 'leave the container, or start it privileged' });
  }
  return found;
}

const haveRoot = ({ qemu }: Need): boolean => (qemu ? haveQemuBase() : haveBase());

async function missingSpace(need: Need): Promise<readonly Missing[]> {
  const { machines, images, qemu } = need;
  const found: Missing[] = [];
  const state = stateRoot();
  const wantedState = machines * ((images ? perMachine : 0) + (qemu ? perDisk : 0)) || GiB / 2;
  const wantedCache = haveRoot(need) ? 0 : forBase;
  const kind = (await output(['stat', '--file-system', '--format=%T', existing(state)])).stdout.trim();
  if (/overlay|nfs|fuse/.test(kind)) {
    found.push({
      what: `a real filesystem at ${state} (it is ${kind})`,
      fix: 'set HOMELAB_LAB_STATE to a folder on one',
    });
  }
  for (const [folder, wanted] of [
    [state, wantedState],
    [labCache(), wantedCache],
  ] as const) {
    const { bavail, bsize } = await statfs(existing(folder));
    if (bavail * bsize < wanted) {
      const [have, want] = [bavail * bsize, wanted].map(bytes => `${(bytes / GiB).toFixed(1)} GiB`);
      found.push({ what: `${want} free at ${folder} (${have})`, fix: `make room there` });
    }
  }
  return found;
}

/** The folder, or the nearest one above it that is there: a check makes nothing. */
function existing(folder: string): string {
  return existsSync(folder) ? folder : existing(path.dirname(folder));
}
