// Mere symptoms, at the end of the list: everything before may explain them.
import { grouped } from '../../model/grouped.ts';
import { nameOf } from '../objects/common.ts';
import {
  begun,
  conditionOf,
  counted,
  entitiesOf,
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
  together,
  word,
} from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import { corednsPods, dnsService } from './dns.ts';

const debug = 'kubernetes.io/docs/tasks/debug/debug-application/debug-pods';

const podEvicted: Rule = {
  id: 'pod-evicted',
  layer: 'workload',
  symptom: 'Pods are Failed with reason Evicted.',
  cause:
    'The kubelet ended them because their machine ran short of memory, disk or process ids; the objects stay until somebody deletes them.',
  cure: 'Free what was short; give pods requests that they keep to; delete the leftovers.',
  sources: ['kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction'],
  needs: ['api.pods'],
  explains: [],
  symptomOnly: true,
  find: snapshot => {
    const evicted = objects(snapshot, 'pods').filter(
      ({ status }) => status.phase === 'Failed' && status.reason === 'Evicted',
    );
    return grouped(evicted, ({ spec }) => spec.nodeName).map((group): Finding => {
      const [first] = group;
      const latest = group.map(evictedAt).sort().at(-1) ?? '';
      // What is long over is a leftover.
      const isRecent = !hasHeld(snapshot, latest, 3600);
      const { nodeName } = first.spec;
      return {
        says: `${counted(group.length, 'pod')} ${group.length === 1 ? 'was' : 'were'} evicted from ${nodeName} (${listed(group.map(nameOf))}): ${oneLine(first.status.message, 160)}`,
        severity: isRecent ? 'warning' : 'note',
        certainty: 'certain',
        about: together(podEntity(first), ...group.map(podEntity), machineEntity(nodeName)),
        ...begun(latest),
        evidence: [
          {
            says: oneLine(first.status.message),
            from: `API: pod ${nameOf(first)}`,
            again: kubectl('describe', 'pod', first),
          },
        ],
        cure: [
          `kubectl describe node ${word(nodeName)} (Conditions, Allocated resources)`,
          'delete the leftovers: kubectl delete pods -A --field-selector status.phase=Failed',
        ],
      };
    });
  },
};

function evictedAt(pod: Pod): string {
  return (
    conditionOf(pod, 'DisruptionTarget')?.lastTransitionTime ||
    conditionOf(pod, 'Ready')?.lastTransitionTime ||
    pod.status.startTime
  );
}

/** deletionTimestamp already has the grace period in it. */
const terminatingSeconds = 120;

const stuckTerminating: Rule = {
  id: 'pod-stuck-terminating',
  layer: 'workload',
  symptom: 'A pod stays Terminating.',
  cause: 'The kubelet that should end it is silent, or a finalizer waits for somebody who does not come.',
  cure: 'Bring the machine back; where it is gone for good, say so to Kubernetes; of a finalizer see who should take it off.',
  sources: [
    'kubernetes.io/docs/tasks/run-application/force-delete-stateful-set-pod',
    'kubernetes.io/docs/concepts/overview/working-with-objects/finalizers',
  ],
  needs: ['api.pods'],
  explains: [],
  symptomOnly: true,
  find: snapshot =>
    objects(snapshot, 'pods').flatMap((pod): readonly Finding[] => {
      const { deletionTimestamp, finalizers } = pod.metadata;
      if (deletionTimestamp === '' || !hasHeld(snapshot, deletionTimestamp, terminatingSeconds)) return [];
      const { nodeName } = pod.spec;
      const held = finalizers.length > 0;
      return [
        {
          says: held
            ? `Pod ${nameOf(pod)} stays Terminating: ${listed(finalizers)} holds it`
            : `Pod ${nameOf(pod)} stays Terminating since ${deletionTimestamp}: the kubelet of ${nodeName} does not end it`,
          severity: 'error',
          certainty: 'certain',
          about: entitiesOf(pod),
          since: deletionTimestamp,
          evidence: [
            {
              says: `deletionTimestamp ${deletionTimestamp}${held ? `, finalizers ${finalizers.join(', ')}` : ''}`,
              from: `API: pod ${nameOf(pod)}`,
              again: kubectl('get', 'pod', pod, '-o yaml'),
            },
          ],
          cure: held
            ? [`see who should take ${word(finalizers[0] ?? '')} off: its controller`, kubectl('describe', 'pod', pod)]
            : [
                `ssh ${word(nodeName)} sudo crictl pods --name ${word(pod.metadata.name)}`,
                `only when the machine is off for good: ${kubectl('delete', 'pod', pod, '--force')}`,
              ],
        },
      ];
    }),
};

