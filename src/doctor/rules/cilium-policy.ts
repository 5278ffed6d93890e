// Cilium's policies: a pod that fails because it may not go out.
import type { CiliumEgress, CiliumRule } from '../objects/cilium.ts';
import type { Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import {
  containerStates,
  crashes,
  fails,
  linesOf,
  logEvidence,
  type Pod,
  podEntity,
  podName,
  said,
  selects,
} from './installed.ts';

interface Applied {
  readonly policy: string;
  readonly kind: 'ciliumnetworkpolicy' | 'ciliumclusterwidenetworkpolicy';
  /** The policy's own; none of one for the whole cluster. */
  readonly namespace: string;
  readonly rule: CiliumRule;
}

/** Of a pod's name in a policy: 'k8s:app' and 'any:app' are its label app. */
function bare<T>(labels: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [withoutSource(name), value]));
}
const withoutSource = (name: string) => name.replace(/^(k8s|any)[:.]/, '');

/** What Cilium knows of a pod: its labels and its namespace. */
function identity({ metadata }: Pod): Record<string, string> {
  return { ...metadata.labels, 'io.kubernetes.pod.namespace': metadata.namespace };
}

function matches(selector: CiliumRule['endpointSelector'], labels: Readonly<Record<string, string>>): boolean {
  if (!selector) return true;
  return selects(
    {
      matchLabels: bare(selector.matchLabels),
      matchExpressions: selector.matchExpressions.map(each => ({ ...each, key: withoutSource(each.key) })),
    },
    labels,
  );
}

/** Policies that put this pod's way out under their rule. */
function applied(snapshot: Snapshot, pod: Pod): readonly Applied[] {
  const labels = identity(pod);
  const own = objects(snapshot, 'ciliumnetworkpolicies')
    .filter(({ metadata }) => metadata.namespace === pod.metadata.namespace)
    .map(policy => ({ policy, kind: 'ciliumnetworkpolicy' as const }));
  const wide = objects(snapshot, 'ciliumclusterwidenetworkpolicies').map(policy => ({
    policy,
    kind: 'ciliumclusterwidenetworkpolicy' as const,
  }));
  return [...own, ...wide].flatMap(({ policy: { metadata, spec, specs }, kind }) =>
    [...(spec ? [spec] : []), ...specs]
      .filter(rule => rule.egress !== undefined && rule.egress !== null && rule.enableDefaultDeny?.egress !== false)
      .filter(rule => matches(rule.endpointSelector, labels))
      .map(rule => ({
        policy: metadata.namespace === '' ? metadata.name : `${metadata.namespace}/${metadata.name}`,
        kind,
        namespace: metadata.namespace,
        rule,
      })),
  );
}

function hasPort({ toPorts }: CiliumEgress, port: string): boolean {
  return (
    toPorts.length === 0 ||
    toPorts.some(({ ports }) => ports.length === 0 || ports.some(each => each.port === port || each.port === '0'))
  );
}

function isAnywhere({ toEntities, toEndpoints, toFQDNs, toCIDR, toCIDRSet, toServices }: CiliumEgress): boolean {
  return (
    toEntities.length + toEndpoints.length + toFQDNs.length + toCIDR.length + toCIDRSet.length + toServices.length === 0
  );
}

function letsOut(rule: CiliumEgress): boolean {
  const { toEntities, toFQDNs, toCIDR, toCIDRSet } = rule;
  const isWorld =
    toEntities.some(each => /^(world|world-ipv4|all)$/.test(each)) ||
    toFQDNs.length > 0 ||
    // Some addresses outside: which ones the pod needs is not known.
    toCIDR.length > 0 ||
    toCIDRSet.length > 0;
  return (isWorld || (isAnywhere(rule) && rule.toPorts.length > 0)) && hasPort(rule, '443');
}

const dnsPod = { 'k8s-app': 'kube-dns', 'io.kubernetes.pod.namespace': 'kube-system' };

function letsAsk(rule: CiliumEgress, namespace: string): boolean {
  const isDns =
    rule.toEntities.some(each => /^(cluster|all)$/.test(each)) ||
    rule.toEndpoints.some(selector => {
      // Without a namespace a selector means the policy's own, of a policy for the whole cluster every one.
      const labels = bare(selector?.matchLabels ?? {});
      const named = Object.keys(labels).some(
        name => name.startsWith('io.kubernetes.pod.namespace') || name.startsWith('io.cilium.k8s.namespace'),
      );
      const hasExpression =
        selector?.matchExpressions.some(({ key }) => withoutSource(key).startsWith('io.kubernetes.pod.namespace')) ??
        false;
      if (!named && !hasExpression && namespace !== '' && namespace !== 'kube-system') return false;
      const { 'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': other, ...rest } = labels;
      return (
        (other === undefined || other === 'kube-system') &&
        matches({ matchLabels: rest, matchExpressions: selector?.matchExpressions ?? [] }, dnsPod)
      );
    }) ||
    rule.toServices.some(({ k8sService }) => k8sService?.serviceName === 'kube-dns') ||
    rule.toCIDR.length > 0 ||
    rule.toCIDRSet.length > 0;
  return (isDns || (isAnywhere(rule) && rule.toPorts.length > 0)) && hasPort(rule, '53');
}

const nameFails =
  /UnknownHostException|Temporary failure in name resolution|EAI_AGAIN|ENOTFOUND|no such host|Could not resolve host|getaddrinfo|server misbehaving|lookup .*(i\/o timeout|timed out)/i;
