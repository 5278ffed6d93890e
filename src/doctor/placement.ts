// Why a node does not take a pod, as the scheduler's filters see it. What needs more than the two (affinity to other pods, spread) is not looked at.
import { amountsOf, requestsOf, shownAmount } from '../model/quantities.ts';
import type { Amounts } from '../model/workloads.ts';
import type { ObjectOf } from './objects/kinds.ts';
import { isOver, isTrue, type Node, type Pod } from './reading.ts';
import { objects, type Snapshot } from './snapshot.ts';

export interface Obstacle {
  /** 'machine': it comes and goes with the node's own state; 'reserved': a control plane's taint. */
  readonly kind: 'cordon' | 'machine' | 'taint' | 'reserved' | 'rules' | 'volume' | 'port' | 'room' | 'too-big';
  readonly says: string;
}

export interface Places {
  readonly nodes: readonly Node[];
  readonly obstacles: (pod: Pod, node: Node) => readonly Obstacle[];
}

type Volume = ObjectOf<'persistentvolumes'>;
type Terms = readonly {
  readonly matchExpressions: readonly Requirement[];
  readonly matchFields: readonly Requirement[];
}[];
interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values: readonly string[];
}

export function placesIn(snapshot: Snapshot): Places {
  const pods = objects(snapshot, 'pods').filter(pod => !isOver(pod) && pod.spec.nodeName !== '');
  const used = new Map<string, Amounts>();
  const ports = new Map<string, Set<string>>();
  for (const pod of pods) {
    const { nodeName } = pod.spec;
    const before = used.get(nodeName) ?? {};
    const asked = Object.entries(requestsOf(pod.spec));
    used.set(nodeName, {
      ...before,
      ...Object.fromEntries(asked.map(([name, amount]) => [name, (before[name] ?? 0) + amount])),
    });
    ports.set(nodeName, new Set([...(ports.get(nodeName) ?? []), ...portsOf(pod)]));
  }
  const volumes = new Map(
    objects(snapshot, 'persistentvolumes').flatMap(volume => {
      const claim = volume.spec.claimRef;
      return claim ? [[`${claim.namespace}/${claim.name}`, volume] as const] : [];
    }),
  );
  return {
    nodes: objects(snapshot, 'nodes'),
    obstacles: (pod, node) => [
      ...ofNode(pod, node),
      ...ofRules(pod, node, volumes),
      ...portsOf(pod).flatMap((port): readonly Obstacle[] =>
        ports.get(node.metadata.name)?.has(port) ? [{ kind: 'port', says: `port ${port} is taken` }] : [],
      ),
      ...ofRoom(pod, node, used.get(node.metadata.name) ?? {}),
    ],
  };
}

/** Hold a node's own state against it: these go when the node is well and open again. */
export function isOfNode({ kind }: Obstacle): boolean {
  return kind === 'cordon' || kind === 'machine';
}

export function portsOf({ spec }: Pod): readonly string[] {
  return spec.containers.flatMap(({ ports }) =>
    ports.flatMap(({ hostPort, protocol }) => (hostPort === 0 ? [] : [`${hostPort}/${protocol || 'TCP'}`])),
  );
}

const reserved = /^node-role\.kubernetes\.io\/(control-plane|master)$/;
const ownTaints = /^node(\.cloudprovider)?\.kubernetes\.io\/|^node\.cilium\.io\/agent-not-ready$/;

/** Taints that keep ordinary pods away. */
export function closingTaints({ spec }: Node): Node['spec']['taints'] {
  return spec.taints.filter(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute');
}

/** Takes a pod that tolerates nothing. */
export function isOpen(node: Node): boolean {
  return isTrue(node, 'Ready') && !node.spec.unschedulable && closingTaints(node).length === 0;
}

function ofNode(pod: Pod, node: Node): readonly Obstacle[] {
  const taints = closingTaints(node).filter(taint => !tolerates(pod, taint));
  return [
    ...(node.spec.unschedulable && !toleratesCordon(pod) ? [{ kind: 'cordon', says: 'it is cordoned' } as const] : []),
    ...(isTrue(node, 'Ready') ? [] : [{ kind: 'machine', says: 'it is not ready' } as const]),
    ...taints.flatMap(({ key, value, effect }): readonly Obstacle[] => {
      if (key === 'node.kubernetes.io/unschedulable') return [];
      const says = `it has the taint ${key}${value && `=${value}`}:${effect}`;
      return [{ kind: reserved.test(key) ? 'reserved' : ownTaints.test(key) ? 'machine' : 'taint', says }];
    }),
  ];
}

function toleratesCordon(pod: Pod): boolean {
  return tolerates(pod, { key: 'node.kubernetes.io/unschedulable', value: '', effect: 'NoSchedule' });
}

function tolerates(
  { spec }: Pod,
  taint: { readonly key: string; readonly value: string; readonly effect: string },
): boolean {
  return spec.tolerations.some(
    ({ key, operator, value, effect }) =>
      (effect === '' || effect === taint.effect) &&
      (operator === 'Exists' ? key === '' || key === taint.key : key === taint.key && value === taint.value),
  );
}

function ofRules(pod: Pod, node: Node, volumes: ReadonlyMap<string, Volume>): readonly Obstacle[] {
  const { nodeSelector, affinity, volumes: mounted } = pod.spec;
  const { labels, name } = node.metadata;
  const label = Object.entries(nodeSelector).find(([key, value]) => labels[key] !== value);
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const claims = mounted.flatMap(({ persistentVolumeClaim: claim }) =>
    claim ? [`${pod.metadata.namespace}/${claim.claimName}`] : [],
  );
  return [
    ...(label ? [{ kind: 'rules', says: `it is not labelled ${label.join('=')}` } as const] : []),
    ...(reaches(terms, labels, name) ? [] : [{ kind: 'rules', says: 'the node affinity excludes it' } as const]),
    ...claims.flatMap((claim): readonly Obstacle[] => {
      const volume = volumes.get(claim);
      return volume && !reaches(termsOf(volume), labels, name)
        ? [{ kind: 'volume', says: `the data of ${claim} is elsewhere` }]
        : [];
    }),
  ];
}

export function termsOf({ spec }: Volume): Terms {
  return spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
}

/** No terms: every node will do. */
export function reaches(terms: Terms, labels: Readonly<Record<string, string>>, name: string): boolean {
  return (
    terms.length === 0 ||
    terms.some(
      ({ matchExpressions, matchFields }) =>
        matchExpressions.length + matchFields.length > 0 &&
        matchExpressions.every(each => meets(each, labels)) &&
        matchFields.every(each => meets(each, { 'metadata.name': name })),
    )
  );
}

export function meets({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return Number(value) > Number(values[0]);
    case 'Lt':
      return Number(value) < Number(values[0]);
    default:
      return false;
  }
}

function ofRoom(pod: Pod, node: Node, used: Amounts): readonly Obstacle[] {
  const allocatable = amountsOf(node.status.allocatable);
  return Object.entries(requestsOf(pod.spec)).flatMap(([name, amount]): readonly Obstacle[] => {
    if (!(amount > 0)) return [];
    const whole = allocatable[name] ?? 0;
    const free = Math.max(0, whole - (used[name] ?? 0));
    if (amount > whole) return [{ kind: 'too-big', says: `it has ${shownAmount(name, whole)} ${name} in all` }];
    return amount > free ? [{ kind: 'room', says: `${shownAmount(name, free)} ${name} is free there` }] : [];
  });
}
