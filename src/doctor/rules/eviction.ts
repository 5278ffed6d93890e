// What a kubelet takes for too little, on which filesystem: evictionHard, as it is or by default.
import { parseQuantity } from '../../model/quantities.ts';
import type { MachineFacts } from '../machine-facts.ts';

export type Filesystem = NonNullable<MachineFacts['filesystems']>[number];
type Signal =
  | 'nodefs.available'
  | 'imagefs.available'
  | 'nodefs.inodesFree'
  | 'imagefs.inodesFree'
  | 'memory.available';

/** The kubelet's own, where its configuration names none at all; naming one switches the others off. */
const defaults: Readonly<Record<string, string>> = {
  'memory.available': '100Mi',
  'nodefs.available': '10%',
  'nodefs.inodesFree': '5%',
  'imagefs.available': '15%',
};

/** With such a share free, a disk or memory is not short whatever the kubelet says. */
export const plenty = 0.25;

export const kubeletFolder = '/var/lib/kubelet';
export const imageFolder = '/var/lib/containerd';
export const etcdFolder = '/var/lib/etcd';

/** The filesystem that a folder is on. */
export function holding(filesystems: readonly Filesystem[], folder: string): Filesystem | undefined {
  const isAbove = (mount: string) => mount === '/' || folder === mount || folder.startsWith(`${mount}/`);
  return filesystems
    .filter(({ mount }) => isAbove(mount))
    .sort((one, other) => other.mount.length - one.mount.length)[0];
}

/** '15%' of a total, '1Gi'; not a number for what is neither, which nothing is below. */
function amount(text: string, total: number): number {
  const share = /^([\d.]+)%$/.exec(text.trim())?.[1];
  return share === undefined ? parseQuantity(text.trim()) : (Number(share) / 100) * total;
}

export interface Threshold {
  readonly signal: Signal;
  readonly text: string;
  readonly least: number;
}

/** Below it the kubelet evicts; undefined where its configuration is not known or names none. */
export function threshold(kubelet: MachineFacts['kubelet'], signal: Signal, total: number): Threshold | undefined {
  if (!kubelet) return undefined;
  const named = Object.keys(kubelet.evictionHard).length > 0 ? kubelet.evictionHard : defaults;
  const text = named[signal];
  return text === undefined ? undefined : { signal, text, least: amount(text, total) };
}

/** Those that the kubelet has for this filesystem. */
export function thresholdsOf(
  filesystem: Filesystem,
  all: readonly Filesystem[],
  kubelet: MachineFacts['kubelet'],
  what: 'available' | 'inodesFree',
): readonly Threshold[] {
  const total = what === 'available' ? filesystem.sizeBytes : filesystem.inodes;
  const holds = (folder: string) => holding(all, folder)?.mount === filesystem.mount;
  const signals = [...(holds(kubeletFolder) ? ['nodefs'] : []), ...(holds(imageFolder) ? ['imagefs'] : [])] as const;
  return signals.flatMap(each => threshold(kubelet, `${each as 'nodefs' | 'imagefs'}.${what}`, total) ?? []);
}
