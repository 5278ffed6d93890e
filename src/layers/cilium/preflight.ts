// Cilium's own preflight: the new version's images are on every machine and its policies are understood before the old one is stopped.
import type { JsonObject } from '../../model/cluster.ts';
import { adminKubectl } from '../../model/kubectl.ts';
import { command, printing } from '../../model/shell.ts';
import { merged } from '../values.ts';

const kubectl = adminKubectl(30);
const name = 'cilium-preflight';
/** An image of some hundred MB on every machine, over a home's line. */
const rounds = 180;

/** What it takes along of the release's values: who may pull images, and where the API is without kube-proxy. */
const kept = ['imagePullSecrets', 'k8sServiceHost', 'k8sServicePort'];

/** docs.cilium.io/en/stable/operations/upgrade, Running pre-flight check. */
export function ciliumPreflight(values: JsonObject): string {
  const own = {
    ...Object.fromEntries(kept.flatMap(key => (values[key] === undefined ? [] : [[key, values[key]]]))),
    // The agent's own image under another key: whoever has the one from elsewhere has the other from there.
    preflight: merged(
      { image: values['image'] ?? {} },
      { ...(values['preflight'] as JsonObject | undefined), enabled: true },
    ),
    agent: false,
    operator: { enabled: false },
  };
  const remove = `"$helm" ${command('uninstall', name, '--namespace', 'kube-system')} >/dev/null 2>&1 || true`;
  return `${remove}
{
${printing(JSON.stringify(own))}} >"$work/preflight.json"
"$helm" ${command('upgrade', '--install', name, '--namespace', 'kube-system', '--skip-crds')} --values "$work/preflight.json" "$@" >/dev/null
ready=
for _ in $(seq ${rounds}); do
  agents=$(${kubectl} get -n kube-system daemonset cilium -o jsonpath='{.status.numberReady}')
  checked=$(${kubectl} get -n kube-system daemonset cilium-pre-flight-check -o jsonpath='{.status.numberReady}')
  policies=$(${kubectl} get -n kube-system deployment cilium-pre-flight-check -o jsonpath='{.status.readyReplicas}')
  [ "\${checked:-0}" -lt "\${agents:-1}" ] || [ "\${policies:-0}" -lt 1 ] || { ready=1; break; }
  sleep 5
done
said=$(${kubectl} get pods -n kube-system -l 'k8s-app in (cilium-pre-flight-check,cilium-pre-flight-check-deployment)' --no-headers 2>/dev/null | awk '$2 != "1/1" && $2 != "2/2" {print "waits: " $1, $3}' | head -n 10)
${remove}
[ -n "$ready" ] || { echo "$said" >&2; echo 'homelab: the preflight of Cilium is not ready' >&2; exit 1; }
`;
}
