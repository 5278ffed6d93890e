// Network cards, what they do to save power, and the links and routes that a pod network makes.
import { z } from 'zod';
import { type Look, linesOf, sectionsOf } from './look.ts';

/** Links that are not the machine's own: pods', bridges' and tunnels'. */
const made =
  /^(lo$|veth|cni|docker|br-|virbr|flannel|vxlan|cilium|lxc|cali|tunl|kube-|nodelocaldns|weave|dummy|ifb|wg|tailscale|zt)/;
const podLinks = /^(cni0$|flannel|cilium_|vxlan|cali|tunl|weave|kube-bridge|kube-ipvs0|wg|docker0$)/;

/** Of ethtool -k. */
const features = [
  ...['tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation', 'tx-checksum-ip-generic', 'tx-checksumming'],
  ...['tcp-segmentation-offload', 'generic-segmentation-offload', 'generic-receive-offload'],
];

const address = z.object({
  ifname: z.string().optional(),
  mtu: z.number().default(0),
  operstate: z.string().default(''),
  address: z.string().default(''),
  addr_info: z
    .array(
      z.object({ family: z.string().default(''), local: z.string().default(''), prefixlen: z.number().default(0) }),
    )
    .default([]),
});

export const nics: Look = {
  id: 'nics',
  lane: 'links',
  facts: ['nics', 'cni', 'tcp'],
  // A link that flaps is up most of the time: its count is read twice.
  script: () => `echo '@addresses'
ip -j address show
carrier() {
  for path in /sys/class/net/*/carrier_changes; do
    case $path in */veth* | */lxc* | */cali*) continue ;; esac
    read -r count < "$path" && echo "@count $path $count"
  done
  awk '$1 == "Tcp:" && !column { for (i = 2; i <= NF; i++) if ($i == "InCsumErrors") column = i; next } $1 == "Tcp:" && column { print "@checksums " $column }' /proc/net/snmp
}
carrier
for path in /sys/class/net/*; do
  name=\${path##*/}
  case $name in lo | veth* | lxc* | cali*) continue ;; esac
  echo "@link $name"
  ! read -r value 2>/dev/null < "$path/carrier" || echo "carrier $value"
  [ -e "$path/device" ] || continue
  echo "device $(readlink -f "$path/device")"
  echo "driver $(readlink -f "$path/device/driver" | sed 's|.*/||')"
  # Of a USB adapter the interface is the network device's parent, and only the device above that can sleep.
  for file in "$path/device/power/control" "$path/device/../power/control"; do
    case $file in */../*) [ "$(readlink -f "$path/device/subsystem")" = /sys/bus/usb ] || continue ;; esac
    ! read -r value 2>/dev/null < "$file" || echo "power $value"
  done
  if [ -e "$path/wireless" ] || [ -e "$path/phy80211" ]; then
    echo wifi
    timeout 2 iw dev "$name" get power_save 2>/dev/null | sed -n 's/^Power save: /saving /p' || true
  fi
  command -v ethtool >/dev/null || continue
  timeout 2 ethtool --show-eee "$name" 2>/dev/null | sed -n 's/.*EEE status: /eee /p' || true
  timeout 2 ethtool -k "$name" 2>/dev/null | sed -n 's/^[[:space:]]*\\(${features.join('\\|')}\\): /feature \\1 /p' || true
done
echo '@cni'
for path in /etc/cni/net.d/*; do
  case $path in *.conf | *.conflist | *.json) [ ! -f "$path" ] || { echo "@file \${path##*/}"; head -c 100000 "$path"; echo; } ;; esac
done
sleep 1
carrier
echo '@whole'
`,
  parse(output) {
    const sections = sectionsOf(output);
    const of = (word: string) => sections.filter(section => section.word === word);
    if (of('whole').length === 0) throw new Error('the answer is cut off');
    const all = z.array(address).parse(JSON.parse(of('addresses')[0]?.body ?? ''));
    const counts = of('count').map(({ rest }) => {
      const [path = '', count = ''] = rest.split(' ');
      return { name: path.split('/')[4] ?? '', count: Number(count) };
    });
    const [before, after] = of('checksums').map(({ rest }) => Number(rest));
    return {
      ...(before !== undefined && after !== undefined
        ? { tcp: { checksumErrors: before, checksumErrorsNow: after - before } }
        : {}),
      nics: of('link')
        .filter(({ rest, body }) => !made.test(rest) || /^device /m.test(body))
        .map(({ rest: name, body }) => {
          const link = all.find(({ ifname }) => ifname === name);
          const changes = counts.filter(each => each.name === name).map(({ count }) => count);
          return {
            name,
            mac: link?.address ?? '',
            operstate: (link?.operstate ?? '').toLowerCase(),
            mtu: link?.mtu ?? 0,
            addresses: addressesOf(link),
            carrierChanges: changes.at(-1) ?? 0,
            carrierChangesNow: (changes.at(-1) ?? 0) - (changes[0] ?? 0),
            ...attributesOf(body),
          };
        }),
      cni: {
        files: of('file').map(({ rest: name, body }) => ({ name, types: typesOf(body) })),
        links: all.flatMap(link =>
          podLinks.test(link.ifname ?? '')
            ? [{ name: link.ifname ?? '', addresses: addressesOf(link), mtu: link.mtu }]
            : [],
        ),
      },
    };
  },
};