/** Of a host outside: those of the cluster have other rules. */
const wayFails =
  /^(?!.*(\blookup |\.svc\b|:(3306|5432|6379|27017|9092)\b)).*(ConnectTimeoutException|connect(ion)? timed out|SocketTimeoutException|HttpTimeoutException|i\/o timeout|ETIMEDOUT|context deadline exceeded|Operation timed out|No route to host|Client\.Timeout)/i;

export const egressBlocked: Rule = {
  id: 'egress-denied',
  layer: 'network',
  symptom: 'A pod crashes or is never ready, and says that a host outside cannot be reached or its name not be found.',
  cause:
    "A CiliumNetworkPolicy names what the pod may reach, and neither the world's port 443 (or the cluster's DNS) is among it.",
  cure: 'Add an egress rule: DNS to kube-dns, and toEntities: [world] (better toFQDNs) with port 443.',
  sources: [
    'cilium.io: security/policy/language (entities, DNS based)',
    'cilium.io: security/policy/intro (default deny)',
  ],
  needs: ['api.ciliumnetworkpolicies', 'api.ciliumclusterwidenetworkpolicies', 'api.pods'],
  explains: [
    { rule: 'container-crashing', by: 'pod' },
    { rule: 'liveness-killed', by: 'pod' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  find(snapshot) {
    const failing = objects(snapshot, 'pods').filter(pod => fails(snapshot, pod) && !wasKilledForMemory(pod));
    const found = failing.flatMap(pod => {
      const finding = deniedFor(snapshot, pod);
      return finding ? [finding] : [];
    });
    // Replicas of one workload are one finding.
    const bySentence = new Map<string, Finding>();
    for (const { key, finding } of found) {
      const before = bySentence.get(key);
      bySentence.set(key, before ? { ...before, about: [...before.about, finding.about[0]] } : finding);
    }
    return [...bySentence.values()];
  },
};

function wasKilledForMemory(pod: Pod): boolean {
  return containerStates(pod).some(
    ({ state, lastState }) =>
      state.terminated?.reason === 'OOMKilled' ||
      (state.waiting !== undefined && lastState.terminated?.reason === 'OOMKilled'),
  );
}

function deniedFor(snapshot: Snapshot, pod: Pod): { readonly key: string; readonly finding: Finding } | undefined {
  const policies = applied(snapshot, pod);
  const [first] = policies;
  if (!first) return undefined;
  const egress = policies.flatMap(({ rule }) => rule.egress ?? []);
  const asks = policies.some(({ rule, namespace }) => rule.egress?.some(each => letsAsk(each, namespace)));
  const goesOut = egress.some(letsOut);
  const noName = said(snapshot, pod, nameFails);
  const noWay = said(snapshot, pod, wayFails);
  const isSilent = linesOf(snapshot, pod).length === 0;
  // It says something else: this is not why.
  if (!isSilent && !noName && !noWay) return undefined;
  // Out of silence nobody is accused who merely is not ready.
  if (isSilent && !crashes(pod)) return undefined;
  const lacks =
    !asks && (noName || isSilent)
      ? 'dns'
      : !goesOut && (noWay || isSilent || !dnsFails(snapshot))
        ? 'world'
        : undefined;
  if (lacks === undefined) return undefined;
  const line = lacks === 'dns' ? (noName ?? noWay) : (noWay ?? noName);
  const name = first.policy.split('/').at(-1);
  const where = first.namespace === '' ? '' : ` -n ${first.namespace}`;
  const what = lacks === 'dns' ? "the cluster's DNS (kube-dns, port 53)" : 'port 443 outside of the cluster (world)';
  const owner = pod.metadata.ownerReferences[0]?.name ?? pod.metadata.name;
  return {
    key: `${pod.metadata.namespace}/${owner} ${lacks}`,
    finding: {
      says: `${podName(pod)} ${crashes(pod) ? 'crashes' : 'is not ready'} because it may not reach ${what}: the policy ${first.policy} allows it ${egress.length === 0 ? 'nothing' : 'other ways only'}`,
      severity: 'error',
      certainty: (lacks === 'dns' ? noName : noWay) ? 'likely' : 'possible',
      settledBy: `hubble observe --since 10m --pod ${podName(pod)} --verdict DROPPED   (POLICY_DENIED to ${lacks === 'dns' ? 'kube-dns:53' : 'world:443'} = this)`,
      about: [podEntity(pod), `object:${first.policy}`, `namespace:${pod.metadata.namespace}`],
      evidence: [
        ...(line ? [logEvidence(pod, line)] : []),
        {
          says: `egress of ${policies.map(({ policy }) => policy).join(', ')}: no rule leads to ${what}`,
          from: first.kind === 'ciliumnetworkpolicy' ? 'CiliumNetworkPolicy' : 'CiliumClusterwideNetworkPolicy',
          again: `kubectl get ${first.kind}${where} ${name} -o yaml`,
        },
      ],
      cure: [
        `kubectl patch ${first.kind}${where} ${name} --type json -p '[{"op":"add","path":"/spec/egress/-","value":${JSON.stringify(
          lacks === 'dns' ? dnsRule : worldRule,
        )}}]'`,
        'Put the same into the Git repository it comes from, or Argo CD takes it back',
      ],
    },
  };
}

/** Then a name that is not found says nothing of a policy. */
function dnsFails(snapshot: Snapshot): boolean {
  const dns = objects(snapshot, 'pods').filter(({ metadata }) => metadata.labels['k8s-app'] === 'kube-dns');
  return dns.length === 0 || dns.every(pod => fails(snapshot, pod));
}

const worldRule = { toEntities: ['world'], toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }] };
const dnsRule = {
  toEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s:k8s-app': 'kube-dns' } }],
  toPorts: [{ ports: [{ port: '53', protocol: 'ANY' }], rules: { dns: [{ matchPattern: '*' }] } }],
};
