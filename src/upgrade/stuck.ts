// What would not move, in words, with what to type.
import { type Controller, nameOf, type Pod, type Workloads, type WorkNode } from '../model/workloads.ts';
import type { Placement } from './placement.ts';
import type { Purpose, Stuck } from './simulation.ts';

export function bare(pod: Pod): Stuck {
  return {
    rule: 'bare',
    what: nameOf(pod),
    why: `nothing would bring back ${nameOf(pod)}, which runs there by itself`,
    hint: `if it may go: ${deletion(pod)}`,
  };
}

export function orphan(pod: Pod): Stuck {
  return {
    rule: 'orphan',
    what: nameOf(pod),
    why: `the DaemonSet of ${nameOf(pod)} is gone, and nothing would bring it back`,
    hint: `if it may go: ${deletion(pod)}`,
  };
}

export function homeless(
  pod: Pod,
  { rule, why }: Extract<Placement, { readonly kind: 'none' }>,
  { name }: WorkNode,
  purpose: Purpose,
  workloads: Workloads,
): Stuck {
  if (purpose === 'upgrade') {
    return {
      rule: 'cordoned',
      what: nameOf(pod),
      why: `${nameOf(pod)} can run on no other node (${why}), and ${name} takes no pods afterwards either: its owner cordoned it`,
      hint: `let it take pods: kubectl uncordon ${name}`,
    };
  }
  return {
    rule,
    what: nameOf(pod),
    why: `no node that stays takes ${nameOf(pod)}: ${why}`,
    hint: `${
      rule === 'room'
        ? 'make room: add a machine with homelab join-node, or see who asks for how much: kubectl describe nodes'
        : `see what it asks of its node, and change that: kubectl get pod -n ${pod.namespace} ${pod.name} -o yaml`
    }${oneLess(pod, workloads)}`,
  };
}

function oneLess({ namespace, owner }: Pod, { controllers }: Workloads): string {
  if (owner === 'none') return '';
  const isMine = (each: Controller) =>
    each.namespace === namespace && each.kind === owner.kind && each.name === owner.name;
  const found = controllers.find(isMine);
  if (!found || found.desired === 0 || found.kind === 'DaemonSet') return '';
  const scale = `kubectl scale -n ${namespace} ${owner.kind.toLowerCase()}/${owner.name} --replicas=${found.desired - 1}`;
  return `; or do without it: ${scale}`;
}

export function onlyTogether(what: string, why: string, parallel: number): Stuck {
  return {
    rule: 'parallel',
    what,
    why: `with ${parallel} workers empty at once: ${why}`,
    hint: 'one at a time there is no such trouble: leave out --parallel',
  };
}

function deletion({ namespace, name }: Pod): string {
  return `kubectl delete pod -n ${namespace} ${name}`;
}
