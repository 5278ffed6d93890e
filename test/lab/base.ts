// The base system that all guests share read-only: Debian 12 by debootstrap, made once and kept in the cache.
import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { HomelabError } from '../../src/model/errors.ts';
import { debianSources } from './bundle/debian.ts';
import { labCache } from './bundle/places.ts';
import { type GuestFile, readText, writeFiles } from './files.ts';
import { withLock } from './lock.ts';
import { type Log, output, run } from './run.ts';

const packages = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'openssh-server',
  'sudo',
  'iproute2',
  'iputils-ping',
  'procps',
  'kmod',
  'ca-certificates',
  'python3-minimal',
  'less',
  'gpgv',
  'udev',
];

/** Log in with the lab's key; `admin` has sudo without a password, `pw` is asked for one. */
export const users = { admin: 1000, pw: 1001 } as const;
export const sudoPassword = 'lab-sudo-password';

/** What a guest's process 1 is: it makes the machine that a kernel would have made, then becomes systemd. So it holds after a reboot too. */
const init = `#!/bin/sh
# nspawn mounts control groups read-only; systemd counts controllers once, when it starts, and only those it can write to.
while read -r _ target type _; do
  case $type in
  cgroup | cgroup2)
    mount -o remount,bind,rw "$target"
    # Groups of the previous boot outlive it, as the kernel does. On a machine they would be gone.
    find "$target" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
    ;;
  esac
done </proc/mounts
mount --make-rshared /
# A new network takes this over from the host's, which forwards for the labs. A machine does not forward until told to.
echo 0 >/proc/sys/net/ipv4/ip_forward
mkdir -p /sys/fs/bpf && mount -t bpf bpf /sys/fs/bpf
exec /lib/systemd/systemd
`;
export const initPath = '/usr/local/lib/homelab-lab/init';

const files: readonly GuestFile[] = [
  { path: initPath, content: init, mode: 0o755 },
  { path: '/etc/sudoers.d/lab', content: 'admin ALL=(ALL:ALL) NOPASSWD: ALL\n', mode: 0o440 },
  {
    path: '/etc/ssh/sshd_config.d/10-lab.conf',
    content: 'HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n',
  },
  // A container's networkd waits for udev wherever /sys is writable, and udev is masked: show it a /sys that is not.
  { path: '/etc/systemd/system/systemd-networkd.service.d/10-lab.conf', content: '[Service]\nReadOnlyPaths=/sys\n' },
  // A process that ignores SIGTERM (pause, sleep as process 1 of a container) would hold up each reboot for 90 s.
  { path: '/etc/systemd/system.conf.d/10-lab.conf', content: '[Manager]\nDefaultTimeoutStopSec=10s\n' },
  {
    path: '/etc/apt/sources.list',
    content: '# Empty on purpose: the lab installs from its own repository, if from any.\n',
  },
  { path: '/etc/fstab', content: '' },
];

/**
 * Masked: what would reach the host's devices and kernel settings (/sys and /proc/sys are writable in a guest), timers
 * that make two runs differ, and consoles that nobody looks at.
 */
const masked = [
  'systemd-udevd.service',
  'systemd-udevd-control.socket',
  'systemd-udevd-kernel.socket',
  'systemd-udev-trigger.service',
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'console-getty.service',
  'getty.target',
];
const maskedSysctls = ['50-pid-max.conf', '99-protect-links.conf'];

/** Binds from the real filesystem: containerd, kubelet and etcd do not work on an overlay. Containers' disks would be overlay on overlay. */
export const dataFolders = ['var/lib/containerd', 'var/lib/kubelet', 'var/lib/etcd'] as const;

/** Counts up when the code below makes something else from the same data. */
const format = 1;
const release = 'bookworm';

export function baseFolder(): string {
  const recipe = JSON.stringify({ format, release, packages, files, masked, maskedSysctls, users, dataFolders });
  return path.join(labCache(), `base-${createHash('sha256').update(recipe).digest('hex').slice(0, 12)}`);
}

/** A file of every finished base; also how a base is recognised. */
export async function haveBase(): Promise<boolean> {
  return (await readText(path.join(baseFolder(), initPath))) !== undefined;
}

export interface BaseOptions {
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
}

/** The base's folder; debootstrap runs (1 to 2 min) when it is not there yet. */
export async function ensureBase(options: BaseOptions): Promise<string> {
  const folder = baseFolder();
  if (await haveBase()) return folder;
  await mkdir(labCache(), { recursive: true });
  return withLock(folder, options, async () => {
    if (!(await haveBase())) await build(folder, options);
    return folder;
  });
}

async function build(folder: string, { log, signal }: BaseOptions): Promise<void> {
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  log(`making the guests' base system with debootstrap (once, 1 to 2 min): ${folder}`);
  await debootstrap(partial, signal);
  await customise(partial);
  await rename(partial, folder);
}

async function debootstrap(folder: string, signal: AbortSignal | undefined): Promise<void> {
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

async function customise(root: string): Promise<void> {
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
