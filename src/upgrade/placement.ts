// Where a pod can go: the first fit over taints, selectors, volumes, anti-affinity, host ports and requests, nodes with fewer of its kind
// first. The real scheduler may choose another one that fits; preferences, pod affinity and topology spread are not looked at.
import { type Amounts, nameOf, type Pod, type Taint, type Workloads, type WorkNode } from '../model/workloads.ts';
import { isOver } from './evictable.ts';
import { reaches, selects } from './selectors.ts';

export type Placement =
  | { readonly kind: 'fits'; readonly node: string }
  /** `room`: a node would do if there were more room on it. */
  | { readonly kind: 'none'; readonly rule: 'room' | 'nowhere'; readonly why: string };

type Pods = readonly Pod[];

/** Which of `candidates` takes the pod, with `workloads.pods` where they are by then. */
export function placementOf(pod: Pod, candidates: readonly WorkNode[], workloads: Workloads): Placement {
  const reasons: string[] = [];
  let lacksRoom = false;
  for (const node of fewestFirst(pod, candidates, workloads.pods)) {
    const against = refusalOf(pod, node, workloads) ?? '';
    const short = against === '' ? shortage(pod, node, workloads.pods) : '';
    if (against === '' && short === '') return { kind: 'fits', node: node.name };
    lacksRoom ||= short !== '';
    reasons.push(`${node.name}: ${against || short}`);
  }
  return {
    kind: 'none',
    rule: lacksRoom ? 'room' : 'nowhere',
    why: reasons.length > 0 ? reasons.join('; ') : 'there is no other node that takes pods',
  };
}

// As the scheduler does by default, which spreads what belongs together.
function fewestFirst(pod: Pod, candidates: readonly WorkNode[], pods: Pods): readonly WorkNode[] {
  const counts = new Map<string, number>();
  for (const each of pods) if (isSibling(each, pod)) counts.set(each.node, (counts.get(each.node) ?? 0) + 1);
  return candidates.toSorted((a, b) => (counts.get(a.name) ?? 0) - (counts.get(b.name) ?? 0));
}

function isSibling({ namespace, owner }: Pod, { namespace: mine, owner: other }: Pod): boolean {
  return (
    namespace === mine && owner !== 'none' && other !== 'none' && owner.kind === other.kind && owner.name === other.name
  );
}

/** Would this node take a pod that tolerates nothing? Its owner's cordon counts, homelab's own is lifted at the end. */
export function takesPods(node: WorkNode): boolean {
  return !isClosed(node) && tainted(node).length === 0;
}

/** Cordoned by its owner: it stays so. */
export function isClosed({ unschedulable, cordonedByUs }: WorkNode): boolean {
  return unschedulable && !cordonedByUs;
}

function refusalOf(pod: Pod, node: WorkNode, { pods, nodes, volumes }: Workloads): string | undefined {
  if (isClosed(node)) return 'cordoned';
  if (!node.ready) return 'not ready';
  const taint = tainted(node).find(each => !tolerates(pod, each));
  if (taint) return `taint ${taint.key}${taint.value && `=${taint.value}`}:${taint.effect}`;
  const label = Object.entries(pod.nodeSelector).find(([key, value]) => node.labels[key] !== value);
  if (label) return `not labelled ${label.join('=')}`;
  if (!reaches(pod.nodeTerms, node)) return 'excluded by its node affinity';
  const volume = volumes.find(each => pod.claims.includes(each.claim) && !reaches(each.nodeTerms, node));
  if (volume) return `the data of ${volume.claim} is not there`;
  const neighbour = pods.find(each => {
    if (isOver(each) || each === pod || pod.apart.length + each.apart.length === 0) return false;
    const there = nodes.find(({ name }) => name === each.node);
    return keepsApart(pod, each, node, there) || keepsApart(each, pod, node, there);
  });
  if (neighbour) return `${nameOf(neighbour)} is there, which it keeps apart from`;
  const port = pod.hostPorts.find(each =>
    pods.some(other => other.node === node.name && !isOver(other) && other.hostPorts.includes(each)),
  );
  return port === undefined ? undefined : `port ${port} is taken`;
}

// Taints that the node carries by itself; those of a cordon and of health come and go with it.
function tainted({ taints }: WorkNode): readonly Taint[] {
  return taints.filter(({ key, effect }) => effect !== 'PreferNoSchedule' && !key.startsWith('node.kubernetes.io/'));
}

function tolerates({ tolerations }: Pod, taint: Taint): boolean {
  return tolerations.some(
    ({ key, operator, value, effect }) =>
      (effect === '' || effect === taint.effect) &&
      (operator === 'Exists' ? key === '' || key === taint.key : key === taint.key && value === taint.value),
  );
}

// Required anti-affinity of `pod` against `other`, when one of them is here and the other one there.
function keepsApart(pod: Pod, other: Pod, here: WorkNode, there: WorkNode | undefined): boolean {
  return pod.apart.some(
    ({ topology, selector, namespaces }) =>
      here.labels[topology] !== undefined &&
      here.labels[topology] === there?.labels[topology] &&
      namespaces.includes(other.namespace) &&
      selects(selector, other.labels),
  );
}

/** What the pods of a node ask for together. */
export function usedOn(node: string, pods: Pods): Amounts {
  const used: Record<string, number> = {};
  for (const pod of pods) {
    if (pod.node !== node || isOver(pod)) continue;
    for (const [name, amount] of Object.entries(pod.requests)) used[name] = (used[name] ?? 0) + amount;
  }
  return used;
}

function shortage(pod: Pod, node: WorkNode, pods: Pods): string {
  const used = usedOn(node.name, pods);
  const short = Object.entries(pod.requests).find(
    ([name, amount]) => amount > 0 && (used[name] ?? 0) + amount > (node.allocatable[name] ?? 0),
  );
  if (!short) return '';
  const [name, amount] = short;
  const free = Math.max(0, (node.allocatable[name] ?? 0) - (used[name] ?? 0));
  return name === 'pods'
    ? 'runs as many pods as it may'
    : `asks ${shown(name, amount)} ${name}, ${shown(name, free)} free`;
}

function shown(name: string, amount: number): string {
  if (name === 'cpu') return amount % 1000 === 0 ? String(amount / 1000) : `${amount}m`;
  const isBytes = name === 'memory' || name === 'ephemeral-storage';
  return isBytes ? `${Math.round(amount / 2 ** 20)}Mi` : String(amount);
}
