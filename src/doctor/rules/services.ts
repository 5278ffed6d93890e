// Services that nobody gets through: a selector that matches no pod, an address that nobody gives out.
import { nameOf } from '../objects/common.ts';
import type { ObjectOf } from '../objects/kinds.ts';
import { hasHeld, isLeaving, isOver, isTrue, kubectl, type Pod, podEntity, word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { objects } from '../snapshot.ts';

export type Service = ObjectOf<'services'>;

/** A Service without a selector selects nobody. */
export function selectsPod({ spec }: Service, { metadata }: Pod): boolean {
  const wanted = Object.entries(spec.selector);
  return wanted.length > 0 && wanted.every(([key, value]) => metadata.labels[key] === value);
}

/** Off by a typo, not another version: two letters at most, and not only a number. */
export function isNear(one: string, other: string): boolean {
  if (Math.min(one.length, other.length) < 3) return false;
  if (one.replaceAll(/\d+/g, '') === other.replaceAll(/\d+/g, '')) return false;
  if (one.toLowerCase() === other.toLowerCase()) return true;
  // Of short words, one letter makes another word; only letters that changed places are a slip.
  if (Math.min(one.length, other.length) < 5) return [...one].sort().join('') === [...other].sort().join('');
  return distance(one, other) <= 2;
}

function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 3;
}

/** Pods that one label keeps from being selected, and which. */
function nearMiss({ spec }: Service, pods: readonly Pod[]): { readonly pod: Pod; readonly label: string } | undefined {
  const wanted = Object.entries(spec.selector);
  for (const pod of pods) {
    const { labels } = pod.metadata;
    const [wrong, ...more] = wanted.filter(([key, value]) => labels[key] !== value);
    if (wrong === undefined || more.length > 0) continue;
    const [key, value] = wrong;
    const has = labels[key];
    if (has !== undefined && isNear(has, value)) return { pod, label: `${key}=${has}` };
    const other = Object.entries(labels).find(([mine, theirs]) => theirs === value && isNear(mine, key));
    if (other) return { pod, label: other.join('=') };
  }
  return undefined;
}

const selectsNothing: Rule = {
  id: 'service-selects-nothing',
  layer: 'workload',
  symptom: 'Connections to a Service are refused or time out although its pods run.',
  cause: 'The selector of the Service matches no pod: mostly a label is written differently in the two.',
  cure: 'Write the selector as the labels of the pods are.',
  sources: [
    'kubernetes.io/docs/tasks/debug/debug-application/debug-service',
    'k8sgpt-ai/k8sgpt pkg/analyzer/service.go',
  ],
  needs: ['api.services', 'api.pods', 'api.endpoints'],
  explains: [],
  find: snapshot => {
    const pods = objects(snapshot, 'pods').filter(pod => !isOver(pod) && !isLeaving(pod));
    const endpoints = new Map(objects(snapshot, 'endpoints').map(each => [nameOf(each), each]));
    const byNamespace = new Map<string, Pod[]>();
    for (const pod of pods) {
      const { namespace } = pod.metadata;
      const mine = byNamespace.get(namespace);
      if (mine) mine.push(pod);
      else byNamespace.set(namespace, [pod]);
    }
    if (snapshot.lists.pods.state !== 'seen') return [];
    return objects(snapshot, 'services').flatMap((service): readonly Finding[] => {
      const { spec, metadata } = service;
      if (Object.keys(spec.selector).length === 0 || spec.type === 'ExternalName') return [];
      const there = byNamespace.get(metadata.namespace) ?? [];
      if (there.some(pod => selectsPod(service, pod)) || !hasHeld(snapshot, metadata.creationTimestamp, 30)) return [];
      // Somebody may write its endpoints by hand.
      if (endpoints.get(nameOf(service))?.subsets.some(({ addresses }) => addresses.length > 0)) return [];
      const selector = Object.entries(spec.selector)
        .map(pair => pair.join('='))
        .join(',');
      const near = nearMiss(
        service,
        there.filter(pod => isTrue(pod, 'Ready')),
      );
      return [
        {
          says: near
            ? `The Service ${nameOf(service)} selects ${selector} and finds no pod: ${near.pod.metadata.name} has ${near.label}`
            : `The Service ${nameOf(service)} selects ${selector}, and no pod has these labels`,
          // Without a near miss it may be meant so: scaled to zero, or for a part that is not installed.
          severity: near ? 'error' : 'note',
          certainty: near ? 'likely' : 'certain',
          ...(near
            ? {
                settledBy: `whether ${near.pod.metadata.name} is meant: ${kubectl('get', 'pod', near.pod, '--show-labels')}`,
              }
            : {}),
          about: [`service:${nameOf(service)}`, ...(near ? [podEntity(near.pod)] : [])],
          evidence: [
            {
              says: `selector ${selector}`,
              from: `API: service ${nameOf(service)}`,
              again: kubectl('get', 'service', service, '-o wide'),
            },
            ...(near
              ? [
                  {
                    says: `label ${near.label}`,
                    from: `API: pod ${nameOf(near.pod)}`,
                    again: kubectl('get', 'pod', near.pod, '--show-labels'),
                  },
                ]
              : []),
          ],
          cure: [
            near
              ? `write ${near.label} in the selector, or the selector's label on the pods: ${kubectl('edit', 'service', service)}`
              : `kubectl -n ${word(metadata.namespace)} get pods --show-labels`,
          ],
        },
      ];
    });
  },
};

const balancerPending: Rule = {
  id: 'load-balancer-pending',
  layer: 'workload',
  symptom: 'A Service of type LoadBalancer shows EXTERNAL-IP <pending>.',
  cause: 'Nobody gives out addresses: bare machines need something for it (Cilium LB-IPAM, MetalLB).',
  cure: 'Install what gives addresses, or use a NodePort; helm --wait waits for an address.',
  sources: ['kubernetes.io/docs/concepts/services-networking/service (loadbalancer)', 'helm/helm pkg/kube/ready.go'],
  needs: ['api.services'],
  explains: [],
  find: snapshot =>
    objects(snapshot, 'services').flatMap((service): readonly Finding[] => {
      const { spec, status, metadata } = service;
      if (spec.type !== 'LoadBalancer' || status.loadBalancer.ingress.length > 0 || isLeaving(service)) return [];
      if (!hasHeld(snapshot, metadata.creationTimestamp, 60)) return [];
      return [
        {
          says: `The Service ${nameOf(service)} waits for an address that nobody gives out; its node ports work meanwhile`,
          severity: 'note',
          certainty: 'certain',
          about: [`service:${nameOf(service)}`],
          evidence: [
            {
              says: 'status.loadBalancer is empty',
              from: `API: service ${nameOf(service)}`,
              again: kubectl('get', 'service', service),
            },
          ],
          cure: ['Cilium: a CiliumLoadBalancerIPPool; otherwise MetalLB; or type: NodePort'],
        },
      ];
    }),
};

export const serviceRules: readonly Rule[] = [selectsNothing, balancerPending];
