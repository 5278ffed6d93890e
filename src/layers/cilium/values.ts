// Cilium's values: what the cluster was made with, room for a mesh beside it, and flows that can be watched.
import type { Cluster, JsonObject } from '../../model/cluster.ts';

/** Sources: docs.cilium.io operations/upgrade, network/servicemesh/istio, network/kubernetes/kubeproxy-free. */
export function ciliumValues(cluster: Cluster): JsonObject {
  return {
    // Pods keep the subnets that kubeadm's controller manager hands out; Cilium's own default is all of 10.0.0.0/8.
    ipam: { mode: 'kubernetes' },
    k8s: { requireIPv4PodCIDR: true },
    routingMode: 'tunnel',
    tunnelProtocol: 'vxlan',
    ...proxyValues(cluster),
    // Istio's plugin stands beside Cilium's, and its sidecars see the services' own addresses.
    cni: { exclusive: false },
    socketLB: { hostNamespaceOnly: true },
    policyEnforcementMode: 'default',
    rollOutCiliumPods: true,
    resources: { requests: { cpu: '100m', memory: '320Mi' } },
    // A second one has nowhere to go while only the control plane is there.
    operator: { replicas: 1, rollOutPods: true, resources: { requests: { cpu: '10m', memory: '64Mi' } } },
    hubble: {
      enabled: true,
      relay: { enabled: true, resources: { requests: { cpu: '10m', memory: '32Mi' } } },
      ui: { enabled: true },
      metrics: { enabled: ['dns', 'drop', 'tcp', 'flow', 'port-distribution', 'icmp'] },
      // Made anew at every change of the release; three years in days, for clusters that see none.
      tls: { auto: { method: 'helm', certValidityDuration: 1095 } },
    },
  };
}

function proxyValues({ kubernetes, hosts }: Cluster): JsonObject {
  if (kubernetes.kubeProxy) return { kubeProxyReplacement: 'false' };
  const endpoint = kubernetes.endpoint ?? hosts.find(({ role }) => role === 'control-plane')?.address ?? '';
  return {
    kubeProxyReplacement: 'true',
    // Nothing serves the API's service address before the agent itself does.
    k8sServiceHost: endpoint,
    k8sServicePort: 6443,
    bpf: { masquerade: true },
  };
}
