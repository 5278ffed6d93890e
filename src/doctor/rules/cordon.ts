// Nodes that are well and take no pods: cordons, and whose; taints that nobody took away.
import { adminKubectl } from '../../model/kubectl.ts';
import { cordonMark } from '../../model/world.ts';
import { closingTaints, isOpen, type Places, placesIn } from '../placement.ts';
import {
  begun,
  conditionOf,
  counted,
  hasHeld,
  isLeaving,
  isTrue,
  listed,
  machineEntity,
  type Node,
  type Pod,
  word,
} from '../reading.ts';
import type { Finding, Fix, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';

/** Wait for a node, for longer than the scheduler takes. */
export function waitingPods(snapshot: Snapshot): readonly Pod[] {
  return objects(snapshot, 'pods').filter(pod => {
    const placed = conditionOf(pod, 'PodScheduled');
    return (
      pod.status.phase === 'Pending' &&
      pod.spec.nodeName === '' &&
      !isLeaving(pod) &&
      placed?.reason !== 'SchedulingGated' &&
      hasHeld(snapshot, placed?.lastTransitionTime || pod.metadata.creationTimestamp, 30)
    );
  });
}

function cordonedAt({ spec }: Node): string {
  return spec.taints.find(({ key }) => key === 'node.kubernetes.io/unschedulable')?.timeAdded ?? '';
}

function isOurs({ metadata }: Node): boolean {
  return metadata.annotations[cordonMark] !== undefined;
}

interface Cordon {
  readonly node: Node;
  readonly isInTheWay: boolean;
  /** What waits for it, as half a sentence; empty when nothing does. */
  readonly costs: string;
}

function cordons(snapshot: Snapshot): readonly Cordon[] {
  const waiting = waitingPods(snapshot);
  const places = placesIn(snapshot);
  const hasOpenNode = places.nodes.some(isOpen);
  return places.nodes.flatMap(node => {
    if (!node.spec.unschedulable) return [];
    // One that tolerates cordons waits for something else.
    const kept = waiting.filter(pod => places.obstacles(pod, node).some(({ kind }) => kind === 'cordon'));
    const held = kept.filter(pod => isAllThat(places, pod, node));
    const wouldBeOpen = isTrue(node, 'Ready') && closingTaints(node).every(({ key }) => isCordon(key));
    const isLast = !hasOpenNode && wouldBeOpen && kept.length > 0;
    const names = (held.length > 0 ? held : kept).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    const costs =
      held.length > 0
        ? `${listed(names)} would fit there`
        : isLast
          ? `no other node takes pods, while ${counted(names.length, 'pod')} ${names.length === 1 ? 'waits' : 'wait'} for one (${listed(names)})`
          : '';
    return [{ node, costs, isInTheWay: costs !== '' }];
  });
}

function isCordon(key: string): boolean {
  return key === 'node.kubernetes.io/unschedulable';
}

/** Then it waits for the claim first, and no node would help it. */
export const unboundClaim =
  /unbound immediate PersistentVolumeClaims|persistentvolumeclaim "[^"]*" (not found|bound to)|available persistent volumes to bind/;

/** The cordon, and nothing else, keeps it away from there; and it fits nowhere else. */
function isAllThat({ nodes, obstacles }: Places, pod: Pod, node: Node): boolean {
  const against = obstacles(pod, node);
  return (
    against.every(({ kind }) => kind === 'cordon') &&
    !unboundClaim.test(conditionOf(pod, 'PodScheduled')?.message ?? '') &&
    !nodes.some(other => obstacles(pod, other).length === 0)
  );
}

function told({
  node,
  costs,
  isInTheWay,
}: Cordon): Pick<Finding, 'about' | 'evidence' | 'since'> & { readonly end: string } {
  const { name } = node.metadata;
  const at = cordonedAt(node);
  return {
    about: [machineEntity(name)],
    ...begun(at),
    end: isInTheWay ? `, and ${costs}` : '; no pod waits for it',
    evidence: [
      {
        says: `spec.unschedulable=true${at && `, tainted at ${at}`}${isOurs(node) ? `, annotation ${cordonMark}` : ''}`,
        from: `API: node ${name}`,
        again: `kubectl get node ${word(name)} -o jsonpath='{.spec}'`,
      },
    ],
  };
}

