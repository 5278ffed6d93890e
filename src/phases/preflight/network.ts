// Names that resolve, subnets that are free, packets that no firewall swallows.
import ipaddr from 'ipaddr.js';
import type { Host } from '../../model/cluster.ts';
import { sh } from '../../model/shell.ts';
import type { World } from '../../model/world.ts';
import { type Checks, check } from './check.ts';

export const network: Checks = (world, host) => [...dns(world, host), subnets(world, host), firewall(world, host)];

// The file the kubelet gives to pods, CoreDNS among them: kubeadm points it past systemd-resolved's stub where that is active.
function dns(world: World, host: Host) {
  const own = world.cluster.kubernetes.kubeletConfig['resolvConf'];
  const script = `${
    typeof own === 'string'
      ? `file=${sh(own)}`
      : 'file=/etc/resolv.conf\n! systemctl is-active --quiet systemd-resolved || file=/run/systemd/resolve/resolv.conf'
  }
echo "$file"
if [ -e "$file" ]; then awk '$1 == "nameserver" {print $2}' "$file"; else echo missing; fi
`;
  const reproduce = 'cat /etc/resolv.conf (with systemd-resolved: /run/systemd/resolve/resolv.conf)';
  const parse = (output: string) => {
    const [file = '', ...servers] = output.split('\n');
    return { file, servers };
  };
  return [
    check({
      id: 'resolv-conf',
      host,
      title: 'knows a name server',
      expected: 'a nameserver in the file that pods get',
      script,
      reproduce,
      judge(output) {
        const { file, servers } = parse(output);
        if (servers.length > 0 && servers[0] !== 'missing')
          return { ok: true, observed: `${servers.join(', ')} in ${file}` };
        return {
          ok: false,
          observed: servers.length > 0 ? `${file} is missing` : `no nameserver in ${file}`,
          hint: `write one into it, for example your router: echo nameserver 192.168.0.1 | sudo tee ${file} (CoreDNS does not start without)`,
        };
      },
    }),
    check({
      id: 'dns-loop',
      host,
      title: 'asks name servers that CoreDNS can ask too',
      expected: 'no loopback address',
      script,
      reproduce,
      judge(output) {
        const { file, servers } = parse(output);
        const own = servers.filter(each => each.startsWith('127.') || each === '::1');
        if (own.length === 0) return { ok: true, observed: 'no loopback address' };
        return {
          ok: false,
          observed: `${own.join(', ')} in ${file}`,
          hint: `inside CoreDNS's pod that is CoreDNS itself: write the real servers into a file and its path as kubernetes.kubeletConfig.resolvConf into the inventory (https://coredns.io/plugins/loop/#troubleshooting)`,
        };
      },
    }),
  ];
}

interface Route {
  readonly dst?: string;
  readonly dev?: string;
  readonly gateway?: string;
}

function subnets(world: World, host: Host) {
  const { podSubnet, serviceSubnet } = world.cluster.kubernetes;
  const wanted = [
    { name: 'podSubnet', subnet: podSubnet },
    { name: 'serviceSubnet', subnet: serviceSubnet },
  ];
  return check({
    id: 'subnets',
    host,
    title: 'has no route of its own into the pod and service subnets',
    expected: `nothing in ${podSubnet} and ${serviceSubnet}`,
    script: 'ip -j -4 route show table all type unicast',
    reproduce: 'ip -4 route show table all',
    judge(output) {
      const routes = (JSON.parse(output || '[]') as readonly Route[]).filter(({ dev = '' }) => !isPodLink(dev));
      const clashes = wanted.flatMap(({ name, subnet }) =>
        routes
          .filter(route => clash(route, subnet))
          .map(({ dst, dev }) => ({ name, text: `${dst} on ${dev} is in ${name} ${subnet}` })),
      );
      const [first] = clashes;
      if (!first) return { ok: true, observed: 'no such route' };
      return {
        ok: false,
        observed: clashes.map(({ text }) => text).join(', '),
        hint: `write another kubernetes.${first.name} into the inventory, one that no machine has a route into; it cannot be changed once the cluster is made`,
      };
    },
  });
}