const dnsDown: Rule = {
  id: 'dns-down',
  layer: 'dns',
  symptom: 'No pod resolves a name: "Temporary failure in name resolution", "no such host", "i/o timeout" on port 53.',
  cause: 'No CoreDNS pod is ready, so nobody answers behind the Service kube-dns.',
  cure: 'See why the CoreDNS pods are not ready.',
  sources: ['kubernetes.io/docs/tasks/administer-cluster/dns-debugging-resolution'],
  needs: ['api.services', 'api.endpoints', 'api.pods', 'api.deployments'],
  explains: [{ rule: 'pod-not-ready', by: 'pod' }],
  symptomOnly: true,
  find: snapshot => {
    const service = dnsService(snapshot);
    const pods = corednsPods(snapshot).filter(pod => !isOver(pod) && !isLeaving(pod));
    const deployment = objects(snapshot, 'deployments').find(
      ({ metadata }) => metadata.namespace === 'kube-system' && metadata.name === 'coredns',
    );
    const endpoints = objects(snapshot, 'endpoints').find(
      ({ metadata }) => metadata.namespace === 'kube-system' && metadata.name === 'kube-dns',
    );
    if (!service || snapshot.lists.endpoints.state !== 'seen') return [];
    if (endpoints?.subsets.some(({ addresses }) => addresses.length > 0)) return [];
    const changed =
      endpoints?.metadata.annotations['endpoints.kubernetes.io/last-change-trigger-time'] ??
      service.metadata.creationTimestamp;
    if (!hasHeld(snapshot, changed, 30) || !hasHeld(snapshot, service.metadata.creationTimestamp, 60)) return [];
    const machines = [...new Set(pods.map(({ spec }) => spec.nodeName).filter(name => name !== ''))];
    const [first] = pods;
    const wanted = deployment?.spec.replicas ?? 1;
    const why =
      pods.length > 0
        ? `${pods.length === 1 ? 'its CoreDNS pod is not' : `none of its ${pods.length} CoreDNS pods is`} ready`
        : wanted === 0
          ? 'CoreDNS is scaled to 0'
          : 'there is no CoreDNS pod';
    return [
      {
        says: `No pod can resolve a name: nobody answers behind kube-system/kube-dns (${service.spec.clusterIP}), ${why}`,
        severity: 'error',
        certainty: 'certain',
        about: together('service:kube-system/kube-dns', ...pods.map(podEntity), ...machines.map(machineEntity)),
        since: changed,
        evidence: [
          {
            says: 'no ready address',
            from: 'API: endpoints kube-system/kube-dns',
            again: 'kubectl -n kube-system get endpoints kube-dns',
          },
          ...(first
            ? [
                {
                  says: pods.map(pod => `${pod.metadata.name}: ${stateOf(pod)}`).join('; '),
                  from: 'API: pods of CoreDNS',
                  again: 'kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide',
                },
              ]
            : []),
        ],
        cure:
          pods.length === 0
            ? wanted === 0
              ? ['kubectl -n kube-system scale deployment coredns --replicas=2']
              : ['kubectl -n kube-system describe deployment coredns']
            : [
                'kubectl -n kube-system describe pods -l k8s-app=kube-dns',
                'kubectl -n kube-system logs -l k8s-app=kube-dns --previous --tail=20',
              ],
      },
    ];
  },
};

