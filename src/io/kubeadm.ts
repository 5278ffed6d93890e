// Asks the kubeadm of a package which images it wants: it is the only one who knows, and it says so without a network.
import { join } from 'node:path';
import { execa } from 'execa';
import { HomelabError } from '../model/errors.ts';
import { withFilesOf } from './deb.ts';

/** Full references. Runs the package's program here; it must be of this machine's architecture. */
export async function askKubeadm(deb: string, version: string, signal: AbortSignal): Promise<readonly string[]> {
  return withFilesOf(deb, async folder => {
    const argv = ['config', 'images', 'list', '--kubernetes-version', version];
    const result = await execa(join(folder, 'usr/bin/kubeadm'), argv, {
      reject: false,
      cancelSignal: signal,
      timeout: 30_000,
    });
    const names = result.stdout?.split('\n').filter(line => line.includes('/')) ?? [];
    if (!result.failed && names.length > 0) return names;
    throw new HomelabError('HL_BUNDLE', `kubeadm of ${deb} does not say which images it wants`, {
      context: { stderr: result.stderr || String(result.shortMessage) },
      hint: `on a machine where it runs: kubeadm config images list --kubernetes-version ${version} > images.txt; then add --images images.txt here`,
    });
  });
}
