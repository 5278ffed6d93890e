// Istio: what keeps a mesh from carrying traffic: its chain of CNI plugins, the kernel's shortcut; and the group's list.
import type { Finding, Rule } from '../rule.ts';
import { machinesWith, objects } from '../snapshot.ts';
import { ciliumConfig, fails, podEntity } from './installed.ts';
import { corsOrigin, preflightDenied } from './mesh-browser.ts';
import { mutualWithoutSidecar, serverFirst, strictCallers } from './mesh-encryption.ts';
import { gatewayUnserved, staleEdge } from './mesh-entry.ts';
import { sidecarPods } from './mesh-lookup.ts';

const cniChain: Rule = {
  id: 'mesh-cni-chain',
  layer: 'mesh',
  symptom: 'Pods start and their traffic does not go through the sidecar; istio-validation fails.',
  cause:
    'istio-cni is not in the chain of CNI plugins of the machine: Cilium owns its directory alone (cni-exclusive) and threw it out.',
  cure: 'Let Cilium leave other plugins alone, then start both anew.',
  sources: ['istio/istio.io#16660', 'cilium.io: network/servicemesh/istio'],
  needs: ['api.daemonsets', 'api.configmaps', 'api.pods', 'machine.cni'],
  explains: [
    { rule: 'container-crashing', by: 'pod' },
    { rule: 'container-cannot-start', by: 'pod' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  find(snapshot) {
    const istioCni = objects(snapshot, 'daemonsets').find(({ metadata }) => metadata.name === 'istio-cni-node');
    if (!istioCni) return [];
    const config = ciliumConfig(snapshot);
    const isAlone = config !== undefined && (config['cni-exclusive'] ?? 'true') !== 'false';
    return machinesWith(snapshot, 'cni').flatMap(({ machine, value }): readonly Finding[] => {
      const [first] = value.files;
      if (!first || first.types.includes('istio-cni')) return [];
      const victims = objects(snapshot, 'pods').filter(
        pod =>
          pod.spec.nodeName === machine.name &&
          fails(snapshot, pod) &&
          pod.status.initContainerStatuses.some(({ name, ready }) => name === 'istio-validation' && !ready),
      );
      return [
        {
          says: `istio-cni is not in the CNI chain of ${machine.name} (${first.name}: ${first.types.join(', ')})${
            isAlone ? ', because Cilium does not tolerate other plugins (cni-exclusive is not false)' : ''
          }: sidecars of new pods there get no traffic`,
          severity: 'error',
          certainty: 'certain',
          about: [`machine:${machine.name}`, ...victims.map(podEntity)],
          evidence: [
            {
              says: `/etc/cni/net.d/${first.name}: ${first.types.join(', ')}`,
              from: machine.name,
              again: `ssh ${machine.name} grep -h '"type"' /etc/cni/net.d/*`,
            },
            {
              says: `cni-exclusive: ${config?.['cni-exclusive'] ?? 'not set, which means true'}`,
              from: 'ConfigMap kube-system/cilium-config',
              again: `kubectl get configmap -n kube-system cilium-config -o jsonpath='{.data.cni-exclusive}'`,
            },
          ].slice(0, config ? 2 : 1),
          cure: [
            ...(isAlone
              ? [
                  'helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set cni.exclusive=false',
                  'kubectl rollout restart -n kube-system daemonset/cilium',
                ]
              : []),
            `kubectl rollout restart -n ${istioCni.metadata.namespace} daemonset/istio-cni-node`,
          ],
        },
      ];
    });
  },
};

const socketLb: Rule = {
  id: 'mesh-socket-lb',
  layer: 'mesh',
  symptom: "Istio's routing and policies have no effect on calls to Services.",
  cause:
    'Cilium replaces kube-proxy at the socket in every pod (bpf-lb-sock-hostns-only is not true): a call has lost its Service address before the sidecar sees it.',
  cure: "Limit Cilium's socket load balancing to the machines' own namespace.",
  sources: ['cilium/cilium#16583', 'cilium.io: network/servicemesh/istio'],
  needs: ['api.configmaps', 'api.pods'],
  explains: [],
  find(snapshot) {
    const config = ciliumConfig(snapshot);
    const [pod] = sidecarPods(snapshot);
    if (!config || !pod || !/^(true|strict)$/.test(config['kube-proxy-replacement'] ?? '')) return [];
    if (config['bpf-lb-sock-hostns-only'] === 'true' || config['bpf-lb-sock'] === 'false') return [];
    return [
      {
        says: `Calls from pods with a sidecar can go around Istio: Cilium replaces kube-proxy in every pod's sockets (bpf-lb-sock-hostns-only is ${config['bpf-lb-sock-hostns-only'] ?? 'not set'})`,
        severity: 'warning',
        certainty: 'likely',
        settledBy: `istioctl proxy-config routes -n ${pod.metadata.namespace} ${pod.metadata.name}, and whether the sidecar's access log shows the call`,
        about: ['object:kube-system/cilium-config'],
        evidence: [
          {
            says: `kube-proxy-replacement: ${config['kube-proxy-replacement']}, bpf-lb-sock-hostns-only: ${config['bpf-lb-sock-hostns-only'] ?? 'not set'}`,
            from: 'ConfigMap kube-system/cilium-config',
            again:
              "kubectl get configmap -n kube-system cilium-config -o yaml | grep -E 'kube-proxy-replacement|bpf-lb-sock'",
          },
        ],
        cure: [
          'helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set socketLB.hostNamespaceOnly=true',
          'kubectl rollout restart -n kube-system daemonset/cilium',
        ],
      },
    ];
  },
};

/** Before the symptoms of pods. */
export const meshRules: readonly Rule[] = [
  cniChain,
  socketLb,
  strictCallers,
  serverFirst,
  mutualWithoutSidecar,
  gatewayUnserved,
  preflightDenied,
  corsOrigin,
  staleEdge,
];