/** A drain may take that long: pods 300 s, copies of Longhorn's volumes 1800 s. */
const drainSeconds = 2400;

const cordonLeftBehind: Rule = {
  id: 'cordon-left-behind',
  layer: 'node',
  symptom: 'A node takes no new pods, and nobody remembers having cordoned it.',
  cause: 'homelab cordoned it to empty it, and that run was cut off before it let the node take pods again.',
  cure: 'Let the run come to its end by starting the same command again, or uncordon the node.',
  sources: ['kubernetes.io/docs/concepts/nodes/node (manual node administration)'],
  needs: ['api.nodes', 'api.pods', 'api.persistentvolumes'],
  explains: [{ rule: 'pod-pending', by: 'machine' }],
  find: snapshot =>
    cordons(snapshot).flatMap(cordon => {
      const { node, isInTheWay } = cordon;
      if (!isOurs(node)) return [];
      const { name } = node.metadata;
      const { end, ...rest } = told(cordon);
      const at = cordonedAt(node);
      const isOld = at === '' || hasHeld(snapshot, at, drainSeconds);
      const [open] = snapshot.openRuns;
      // Neither a broken run nor much time: homelab may be at it, from here or from another computer.
      const mayBeAtWork = open === undefined && !isOld;
      const fix = uncordon(snapshot, name);
      return [
        {
          ...rest,
          says: mayBeAtWork
            ? `homelab cordoned ${name} and may still be at it${end}`
            : `${name} is still cordoned by ${open ? `a run of homelab's that did not end (${open.command}, ${open.startedAt})` : "a run of homelab's that was cut off"}${end}`,
          severity: mayBeAtWork ? 'note' : isInTheWay ? 'error' : 'warning',
          certainty: open || isOld ? 'certain' : 'possible',
          ...(mayBeAtWork
            ? { settledBy: `whether a run is under way: homelab status; if none is, kubectl uncordon ${word(name)}` }
            : {}),
          cure: [
            ...(open ? [`homelab ${open.command}   # finishes it`] : []),
            `kubectl uncordon ${word(name)} && kubectl annotate node ${word(name)} ${cordonMark}-`,
          ],
          ...(fix && !mayBeAtWork ? { fix } : {}),
        },
      ];
    }),
};

function uncordon({ machines }: Snapshot, name: string): Fix | undefined {
  const from = machines.find(({ role, unreached }) => role === 'control-plane' && unreached === undefined);
  if (!from) return undefined;
  const admin = adminKubectl(20);
  const node = word(name);
  return {
    machine: from.name,
    title: `Let ${name} take pods again`,
    // The mark goes last: cut off in between, it is still known whose cordon it was.
    script: `${admin} uncordon ${node}\n${admin} annotate node ${node} ${cordonMark}-\n`,
    undo: `${admin} annotate --overwrite node ${node} ${cordonMark}=drain\n${admin} cordon ${node}\n`,
  };
}

const nodeCordoned: Rule = {
  id: 'node-cordoned',
  layer: 'node',
  symptom: 'A node shows SchedulingDisabled and takes no new pods.',
  cause: 'Its owner cordoned or drained it (kubectl cordon, kubectl drain); nothing lifts that by itself.',
  cure: 'Uncordon it when the work on it is done.',
  sources: ['kubernetes.io/docs/concepts/nodes/node (manual node administration)'],
  needs: ['api.nodes', 'api.pods', 'api.persistentvolumes'],
  explains: [{ rule: 'pod-pending', by: 'machine' }],
  find: snapshot =>
    cordons(snapshot).flatMap(cordon => {
      const { node, isInTheWay } = cordon;
      if (isOurs(node)) return [];
      const { name } = node.metadata;
      const { end, ...rest } = told(cordon);
      const at = cordonedAt(node);
      return [
        {
          ...rest,
          says: `${name} is cordoned by its owner${at && ` since ${at}`}${end}`,
          severity: isInTheWay ? 'error' : 'note',
          certainty: 'certain',
          cure: [`when the work on it is done: kubectl uncordon ${word(name)}`],
        },
      ];
    }),
};

