// Edits by hand that kubeadm would write over, each with the place where it would stay.
import { type Edit, kubeletEdits, manifestEdits } from '../../upgrade/edits.ts';
import { kubeadmFlags } from '../kubeadm-flags.ts';
import type { Finding, Findings, Subject } from './finding.ts';

export const edits: Findings = subject => [...kubelet(subject), ...manifests(subject)];

function kubelet({ world, read }: Subject): readonly Finding[] {
  const inCluster = [...(world.upgradeFacts ?? [])].flatMap(([, { controlPlane }]) =>
    controlPlane && controlPlane.cluster !== 'unknown' ? [controlPlane.cluster.kubeletConfig] : [],
  )[0];
  if (inCluster === undefined || inCluster === 'unknown' || read.kubeletConfig === 'unknown') return [];
  const found = kubeletEdits(read.kubeletConfig, inCluster);
  return [
    {
      id: 'kubelet-config',
      title: "kubelet's settings stay as they are",
      expected: 'what ConfigMap kubelet-config says',
      observed: found.length === 0 ? 'the same' : shown(found),
      reproduce: 'kubectl -n kube-system get configmap kubelet-config -o yaml, against /var/lib/kubelet/config.yaml',
      notes:
        found.length === 0
          ? []
          : [
              `/var/lib/kubelet/config.yaml differs from ConfigMap kubelet-config, and kubeadm writes it anew: ${shown(found)}; to keep it, write it there (kubectl -n kube-system edit configmap kubelet-config: it is for all machines)`,
            ],
    },
  ];
}

function manifests({ world, read }: Subject): readonly Finding[] {
  if (!read.controlPlane || world.live === 'unknown') return [];
  const found = manifestEdits(read.controlPlane, kubeadmFlags, world.live.args);
  return [
    {
      id: 'manifests',
      title: 'static pods stay as they are',
      expected: 'what kubeadm would write for the version that runs',
      observed:
        found.length === 0 ? 'the same' : found.map(each => `${each.manifest}: ${shown(each.edits)}`).join('; '),
      reproduce: 'sudo kubeadm upgrade diff VERSION',
      notes: found.map(
        ({ manifest, edits: each }) =>
          `/etc/kubernetes/manifests/${manifest}.yaml is not what kubeadm would write, and it writes it anew: ${shown(each)}; to keep it, write it into extraArgs or extraVolumes of ConfigMap kubeadm-config (kubectl -n kube-system edit configmap kubeadm-config)`,
      ),
    },
  ];
}

function shown(found: readonly Edit[]): string {
  return found
    .map(({ setting, now, afterwards }) => `${setting} ${now ?? 'not set'} → ${afterwards ?? 'not set'}`)
    .join(', ');
}
