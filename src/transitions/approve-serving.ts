// kubelet asks → kubelet serves a certificate of the cluster's CA. Nothing is approved that the inventory does not say.
import { isDeepStrictEqual } from 'node:util';
import { adminKubectl } from '../model/kubectl.ts';
import type { Transition } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { type ServingRequest, servingRequestOf, type World } from '../model/world.ts';

const kubectl = adminKubectl(20);

/** Why this request is not approved; undefined: its node asks for exactly its own name and address. */
export function objection(request: ServingRequest, { cluster }: World): string | undefined {
  const host = cluster.hosts.find(({ name }) => request.username === `system:node:${name}`);
  if (!host) return `${request.username} is no node of the inventory`;
  const { asks, groups, usages } = request;
  const own = servingRequestOf(host).asks;
  if (asks === 'unreadable' || own === 'unreadable') return 'it cannot be read as a certificate request';
  if (!groups.includes('system:nodes')) return `${request.username} is not in the group system:nodes`;
  if (!isDeepStrictEqual([...asks.subject].sort(), [...own.subject].sort())) {
    return `it asks for the subject ${asks.subject.join(', ')}, not ${own.subject.join(', ')}`;
  }
  if (!isDeepStrictEqual([...asks.alternatives].sort(), [...own.alternatives].sort())) {
    return `it asks for ${asks.alternatives.join(', ') || 'no name'}, not ${own.alternatives.join(', ')}`;
  }
  // RSA keys also encipher the session's key.
  const allowed = ['digital signature', 'key encipherment', 'server auth'];
  const isFit = usages.includes('server auth') && usages.every(usage => allowed.includes(usage));
  return isFit ? undefined : `it asks for the usages ${usages.join(', ')}`;
}

/** `requests`: those without objection. */
export function approveServing(requests: readonly ServingRequest[]): Transition {
  const nodes = [...new Set(requests.map(({ username }) => username.replace('system:node:', '')))];
  return {
    kind: 'transition',
    name: 'approve',
    title: "Approve the kubelets' serving certificates",
    now: requests.length > 0 ? 'pending' : 'approved',
    to: 'approved',
    change:
      requests.length === 0
        ? undefined
        : {
            why: `asked for by ${nodes.join(', ')}, each for its own name and address`,
            risk: 'safe',
            action: {
              // Served is more than signed: the API server, which verifies it, must get an answer.
              script: `${kubectl} ${command('certificate', 'approve', ...requests.map(({ name }) => name))} >/dev/null
for node in ${command(...nodes)}; do
  left=60
  until ${kubectl} get --raw "/api/v1/nodes/$node/proxy/healthz" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "homelab: the kubelet of $node serves no certificate that the API server trusts" >&2; exit 1; }
    sleep 1
  done
done
`,
              timeoutMs: 300_000,
              explain: [
                {
                  pattern: /homelab: the kubelet of (\S+) serves/,
                  message: 'the API server does not trust the kubelet of $1',
                  hint: 'see what it says (sudo journalctl -u kubelet, there), then run the same command again',
                },
              ],
            },
          },
    predict: world => ({
      ...world,
      servingRequests: world.servingRequests.filter(({ name }) => !requests.some(request => request.name === name)),
    }),
  };
}

/** sh: waits until the kubelet of this machine has asked for its serving certificate, or has one. A request that was answered is an older one's. */
export function awaitServingRequest(kubeconfig: string, node: string): string {
  return `left=60
until [ -e /var/lib/kubelet/pki/kubelet-server-current.pem ] ||
  kubectl --kubeconfig ${sh(kubeconfig)} --request-timeout=5s get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving -o jsonpath='{range .items[*]}{.spec.username} {.status.certificate}{"\\n"}{end}' 2>/dev/null | grep -qx ${sh(`system:node:${node} `)}; do
  [ "$left" -gt 0 ] || { echo 'homelab: the kubelet asked for no serving certificate in 60 s' >&2; exit 1; }
  left=$((left - 1)); sleep 1
done
`;
}