const ofHealth =
  /^node\.kubernetes\.io\/(unreachable|not-ready|network-unavailable)$|^node\.cloudprovider\.kubernetes\.io\/uninitialized$/;

const taintLeftBehind: Rule = {
  id: 'taint-left-behind',
  layer: 'node',
  symptom: 'A node is Ready, and pods still do not go there because of a taint.',
  cause:
    'The taint was set while the node was away or new; the controller that takes it off again does not run, or there is none (a cloud provider that is not installed).',
  cure: 'See that the controller manager runs; take the taint off by hand when nobody will.',
  sources: [
    'kubernetes.io/docs/reference/labels-annotations-taints',
    'kubernetes/kubernetes pkg/controller/nodelifecycle',
  ],
  needs: ['api.nodes'],
  explains: [{ rule: 'pod-pending', by: 'machine' }],
  find: snapshot =>
    objects(snapshot, 'nodes').flatMap(node => {
      const ready = conditionOf(node, 'Ready');
      if (ready?.status !== 'True' || !hasHeld(snapshot, ready.lastTransitionTime, 60)) return [];
      const { name } = node.metadata;
      return closingTaints(node)
        .filter(({ key }) => ofHealth.test(key))
        .map(
          ({ key, effect, timeAdded }): Finding => ({
            says: `${name} is Ready and still tainted ${key}:${effect}, which keeps pods away`,
            severity: 'warning',
            certainty: 'certain',
            about: [machineEntity(name)],
            ...begun(timeAdded),
            evidence: [
              {
                says: `taint ${key}:${effect}${timeAdded && `, added at ${timeAdded}`}; Ready=True since ${ready.lastTransitionTime}`,
                from: `API: node ${name}`,
                again: `kubectl get node ${word(name)} -o jsonpath='{.spec.taints}'`,
              },
            ],
            cure: [
              'kubectl -n kube-system get pods -l component=kube-controller-manager',
              `kubectl taint node ${word(name)} ${word(`${key}:${effect}-`)}`,
            ],
          }),
        );
    }),
};

const ciliumAgentNotReady: Rule = {
  id: 'cilium-agent-not-ready',
  layer: 'node',
  symptom: 'Pods stay Pending with "untolerated taint {node.cilium.io/agent-not-ready}".',
  cause:
    'The Cilium agent of that node has not become ready, so the operator leaves its taint there; with kube-proxy replacement often because k8sServiceHost is not the address of the API.',
  cure: 'Read the log of the Cilium agent on that node, and set right what it says.',
  sources: [
    'cilium/cilium Documentation/installation/taints.rst',
    'cilium/cilium Documentation/network/kubernetes/kubeproxy-free.rst',
  ],
  needs: ['api.nodes'],
  explains: [{ rule: 'pod-pending', by: 'machine' }],
  find: snapshot =>
    objects(snapshot, 'nodes').flatMap((node): readonly Finding[] => {
      const taint = node.spec.taints.find(({ key }) => key === 'node.cilium.io/agent-not-ready');
      const { name, creationTimestamp } = node.metadata;
      if (!taint || !hasHeld(snapshot, taint.timeAdded || creationTimestamp, 120)) return [];
      return [
        {
          says: `The Cilium agent on ${name} is not ready, so ${name} keeps the taint ${taint.key} and takes no pods`,
          severity: 'error',
          certainty: 'certain',
          about: [machineEntity(name)],
          ...begun(taint.timeAdded),
          evidence: [
            {
              says: `taint ${taint.key}:${taint.effect}`,
              from: `API: node ${name}`,
              again: `kubectl get node ${word(name)} -o jsonpath='{.spec.taints}'`,
            },
          ],
          cure: [
            `kubectl -n kube-system get pods -l k8s-app=cilium -o wide --field-selector spec.nodeName=${word(name)}`,
            'kubectl -n kube-system logs ds/cilium -c cilium-agent --tail=50',
            'helm -n kube-system get values cilium (k8sServiceHost, k8sServicePort)',
          ],
        },
      ];
    }),
};

export const cordonRules: readonly Rule[] = [cordonLeftBehind, nodeCordoned, taintLeftBehind, ciliumAgentNotReady];
