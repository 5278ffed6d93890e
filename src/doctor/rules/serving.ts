// Who should answer the API server and does not: webhooks and aggregated APIs.
import { nameOf } from '../objects/common.ts';
import {
  begun,
  conditionOf,
  hasHeld,
  isOver,
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
import { selectsPod } from './services.ts';

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
      pod => pod.metadata.namespace === service.metadata.namespace && !isOver(pod) && selectsPod(service, pod),
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
            ...begun(there.since),
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

export const servingRules: readonly Rule[] = [webhookUnanswered, apiServiceUnavailable];
