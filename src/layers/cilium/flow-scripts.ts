// A connection from one probe pod to another, the policy that forbids it, and what Hubble saw of both, as scripts.
import type { JsonObject } from '../../model/cluster.ts';
import { adminKubectl } from '../../model/kubectl.ts';
import { comeUpScript, createScript, probePod } from '../../model/probe-pods.ts';
import { enterPod, probePort, resolve, send } from '../../model/probe-traffic.ts';
import { sh } from '../../model/shell.ts';
import { findAgent, inAgent } from './agents.ts';

export const namespace = 'homelab-probe-cilium';
export const record = 'kubernetes.default.svc.cluster.local';
export const policyName = 'only-dns';
const kubectl = adminKubectl(30);

/** Prints when it began, both pods, and the addresses of DNS and API. */
export function podsScript(image: string, client: string, server: string): string {
  const pods = [
    probePod(namespace, image, { name: 'client', role: 'client', node: client }),
    probePod(namespace, image, { name: 'server', role: 'server', node: server }),
  ];
  return `echo "began $(date -u +%Y-%m-%dT%H:%M:%SZ)"
${createScript(pods)}${comeUpScript(namespace)}echo "dns $(${kubectl} get -n kube-system service kube-dns -o jsonpath='{.spec.clusterIP}')"
echo "api $(${kubectl} get -n default service kubernetes -o jsonpath='{.spec.clusterIP}')"
`;
}

/** On the client's machine: 'connection made' or 'connection none'; it is tried until it comes about. */
export function allowedScript(client: string, server: string): string {
  return `${enterPod(client)}set -- ${sh(server)}
left=15
until sum=$(${send(1024, 5)}) && [ -n "$sum" ]; do
  left=$((left - 1)); [ "$left" -gt 0 ] || { echo 'connection none'; exit 0; }; sleep 1
done
echo 'connection made'
`;
}

/** On the client's machine: the same until it does not come about any more, and whether a name still resolves. */
export function deniedScript(client: string, server: string, dns: string): string {
  return `${enterPod(client)}set -- ${sh(server)}
left=15
while sum=$(${send(1024, 3)}) && [ -n "$sum" ]; do
  left=$((left - 1)); [ "$left" -gt 0 ] || { echo 'connection made'; exit 0; }; sleep 1
done
echo 'connection none'
${resolve(dns, record)}`;
}

/** On a control plane: the client may ask the cluster's DNS, and nothing else. */
export function policyScript(): string {
  const policy: JsonObject = {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: policyName, namespace },
    spec: {
      endpointSelector: { matchLabels: { role: 'client' } },
      egress: [
        {
          toEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s-app': 'kube-dns' } }],
          toPorts: [{ ports: [{ port: '53', protocol: 'ANY' }] }],
        },
      ],
    },
  };
  return createScript([policy]);
}

/** On a control plane: what the agent of the client's machine saw, a flow a line. Its buffer answers at once, and with what was before: asked again for a while, and since when. */
export function flowsScript(client: string, verdict: 'FORWARDED' | 'DROPPED', since: string): string {
  const observe = `hubble observe --since ${sh(since)} --verdict ${verdict} --from-pod ${namespace}/client --protocol tcp --port ${probePort} --last 20 -o jsonpb`;
  return `${findAgent(client)}left=10
until flows=$(${inAgent(observe)} 2>/dev/null) && [ -n "$flows" ]; do
  left=$((left - 1)); [ "$left" -gt 0 ] || break; sleep 2
done
[ -n "$flows" ] || ${inAgent(observe)} >/dev/null
printf '%s\n' "$flows"
`;
}
