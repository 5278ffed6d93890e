// Who should answer and does not: webhooks, aggregated APIs, Services that select nothing, load balancers nobody gives an address.
import type { ObjectOf } from '../objects/kinds.ts';
import {
  conditionOf,
  hasHeld,
  isLeaving,
  isOver,
  isTrue,
  kubectl,
  listed,
  machineEntity,
  oneLine,
  type Pod,
  podEntity,
  word,
} from '../reading.ts';
import type { Entity, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import { stateOf } from './pods.ts';

type Service = ObjectOf<'services'>;

function nameOf({ metadata }: { readonly metadata: { readonly namespace: string; readonly name: string } }): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function selects({ spec }: Service, { metadata }: Pod): boolean {
  const wanted = Object.entries(spec.selector);
  return wanted.length > 0 && wanted.every(([key, value]) => metadata.labels[key] === value);
}

interface Behind {
  readonly answers: boolean;
  readonly pods: readonly Pod[];
  readonly why: string;
  readonly since: string;
}

/** Who stands behind a Service of that name, or why nobody does; undefined where that cannot be told. */
function behind(snapshot: Snapshot): (name: string) => Behind | undefined {
  const services = new Map(objects(snapshot, 'services').map(each => [nameOf(each), each]));
  const endpoints = new Map(objects(snapshot, 'endpoints').map(each => [nameOf(each), each]));
  const pods = objects(snapshot, 'pods');
  const canTell = snapshot.lists.services.state === 'seen' && snapshot.lists.endpoints.state === 'seen';
  return name => {
    if (!canTell) return undefined;
    const service = services.get(name);
    const mine = endpoints.get(name);
    if (!service) return { answers: false, pods: [], why: `there is no Service ${name}`, since: '' };
    const selected = pods.filter(
      pod => pod.metadata.namespace === service.metadata.namespace && !isOver(pod) && selects(service, pod),
    );
    const since =
      mine?.metadata.annotations['endpoints.kubernetes.io/last-change-trigger-time'] ??
      service.metadata.creationTimestamp;
    const why =
      selected.length === 0
        ? `no pod stands behind the Service ${name}`
        : `no pod behind the Service ${name} is ready (${listed(selected.map(pod => `${pod.metadata.name}: ${stateOf(pod)}`))})`;
    const answers =
      mine?.subsets.some(({ addresses }) => addresses.length > 0) === true || service.spec.type === 'ExternalName';
    return { answers, pods: selected, why, since };
  };
}

function entitiesBehind({ pods }: Behind): readonly Entity[] {
  return [
    ...new Set(
      pods.flatMap(pod => [podEntity(pod), ...(pod.spec.nodeName === '' ? [] : [machineEntity(pod.spec.nodeName)])]),
    ),
  ];
}

const webhookUnanswered: Rule = {
  id: 'webhook-unanswered',
  layer: 'workload',
  symptom: 'Creating or changing objects fails with "failed calling webhook".',
  cause: 'The API server must ask a webhook (failurePolicy: Fail), and nobody answers behind its Service.',
  cure: 'Bring the pods of the webhook back; until then its failurePolicy can be Ignore.',
  sources: ['kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers', 'istio/istio#21147'],
  needs: [
    'api.validatingwebhookconfigurations',
    'api.mutatingwebhookconfigurations',
    'api.services',
    'api.endpoints',
    'api.pods',
  ],
  explains: [{ rule: 'pods-not-created', by: 'webhook' }],
  find: snapshot => {
    const find = behind(snapshot);
    const all = [
      ...objects(snapshot, 'validatingwebhookconfigurations').map(each => ({
        kind: 'validatingwebhookconfiguration',
        each,
      })),
      ...objects(snapshot, 'mutatingwebhookconfigurations').map(each => ({
        kind: 'mutatingwebhookconfiguration',
        each,
      })),
    ];
    return all.flatMap(({ kind, each }) =>
      // One configuration has several webhooks of one Service: one finding each Service.
      [
        ...new Set(
          each.webhooks.flatMap(({ clientConfig: { service } }) =>
            service ? [`${service.namespace}/${service.name}`] : [],
          ),
        ),
      ].flatMap((service): readonly Finding[] => {
        const hooks = each.webhooks.filter(
          ({ failurePolicy, clientConfig }) =>
            failurePolicy !== 'Ignore' &&
            clientConfig.service &&
            `${clientConfig.service.namespace}/${clientConfig.service.name}` === service,
        );
        const there = find(service);
        if (hooks.length === 0 || !there || there.answers || !hasHeld(snapshot, there.since, 30)) return [];
        const { name } = each.metadata;
        return [
          {
            says: `The API server must ask the webhook ${listed(hooks.map(hook => hook.name))} (${name}), and nobody answers: ${there.why}`,
            severity: 'error',
            certainty: 'certain',
            about: [
              `webhook:${name}`,
              ...hooks.map((hook): Entity => `webhook:${hook.name}`).filter(entity => entity !== `webhook:${name}`),
              `service:${service}`,
              ...entitiesBehind(there),
            ],
            ...(there.since === '' ? {} : { since: there.since }),
            evidence: [
              {
                says: there.why,
                from: `API: endpoints ${service}`,
                again: `kubectl -n ${word(service.split('/')[0] ?? '')} get endpoints ${word(service.split('/')[1] ?? '')}`,
              },
              {
                says: 'failurePolicy: Fail',
                from: `API: ${kind} ${name}`,
                again: `kubectl get ${kind} ${word(name)} -o yaml`,
              },
            ],
            cure: [
              `kubectl -n ${word(service.split('/')[0] ?? '')} get pods -o wide`,
              `until they are back: kubectl patch ${kind} ${word(name)} --type=json -p '[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]'`,
            ],
          },
        ];
      }),
    );
  },
};

const x509 = /x509: .*/;

const apiServiceUnavailable: Rule = {
  id: 'apiservice-unavailable',
  layer: 'workload',
  symptom:
    'kubectl top or an autoscaler gets no numbers, or kubectl prints "couldn\'t get resource list"; namespaces stay Terminating.',
  cause:
    'An API that another server adds to the cluster does not answer: its pods are not ready, or the API server does not accept its certificate.',
  cure: 'Bring the pods of that server back; of metrics-server with x509 let the kubelets have serving certificates of the cluster (serverTLSBootstrap).',
  sources: [
    'kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer',
    'kubernetes-sigs/metrics-server KNOWN_ISSUES.md',
  ],
  needs: ['api.apiservices', 'api.services', 'api.endpoints', 'api.pods'],
  explains: [
    { rule: 'autoscaler-blind', by: 'object' },
    { rule: 'namespace-terminating', by: 'everything' },
  ],
  find: snapshot => {
    const find = behind(snapshot);
    return objects(snapshot, 'apiservices').flatMap((each): readonly Finding[] => {
      const condition = conditionOf(each, 'Available');
      const { service } = each.spec;
      if (!service || condition?.status !== 'False' || !hasHeld(snapshot, condition.lastTransitionTime, 60)) return [];
      const name = `${service.namespace}/${service.name}`;
      const there = find(name);
      const pods = there?.pods.map(nameOf) ?? [];
      const line = snapshot.logs
        .filter(({ pod }) => pods.includes(pod))
        .flatMap(({ lines }) => lines)
        .findLast(text => x509.test(text));
      const why =
        line === undefined
          ? there && !there.answers
            ? there.why
            : oneLine(condition.message || condition.reason, 200)
          : `its server says ${oneLine(x509.exec(line)?.[0] ?? line, 160)}`;
      return [
        {
          says: `The API ${each.metadata.name} does not answer: ${why}`,
          severity: 'error',
          certainty: 'certain',
          about: [
            `object:apiservice/${each.metadata.name}`,
            `service:${name}`,
            ...(there ? entitiesBehind(there) : []),
          ],
          since: condition.lastTransitionTime,
          evidence: [
            {
              says: `Available=False, ${condition.reason}: ${oneLine(condition.message)}`,
              from: `API: apiservice ${each.metadata.name}`,
              again: `kubectl describe apiservice ${word(each.metadata.name)}`,
            },
            ...(line === undefined
              ? []
              : [
                  {
                    says: oneLine(line),
                    from: `log of ${listed(pods)}`,
                    again: `kubectl -n ${word(service.namespace)} logs deploy/${word(service.name)} --tail=20`,
                  },
                ]),
          ],
          cure: [
            `kubectl -n ${word(service.namespace)} get pods,endpoints -o wide`,
            ...(line === undefined
              ? []
              : [
                  'serverTLSBootstrap: true in /var/lib/kubelet/config.yaml of each machine, restart the kubelet, approve its request: kubectl get csr; kubectl certificate approve NAME',
                ]),
          ],
        },
      ];
    });
  },
};

/** Off by a typo, not another version: two letters at most, and not only a number. */
export function isNear(one: string, other: string): boolean {
  if (one === other || Math.min(one.length, other.length) < 3) return false;
  if (one.replaceAll(/\d+/g, '') === other.replaceAll(/\d+/g, '')) return false;
  if (one.toLowerCase() === other.toLowerCase()) return true;
  // Of short words, one letter makes another word; only letters that changed places are a slip.
  if (Math.min(one.length, other.length) < 5) return [...one].sort().join('') === [...other].sort().join('');
  return distance(one, other) <= 2;
}

function distance(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > 2) return 3;
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 3;
}

