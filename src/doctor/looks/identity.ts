// What a machine is: its names, its kernel, what it runs in; and its clock.
import { iso, type Look, linesOf, named } from './look.ts';

const cat = (name: string, path: string) => `printf '${name} '; cat ${path} 2>/dev/null || echo\n`;

export const identity: Look = {
  id: 'identity',
  lane: 'quick',
  facts: ['identity'],
  // In a container /proc/uptime is the host's, and so is the count in which process 1 says when it began.
  script:
    () => `${cat('hostname', '/proc/sys/kernel/hostname')}${cat('machine-id', '/etc/machine-id')}${cat('product-uuid', '/sys/class/dmi/id/product_uuid')}${cat('boot-id', '/proc/sys/kernel/random/boot_id')}${cat('vendor', '/sys/class/dmi/id/sys_vendor')}${cat('product', '/sys/class/dmi/id/product_name')}${cat('uptime', '/proc/uptime')}${cat('first', '/proc/1/stat')}printf 'ticks '; getconf CLK_TCK
( . /etc/os-release; printf 'os %s\\nversion %s\\npretty %s\\n' "\${ID-}" "\${VERSION_ID-}" "\${PRETTY_NAME-}" )
printf 'kernel '; uname -r
printf 'arch '; uname -m
printf 'virt '; systemd-detect-virt || true
printf 'container '; systemd-detect-virt --container || true
`,
  parse(output, { beginMs }) {
    const says = named(output);
    const get = (name: string): string => says.get(name)?.trim() ?? '';
    const began = Number(/\) (?:\S+ ){19}(\d+) /.exec(get('first'))?.[1]) / Number(get('ticks'));
    const upSeconds = Number(get('uptime').split(' ')[0]) - began;
    return {
      identity: {
        hostname: get('hostname'),
        machineId: get('machine-id'),
        productUuid: get('product-uuid').toLowerCase() || 'unknown',
        bootId: get('boot-id'),
        bootedAt: iso(beginMs - upSeconds * 1000),
        os: { id: get('os'), versionId: get('version'), pretty: get('pretty') },
        kernel: get('kernel'),
        arch: get('arch'),
        virtualization: get('virt') || 'none',
        container: !['', 'none'].includes(get('container')),
        vendor: get('vendor'),
        product: get('product'),
      },
    };
  },
};

const services = ['chrony', 'chronyd', 'ntp', 'ntpsec', 'openntpd', 'systemd-timesyncd'];

export const clock: Look = {
  id: 'clock',
  lane: 'daemons',
  facts: ['clock'],
  script: () => `for service in ${services.join(' ')}; do
  for path in /etc/systemd/system/*.wants/"$service.service"; do [ ! -e "$path" ] || echo "service $service"; done
done
printf 'synchronized '; timeout 10 timedatectl show -p NTPSynchronized --value || echo
`,
  parse(output, { beginMs, endMs, sentMs, receivedMs }) {
    const says = named(output);
    // The first reading was made after we asked, the last one before the answer was here.
    const [most, least] = [beginMs - sentMs, endMs - receivedMs];
    return {
      clock: {
        offsetMs: Math.round((most + least) / 2),
        uncertaintyMs: Math.ceil(Math.abs(most - least) / 2),
        // What the clock shows is known without it.
        ...(says.get('synchronized')?.trim() ? { synchronized: says.get('synchronized')?.trim() === 'yes' } : {}),
        service: says.get('service') ?? 'none',
      },
    };
  },
};

/** Kernel-wide settings that a rule reads. */
const settings = ['net.ipv4.ip_forward', 'fs.inotify.max_user_instances', 'vm.max_map_count'];

export const kernel: Look = {
  id: 'kernel',
  lane: 'quick',
  facts: ['sysctl', 'conntrack', 'btf', 'memory', 'swap'],
  // These files give all at the first read or nothing: dash's own `read` asks for a byte at a time.
  script: () => `grep -s . ${[...settings, 'net.netfilter.nf_conntrack_count', 'net.netfilter.nf_conntrack_max']
    .map(name => `/proc/sys/${name.replaceAll('.', '/')}`)
    .join(' ')} | sed 's|^/proc/sys/||; s|:| |; s|^|sysctl |' || true
[ ! -r /sys/kernel/btf/vmlinux ] || echo btf
sed -n 's/^\\(MemTotal\\|MemAvailable\\): *\\([0-9]*\\) kB$/memory \\1 \\2/p' /proc/meminfo
sed -n '2,$ s/^/swap /p' /proc/swaps
echo whole
`,
  parse(output) {
    const rows = linesOf(output).map(line => line.trim().split(/\s+/));
    if (rows.at(-1)?.[0] !== 'whole') throw new Error('the answer is cut off');
    const of = (kind: string) => rows.filter(([word]) => word === kind);
    const kib = (name: string) => Number(of('memory').find(row => row[1] === name)?.[2]) * 1024;
    const all = new Map(of('sysctl').map(([, path = '', ...value]) => [path.replaceAll('/', '.'), value.join(' ')]));
    const tracked = (name: string) => all.get(`net.netfilter.nf_conntrack_${name}`);
    const [count, max] = [tracked('count'), tracked('max')];
    return {
      sysctl: Object.fromEntries(all),
      ...(count !== undefined && max !== undefined ? { conntrack: { count: Number(count), max: Number(max) } } : {}),
      btf: of('btf').length > 0,
      memory: { totalBytes: kib('MemTotal'), availableBytes: kib('MemAvailable') },
      swap: of('swap').map(([, name = '', , size]) => ({ name, sizeBytes: Number(size) * 1024 })),
    };
  },
};
