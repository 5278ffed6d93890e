// Does the eviction API let a pod go: now, later, or never? As pkg/registry/core/pod/storage/eviction.go of Kubernetes decides.
import { type Budget, nameOf, type Pod, type Workloads } from '../model/workloads.ts';
import { isOver } from './evictable.ts';
import { selects } from './selectors.ts';

export type Eviction =
  | { readonly kind: 'goes' }
  /** Not at this moment; once the others are well again. */
  | { readonly kind: 'waits'; readonly why: string }
  | {
      readonly kind: 'stuck';
      readonly rule: 'two-budgets' | 'budget-never' | 'budget-unhealthy' | 'budget-sequence';
      readonly why: string;
      readonly hint: string;
    };

export function budgetsOf({ budgets }: Pick<Workloads, 'budgets'>, pod: Pod): readonly Budget[] {
  return budgets.filter(
    ({ namespace, selector }) => namespace === pod.namespace && selector !== 'nothing' && selects(selector, pod.labels),
  );
}

/** How many pods of a budget may be away at once when all are well that can be. `away`: gone already, and nowhere to start meanwhile. */
export function headroomOf(budget: Budget, { pods }: Pick<Workloads, 'pods'>, away = 0): number {
  return budget.expected - budget.desired - troubled(budget, pods).length - away;
}

/** `awayOf`: how many pods of a budget this drain has sent away that cannot start before the node is back. */
export function evictionOf(
  pod: Pod,
  workloads: Pick<Workloads, 'pods' | 'budgets'>,
  awayOf: (budget: Budget) => number = () => 0,
): Eviction {
  const [budget, second] = budgetsOf(workloads, pod);
  // What does not run yet or any more, or was told to end, is not protected.
  if (!budget || pod.phase === 'Pending' || isOver(pod) || pod.leaving) return { kind: 'goes' };
  if (second) return overlapping(pod, budget, second);
  const away = awayOf(budget);
  const headroom = headroomOf(budget, workloads, away);
  if (!pod.ready && (budget.freesUnhealthy || (budget.healthy - away >= budget.desired && budget.desired > 0)))
    return { kind: 'goes' };
  if (headroom > 0) {
    if (budget.allowed > 0) return { kind: 'goes' };
    return {
      kind: 'waits',
      why: `${nameOf(budget)} allows no eviction of ${nameOf(pod)} now (${budget.healthy} of ${budget.expected} pods are ready, ${budget.desired} must be); draining waits for it`,
    };
  }
  const others = troubled(budget, workloads.pods);
  if (budget.expected - budget.desired - others.length > 0) return exhausted(pod, budget, away);
  return budget.expected > budget.desired && others.length > 0 ? unwell(pod, budget, others) : never(pod, budget);
}

// Not ready, and no waiting makes them so.
function troubled(budget: Budget, pods: readonly Pod[]): readonly Pod[] {
  return pods.filter(
    pod => !pod.ready && pod.trouble !== '' && !isOver(pod) && budgetsOf({ budgets: [budget] }, pod).length > 0,
  );
}

function overlapping(pod: Pod, one: Budget, other: Budget): Eviction {
  return {
    kind: 'stuck',
    rule: 'two-budgets',
    why: `${nameOf(pod)} has two disruption budgets, ${one.name} and ${other.name}: the API server evicts no such pod`,
    hint: `keep one of them: ${forBudget('delete', other)}`,
  };
}

function never(pod: Pod, budget: Budget): Eviction {
  const { says, expected } = budget;
  const because =
    expected === 0
      ? 'counts no pods, which its events explain'
      : `says ${says}, and ${expected === 1 ? 'there is one pod' : `there are ${expected} pods`}`;
  const scale =
    says.startsWith('minAvailable') && !says.endsWith('%') && pod.owner !== 'none' && isScalable(pod.owner.kind)
      ? `${scaleUp(pod, pod.owner, budget)}; or `
      : '';
  return {
    kind: 'stuck',
    rule: 'budget-never',
    why: `the disruption budget ${nameOf(budget)} never lets ${nameOf(pod)} go: it ${because}`,
    hint: `${scale}${forBudget('patch', budget)} --type=merge -p '{"spec":{"minAvailable":null,"maxUnavailable":1}}'`,
  };
}

function scaleUp(
  { namespace }: Pod,
  { kind, name }: { readonly kind: string; readonly name: string },
  budget: Budget,
): string {
  return `kubectl scale -n ${namespace} ${kind.toLowerCase()}/${name} --replicas=${budget.desired + 1}`;
}

function isScalable(kind: string): boolean {
  return kind === 'Deployment' || kind === 'StatefulSet' || kind === 'ReplicaSet';
}

function unwell(pod: Pod, budget: Budget, others: readonly Pod[]): Eviction {
  const mine = !pod.ready;
  const names = others.map(each => `${each.name} (${each.trouble})`).join(', ');
  return {
    kind: 'stuck',
    rule: 'budget-unhealthy',
    why: `the disruption budget ${nameOf(budget)} lets ${nameOf(pod)} go only when ${mine ? budget.desired : budget.desired + 1} of its pods are ready, and these do not get well: ${names}`,
    hint: mine
      ? `mend them, or: ${forBudget('patch', budget)} --type=merge -p '{"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}}'`
      : `mend them: kubectl describe pod -n ${budget.namespace} ${others.map(each => each.name).join(' ')}`,
  };
}

function exhausted(pod: Pod, budget: Budget, away: number): Eviction {
  const gone = away === 1 ? 'one pod that went before it' : `${away} pods that went before it`;
  return {
    kind: 'stuck',
    rule: 'budget-sequence',
    why: `the disruption budget ${nameOf(budget)} (${budget.says}) does not let ${nameOf(pod)} go too: ${gone} can start nowhere before the node is back`,
    hint: `make room for it on another node, or: ${forBudget('patch', budget)} --type=merge -p '{"spec":{"minAvailable":null,"maxUnavailable":${away + 1}}}'`,
  };
}

function forBudget(verb: string, { namespace, name }: Budget): string {
  return `kubectl ${verb} poddisruptionbudget -n ${namespace} ${name}`;
}
