// The system of machines that have a kernel of their own: Debian 12 with its ordinary kernel (the cloud kernel has no drivers of real cards).
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { HomelabError } from '../../src/model/errors.ts';
import { logins, maskedTimers, packages } from './base.ts';
import { ensureRoot, haveRoot, type Recipe, type RootOptions } from './debian-root.ts';

const bundle = 'bundle /srv/homelab-lab 9p trans=virtio,version=9p2000.L,msize=262144,ro,nofail 0 0\n';

const recipe: Recipe = {
  name: 'qemu-base',
  packages: [
    ...packages,
    ...['linux-image-amd64', 'ethtool', 'iw', 'pciutils', 'usbutils', 'systemd-timesyncd', 'qemu-guest-agent'],
  ],
  files: [
    ...logins,
    // As on the containers: a process that ignores SIGTERM would hold up each reboot for 90 s.
    { path: '/etc/systemd/system.conf.d/10-lab.conf', content: '[Manager]\nDefaultTimeoutStopSec=10s\n' },
    // 9p: how the machine sees the bundle's folder.
    { path: '/etc/fstab', content: `LABEL=root / ext4 errors=remount-ro 0 1\n${bundle}` },
  ],
  masked: [...maskedTimers],
  maskedSysctls: [],
  dataFolders: [],
};

export const haveQemuBase = (): boolean => haveRoot(recipe);

export const ensureQemuBase = (options: RootOptions): Promise<string> => ensureRoot(recipe, options);

export interface BootFiles {
  readonly kernel: string;
  readonly initrd: string;
}

/** QEMU boots these itself: the machine needs no boot loader. */
export async function bootFiles(base: string): Promise<BootFiles> {
  const folder = path.join(base, 'boot');
  const names = await readdir(folder);
  const [kernel, initrd] = [/^vmlinuz-/, /^initrd\.img-/].map(pattern => names.find(name => pattern.test(name)));
  if (kernel === undefined || initrd === undefined) {
    throw new HomelabError('HL_STEP_FAILED', `${folder} has no kernel`, { hint: `rm -r ${base}, then again` });
  }
  return { kernel: path.join(folder, kernel), initrd: path.join(folder, initrd) };
}
