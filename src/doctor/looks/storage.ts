// Where a node's data lies, on which drives, and what Longhorn needs of a machine.
import type { Drive } from '../machine-facts.ts';
import { type Look, linesOf, named } from './look.ts';

const paths = [
  ...['/', '/var', '/var/lib', '/var/log', '/var/lib/kubelet', '/var/lib/containerd', '/var/lib/etcd', '/boot', '/tmp'],
  ...['/var/lib/longhorn', '/opt/local-path-provisioner', '/var/backups'],
];

export const filesystems: Look = {
  id: 'filesystems',
  lane: 'links',
  facts: ['filesystems', 'drives'],
  // Named paths only: a dead NFS server behind another mount would hold df up. In a container the drives are the host's. lsblk names a drive,
  // then all that lies on it; the kernel calls an ATA drive by its port, which stands in its path in /sys.
  script: () => `set --
for path in ${paths.join(' ')}; do [ ! -e "$path" ] || set -- "$@" "$path"; done
timeout 3 df -B1 --output=size,avail,itotal,iavail,fstype,source,target "$@" | tail -n +2 | sort -u | sed 's/^/disk /'
sed -n 's/^[^ ]* \\([^ ]*\\) [^ ]* \\(ro\\)[, ].*/ro \\1/p' /proc/mounts
systemd-detect-virt --quiet --container || ! command -v lsblk >/dev/null || {
  timeout 3 lsblk -P -o PATH,TYPE,TRAN,RM,MODEL 2>/dev/null || true
  for disk in /sys/block/sd*; do
    [ ! -e "$disk" ] || readlink -f "$disk" | sed -n 's|.*/\\(ata[0-9]*\\)/.*/\\(sd[a-z]*\\)$|port \\2 \\1|p'
  done
  echo drives
}
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
    return { filesystems: found, ...(rows.at(-1)?.[0] === 'drives' ? { drives: drivesIn(output) } : {}) };
  },
};

function drivesIn(output: string): Drive[] {
  const ports = new Map([...output.matchAll(/^port (\S+) (\S+)$/gm)].map(([, name, port]) => [name, port]));
  const drives: Drive[] = [];
  let above: Drive | undefined;
  for (const [, path = '', type, bus = '', removable, model = ''] of output.matchAll(
    /^PATH="([^"]*)" TYPE="([^"]*)" TRAN="([^"]*)" RM="([^"]*)" MODEL="([^"]*)"$/gm,
  )) {
    const name = path.replace('/dev/', '');
    if (type === 'disk') {
      const shown = model.replaceAll('\\x20', ' ').trim();
      above = { name, model: shown, bus, port: ports.get(name) ?? '', removable: removable === '1', devices: [] };
      drives.push(above);
    }
    // What lies on a CD or on a file that is mounted is on no drive of its own.
    if (type === 'rom' || type === 'loop') above = undefined;
    above?.devices.push(path);
  }
  return drives;
}

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
for disk in /sys/block/sd*; do
  for uuid in "$disk"/holders/dm-*/dm/uuid; do
    [ -r "$uuid" ] && read -r value < "$uuid" || continue
    case $value in mpath-*) echo "owned-$disk \${disk##*/}" ;; esac
  done
done
`,
  parse(output) {
    const says = named(output);
    if (!says.has('installed')) throw new Error('the answer is cut off');
    return {
      iscsi: {
        installed: says.get('installed') === 'yes',
        initiator: says.get('initiator') ?? '',
        multipathOwns: [...says].flatMap(([name, disk]) => (name.startsWith('owned-') ? [disk] : [])),
      },
    };
  },
};
