// Who is in the mesh, and where a route of Istio's leads.
import type { ObjectOf } from '../objects/kinds.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import { allContainers, hasLabels, isAlive, type Pod, podsOf, type Service } from './installed.ts';

export type VirtualService = ObjectOf<'virtualservices'>;

/** Where mesh-wide policies stand, unless somebody changed it. */
export const rootNamespace = 'istio-system';

/** A sidecar, classic or native; not a gateway, which is nothing but a proxy. */
export function hasSidecar(pod: Pod): boolean {
  return allContainers(pod).some(({ name }) => name === 'istio-proxy') && !isGateway(pod);
}

export function isGateway(pod: Pod): boolean {
  return pod.spec.containers.length === 1 && pod.spec.containers[0]?.name === 'istio-proxy';
}

export function sidecarPods(snapshot: Snapshot): readonly Pod[] {
  return objects(snapshot, 'pods').filter(pod => isAlive(pod) && hasSidecar(pod));
}

/** The Service that a host of a route means: 'was', 'was.blog', 'was.blog.svc.cluster.local'. */
export function serviceOf(snapshot: Snapshot, host: string, namespace: string): Service | undefined {
  const [name = '', other = namespace, ...rest] = host.split('.');
  if (rest.length > 0 && rest[0] !== 'svc') return undefined;
  return objects(snapshot, 'services').find(({ metadata }) => metadata.name === name && metadata.namespace === other);
}

/** Routes from outside: those of gateways. */
export function outsideRoutes(snapshot: Snapshot): readonly VirtualService[] {
  return objects(snapshot, 'virtualservices').filter(({ spec }) => spec.gateways.some(name => name !== 'mesh'));
}

export function podsBehind(
  snapshot: Snapshot,
  route: VirtualService['spec']['http'][number],
  namespace: string,
): readonly Pod[] {
  return route.route.flatMap(({ destination }) => {
    const service = serviceOf(snapshot, destination.host, namespace);
    return service ? podsOf(snapshot, service) : [];
  });
}

type Policy = {
  readonly metadata: { readonly namespace: string };
  readonly spec: { readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> } | null | undefined };
};

/** Its own namespace's pods, or everybody's where it stands in the root namespace. */
export function appliesTo({ metadata, spec }: Policy, pod: Pod): boolean {
  return (
    (metadata.namespace === pod.metadata.namespace || metadata.namespace === rootNamespace) &&
    hasLabels(spec.selector?.matchLabels ?? {}, pod.metadata.labels)
  );
}