function addressesOf(link: z.output<typeof address> | undefined): string[] {
  return (link?.addr_info ?? [])
    .filter(({ family }) => family === 'inet')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

function attributesOf(body: string) {
  const rows = linesOf(body).map(line => line.split(' '));
  const get = (name: string) => rows.find(([word]) => word === name)?.[1] ?? '';
  const device = get('device');
  const carrier = get('carrier');
  const eee = rows.find(([word]) => word === 'eee')?.join(' ') ?? '';
  return {
    driver: get('driver'),
    bus: device === '' ? '' : device.includes('/usb') ? 'usb' : device.includes('/virtio') ? 'virtio' : 'pci',
    wifi: rows.some(([word]) => word === 'wifi'),
    ...(carrier === '' ? {} : { carrier: carrier === '1' }),
    powerControl: get('power'),
    eee: /enabled/.test(eee) ? 'on' : /disabled/.test(eee) ? 'off' : 'unsupported',
    powerSave: get('saving'),
    features: Object.fromEntries(
      rows.flatMap(([word, name = '', value = '']) => (word === 'feature' ? [[name.replace(/:$/, ''), value]] : [])),
    ),
  };
}

const network = z.object({ type: z.string().optional(), plugins: z.array(z.object({ type: z.string() })).optional() });

function typesOf(text: string): string[] {
  try {
    const { type, plugins = [] } = network.parse(JSON.parse(text));
    return [...(type === undefined ? [] : [type]), ...plugins.map(each => each.type)];
  } catch {
    // The kubelet cannot read it either: it has no types.
    return [];
  }
}

const route = z.array(z.object({ dev: z.string().default(''), gateway: z.string().default('') }));
const ruleList = z.array(z.object({ table: z.string().default('') }));

export const routing: Look = {
  id: 'routing',
  lane: 'quick',
  facts: ['routing'],
  script: () => `echo '@routes'
ip -j route show default
echo '@rules'
ip -j rule show
timeout 8 systemctl is-active --quiet systemd-networkd.service || exit 0
echo '@networkd'
timeout 8 systemd-analyze cat-config systemd/networkd.conf 2>/dev/null | grep '^ManageForeign' || true
`,
  parse(output) {
    const body = (word: string) => sectionsOf(output).find(section => section.word === word)?.body;
    const list = (word: string) => JSON.parse(body(word)?.trim() || '[]');
    const networkd = body('networkd');
    const keeps = (name: string) =>
      [...(networkd ?? '').matchAll(new RegExp(`^ManageForeign${name}=(\\S*)`, 'gm'))].at(-1)?.[1] ?? 'yes';
    return {
      routing: {
        defaults: route.parse(list('routes')).map(({ dev, gateway }) => ({ dev, via: gateway })),
        mainRule: ruleList.parse(list('rules')).some(({ table }) => table === 'main'),
        ...(networkd === undefined
          ? {}
          : {
              networkdKeepsForeign: ['Routes', 'RoutingPolicyRules'].every(name =>
                /^(no|false|0|off)$/i.test(keeps(name)),
              ),
            }),
      },
    };
  },
};
