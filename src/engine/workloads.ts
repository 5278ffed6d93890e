// The reading of what the cluster runs, asked on a control plane when a node is to be emptied.
import { adminKubectl } from '../model/kubectl.ts';
import { amountsOf, requestsOf } from '../model/quantities.ts';
import type { Budget, LonghornVolume, Owner, Pod, Service, Volume, Workloads, WorkNode } from '../model/workloads.ts';
import { cordonMark } from '../model/world.ts';
import type { Fragment, Frame } from './frames.ts';
import { type ApiObject, list, type NodeTerms, type PodObject, type Selecting } from './workload-objects.ts';

const kubectl = adminKubectl(20);

// One request a kind, one list. Of Longhorn only what is installed is asked; its names would otherwise be an error.
export const workloadsFragment: Fragment = {
  id: 'workloads',
  script: `[ -e /etc/kubernetes/admin.conf ] || { echo none; exit 0; }
date +%s
${kubectl} get nodes,pods,services,persistentvolumes,poddisruptionbudgets.policy,deployments.apps,statefulsets.apps,daemonsets.apps,replicasets.apps -A -o json || { echo silent; exit 0; }
longhorn=$(${kubectl} get customresourcedefinitions volumes.longhorn.io replicas.longhorn.io --ignore-not-found -o name) || { echo silent; exit 0; }
[ -z "$longhorn" ] || ${kubectl} get volumes.longhorn.io,replicas.longhorn.io -A -o json || { echo silent; exit 0; }`,
};

