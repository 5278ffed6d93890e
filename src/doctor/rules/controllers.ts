// Pods that are not even made: nothing is Pending, something is missing. And what keeps namespaces and drains from their end.

import { grouped } from '../../model/grouped.ts';
import { parseQuantity } from '../../model/quantities.ts';
import { nameOf } from '../objects/common.ts';
import type { ObjectOf } from '../objects/kinds.ts';
import {
  begun,
  conditionOf,
  eventEvidence,
  eventsOf,
  hasHeld,
  kubectl,
  lastSeen,
  listed,
  oneLine,
  word,
} from '../reading.ts';
import type { Entity, Evidence, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';

type Workload = ObjectOf<'deployments'>;

interface Refused {
  readonly kind: 'deployment' | 'statefulset' | 'daemonset';
  readonly workload: Workload;
  readonly message: string;
  readonly since: string;
  readonly evidence: Evidence;
}

/** Controllers that want pods which the API server does not let them make. */
function refused(snapshot: Snapshot): readonly Refused[] {
  const events = eventsOf(snapshot);
  const deployments = objects(snapshot, 'deployments').flatMap((workload): readonly Refused[] => {
    const condition = conditionOf(workload, 'ReplicaFailure');
    if (condition?.status !== 'True' || !hasHeld(snapshot, condition.lastTransitionTime, 30)) return [];
    const { message, lastTransitionTime } = condition;
    const evidence = {
      says: `ReplicaFailure: ${oneLine(message)}`,
      from: `API: deployment ${nameOf(workload)}`,
      again: kubectl('describe', 'deployment', workload),
    };
    return [{ kind: 'deployment', workload, message, since: lastTransitionTime, evidence }];
  });
  const fromEvents = (kind: 'statefulset' | 'daemonset', all: readonly Workload[]): readonly Refused[] =>
    all.flatMap((workload): readonly Refused[] => {
      const { spec, status } = workload;
      const lacks =
        kind === 'daemonset'
          ? status.numberReady < status.desiredNumberScheduled
          : status.replicas < (spec.replicas ?? 1);
      const mine = events(workload);
      const failure = mine.findLast(({ reason }) => reason === 'FailedCreate');
      const success = mine.findLast(({ reason }) => reason === 'SuccessfulCreate');
      // The controller asks again within 17 minutes at most.
      if (!lacks || !failure || hasHeld(snapshot, lastSeen(failure), 1200)) return [];
      if (success && Date.parse(lastSeen(success)) > Date.parse(lastSeen(failure))) return [];
      const { message, firstTimestamp } = failure;
      return [{ kind, workload, message, since: firstTimestamp, evidence: eventEvidence(failure, workload) }];
    });
  return [
    ...deployments,
    ...fromEvents('statefulset', objects(snapshot, 'statefulsets')),
    ...fromEvents('daemonset', objects(snapshot, 'daemonsets')),
  ];
}

/** What the API server says, Kubernetes 1.24 to 1.36. */
const wording = {
  quota: /exceeded quota: ([^,\s]+)/,
  security: /violates PodSecurity "([^"]+)": ([\s\S]*)/,
  account: /serviceaccount "([^"]+)" not found/,
  webhook: /failed calling webhook "([^"]+)"|admission webhook "([^"]+)" denied the request/,
};

function finding(
  { kind, workload, since, evidence }: Refused,
  rest: Pick<Finding, 'says' | 'cure'>,
  more: readonly Entity[] = [],
): Finding {
  return {
    severity: 'error',
    certainty: 'certain',
    about: [`workload:${nameOf(workload)}`, `namespace:${workload.metadata.namespace}`, ...more],
    ...begun(since),
    evidence: [
      evidence,
      {
        says: `${workload.status.replicas} of ${workload.spec.replicas ?? 1} replicas`,
        from: `API: ${kind} ${nameOf(workload)}`,
        again: kubectl('get', kind, workload),
      },
    ].slice(0, kind === 'daemonset' ? 1 : 2),
    ...rest,
  };
}

const needs = ['api.deployments', 'api.statefulsets', 'api.daemonsets', 'api.events'] as const;

const byQuota: Rule = {
  id: 'pods-refused-by-quota',
  layer: 'workload',
  symptom: 'A deployment has fewer pods than it wants, and nothing is Pending.',
  cause: 'The ResourceQuota of the namespace is used up, so the API server refuses new pods.',
  cure: 'Raise the quota, or let the pods of the namespace ask for less.',
  sources: ['kubernetes.io/docs/concepts/policy/resource-quotas'],
  needs: [...needs, 'api.resourcequotas'],
  explains: [],
  find: snapshot => {
    const quotas = objects(snapshot, 'resourcequotas');
    return refused(snapshot).flatMap((each): readonly Finding[] => {
      const name = wording.quota.exec(each.message)?.[1];
      if (name === undefined) return [];
      const { namespace } = each.workload.metadata;
      const quota = quotas.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
      const full = quota ? fullOf(quota) : [];
      return [
        finding(each, {
          says: `The quota ${name} of ${namespace} lets ${nameOf(each.workload)} make no more pods${full.length > 0 ? `: ${listed(full)}` : ''}`,
          cure: [
            `kubectl -n ${word(namespace)} describe resourcequota ${word(name)}`,
            'raise spec.hard of the quota, or lower the requests of what runs in the namespace',
          ],
        }),
      ];
    });
  },
};

function fullOf({ status: { hard, used } }: ObjectOf<'resourcequotas'>): readonly string[] {
  return Object.entries(hard).flatMap(([resource, most]) => {
    const now = used[resource];
    const isFull = now !== undefined && parseQuantity(most) > 0 && parseQuantity(now) >= parseQuantity(most);
    return isFull ? [`${resource} ${now} of ${most}`] : [];
  });
}

const bySecurity: Rule = {
  id: 'pods-refused-by-security',
  layer: 'workload',
  symptom: 'A deployment or daemon set makes no pods after a change or a restart, and nothing is Pending.',
  cause: 'The Pod Security level of the namespace forbids what the pod asks for; pods from before stay until they end.',
  cure: "Set the pod's securityContext as the level wants it, or give the namespace another level.",
  sources: ['kubernetes.io/docs/concepts/security/pod-security-admission'],
  needs,
  explains: [],
  find: snapshot =>
    refused(snapshot).flatMap((each): readonly Finding[] => {
      const [, level, why = ''] = wording.security.exec(each.message) ?? [];
      if (level === undefined) return [];
      const { namespace } = each.workload.metadata;
      return [
        finding(each, {
          says: `The Pod Security level ${level} of ${namespace} forbids the pods of ${nameOf(each.workload)}: ${oneLine(why, 160)}`,
          cure: [
            `set securityContext in ${each.kind} ${nameOf(each.workload)} as the message says`,
            `or, when it has to be so: kubectl label namespace ${word(namespace)} pod-security.kubernetes.io/enforce=privileged --overwrite`,
          ],
        }),
      ];
    }),
};

const accountMissing: Rule = {
  id: 'service-account-missing',
  layer: 'workload',
  symptom: 'A deployment makes no pods, and its events say "serviceaccount ... not found".',
  cause: 'Its pods name a service account that the namespace does not have.',
  cure: 'Make the service account, or correct its name.',
  sources: ['kubernetes.io/docs/tasks/configure-pod-container/configure-service-account'],
  needs,
  explains: [],
  find: snapshot =>
    refused(snapshot).flatMap((each): readonly Finding[] => {
      const name = wording.account.exec(each.message)?.[1];
      if (name === undefined) return [];
      const { namespace } = each.workload.metadata;
      return [
        finding(each, {
          says: `${nameOf(each.workload)} makes no pods: ${namespace} has no service account ${name}`,
          cure: [
            `kubectl -n ${word(namespace)} get serviceaccounts`,
            `kubectl -n ${word(namespace)} create serviceaccount ${word(name)}, or correct serviceAccountName`,
          ],
        }),
      ];
    }),
};

const notCreated: Rule = {
  id: 'pods-not-created',
  layer: 'workload',
  symptom: 'A deployment has fewer pods than it wants, and nothing is Pending.',
  cause: 'The API server refuses the pods; its words stand in the condition ReplicaFailure or the event FailedCreate.',
  cure: 'Do what the message says.',
  sources: ['kubernetes.io/docs/concepts/workloads/controllers/deployment (failed deployment)'],
  needs,
  explains: [],
  symptomOnly: true,
  find: snapshot =>
    refused(snapshot).flatMap((each): readonly Finding[] => {
      const { message, workload, kind } = each;
      if (wording.quota.test(message) || wording.security.test(message) || wording.account.test(message)) return [];
      const [, silent, denied] = wording.webhook.exec(message) ?? [];
      const hook = silent ?? denied;
      return [
        finding(
          each,
          {
            says: `${nameOf(workload)} makes no pods: ${silent === undefined ? oneLine(message, 200) : `the webhook ${silent} does not answer`}`,
            cure: [kubectl('describe', kind, workload)],
          },
          hook === undefined ? [] : [`webhook:${hook}`],
        ),
      ];
    }),
};

const quotaFull: Rule = {
  id: 'quota-full',
  layer: 'workload',
  symptom: 'The next pod of a namespace will be refused.',
  cause: 'Its ResourceQuota is used up.',
  cure: 'Raise the quota before it is needed.',
  sources: ['kubernetes.io/docs/concepts/policy/resource-quotas'],
  needs: ['api.resourcequotas'],
  explains: [],
  find: snapshot =>
    objects(snapshot, 'resourcequotas').flatMap((quota): readonly Finding[] => {
      const full = fullOf(quota);
      const { namespace, name } = quota.metadata;
      return full.length === 0
        ? []
        : [
            {
              says: `The quota ${name} of ${namespace} is used up: ${listed(full)}`,
              severity: 'note',
              certainty: 'certain',
              about: [`object:resourcequota/${namespace}/${name}`],
              evidence: [
                {
                  says: full.join('; '),
                  from: `API: resourcequota ${namespace}/${name}`,
                  again: kubectl('describe', 'resourcequota', quota),
                },
              ],
              cure: ['raise spec.hard, or end what is not needed there'],
            },
          ];
    }),
};

const namespaceTerminating: Rule = {
  id: 'namespace-terminating',
  layer: 'workload',
  symptom: 'A namespace stays Terminating.',
  cause:
    'Something in it has a finalizer that nobody takes off, or an API of the cluster does not answer, so that nobody knows what is left in it.',
  cure: 'Bring the API back, or see whose finalizer it is; its controller must run to take it off.',
  sources: ['kubernetes/kubernetes#60807', 'kubernetes.io/docs/concepts/overview/working-with-objects/finalizers'],
  needs: ['api.namespaces'],
  explains: [],
  find: snapshot =>
    objects(snapshot, 'namespaces').flatMap((namespace): readonly Finding[] => {
      const { name, deletionTimestamp } = namespace.metadata;
      if (namespace.status.phase !== 'Terminating' || !hasHeld(snapshot, deletionTimestamp, 300)) return [];
      const bad = namespace.status.conditions.filter(({ status }) => status === 'True');
      const why =
        bad.find(({ type }) => type === 'NamespaceDeletionDiscoveryFailure') ??
        bad.find(({ type }) => type === 'NamespaceFinalizersRemaining') ??
        bad[0];
      return [
        {
          says: `The namespace ${name} stays Terminating since ${deletionTimestamp}${why ? `: ${oneLine(why.message, 200)}` : ''}`,
          severity: 'error',
          certainty: 'certain',
          about: [`namespace:${name}`],
          ...begun(deletionTimestamp),
          evidence: bad.slice(0, 3).map(({ type, message }) => ({
            says: `${type}: ${oneLine(message)}`,
            from: `API: namespace ${name}`,
            again: `kubectl get namespace ${word(name)} -o yaml`,
          })),
          cure: [
            'kubectl get apiservices (one that is not Available stops every deletion)',
            `kubectl api-resources --verbs=list --namespaced -o name | xargs -n1 kubectl -n ${word(name)} get --ignore-not-found --show-kind`,
          ],
        },
      ];
    }),
};

const budgetNeverAllows: Rule = {
  id: 'budget-never-allows',
  layer: 'workload',
  symptom: 'A drain waits and says "Cannot evict pod as it would violate the pod\'s disruption budget".',
  cause: 'The disruption budget asks for as many pods as there are, so that none may ever go by itself.',
  cure: 'Let one more replica run, or let the budget allow one to be away.',
  sources: ['kubernetes.io/docs/tasks/run-application/configure-pdb'],
  needs: ['api.poddisruptionbudgets'],
  explains: [],
  find: snapshot => {
    const never = objects(snapshot, 'poddisruptionbudgets').filter(
      ({ status }) =>
        status.disruptionsAllowed === 0 && status.expectedPods > 0 && status.currentHealthy >= status.expectedPods,
    );
    return grouped(never, ({ metadata }) => metadata.namespace).map((group): Finding => {
      const [first, ...more] = group.map((each): Entity => `object:poddisruptionbudget/${nameOf(each)}`);
      return {
        says: `The disruption budget ${listed(group.map(nameOf))} lets no pod go although all are healthy: a drain will wait for ever`,
        severity: 'note',
        certainty: 'certain',
        about: [first ?? `namespace:${group[0].metadata.namespace}`, ...more],
        evidence: group.slice(0, 3).map(each => ({
          says: `${each.status.currentHealthy} healthy, ${each.status.desiredHealthy} wanted, 0 may go`,
          from: `API: poddisruptionbudget ${nameOf(each)}`,
          again: kubectl('get', 'poddisruptionbudget', each),
        })),
        cure: ['one replica more, or maxUnavailable: 1 in the budget'],
      };
    });
  },
};

export const controllerRules: readonly Rule[] = [byQuota, bySecurity, accountMissing];
export const notCreatedRule: Rule = notCreated;
export const housekeepingRules: readonly Rule[] = [namespaceTerminating, quotaFull, budgetNeverAllows];
