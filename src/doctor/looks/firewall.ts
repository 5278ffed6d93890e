// Firewalls, and rules of theirs that drop what a cluster says to itself. Of a ruleset of thousands only those lines travel.
import { type Look, linesOf } from './look.ts';

const ports = [
  6443, 2379, 2380, 10250, 10256, 10257, 10259, 8472, 4789, 6081, 4240, 4244, 53, 179, 51820, 51871, 3260, 9500,
];

export const firewall: Look = {
  id: 'firewall',
  lane: 'runtime',
  facts: ['firewall'],
  // Chains of kube-proxy and of pod networks reject by design: a Service without endpoints, a policy.
  script: () => `! timeout 3 systemctl is-active --quiet firewalld.service || echo 'active firewalld'
! grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf || echo 'active ufw'
list() {
  { timeout 3 "$@" 2>/dev/null || true; } | awk -v tool="$1" '
/^\\t?table / { table = $3 }
/^[[:space:]]*chain / { chain = $2 }
/^-A / { chain = $2 }
/hook (input|forward|output) .*policy drop/ { print "policy", tool, $4 }
/^:(INPUT|FORWARD|OUTPUT) DROP/ { print "policy", tool, tolower(substr($1, 2)) }
table ~ /^(kube-proxy|cilium|calico)/ || chain ~ /^(KUBE-|CILIUM|OLD_CILIUM|cali-|FLANNEL|CNI-)/ { next }
/dports?[ {]/ && /(drop|reject|DROP|REJECT)/ { sub(/^[[:space:]]*/, ""); print "rule", tool, $0 }' | head -n 200
}
if command -v nft >/dev/null; then list nft list ruleset; else list iptables-save; fi
! grep -qs . /proc/net/ip_tables_names || list iptables-legacy-save
echo whole
`,
  parse(output) {
    const rows = linesOf(output).map(line => line.split(' '));
    if (rows.at(-1)?.[0] !== 'whole') throw new Error('the answer is cut off');
    const of = (kind: string) => rows.filter(([word]) => word === kind);
    const rules = of('rule').map(([, tool = '', ...text]) => ({ tool, text: text.join(' ') }));
    return {
      firewall: {
        active: [
          ...of('active').map(([, name = '']) => name),
          ...new Set(of('policy').map(([, tool = '', hook = '']) => `${tool}: ${hook} drops by default`)),
        ],
        drops: rules.flatMap(({ tool, text }) =>
          portsIn(text).map(port => ({
            port,
            protocol: /\budp\b/.test(text) ? 'udp' : 'tcp',
            rule: `${tool.replace('-save', '')}: ${text.slice(0, 300)}`,
          })),
        ),
      },
    };
  },
};

// nft: 'tcp dport 10250 drop', '{ 6443, 10250-10259 }'; iptables: '--dport 10250', '--dport 10250:10259', '--dports 6443,10250'.
function portsIn(rule: string): readonly number[] {
  const said = /dports?\s+(?:(!=?|!)\s*)?(\{[^}]*\}|[0-9:,-]+)/.exec(rule);
  if (!said || said[1] !== undefined || /!\s+--dports?/.test(rule)) return [];
  const ranges = (said[2] ?? '').match(/\d+(?:[-:]\d+)?/g)?.map(range => range.split(/[-:]/).map(Number)) ?? [];
  return ports.filter(port => ranges.some(([from = 0, to = from]) => port >= from && port <= to));
}
