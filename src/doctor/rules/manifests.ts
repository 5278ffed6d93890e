// The files that a kubelet makes the control plane from.
import type { Finding, Rule } from '../rule.ts';
import type { MachineLook, Snapshot } from '../snapshot.ts';
import {
  apiEntity,
  type Component,
  controlPlanes,
  hasEtcd,
  healthName,
  isMemberOf,
  manifestFolder,
  processOn,
  titles,
} from './members.ts';
import { entityOf, on, seenOn } from './on-machine.ts';

const components = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;

interface Missing {
  readonly machine: MachineLook;
  readonly component: Component;
  /** Empty where the file is not there. */
  readonly trouble: string;
}

function troubles(snapshot: Snapshot): readonly Missing[] {
  return controlPlanes(snapshot).flatMap(machine => {
    const { manifests, certificates } = machine.facts;
    if (!manifests || !isMemberOf(snapshot, machine)) return [];
    // Without its certificates it cannot be told whether etcd lives elsewhere.
    const expected = components.filter(each => each !== 'etcd' || (certificates !== undefined && hasEtcd(machine)));
    return expected.flatMap((component): readonly Missing[] => {
      const file = manifests.find(({ name }) => name === component);
      return file?.trouble === '' ? [] : [{ machine, component, trouble: file?.trouble ?? '' }];
    });
  });
}

const toAll = [
  { rule: 'etcd-down', by: 'object' },
  { rule: 'etcd-member-down', by: 'object' },
  { rule: 'apiserver-down', by: 'object' },
  { rule: 'scheduler-down', by: 'object' },
  { rule: 'controller-manager-down', by: 'object' },
  { rule: 'api-silent', by: 'object' },
] as const;

export const manifestBroken: Rule = {
  id: 'manifest-broken',
  layer: 'control-plane',
  symptom: 'API server, etcd, scheduler or controller manager is gone, and the kubelet is well.',
  cause:
    'Its file in /etc/kubernetes/manifests is not there or cannot be read as a Pod: the kubelet ends what it does not find.',
  cure: 'Put the file right; kubeadm writes it anew.',
  sources: [
    'kubernetes docs: tasks/configure-pod-container/static-pod',
    'kubernetes docs: reference/setup-tools/kubeadm/kubeadm-init-phase',
  ],
  needs: ['machine.manifests', 'machine.certificates', 'machine.health', 'api.nodes'],
  explains: toAll,
  find: snapshot =>
    troubles(snapshot).map(({ machine, component, trouble }): Finding => {
      const isUp = machine.facts.health?.[healthName[component]]?.ok === true;
      const phase = component === 'etcd' ? 'etcd local' : `control-plane ${component.replace('kube-', '')}`;
      const file = `${manifestFolder}/${component}.yaml`;
      return {
        says: `${titles[component]} of ${machine.name} ${isUp ? 'runs on for the moment' : 'is not started'}: ${file} ${trouble === '' ? 'is not there' : `is no Pod (${trouble})`}`,
        severity: isUp ? 'warning' : 'error',
        certainty: 'certain',
        about: [
          entityOf(machine),
          processOn(component, machine),
          ...(component === 'etcd' || component === 'kube-apiserver' ? apiEntity(snapshot) : []),
        ],
        evidence: [
          seenOn(machine, trouble === '' ? `${file} is not there` : `${file}: ${trouble}`, `ls -l ${manifestFolder}`),
        ],
        cure: [
          on(
            machine,
            `sudo ls -lt /etc/kubernetes/tmp ${manifestFolder}   # a good one that somebody or kubeadm saved?`,
          ),
          on(
            machine,
            `sudo kubeadm init phase ${phase}   # writes it anew; flags of yours that kubeadm does not know are lost`,
          ),
        ],
      };
    }),
};

/** Files before processes: etcd's own rules stand between. */
export const manifestRules: readonly Rule[] = [manifestBroken];
