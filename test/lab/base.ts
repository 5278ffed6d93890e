// The base system that containers share read-only: Debian 12 by debootstrap, made once and kept in the cache.
import { ensureRoot, haveRoot, type Recipe, type RootOptions } from './debian-root.ts';
import type { GuestFile } from './files.ts';

/** What every machine of a lab has. */
export const packages = [
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

/** How people log in, on every machine of a lab. */
export const logins: readonly GuestFile[] = [
  { path: '/etc/sudoers.d/lab', content: 'admin ALL=(ALL:ALL) NOPASSWD: ALL\n', mode: 0o440 },
  {
    path: '/etc/ssh/sshd_config.d/10-lab.conf',
    content: 'HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n',
  },
];

const files: readonly GuestFile[] = [
  { path: initPath, content: init, mode: 0o755 },
  ...logins,
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

/** Timers that make two runs differ. */
export const maskedTimers = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
] as const;

/**
 * Masked: what would reach the host's devices and kernel settings (/sys and /proc/sys are writable in a guest), timers
 * that make two runs differ, and consoles that nobody looks at.
 */
const masked = [
  'systemd-udevd.service',
  'systemd-udevd-control.socket',
  'systemd-udevd-kernel.socket',
  'systemd-udev-trigger.service',
  ...maskedTimers,
  'console-getty.service',
  'getty.target',
];
const maskedSysctls = ['50-pid-max.conf', '99-protect-links.conf'];

/** Binds from the real filesystem: containerd, kubelet and etcd do not work on an overlay. Containers' disks would be overlay on overlay. */
export const dataFolders = ['var/lib/containerd', 'var/lib/kubelet', 'var/lib/etcd'] as const;

const recipe: Recipe = { name: 'base', packages, files, masked, maskedSysctls, dataFolders };

export const haveBase = (): boolean => haveRoot(recipe);

/** The base's folder; debootstrap runs (1 to 2 min) when it is not there yet. */
export const ensureBase = (options: RootOptions): Promise<string> => ensureRoot(recipe, options);
