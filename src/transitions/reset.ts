// member, or half of one → bare machine that bootstrap takes again. What explains the past is saved first.
import type { Host } from '../model/cluster.ts';
import { etcdctl } from '../model/etcdctl.ts';
import type { Transition } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import { factsOf, type World, withoutMember } from '../model/world.ts';

const timeoutMs = 600_000;

/** Where the evidence of a reset lies on the machine. */
export const evidenceFolder = '/var/log/homelab';

export function reset(world: World, host: Host): Transition {
  const { membership } = factsOf(world, host);
  return {
    kind: 'transition',
    name: 'reset',
    title: 'Reset the machine',
    now: membership.state,
    to: 'absent',
    change:
      membership.state === 'absent'
        ? undefined
        : isForeign(world, host)
          ? {
              refuse: 'it belongs to another cluster (its CA is not the one of our control planes)',
              hint: `if that cluster does not need it, there: remove the node; here: sudo kubeadm reset on ${host.name}`,
            }
          : {
              why:
                membership.state === 'partial'
                  ? membership.why
                  : `it is a ${membership.role === 'worker' ? 'worker' : 'control plane'} of a cluster`,
              risk: 'destructive',
              action: { script: resetScript(world.cluster.kubernetes.podSubnet), timeoutMs },
            },
    predict: before => withoutMember(before, host.name),
  };
}

function isForeign(world: World, host: Host): boolean {
  const { membership } = factsOf(world, host);
  const ours = [...world.facts.values()].flatMap(facts =>
    facts.membership.state === 'joined' && facts.membership.role === 'control-plane' && facts.host !== host.name
      ? [facts.membership.caHash]
      : [],
  );
  return membership.state === 'joined' && ours.length > 0 && !ours.includes(membership.caHash);
}

/**
 * sh: the last copy of a cluster's data does not go without a trace. A member that a cut off join has left answers nothing, and its
 * snapshot would be waited for all the time that a large one may take.
 */
export const saveEtcd = `${etcdctl}
if pgrep -ox etcd >/dev/null && etcdctl endpoint status >/dev/null 2>&1 && etcdctl snapshot save /var/lib/etcd/homelab.db --command-timeout=300s >/dev/null 2>&1; then
  mv /var/lib/etcd/homelab.db "$saved/etcd.db"
fi
`;

/** sh: programs that Cilium's agent put into the kernel stay when it goes, and go on dropping packets. Pins are what holds them. */
const withoutCilium = `if [ -e /sys/fs/bpf/cilium ] || [ -e /run/cilium ] || [ -e /sys/fs/bpf/tc/globals ]; then
  if command -v tc >/dev/null; then
    for link in /sys/class/net/*; do tc qdisc delete dev "\${link##*/}" clsact 2>/dev/null || true; done
  fi
  umount /run/cilium/cgroupv2 2>/dev/null || true
  rm -rf --one-file-system /sys/fs/bpf/cilium /sys/fs/bpf/tc/globals /run/cilium /var/lib/cilium
fi
`;

/** sh: saves what explains the machine's past, then takes away what kubeadm, kubelet and the pod network made. */
export function resetScript(podSubnet: string): string {
  return `umask 077
saved=${evidenceFolder}/reset-$(date -u +%Y%m%dT%H%M%SZ)
install -d -m 700 ${evidenceFolder} "$saved"
journalctl --unit=kubelet --unit=containerd --since=-2d --no-pager > "$saved/journal.log" 2>/dev/null || true
timeout 20 ctr -n k8s.io containers list > "$saved/containers.txt" 2>/dev/null || true
ip -4 route > "$saved/routes.txt" || true
[ ! -d /etc/kubernetes ] || tar -C /etc -cf "$saved/kubernetes.tar" kubernetes
${saveEtcd}# Before anything goes: a bootstrap does not go on with what a reset that was cut off has left.
rm -f /var/lib/homelab/begun
if command -v kubeadm >/dev/null; then
  kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock --skip-phases=remove-etcd-member > "$saved/kubeadm-reset.log" 2>&1 || { code=$?; cat "$saved/kubeadm-reset.log" >&2; exit "$code"; }
fi
systemctl stop kubelet.service 2>/dev/null || true
for task in $(timeout 20 ctr -n k8s.io tasks list -q 2>/dev/null); do
  timeout 20 ctr -n k8s.io tasks kill --signal SIGKILL "$task" >/dev/null 2>&1 || true
done
systemctl disable --now homelab-network.service 2>/dev/null || true
systemctl disable --now homelab-backup.timer 2>/dev/null || true
rm -f /etc/systemd/system/homelab-backup.timer
rm -f /etc/cni/net.d/10-homelab.conflist /etc/cni/net.d/05-cilium.conflist
# A volume that cannot be unmounted is somebody's data: find stops at it, and says so.
awk '$2 ~ "^/var/lib/kubelet/" {print $2}' /proc/mounts | sort -r | xargs -r umount
for folder in /var/lib/kubelet /var/lib/etcd; do [ ! -d "$folder" ] || find "$folder" -xdev -mindepth 1 -delete; done
rm -rf --one-file-system /etc/kubernetes /var/lib/cni /root/.kube/cache
for link in cni0 kube-ipvs0 cilium_host cilium_vxlan $(ip -o link | sed -n 's/^[0-9]*: \\(lxc[^@:]*\\).*/\\1/p'); do ip link delete "$link" 2>/dev/null || true; done
${withoutCilium}ip -4 route flush root ${sh(podSubnet)} 2>/dev/null || true
for tables in iptables ip6tables; do
  command -v $tables-save >/dev/null || continue
  $tables-save | grep -v -e KUBE- -e CNI- -e CILIUM_ -e '--comment homelab ' | $tables-restore || true
done
if command -v nft >/dev/null; then
  for family in ip ip6; do nft delete table $family kube-proxy 2>/dev/null || true; done
fi
# Last: as long as it is there, a reset that was cut off is known for one.
rm -f /etc/systemd/system/homelab-network.service
systemctl daemon-reload
`;
}
