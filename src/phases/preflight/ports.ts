// The ports that Kubernetes listens on must be nobody else's.
import type { Role } from '../../model/cluster.ts';
import { type Checks, check, listenerUnit } from './check.ts';

/** kubeadm's PortOpenCheck, and what it does not look at: etcd's metrics, kubelet's and kube-proxy's health and metrics. */
const everywhere = [10248, 10249, 10250, 10256];
const controlPlane = [2379, 2380, 2381, 6443, 10257, 10259];

export function portsOf(role: Role): readonly number[] {
  return role === 'control-plane' ? [...controlPlane, ...everywhere] : everywhere;
}

export const ports: Checks = (_, host) => {
  const needed = portsOf(host.role);
  return [
    check({
      id: 'ports',
      host,
      title: 'has the ports of Kubernetes free',
      expected: `${needed.join(', ')} free`,
      // A listener of ours, from a run that was killed, goes away by itself.
      script: `ss -Hltnp
echo "ours $(systemctl show --property=MainPID --value ${listenerUnit}.service 2>/dev/null || echo 0)"
`,
      reproduce: 'sudo ss -ltnp',
      judge(output) {
        const own = /^ours (\d+)$/m.exec(output)?.[1];
        const taken = listeners(output)
          .filter(({ pid }) => pid !== own)
          .filter(({ port }) => needed.includes(port))
          // A kubelet without a cluster (its package was installed, then a reboot) is stopped before kubeadm runs.
          .filter(({ owner }) => owner !== 'kubelet');
        if (taken.length === 0) return { ok: true, observed: 'all free' };
        return {
          ok: false,
          observed: taken.map(({ port, owner, pid }) => `${port} is ${owner}'s (pid ${pid})`).join(', '),
          hint: `sudo systemctl status ${[...new Set(taken.map(({ pid }) => pid))].join(' ')} names its unit; sudo systemctl disable --now UNIT stops it for good`,
        };
      },
    }),
  ];
};

interface Listener {
  readonly port: number;
  readonly owner: string;
  readonly pid: string;
}

/** Lines of `ss -Hltnp`; one port once, whatever the number of its addresses. */
function listeners(output: string): readonly Listener[] {
  const found = output.split('\n').map(line => {
    const [, , , local = '', , users = ''] = line.trim().split(/\s+/);
    const [, owner = 'somebody', pid = '?'] = /\(\("([^"]+)",pid=(\d+)/.exec(users) ?? [];
    return { port: Number(local.slice(local.lastIndexOf(':') + 1)), owner, pid };
  });
  return [...new Map(found.map(each => [each.port, each])).values()].sort((a, b) => a.port - b.port);
}
