// Room for images, pods and etcd: above what makes the kubelet taint its own node, members included.
import type { Host, Json, JsonObject } from '../../model/cluster.ts';
import { factsOf, type World } from '../../model/world.ts';
import { type Checks, check } from './check.ts';

const mib = 1024 ** 2;
const gib = 1024 ** 3;

/** The kubelet's DefaultEvictionHard (pkg/kubelet/eviction/defaults_linux.go); one of the user's own replaces it whole. */
const defaults: JsonObject = {
  'nodefs.available': '10%',
  'nodefs.inodesFree': '5%',
  'imagefs.available': '15%',
  'imagefs.inodesFree': '5%',
};
/** Measured: packages, kubeadm's images as layers and unpacked. */
const imagesBytes = 2 * gib;
/** etcd's own quota (--quota-backend-bytes): its database may grow to it. */
const etcdBytes = 2 * gib;
/** Measured: a control plane with its images has 60 000 files there. */
const imagesInodes = 60_000;

interface Need {
  readonly path: string;
  bytes(total: number): number;
  inodes(total: number): number;
}

export const disk: Checks = (world, host) => {
  const needs = needsOf(world, host);
  const paths = needs.map(need => need.path);
  const script = dfScript(paths);
  const hint = `make room (sudo apt-get clean; sudo journalctl --vacuum-size=100M; sudo du -xhd2 /var | sort -h | tail), or give it a bigger disk there`;
  const judged =
    (of: (row: Row, need: Need) => { readonly free: number; readonly needed: number; readonly text: string }) =>
    (output: string) => {
      const rows = parseRows(output);
      const found = needs.flatMap((need, index) => {
        const row = rows[index];
        return row ? [{ path: need.path, ...of(row, need) }] : [];
      });
      const short = found.filter(({ free, needed }) => free < needed);
      return {
        ok: found.length === needs.length && short.length === 0,
        observed:
          (short.length > 0 ? short : found).map(({ path, text }) => `${path} ${text}`).join(', ') || 'df says nothing',
        hint,
      };
    };
  return [
    check({
      id: 'disk',
      host,
      title: 'has room on its disks',
      expected: 'free space above what each place needs',
      script,
      reproduce: `df -h ${paths.join(' ')} (or the folder above)`,
      judge: judged((row, need) => {
        const needed = need.bytes(row.total);
        return { free: row.free, needed, text: `${size(row.free)} free, needs ${size(needed)}` };
      }),
    }),
    check({
      id: 'inodes',
      host,
      title: 'has room for files on its disks',
      expected: 'free inodes above what each place needs',
      script,
      reproduce: `df -i ${paths.join(' ')} (or the folder above)`,
      judge: judged((row, need) => {
        // Some filesystems (btrfs) have no such limit and say 0.
        const needed = row.inodes === 0 ? 0 : need.inodes(row.inodes);
        return {
          free: row.freeInodes,
          needed,
          text: row.inodes === 0 ? 'without a limit' : `${row.freeInodes} free, needs ${needed}`,
        };
      }),
    }),
  ];
};

function needsOf(world: World, host: Host): readonly Need[] {
  const { evictionHard } = world.cluster.kubernetes.kubeletConfig;
  const signals = isObject(evictionHard) ? evictionHard : defaults;
  const threshold = (signal: string) => (total: number) => amount(signals[signal], total);
  const isNew = factsOf(world, host).membership.state === 'absent';
  const extra = (least: (total: number) => number, more: number) => (total: number) =>
    least(total) + (isNew ? more : 0);
  const nodefs = threshold('nodefs.available');
  const inodes = threshold('nodefs.inodesFree');
  return [
    { path: '/var/lib/kubelet', bytes: nodefs, inodes },
    {
      path: '/var/lib/containerd',
      bytes: extra(threshold('imagefs.available'), imagesBytes),
      inodes: extra(threshold('imagefs.inodesFree'), imagesInodes),
    },
    ...(host.role === 'control-plane'
      ? [{ path: '/var/lib/etcd', bytes: (total: number) => Math.max(nodefs(total), isNew ? etcdBytes : 0), inodes }]
      : []),
  ];
}

// The nearest folder that is there already: on a bare machine none of them is.
function dfScript(paths: readonly string[]): string {
  return `set --
for path in ${paths.join(' ')}; do
  until [ -e "$path" ]; do path=\${path%/*}; done
  set -- "$@" "$path"
done
df -B1 --output=size,avail,itotal,iavail "$@" | tail -n +2
`;
}

interface Row {
  readonly total: number;
  readonly free: number;
  readonly inodes: number;
  readonly freeInodes: number;
}

function parseRows(output: string): readonly Row[] {
  return output
    .split('\n')
    .filter(Boolean)
    .map(line => {
      const [total = 0, free = 0, inodes = 0, freeInodes = 0] = line
        .trim()
        .split(/\s+/)
        .map(text => Number(text) || 0);
      return { total, free, inodes, freeInodes };
    });
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** '10%' of a total, '1Gi', '500M' or a plain number. */
export function amount(value: Json | undefined, total: number): number {
  const match = /^([\d.]+)\s*(%|[KMGT]i?)?$/.exec(String(value ?? '0'));
  const [, number = '0', unit = ''] = match ?? [];
  if (unit === '%') return Math.ceil((total * Number(number)) / 100);
  const step = unit.endsWith('i') ? 1024 : 1000;
  return Number(number) * step ** ['', 'K', 'M', 'G', 'T'].indexOf(unit.charAt(0));
}

export function size(bytes: number): string {
  return bytes >= gib ? `${(bytes / gib).toFixed(1)} GiB` : `${Math.floor(bytes / mib)} MiB`;
}
