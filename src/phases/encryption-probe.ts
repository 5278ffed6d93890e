// Proof that Secrets lie encrypted in etcd: one is written through the API server and read from etcd itself.
import { adminKubectl } from '../model/kubectl.ts';
import type { Probe } from '../model/plan.ts';

const expected = 'k8s:enc:secretbox:v1:key';

/** Through the API server of this machine, and that it can read every Secret there is: all control planes must have the same key. */
export function encryptionProbe(host: string, address: string): Probe {
  const kubectl = `${adminKubectl(20)} --server=https://${address}:6443`;
  const secret = `homelab-probe-${host}`;
  const piece = {
    id: 'encryption',
    host,
    title: 'a Secret lies encrypted in etcd',
    expected,
    reproduce: `sudo ${kubectl} create secret generic -n kube-system ${secret} --from-literal=proof=visible, then read /registry/secrets/kube-system/${secret} with etcdctl`,
  };
  return {
    ...piece,
    kind: 'active',
    timeoutMs: 90_000,
    pieces: [piece],
    async run({ exec }) {
      const { code, stdout, stderr } = await exec(host, scriptOf(kubectl, secret), 60_000);
      const observed = code === 0 ? stdout.trim() || 'etcd did not answer' : stderr.trim() || `exit ${code}`;
      return [{ ...piece, observed, ok: observed === expected }];
    },
  };
}

// etcd answers JSON too (its gRPC gateway), so that openssl is all it takes. Only the first bytes of the value are shown.
function scriptOf(kubectl: string, secret: string): string {
  return `folder=$(mktemp -d)
trap '${kubectl} delete secret -n kube-system ${secret} --ignore-not-found >/dev/null; rm -rf "$folder"' EXIT
${kubectl} delete secret -n kube-system ${secret} --ignore-not-found >/dev/null
${kubectl} create secret generic -n kube-system ${secret} --from-literal=proof=visible >/dev/null
${kubectl} get secrets --all-namespaces -o name >/dev/null
printf '{"key":"%s"}' "$(printf %s /registry/secrets/kube-system/${secret} | base64 -w0)" > "$folder/question"
{ printf 'POST /v3/kv/range HTTP/1.0\\r\\nContent-Length: %s\\r\\n\\r\\n' "$(wc -c < "$folder/question")"; cat "$folder/question"; } |
  timeout 10 openssl s_client -quiet -verify_return_error -connect 127.0.0.1:2379 -CAfile /etc/kubernetes/pki/etcd/ca.crt \\
    -cert /etc/kubernetes/pki/etcd/healthcheck-client.crt -key /etc/kubernetes/pki/etcd/healthcheck-client.key 2>/dev/null |
  sed -n 's/.*"value":"\\([A-Za-z0-9+/]\\{32\\}\\).*/\\1/p' | base64 -d | tr -cd '[:print:]'
`;
}
