// Pods without a node, by cause. The scheduler's sentence is checked against the nodes themselves: it may be of before the last change.

import { grouped } from '../../model/grouped.ts';
import { requestsOf, shownAmount } from '../../model/quantities.ts';
import { nameOf } from '../objects/common.ts';
import { isOfNode, type Obstacle, type Places, placesIn, portsOf } from '../placement.ts';
import {
  begun,
  claimsOf,
  conditionOf,
  kubectl,
  listed,
  machineEntity,
  oneLine,
  ownerOf,
  type Pod,
  podEntity,
  together,
  word,
} from '../reading.ts';
import type { Explains, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import { unboundClaim, waitingPods } from './cordon.ts';

type Cause = 'room' | 'too-big' | 'port' | 'rules' | 'taint' | 'other';

interface Waiting {
  readonly pod: Pod;
  readonly cause: Cause;
  /** The scheduler's own words; empty when it has said nothing. */
  readonly message: string;
  readonly since: string;
  /** Nodes that would take it if they were ready and open. */
  readonly closed: readonly string[];
  /** What stands against it elsewhere: 'n2: 100Mi memory is free there'. */
  readonly against: readonly string[];
  /** Of the nodes that lack only that. */
  readonly what: readonly Obstacle[];
}

/** What the scheduler says, Kubernetes 1.24 to 1.36; only for what the nodes do not show. */
const wording: readonly { readonly cause: Cause; readonly pattern: RegExp }[] = [
  { cause: 'other', pattern: unboundClaim },
  { cause: 'room', pattern: /Insufficient \S+|Too many pods/ },
  { cause: 'port', pattern: /didn't have free ports/ },
  {
    cause: 'rules',
    pattern:
      /didn't match (Pod's node affinity|pod (anti-)?affinity|pod topology spread)|didn't satisfy existing pods anti-affinity/,
  },
  { cause: 'taint', pattern: /had untolerated taint/ },
];

function waiting(snapshot: Snapshot): readonly Waiting[] {
  const places = placesIn(snapshot);
  return waitingPods(snapshot).map(pod => {
    const condition = conditionOf(pod, 'PodScheduled');
    const message = condition?.message ?? '';
    const since = condition?.lastTransitionTime || pod.metadata.creationTimestamp;
    return { pod, message, since, ...causeOf(pod, message, places) };
  });
}

/** From what is easiest to change to what is not. */
const byEase = ['room', 'port', 'rules', 'taint', 'too-big', 'reserved'] as const;

function causeOf(
  pod: Pod,
  message: string,
  { nodes, obstacles }: Places,
): Pick<Waiting, 'cause' | 'closed' | 'against' | 'what'> {
  const found = nodes.map(node => ({ name: node.metadata.name, all: obstacles(pod, node) }));
  const against = found.flatMap(({ name, all }) => {
    const [first] = all.filter(each => !isOfNode(each));
    const shown = first ?? all[0];
    return shown ? [`${name}: ${shown.says}`] : [];
  });
  const closed = found.flatMap(({ name, all }) => (all.length > 0 && all.every(isOfNode) ? [name] : []));
  const said = wording.find(({ pattern }) => pattern.test(message))?.cause;
  const none = { closed: [], against, what: [] };
  if (said === 'other') return { ...none, cause: 'other' };
  if (closed.length > 0) return { ...none, closed, cause: 'other' };
  // A node would do, as far as it is known here: only the scheduler knows better.
  if (found.some(({ all }) => all.length === 0)) return { ...none, cause: said ?? 'other' };
  for (const kind of byEase) {
    const only = found.flatMap(({ all }) => {
      const hard = all.filter(each => !isOfNode(each));
      return hard.every(each => each.kind === kind) ? [hard] : [];
    });
    if (only.length > 0) return { ...none, cause: kind === 'reserved' ? 'taint' : kind, what: only.flat() };
  }
  return { ...none, cause: found.length === 0 ? (said ?? 'other') : 'other' };
}

type Group = readonly [Waiting, ...Waiting[]];

/** Pods of one owner wait for the same. */
function findingsOf(
  snapshot: Snapshot,
  cause: Cause,
  told: (group: Group, pods: string) => Pick<Finding, 'says' | 'cure'>,
): readonly Finding[] {
  const mine = waiting(snapshot).filter(each => each.cause === cause);
  return grouped(mine, ({ pod }) => ownerOf(pod)).map((group): Finding => {
    const [first] = group;
    const { pod, message, against, what, since } = first;
    // Where the nodes were not read, or do not show it, there is only the scheduler's word.
    const isSeen = what.length > 0;
    return {
      ...told(group, listed(group.map(each => nameOf(each.pod)))),
      severity: 'error',
      certainty: isSeen ? 'certain' : 'likely',
      ...(isSeen ? {} : { settledBy: kubectl('describe', 'pod', pod) }),
      about: together(podEntity(pod), ...group.map(each => podEntity(each.pod))),
      ...begun(since),
      evidence: [
        ...(against.length > 0
          ? [
              {
                says: against.slice(0, 4).join('; '),
                from: 'API: nodes and what their pods ask for',
                again: 'kubectl describe nodes',
              },
            ]
          : []),
        {
          says: oneLine(message),
          from: `API: pod ${nameOf(pod)}, condition PodScheduled`,
          again: kubectl('describe', 'pod', pod),
        },
      ],
    };
  });
}

function verb(group: Group, word: string): string {
  return group.length > 1 ? word : `${word}s`;
}

function asked(pod: Pod): string {
  const { pods: _, ...amounts } = requestsOf(pod.spec);
  const shown = Object.entries(amounts).flatMap(([name, amount]) =>
    amount > 0 ? [`${shownAmount(name, amount)} ${name}`] : [],
  );
  return shown.length === 0 ? 'nothing' : shown.join(', ');
}

const needs = ['api.pods', 'api.nodes', 'api.persistentvolumes'] as const;
const docs = 'kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler';
/** A pod that serves others and finds no place. */
const explains: readonly Explains[] = [
  { rule: 'dns-down', by: 'pod' },
  { rule: 'webhook-unanswered', by: 'pod' },
  { rule: 'apiservice-unavailable', by: 'pod' },
];

const tooBig: Rule = {
  id: 'pod-too-big',
  layer: 'workload',
  symptom: 'A pod stays Pending with "Insufficient memory" or "Insufficient cpu" although nodes are idle.',
  cause: 'It asks for more than any node that it may use has in all.',
  cure: 'Ask for less, or give a machine more.',
  sources: ['kubernetes.io/docs/concepts/configuration/manage-resources-containers'],
  needs,
  explains,
  find: snapshot =>
    findingsOf(snapshot, 'too-big', (group, pods) => ({
      says: `${pods} ${verb(group, 'ask')} for ${asked(group[0].pod)}, and no node that may be used is that large: ${listed([...new Set(group[0].what.map(({ says }) => says.replace('it has', 'the node has')))])}`,
      cure: [
        `lower resources.requests of ${ownerOf(group[0].pod)}`,
        'kubectl get nodes -o custom-columns=NAME:.metadata.name,CPU:.status.allocatable.cpu,MEMORY:.status.allocatable.memory',
      ],
    })),
};

const noRoom: Rule = {
  id: 'no-room-for-pod',
  layer: 'workload',
  symptom: 'A pod stays Pending with "Insufficient memory", "Insufficient cpu" or "Too many pods".',
  cause:
    'What other pods have asked for leaves too little on every node that it may use; what they really use does not count.',
  cure: 'Lower what pods ask for, end some of them, or add a machine.',
  sources: ['kubernetes.io/docs/concepts/configuration/manage-resources-containers'],
  needs,
  explains,
  find: snapshot =>
    findingsOf(snapshot, 'room', (group, pods) => ({
      says: `${pods} ${verb(group, 'ask')} for ${asked(group[0].pod)}, and no node has that much left${group[0].against.length > 0 ? ` (${listed(group[0].against)})` : ''}`,
      cure: [
        'kubectl describe nodes (Allocated resources)',
        `lower resources.requests of ${ownerOf(group[0].pod)}, or of what stands beside it`,
        'or add a machine: homelab join-node NAME',
      ],
    })),
};

const portTaken: Rule = {
  id: 'host-port-taken',
  layer: 'workload',
  symptom: 'A pod stays Pending with "didn\'t have free ports for the requested pod ports".',
  cause: "It wants a port of the machine's own address, and another pod has it on every node.",
  cure: 'Take another hostPort, run fewer of them, or use a Service instead.',
  sources: ['kubernetes/kubernetes pkg/scheduler/framework/plugins/nodeports'],
  needs,
  explains,
  find: snapshot => {
    const pods = objects(snapshot, 'pods');
    return findingsOf(snapshot, 'port', (group, names) => {
      const [{ pod }] = group;
      const wanted = portsOf(pod);
      const holders = pods.filter(
        other => other.spec.nodeName !== '' && portsOf(other).some(port => wanted.includes(port)),
      );
      return {
        says: `${names} ${verb(group, 'want')} port ${listed(wanted)} of its machine${holders.length > 0 ? `, which ${listed(holders.map(other => `${nameOf(other)} has on ${other.spec.nodeName}`))}` : ', which is taken on every node'}`,
        cure: [
          `give ${ownerOf(pod)} another hostPort, or as many replicas as there are nodes, or a Service of type NodePort`,
        ],
      };
    });
  },
};

const nodeRules: Rule = {
  id: 'pod-node-rules',
  layer: 'workload',
  symptom:
    'A pod stays Pending with "didn\'t match Pod\'s node affinity/selector", "anti-affinity rules" or "topology spread constraints".',
  cause: 'Its nodeSelector, affinity or spread leaves no node.',
  cure: 'Label a node as the pod wants it, or loosen the rule.',
  sources: ['kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node'],
  needs,
  explains,
  find: snapshot =>
    findingsOf(snapshot, 'rules', (group, pods) => {
      const [{ pod, what, message }] = group;
      const wanted = Object.entries(pod.spec.nodeSelector).map(([key, value]) => `${key}=${value}`);
      return {
        says: `${pods} ${verb(group, 'fit')} no node by ${group.length > 1 ? 'their' : 'its'} own rules: ${what.length > 0 ? listed([...new Set(what.map(({ says }) => says.replace(/^it is not labelled/, 'no node is labelled')))]) : oneLine(message, 200)}`,
        cure: [
          'kubectl get nodes --show-labels',
          ...wanted.slice(0, 1).map(label => `if a node should have it: kubectl label node NAME ${word(label)}`),
          `or loosen nodeSelector, affinity or topologySpreadConstraints of ${ownerOf(pod)}`,
        ],
      };
    }),
};

const podTaint: Rule = {
  id: 'pod-taint',
  layer: 'workload',
  symptom: 'A pod stays Pending with "had untolerated taint".',
  cause:
    'Every node that it could use has a taint that it does not tolerate: reserved for something, or a control plane.',
  cure: 'Let the pod tolerate the taint, or take the taint off a node.',
  sources: ['kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration'],
  needs,
  explains,
  find: snapshot =>
    findingsOf(snapshot, 'taint', (group, pods) => {
      const [{ pod, against, what }] = group;
      const isReserved = what.some(({ kind }) => kind === 'reserved');
      return {
        says: `${pods} ${verb(group, 'tolerate')} no taint of any node, and every node has one${against.length > 0 ? ` (${listed(against.map(each => each.replace('it has the taint ', '')))})` : ''}`,
        cure: [
          ...(isReserved
            ? [
                'let the control plane run ordinary pods too: kubectl taint nodes --all node-role.kubernetes.io/control-plane-',
                'or add a worker: homelab join-node NAME',
              ]
            : [
                'kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints',
                `add a toleration to ${ownerOf(pod)}, or take the taint off: kubectl taint node NAME KEY-`,
              ]),
        ],
      };
    }),
};

const podPending: Rule = {
  id: 'pod-pending',
  layer: 'workload',
  symptom: 'A pod stays Pending and has no node.',
  cause: 'A node that would take it is cordoned or not ready, a claim of it waits, or nobody places pods.',
  cure: 'Read what the scheduler says about it; where it says nothing, look at the scheduler.',
  sources: [docs],
  needs,
  explains,
  symptomOnly: true,
  find: snapshot =>
    waiting(snapshot).flatMap((each): readonly Finding[] => {
      const { pod, cause, closed, message, since } = each;
      if (cause !== 'other') return [];
      const why =
        closed.length > 0
          ? `it would fit ${listed(closed)}, which ${closed.length === 1 ? 'takes' : 'take'} no pods now`
          : message === ''
            ? 'no scheduler has looked at it'
            : oneLine(message.replace(/ preemption: .*/s, ''), 200);
      return [
        {
          says: `Pod ${nameOf(pod)} has no node: ${why}`,
          severity: 'error',
          certainty: 'certain',
          about: together(podEntity(pod), ...closed.map(machineEntity), ...claimsOf(pod)),
          ...begun(since),
          evidence: [
            {
              says: oneLine(message) || 'no condition PodScheduled',
              from: `API: pod ${nameOf(pod)}, condition PodScheduled`,
              again: kubectl('describe', 'pod', pod),
            },
          ],
          cure: [
            kubectl('describe', 'pod', pod),
            ...(message === '' ? ['kubectl -n kube-system get pods -l component=kube-scheduler'] : []),
          ],
        },
      ];
    }),
};

export const placingRules: readonly Rule[] = [tooBig, noRoom, portTaken, nodeRules, podTaint, podPending];