/** Pods that one label keeps from being selected, and which. */
function nearMiss({ spec }: Service, pods: readonly Pod[]): { readonly pod: Pod; readonly label: string } | undefined {
  const wanted = Object.entries(spec.selector);
  for (const pod of pods) {
    const { labels } = pod.metadata;
    const [wrong, ...more] = wanted.filter(([key, value]) => labels[key] !== value);
    if (wrong === undefined || more.length > 0) continue;
    const [key, value] = wrong;
    const has = labels[key];
    if (has !== undefined && isNear(has, value)) return { pod, label: `${key}=${has}` };
    const other = Object.entries(labels).find(([mine, theirs]) => theirs === value && isNear(mine, key));
    if (other) return { pod, label: other.join('=') };
  }
  return undefined;
}

const selectsNothing: Rule = {
  id: 'service-selects-nothing',
  layer: 'workload',
  symptom: 'Connections to a Service are refused or time out although its pods run.',
  cause: 'The selector of the Service matches no pod: mostly a label is written differently in the two.',
  cure: 'Write the selector as the labels of the pods are.',
  sources: [
    'kubernetes.io/docs/tasks/debug/debug-application/debug-service',
    'k8sgpt-ai/k8sgpt pkg/analyzer/service.go',
  ],
  needs: ['api.services', 'api.pods', 'api.endpoints'],
  explains: [],
  find: snapshot => {
    const pods = objects(snapshot, 'pods').filter(pod => !isOver(pod) && !isLeaving(pod));
    const endpoints = new Map(objects(snapshot, 'endpoints').map(each => [nameOf(each), each]));
    const byNamespace = new Map<string, Pod[]>();
    for (const pod of pods) {
      const { namespace } = pod.metadata;
      const mine = byNamespace.get(namespace);
      if (mine) mine.push(pod);
      else byNamespace.set(namespace, [pod]);
    }
    if (snapshot.lists.pods.state !== 'seen') return [];
    return objects(snapshot, 'services').flatMap((service): readonly Finding[] => {
      const { spec, metadata } = service;
      if (Object.keys(spec.selector).length === 0 || spec.type === 'ExternalName') return [];
      const there = byNamespace.get(metadata.namespace) ?? [];
      if (there.some(pod => selects(service, pod)) || !hasHeld(snapshot, metadata.creationTimestamp, 30)) return [];
      // Somebody may write its endpoints by hand.
      if (endpoints.get(nameOf(service))?.subsets.some(({ addresses }) => addresses.length > 0)) return [];
      const selector = Object.entries(spec.selector)
        .map(pair => pair.join('='))
        .join(',');
      const near = nearMiss(
        service,
        there.filter(pod => isTrue(pod, 'Ready')),
      );
      return [
        {
          says: near
            ? `The Service ${nameOf(service)} selects ${selector} and finds no pod: ${near.pod.metadata.name} has ${near.label}`
            : `The Service ${nameOf(service)} selects ${selector}, and no pod has these labels`,
          // Without a near miss it may be meant so: scaled to zero, or for a part that is not installed.
          severity: near ? 'error' : 'note',
          certainty: near ? 'likely' : 'certain',
          ...(near
            ? {
                settledBy: `whether ${near.pod.metadata.name} is meant: ${kubectl('get', 'pod', near.pod, '--show-labels')}`,
              }
            : {}),
          about: [`service:${nameOf(service)}`, ...(near ? [podEntity(near.pod)] : [])],
          evidence: [
            {
              says: `selector ${selector}`,
              from: `API: service ${nameOf(service)}`,
              again: kubectl('get', 'service', service, '-o wide'),
            },
            ...(near
              ? [
                  {
                    says: `label ${near.label}`,
                    from: `API: pod ${nameOf(near.pod)}`,
                    again: kubectl('get', 'pod', near.pod, '--show-labels'),
                  },
                ]
              : []),
          ],
          cure: [
            near
              ? `write ${near.label} in the selector, or the selector's label on the pods: ${kubectl('edit', 'service', service)}`
              : `kubectl -n ${word(metadata.namespace)} get pods --show-labels`,
          ],
        },
      ];
    });
  },
};

