// What is in a namespace that nobody of ours put there.
import { adminKubectl } from '../model/kubectl.ts';
import { sh } from '../model/shell.ts';

const kubectl = adminKubectl(30);

/** As `get -o name` says it: what the control plane and Istio put into every namespace (istio/istio, namespacecontroller.go), and empty lines. */
const everywhere = [
  'configmap/kube-root-ca.crt',
  'serviceaccount/default',
  'configmap/istio-ca-root-cert',
  'configmap/istio-ca-crl',
  '',
];

/** Of kubectl that does not list all kinds (client-go, ErrGroupDiscoveryFailed): in APIs of metrics there are no objects. */
const unlisted = `sub(/^error: unable to retrieve the complete list of server APIs: /, "") {
  told = 1
  count = split($0, apis, ", ")
  for (each = 1; each <= count; each++) {
    split(apis[each], words, ": ")
    if (words[1] !~ /(^|[.])metrics[.]k8s[.]io\\//) print "objects of " words[1] " (it does not answer)"
  }
}
END {if (!told) print "objects of kinds that the API server does not list"}`;

/**
 * sh: sets $left to what is in a namespace. Events, leases and what every namespace has by itself are nobody's; what cannot be listed may be
 * somebody's, and is named first.
 */
export function findOthers(namespace: string): string {
  return `unlisted=
  kinds=$(${kubectl} api-resources --verbs=list --namespaced -o name 2>&1) || unlisted=$(echo "$kinds" | awk ${sh(unlisted)})
  kinds=$(echo "$kinds" | grep -E '^[a-z0-9.-]+$' | grep -Ev '^(events|leases)([.]|$)|^pods[.]metrics|^endpointslices' | paste -sd, -)
  left=$(${kubectl} get "$kinds" -n ${sh(namespace)} --ignore-not-found -o name 2>/dev/null) || unlisted=\${unlisted:-objects that the API server does not list}
  left=$(printf '%s\\n' "$unlisted" "$left" | grep -vx ${everywhere.map(each => `-e ${sh(each)}`).join(' ')} || true)
`;
}