/** In one word or two, as kubectl's column does. */
export function stateOf({ status }: Pod): string {
  const all = [...status.initContainerStatuses, ...status.containerStatuses];
  const waiting = all.find(({ state }) => state.waiting !== undefined)?.state.waiting?.reason;
  const restarts = Math.max(0, ...all.map(({ restartCount }) => restartCount));
  return `${waiting || status.reason || status.phase}${restarts > 0 ? `, ${counted(restarts, 'restart')}` : ''}`;
}

/** How long a start may take: of a pull, of an application that has not been ready yet, of one that has. */
const patience = { pulling: 900, starting: 300, lost: 60 } as const;

/** Not ready for longer than a start takes; on a node that is not ready at once. */
function isLong(snapshot: Snapshot, pod: Pod, isNodeReady: boolean): boolean {
  const { status, metadata } = pod;
  const since = conditionOf(pod, 'Ready')?.lastTransitionTime || metadata.creationTimestamp;
  if (!isNodeReady) return true;
  if (!hasHeld(snapshot, since, 30)) return false;
  const all = [...status.initContainerStatuses, ...status.containerStatuses];
  const bad = all.filter(({ ready, state }) => !ready && state.terminated?.exitCode !== 0);
  const reasons = bad.flatMap(({ state }) => (state.waiting ? [state.waiting.reason] : []));
  if (reasons.some(reason => !/^(ContainerCreating|PodInitializing|)$/.test(reason))) return true;
  if (reasons.length > 0) return hasHeld(snapshot, since, patience.pulling);
  if (bad.some(({ restartCount }) => restartCount > 1)) return true;
  // Ready before, by its condition: it changed after the pod was made.
  const wasReady = Date.parse(since) > Date.parse(status.startTime || metadata.creationTimestamp) + 5000;
  return hasHeld(snapshot, since, wasReady ? patience.lost : patience.starting);
}

const podNotReady: Rule = {
  id: 'pod-not-ready',
  layer: 'workload',
  symptom: 'A pod is not Ready.',
  cause: 'Its machine is silent, a container of it does not run, or its readiness probe fails.',
  cure: 'Read what its containers and its events say.',
  sources: [debug],
  needs: ['api.pods', 'api.nodes'],
  explains: [],
  symptomOnly: true,
  find: snapshot => {
    const ready = new Map(objects(snapshot, 'nodes').map(node => [node.metadata.name, isTrue(node, 'Ready')]));
    return objects(snapshot, 'pods').flatMap((pod): readonly Finding[] => {
      const condition = conditionOf(pod, 'Ready');
      const { nodeName } = pod.spec;
      if (isOver(pod) || isLeaving(pod) || nodeName === '' || condition?.status === 'True') return [];
      // A pod that lost its node's word keeps its phase, and its condition has no reason.
      const isNodeReady = ready.get(nodeName) ?? true;
      if (condition?.reason === 'PodCompleted' || !isLong(snapshot, pod, isNodeReady)) return [];
      const since = condition?.lastTransitionTime || pod.metadata.creationTimestamp;
      return [
        {
          says: `Pod ${nameOf(pod)} on ${nodeName} is not ready (${stateOf(pod)})`,
          severity: 'error',
          certainty: 'certain',
          about: entitiesOf(pod),
          ...begun(since),
          evidence: [
            {
              says: `Ready=${condition?.status ?? 'never told'}${condition?.reason ? `, ${condition.reason}: ${oneLine(condition.message, 160)}` : ''}`,
              from: `API: pod ${nameOf(pod)}`,
              again: kubectl('describe', 'pod', pod),
            },
          ],
          cure: [
            kubectl('describe', 'pod', pod),
            kubectl('logs', '', pod, '--all-containers --tail=30').replace('  ', ' '),
          ],
        },
      ];
    });
  },
};

export const terminatingRule: Rule = stuckTerminating;
export const dnsDownRule: Rule = dnsDown;
export const podRules: readonly Rule[] = [podEvicted, podNotReady];