const balancerPending: Rule = {
  id: 'load-balancer-pending',
  layer: 'workload',
  symptom: 'A Service of type LoadBalancer shows EXTERNAL-IP <pending>.',
  cause: 'Nobody gives out addresses: bare machines need something for it (Cilium LB-IPAM, MetalLB).',
  cure: 'Install what gives addresses, or use a NodePort; helm --wait waits for an address.',
  sources: ['kubernetes.io/docs/concepts/services-networking/service (loadbalancer)', 'helm/helm pkg/kube/ready.go'],
  needs: ['api.services'],
  explains: [],
  find: snapshot =>
    objects(snapshot, 'services').flatMap((service): readonly Finding[] => {
      const { spec, status, metadata } = service;
      if (spec.type !== 'LoadBalancer' || status.loadBalancer.ingress.length > 0 || isLeaving(service)) return [];
      if (!hasHeld(snapshot, metadata.creationTimestamp, 60)) return [];
      return [
        {
          says: `The Service ${nameOf(service)} waits for an address that nobody gives out; its node ports work meanwhile`,
          severity: 'note',
          certainty: 'certain',
          about: [`service:${nameOf(service)}`],
          evidence: [
            {
              says: 'status.loadBalancer is empty',
              from: `API: service ${nameOf(service)}`,
              again: kubectl('get', 'service', service),
            },
          ],
          cure: ['Cilium: a CiliumLoadBalancerIPPool; otherwise MetalLB; or type: NodePort'],
        },
      ];
    }),
};

export const servingRules: readonly Rule[] = [webhookUnanswered, apiServiceUnavailable];
export const serviceRules: readonly Rule[] = [selectsNothing, balancerPending];