// Inside the subnet it takes pods' packets away; around it, it matters only where the neighbours themselves have such addresses.
function clash({ dst = 'default', gateway }: Route, subnet: string): boolean {
  if (dst === 'default') return false;
  const [a, aBits] = ipaddr.IPv4.parseCIDR(dst.includes('/') ? dst : `${dst}/32`);
  const [b, bBits] = ipaddr.IPv4.parseCIDR(subnet);
  const isInside = aBits >= bBits;
  return (isInside || gateway === undefined) && a.match(b, Math.min(aBits, bBits));
}

/** Network cards that pod networks make. */
export function isPodLink(name: string): boolean {
  return /^(cni0|flannel[.-]|cilium_|lxc|cali|vxlan\.calico|weave|kube-bridge|kube-ipvs0)/.test(name);
}

function firewall(world: World, host: Host) {
  const { podSubnet } = world.cluster.kubernetes;
  const others = world.cluster.hosts.filter(each => each !== host).map(each => each.address);
  return check({
    id: 'firewall',
    host,
    title: 'lets pods in and through',
    expected: `no firewall, or one that knows ${podSubnet}`,
    // 'drop HOOK' of a chain as iptables says it, with its family, table and chain where nft is there to say them.
    script: `if systemctl is-active --quiet firewalld; then echo firewalld; fi
if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then echo ufw; fi
for tool in 'nft list ruleset' iptables-save iptables-legacy-save; do $tool 2>/dev/null || true; done | awk -v subnet=${sh(podSubnet)} '
index($0, subnet) {print "known"; next}
/^table / {table = $2 " " $3}
/^\tchain / {chain = $2}
/hook (input|forward) .*policy drop/ {print "drop", $4, table, chain}
/^:(INPUT|FORWARD) DROP/ {print "drop", tolower(substr($1, 2))}'
`,
    reproduce: 'sudo nft list ruleset',
    judge(output) {
      const lines = new Set(output.split('\n').filter(Boolean));
      const chains = [...lines].filter(line => line.startsWith('drop ')).map(line => line.split(' ').slice(1));
      const name = ['firewalld', 'ufw'].find(each => lines.has(each));
      const drops = [...new Set(chains.map(([hook]) => `${hook} drops by default`))];
      const what = [...(name ? [name] : []), ...drops].join(', ');
      if (what === '') return { ok: true, observed: 'no firewall' };
      if (lines.has('known')) return { ok: true, observed: `${what}, and it knows ${podSubnet}` };
      return { ok: false, observed: what, hint: openingHint(name, others, podSubnet, chains) };
    },
  });
}

function openingHint(
  name: string | undefined,
  others: readonly string[],
  pods: string,
  chains: readonly (readonly string[])[],
): string {
  const sources = [...others, pods];
  switch (name) {
    case 'firewalld':
      return `sudo firewall-cmd --permanent --zone=trusted ${sources.map(each => `--add-source=${each}`).join(' ')} && sudo firewall-cmd --reload`;
    case 'ufw': {
      const inward = sources.map(each => `sudo ufw allow from ${each}`);
      return [...inward, `sudo ufw route allow from ${pods}`, `sudo ufw route allow to ${pods}`].join(' && ');
    }
    default: {
      const named = chains.filter(chain => chain.length > 1);
      const rules = named.length > 0 ? named.map(nftRules(sources, pods)) : chains.map(iptablesRules(sources, pods));
      return `${rules.flat().join(' && ')}; and keep them over a reboot (/etc/nftables.conf or iptables-persistent)`;
    }
  }
}

const nftRules =
  (sources: readonly string[], pods: string) =>
  ([hook, ...place]: readonly string[]): readonly string[] => {
    const insert = `sudo nft insert rule ${place.join(' ')} ip`;
    return hook === 'input'
      ? [`${insert} saddr '{ ${sources.join(', ')} }' accept`]
      : [`${insert} saddr ${pods} accept`, `${insert} daddr ${pods} accept`];
  };

const iptablesRules =
  (sources: readonly string[], pods: string) =>
  ([hook]: readonly string[]): readonly string[] =>
    hook === 'input'
      ? [`sudo iptables -I INPUT -s ${sources.join(',')} -j ACCEPT`]
      : [`sudo iptables -I FORWARD -s ${pods} -j ACCEPT`, `sudo iptables -I FORWARD -d ${pods} -j ACCEPT`];
