// Where a node's data lies, and what Longhorn needs of a machine.
import { type Look, linesOf, named } from './look.ts';

const paths = [
  ...['/', '/var', '/var/lib', '/var/log', '/var/lib/kubelet', '/var/lib/containerd', '/var/lib/etcd', '/boot', '/tmp'],
  ...['/var/lib/longhorn', '/opt/local-path-provisioner', '/var/backups'],
];

export const filesystems: Look = {
  id: 'filesystems',
  lane: 'links',
  facts: ['filesystems'],
  // Named paths only: a dead NFS server behind another mount would hold df up.
  script: () => `set --
for path in ${paths.join(' ')}; do [ ! -e "$path" ] || set -- "$@" "$path"; done
timeout 3 df -B1 --output=size,avail,itotal,iavail,fstype,source,target "$@" | tail -n +2 | sort -u | sed 's/^/disk /'
sed -n 's/^[^ ]* \\([^ ]*\\) [^ ]* \\(ro\\)[, ].*/ro \\1/p' /proc/mounts
`,
  parse(output) {
    const rows = linesOf(output).map(line => line.trim().split(/\s+/));
    const readOnly = new Set(rows.flatMap(([word, path]) => (word === 'ro' && path !== undefined ? [path] : [])));
    const found = rows
      .filter(([word, , , , , type, , ...mount]) => word === 'disk' && isDisk(type, mount.join(' ')))
      .map(([, size, free, inodes, inodesFree, type = '', device = '', ...mount]) => ({
        mount: mount.join(' '),
        device,
        type,
        sizeBytes: Number(size),
        freeBytes: Number(free),
        // '-' where a file system has none of its own.
        inodes: Number(inodes) || 0,
        inodesFree: Number(inodesFree) || 0,
        readOnly: readOnly.has(mount.join(' ')),
      }));
    if (found.length === 0) throw new Error('df named no file system');
    return { filesystems: found };
  },
};

// What lies in memory or in an image is nobody's to fill; of `/` it matters whatever it is made of.
function isDisk(type: string | undefined, mount: string): boolean {
  return mount === '/' || !/^(tmpfs|ramfs|overlay|squashfs|devtmpfs|efivarfs)$/.test(type ?? '');
}

export const iscsi: Look = {
  id: 'iscsi',
  lane: 'quick',
  facts: ['iscsi'],
  // Longhorn's disks come from IET; a multipath map above one keeps it from being mounted.
  script: () => `if command -v iscsiadm >/dev/null; then echo 'installed yes'; else echo 'installed no'; fi
sed -n 's/^InitiatorName=/initiator /p' /etc/iscsi/initiatorname.iscsi 2>/dev/null || true
if [ -d /sys/module/iscsi_tcp ]; then echo 'module yes'; else echo 'module no'; fi
for disk in /sys/block/sd*; do
  for uuid in "$disk"/holders/dm-*/dm/uuid; do
    [ -r "$uuid" ] && read -r value < "$uuid" || continue
    case $value in mpath-*) echo "owned-$disk \${disk##*/}" ;; esac
  done
done
`,
  parse(output) {
    const says = named(output);
    if (!says.has('module')) throw new Error('the answer is cut off');
    return {
      iscsi: {
        installed: says.get('installed') === 'yes',
        initiator: says.get('initiator') ?? '',
        moduleLoaded: says.get('module') === 'yes',
        multipathOwns: [...says].flatMap(([name, disk]) => (name.startsWith('owned-') ? [disk] : [])),
      },
    };
  },
};
