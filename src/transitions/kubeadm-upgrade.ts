// member of one version → member of the next: kubeadm's own upgrade of what it manages there. The packages follow it.
import semver from 'semver';
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { RemoteAction, Transition } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import { factsOf, type World } from '../model/world.ts';
import { keepingOutput, kubeadmExplained } from './kubeadm.ts';

/** `apply` moves the cluster and its first control plane, `node` every other machine (kubeadm upgrade --help). */
export type UpgradeKind = 'apply' | 'node';

// Five minutes a component is kubeadm's own patience (UpgradeManifestTimeout), and a control plane has four.
const timeoutMs = { apply: 1_800_000, node: 1_500_000 } as const;

/** `version` with its v. kubeadm of that version stands on the machine already. */
export function kubeadmUpgrade(world: World, host: Host, version: string, kind: UpgradeKind): Transition {
  const plain = version.slice(1);
  const { kubelet } = factsOf(world, host);
  // Its packages follow in the same phase: where they are, kubeadm has come to its end.
  const isDone = isAtLeast(kubelet, plain) && (kind === 'node' || isLive(world, plain));
  return {
    kind: 'transition',
    name: 'kubeadm-upgrade',
    title: kind === 'apply' ? `Upgrade the control plane to ${version}` : `Let kubeadm upgrade it to ${version}`,
    now: isDone ? version : `v${kubelet}`,
    to: version,
    settles: ['permissions:kubeadm-files'],
    change: isDone ? undefined : { ...described(kubelet, version, kind), action: action(host, version, kind) },
    predict: before => {
      const facts = new Map(before.facts);
      facts.set(host.name, { ...factsOf(before, host), kubeadm: plain, kubelet: plain });
      const { live, nodes } = before;
      return {
        ...before,
        facts,
        live: live === 'unknown' || kind === 'node' ? live : { ...live, version },
        nodes:
          nodes === 'unknown'
            ? nodes
            : nodes.map(node => (node.name === host.name ? { ...node, kubeletVersion: plain } : node)),
      };
    },
  };
}

/** `found` may be 'absent'. */
export function isAtLeast(found: string, version: string): boolean {
  return semver.valid(found) !== null && semver.gte(found, version);
}

function isLive({ live }: World, plain: string): boolean {
  return live !== 'unknown' && isAtLeast(live.version.slice(1), plain);
}

function described(kubelet: string, version: string, kind: UpgradeKind) {
  return {
    why: `it runs v${kubelet}`,
    diff: `- v${kubelet}\n+ ${version}${kind === 'apply' ? ' (API server, controller manager, scheduler, etcd, CoreDNS, kube-proxy; certificates renewed)' : ''}`,
    risk: 'disruptive' as const,
  };
}

function action(host: Host, version: string, kind: UpgradeKind): RemoteAction {
  const kubectl = adminKubectl(5);
  const line = kind === 'apply' ? `kubeadm upgrade apply ${sh(version)} --yes` : 'kubeadm upgrade node';
  const evidence = `/var/log/homelab/upgrade-${version}`;
  // Until the API server of this machine answers again; kubeadm itself waits only for what it has replaced.
  const ready =
    host.role === 'control-plane'
      ? `left=120
until ${kubectl} --server=${sh(`https://${host.address}:6443`)} get --raw /readyz >/dev/null 2>&1; do
  left=$((left - 1))
  [ "$left" -gt 0 ] || { echo 'homelab: the API server was not ready 2 minutes after kubeadm had ended' >&2; exit 1; }
  sleep 1
done
`
      : '';
  return {
    script: `evidence() {
  install -d -m 700 ${evidence}
  for folder in /etc/kubernetes/manifests /etc/kubernetes/tmp; do [ ! -d "$folder" ] || cp -a "$folder" ${evidence}/; done
  for log in /var/log/pods/kube-system_kube-* /var/log/pods/kube-system_etcd-*; do [ ! -d "$log" ] || cp -a "$log" ${evidence}/; done
  journalctl --no-pager -o short-iso -n 2000 -u kubelet.service -u containerd.service > ${evidence}/journal.log || true
  echo "homelab: what it left is kept in ${evidence}" >&2
}
left=3
until (
${keepingOutput('upgrade', line)}); do
  code=$?
  left=$((left - 1))
  # Its first check runs a pod and gives it 15 s, before anything is changed: a scheduler that has just started needs longer for the first one.
  [ "$left" -gt 0 ] && grep -q 'upgrade-health-check' /var/log/homelab/kubeadm-upgrade.log || { evidence; exit "$code"; }
done
${ready}`,
    timeoutMs: timeoutMs[kind],
    explain: [...explained, ...kubeadmExplained],
  };
}

const explained: NonNullable<RemoteAction['explain']> = [
  {
    pattern: /kubeadm has tried to recover everything into the earlier state/,
    message: 'a part of the control plane did not come up in its new version; kubeadm put the old one back',
    hint: 'its logs and manifests are kept on that machine in /var/log/homelab/upgrade-*; mend what they name, then run the same command again',
  },
  {
    pattern: /\[ERROR CoreDNSUnsupportedPlugins\]/,
    message: "CoreDNS's configuration has a plugin that the new version does not know",
    hint: 'kubectl edit configmap coredns -n kube-system and take it out, then run the same command again',
  },
  {
    pattern: /Job \\?"upgrade-health-check\S* (?:in the namespace \S+ )?did not complete/,
    message: 'a pod that kubeadm starts to see whether the cluster is well did not end in time',
    hint: 'kubectl get pods -n kube-system says why new pods do not start there',
  },
];