/** 'unknown' when nobody asked, or no API server answered. */
export function parseWorkloads(frame: Frame | undefined): Workloads | 'unknown' {
  if (frame?.code !== 0 || /^(none|silent)$/m.test(frame.stdout)) return 'unknown';
  // The time, then one indented list after the other, as kubectl prints them.
  const seconds = Number(/^(\d+)\n/.exec(frame.stdout)?.[1] ?? 0);
  const items = frame.stdout
    .split(/^(?=\{)/m)
    .filter(text => text.startsWith('{'))
    .flatMap(text => list.parse(JSON.parse(text)).items);
  const deployments = new Map(
    items.flatMap(each => {
      const owner = each.kind === 'ReplicaSet' ? controllerOf(each) : undefined;
      return owner?.kind === 'Deployment' ? [[`${each.metadata.namespace}/${each.metadata.name}`, owner] as const] : [];
    }),
  );
  const of = <T>(turn: (item: ApiObject) => T | undefined): readonly T[] =>
    items.flatMap(item => {
      const found = turn(item);
      return found === undefined ? [] : [found];
    });
  return {
    nodes: of(each => (each.kind === 'Node' ? nodeFrom(each) : undefined)),
    pods: of(each => (each.kind === 'Pod' ? podFrom(each, deployments, seconds) : undefined)),
    budgets: of(each => (each.kind === 'PodDisruptionBudget' ? budgetFrom(each) : undefined)),
    volumes: of(each => (each.kind === 'PersistentVolume' ? volumeFrom(each) : undefined)),
    services: of(each => (each.kind === 'Service' ? serviceFrom(each) : undefined)),
    controllers: of(item => {
      switch (item.kind) {
        case 'DaemonSet':
          return {
            kind: item.kind,
            ...naming(item),
            desired: item.status.desiredNumberScheduled,
            ready: item.status.numberReady,
          };
        case 'Deployment':
        case 'StatefulSet':
        case 'ReplicaSet':
          return { kind: item.kind, ...naming(item), desired: item.spec.replicas, ready: item.status.readyReplicas };
        default:
          return undefined;
      }
    }),
    longhorn: longhornFrom(items),
  };
}

type Of<Kind extends ApiObject['kind']> = Extract<ApiObject, { readonly kind: Kind }>;

function naming({ metadata }: { readonly metadata: { readonly namespace: string; readonly name: string } }) {
  return { namespace: metadata.namespace, name: metadata.name };
}

function controllerOf({ metadata }: Pick<PodObject, 'metadata'>): Owner | undefined {
  const found = metadata.ownerReferences.find(({ controller }) => controller);
  return found && { kind: found.kind, name: found.name };
}

function nodeFrom({ metadata, spec, status }: Of<'Node'>): WorkNode {
  return {
    name: metadata.name,
    labels: metadata.labels,
    taints: spec.taints,
    allocatable: amountsOf(status.allocatable),
    ready: status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    unschedulable: spec.unschedulable,
    cordonedByUs: metadata.annotations[cordonMark] !== undefined,
  };
}

/** Reasons that do not go away by waiting. */
const troubles =
  /^(CrashLoopBackOff|ImagePullBackOff|ErrImagePull|ErrImageNeverPull|InvalidImageName|CreateContainerConfigError|CreateContainerError|RunContainerError)$/;

/** Who has not become ready by then is not starting any more. */
const startSeconds = 600;

// A readiness probe that nothing answers gives no reason but its age.
function unreadySince({ status }: PodObject, seconds: number): string {
  const found = status.conditions.find(({ type, status: value }) => type === 'Ready' && value !== 'True');
  const age = seconds - Date.parse(found?.lastTransitionTime ?? '') / 1000;
  return status.phase === 'Running' && age > startSeconds ? `not ready for ${Math.floor(age / 60)} min` : '';
}

function podFrom(pod: PodObject, deployments: ReadonlyMap<string, Owner>, seconds: number): Pod {
  const { metadata, spec, status } = pod;
  const { namespace } = metadata;
  const owner = controllerOf(pod);
  const waiting = [...status.initContainerStatuses, ...status.containerStatuses].map(
    ({ state }) => state.waiting?.reason ?? '',
  );
  const { affinity } = spec;
  return {
    ...naming(pod),
    node: spec.nodeName,
    phase: status.phase,
    ready: status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    trouble: waiting.find(reason => troubles.test(reason)) ?? unreadySince(pod, seconds),
    leaving: metadata.deletionTimestamp !== undefined,
    graceSeconds: spec.terminationGracePeriodSeconds,
    labels: metadata.labels,
    owner:
      (owner?.kind === 'ReplicaSet' ? deployments.get(`${namespace}/${owner.name}`) : undefined) ?? owner ?? 'none',
    requests: requestsOf(spec),
    emptyDirs: spec.volumes.flatMap(({ name, emptyDir }) =>
      emptyDir ? [{ name, inMemory: emptyDir.medium.startsWith('Memory') }] : [],
    ),
    hostPaths: spec.volumes.flatMap(({ hostPath }) => (hostPath ? [hostPath.path] : [])),
    claims: spec.volumes.flatMap(({ persistentVolumeClaim: claim }) =>
      claim ? [`${namespace}/${claim.claimName}`] : [],
    ),
    hostPorts: spec.containers.flatMap(({ ports }) =>
      ports.flatMap(({ hostPort, protocol }) => (hostPort === 0 ? [] : [`${protocol}/${hostPort}`])),
    ),
    nodeSelector: spec.nodeSelector,
    nodeTerms: termsFrom(affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution),
    tolerations: spec.tolerations,
    apart: affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.map(term => ({
      topology: term.topologyKey,
      selector: selectorFrom(term.labelSelector),
      namespaces: term.namespaces.length > 0 ? term.namespaces : [namespace],
    })),
    isStatic: metadata.annotations['kubernetes.io/config.mirror'] !== undefined,
  };
}

function selectorFrom({ matchLabels, matchExpressions }: Selecting) {
  return { labels: matchLabels, expressions: matchExpressions };
}

function termsFrom(found: NodeTerms | undefined) {
  return (found?.nodeSelectorTerms ?? []).map(term => ({ labels: term.matchExpressions, fields: term.matchFields }));
}

function budgetFrom(item: Of<'PodDisruptionBudget'>): Budget {
  const { spec, status } = item;
  return {
    ...naming(item),
    selector: spec.selector ? selectorFrom(spec.selector) : 'nothing',
    says:
      spec.maxUnavailable === undefined
        ? `minAvailable ${spec.minAvailable ?? 1}`
        : `maxUnavailable ${spec.maxUnavailable}`,
    expected: status.expectedPods,
    healthy: status.currentHealthy,
    desired: status.desiredHealthy,
    allowed: status.disruptionsAllowed,
    freesUnhealthy: spec.unhealthyPodEvictionPolicy === 'AlwaysAllow',
  };
}

function volumeFrom({ metadata, spec }: Of<'PersistentVolume'>): Volume {
  const storage = spec.local ? 'local' : spec.hostPath ? 'hostPath' : spec.csi ? 'csi' : 'other';
  return {
    name: metadata.name,
    claim: spec.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '',
    storage,
    driver: spec.csi?.driver ?? '',
    handle: spec.csi?.volumeHandle ?? '',
    nodeTerms: termsFrom(spec.nodeAffinity.required),
  };
}

function serviceFrom(item: Of<'Service'>): Service {
  return { ...naming(item), selector: item.spec.selector };
}

function longhornFrom(items: readonly ApiObject[]): readonly LonghornVolume[] {
  // Longhorn's own definition of a healthy replica: it was whole once, and has not failed since.
  const healthy = items.filter(
    (each): each is Of<'Replica'> => each.kind === 'Replica' && each.spec.healthyAt !== '' && each.spec.failedAt === '',
  );
  return items.flatMap(each => {
    if (each.kind !== 'Volume') return [];
    const { name } = each.metadata;
    const mine = healthy.filter(({ spec }) => spec.volumeName === name && spec.nodeID !== '');
    return [
      {
        name,
        robustness: each.status.robustness,
        wantedReplicas: each.spec.numberOfReplicas,
        healthyOn: [...new Set(mine.map(({ spec }) => spec.nodeID))],
      },
    ];
  });
}
