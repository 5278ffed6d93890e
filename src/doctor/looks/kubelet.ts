// What the kubelet was told, by its config and by flags (which win), and the resolvers that it gives to pods.
import { load } from 'js-yaml';
import { z } from 'zod';
import { type Look, linesOf, sectionsOf } from './look.ts';

const config = z.object({
  cgroupDriver: z.string().default(''),
  resolvConf: z.string().default(''),
  clusterDNS: z.array(z.string()).default([]),
  failSwapOn: z.boolean().default(true),
  evictionHard: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  serverTLSBootstrap: z.boolean().default(false),
  staticPodPath: z.string().default(''),
});

export const kubelet: Look = {
  id: 'kubelet',
  lane: 'quick',
  facts: ['kubelet', 'resolvers'],
  script: () => `file=/etc/resolv.conf
if [ -f /var/lib/kubelet/config.yaml ]; then
  own=$(sed -n 's/^resolvConf: *//p' /var/lib/kubelet/config.yaml | tr -d "\\"'")
  [ -z "$own" ] || file=$own
  echo '@config'
  head -c 100000 /var/lib/kubelet/config.yaml
  echo
fi
echo '@flags'
for path in /var/lib/kubelet/kubeadm-flags.env /etc/default/kubelet; do
  [ ! -e "$path" ] || sed -n 's|^KUBELET_[A-Z_]*ARGS=||p' "$path" | tr -d "\\"'" | tr ' ' '\\n' | grep -E '^--(cgroup-driver|resolv-conf|cluster-dns|fail-swap-on)=' || true
done
if command -v kubelet >/dev/null; then
  echo '@version'
  dpkg-query -W -f '\${db:Status-Status} \${Version}\\n' kubelet 2>/dev/null | sed -n 's/^installed //p' | grep . || timeout 3 kubelet --version
fi
for path in $(printf '%s\\n' /etc/resolv.conf /run/systemd/resolve/resolv.conf "$file" | sort -u); do
  [ -e "$path" ] || continue
  echo "@resolver $path"
  sed -n 's/^[[:space:]]*nameserver[[:space:]]*\\([^[:space:]]*\\).*/\\1/p' "$path"
done
`,
  parse(output) {
    const sections = sectionsOf(output);
    const body = (word: string) => sections.find(section => section.word === word)?.body;
    const text = body('config');
    const version = body('version');
    if (body('flags') === undefined) throw new Error('the answer is cut off');
    const resolvers = sections
      .filter(({ word }) => word === 'resolver')
      .map(section => ({ path: section.rest, nameservers: [...linesOf(section.body)] }));
    // A file that is no config is for the kubelet to complain of, and it does, in its journal.
    const read = text === undefined ? undefined : config.safeParse(yaml(text)).data;
    if (!read || version === undefined) return { resolvers };
    const flags = new Map(linesOf(body('flags') ?? '').map(line => splitAt(line.slice(2), '=')));
    const dns = flags.get('cluster-dns');
    return {
      resolvers,
      kubelet: {
        ...read,
        version: /\d+\.\d+\.\d+/.exec(version)?.[0] ?? '',
        cgroupDriver: flags.get('cgroup-driver') ?? read.cgroupDriver,
        resolvConf: flags.get('resolv-conf') ?? read.resolvConf,
        clusterDNS: dns === undefined ? read.clusterDNS : dns.split(','),
        failSwapOn: flags.has('fail-swap-on') ? flags.get('fail-swap-on') !== 'false' : read.failSwapOn,
        evictionHard: Object.fromEntries(
          Object.entries(read.evictionHard).map(([name, value]) => [name, String(value)]),
        ),
      },
    };
  },
};

function yaml(text: string): unknown {
  try {
    return load(text);
  } catch {
    return undefined;
  }
}

function splitAt(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
}
