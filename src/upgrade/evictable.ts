// Who has to go when a node is drained, as `kubectl drain --ignore-daemonsets --delete-emptydir-data` sees it.
import { nameOf, type Pod, type Workloads } from '../model/workloads.ts';

/**
 * Pods that a drain moves. Static pods, DaemonSets' and finished ones are none of its business; Longhorn's instance managers belong to
 * their node like a DaemonSet's: what would be lost with them is said of the volumes.
 */
export function toMove({ pods }: Pick<Workloads, 'pods'>, node: string): readonly Pod[] {
  return pods.filter(pod => pod.node === node && !staysWithNode(pod));
}

/** A DaemonSet's pod whose DaemonSet is gone: kubectl refuses to drain the node. */
export function orphansOf({ pods, controllers }: Workloads, node: string): readonly Pod[] {
  return pods.filter(
    pod =>
      pod.node === node &&
      !isOver(pod) &&
      isOf(pod, 'DaemonSet') &&
      !controllers.some(each => each.kind === 'DaemonSet' && nameOf(each) === ownerName(pod)),
  );
}

function staysWithNode(pod: Pod): boolean {
  return isOver(pod) || pod.isStatic || isOf(pod, 'DaemonSet') || isOf(pod, 'InstanceManager');
}

/** Finished: it asks for nothing more and answers nobody. */
export function isOver({ phase }: Pod): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

function isOf({ owner }: Pod, kind: string): boolean {
  return owner !== 'none' && owner.kind === kind;
}

function ownerName({ namespace, owner }: Pod): string {
  return owner === 'none' ? '' : `${namespace}/${owner.name}`;
}
