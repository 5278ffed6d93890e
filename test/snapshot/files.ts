// The files of a lab machine that homelab, kubeadm and the package tool decide, read from outside: no command runs in the machine.
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { isMissing } from '../lab/files.ts';
import { contentOf } from './content.ts';
import type { Items } from './snapshot.ts';

/** Whole folders, files, and what begins with a name. Leftovers too: what should be nowhere is looked for where it would be. */
const roots = [
  '/etc',
  '/opt',
  '/usr/local',
  '/root',
  '/home',
  '/srv',
  '/tmp',
  '/var/tmp',
  '/run/homelab*',
  '/var/lib/homelab*',
  '/var/cache/homelab*',
  '/var/lib/kubelet/config.yaml',
  '/var/lib/kubelet/kubeadm-flags.env',
  '/var/lib/kubelet/pki',
];

/** Folders whose own mode and owner count, and not what is in them: data, what was asked when, output of last works, and logs for people. */
const foldersOnly = [
  '/run/homelab/work',
  // What kubeadm replaced, with its date in the name: once more for every time that it was asked to upgrade.
  '/etc/kubernetes/tmp',
  '/srv/homelab-lab',
  '/root/.kube/cache',
  '/var/lib/etcd',
  '/var/lib/kubelet',
  '/var/log/homelab',
  '/var/log/kubernetes/audit',
];

/** Files that are there, and what they say is their machine's or their run's own. */
const ownContent = [
  /^\/etc\/machine-id$/,
  // Who held the machine last, and how often it was held.
  /^\/run\/homelab\/record$/,
  // The lab's own key: another one in every lab.
  /\/\.ssh\/authorized_keys$/,
];

/** Names with a time or a random part. */
export function nameOf(name: string): string {
  return name
    .replace(/^(systemd-private-)[0-9a-f]{32}(-.*-)[A-Za-z0-9]{6}$/, '$1*$2*')
    .replace(/^(kubelet-(?:client|server)-)\d{4}(-\d\d){5}(\.pem)$/, '$1TIME$3');
}

type Words = (text: string) => string;

/** `root`: the machine's /, as seen from here. */
export async function filesOf(root: string, words: Words): Promise<Items> {
  const found: Record<string, string> = {};
  const visit = async (file: string, shown: string): Promise<void> => {
    const stat = await lstat(path.join(root, file)).catch(unlessMissing);
    if (stat === undefined) return;
    const who = `${(stat.mode & 0o7777).toString(8).padStart(4, '0')} ${stat.uid}:${stat.gid}`;
    if (stat.isSymbolicLink()) {
      const target = await readlink(path.join(root, file));
      found[shown] = `link to ${path.join(path.dirname(target), nameOf(path.basename(target)))}`;
    } else if (stat.isDirectory()) {
      found[shown] = `folder ${who}`;
      if (foldersOnly.includes(file)) return;
      for (const name of (await readdir(path.join(root, file))).sort())
        await visit(path.join(file, name), path.join(shown, nameOf(name)));
    } else if (stat.isFile()) {
      const content = ownContent.some(each => each.test(file))
        ? ''
        : ` ${contentOf(file, await readFile(path.join(root, file)), words)}`;
      found[shown] = `file ${who}${content}`;
    } else found[shown] = `special ${who}`;
  };
  for (const each of [...(await expanded(root)), ...foldersOnly]) await visit(each, each);
  return found;
}

async function expanded(root: string): Promise<readonly string[]> {
  const all = await Promise.all(
    roots.map(async each => {
      if (!each.endsWith('*')) return [each];
      const { dir, base } = path.parse(each.slice(0, -1));
      const names = (await readdir(path.join(root, dir)).catch(unlessMissing)) ?? [];
      return names.filter(name => name.startsWith(base)).map(name => path.join(dir, name));
    }),
  );
  return all.flat();
}

function unlessMissing(error: unknown): undefined {
  if (isMissing(error)) return undefined;
  throw error;
}
