// The kinds that are asked, in order: what kubectl calls them, the file they are saved in, and what is kept of them.
import type { z } from 'zod';
import { application, rollout } from './argo.ts';
import { ciliumPolicy } from './cilium.ts';
import * as core from './core.ts';
import * as istio from './istio.ts';
import * as longhorn from './longhorn.ts';
import { sealedSecret } from './sealed.ts';

export interface KindRow<T> {
  /** As kubectl takes it; with its group where that is not the core's. */
  readonly resource: string;
  /** As it stands in an object of a mixed list. */
  readonly kind: string;
  /** A kind of its own API group, which need not be installed. */
  readonly custom?: true;
  /** `metadata.managedFields` are asked too; kubectl hides them otherwise. */
  readonly managers?: true;
  /** Asked by this label and only for `metadata`: the rest never leaves the API server. */
  readonly metadataOf?: string;
  readonly schema: z.ZodType<T>;
}

const row = <T>(
  resource: string,
  kind: string,
  schema: z.ZodType<T>,
  more: Pick<KindRow<T>, 'custom' | 'managers' | 'metadataOf'> = {},
): KindRow<T> => ({ resource, kind, schema, ...more });

const custom = <T>(resource: string, kind: string, schema: z.ZodType<T>): KindRow<T> =>
  row(resource, kind, schema, { custom: true });

export const kinds = {
  nodes: row('nodes', 'Node', core.node),
  leases: row('leases.coordination.k8s.io', 'Lease', core.lease),
  pods: row('pods', 'Pod', core.pod),
  events: row('events', 'Event', core.event),
  services: row('services', 'Service', core.service),
  endpoints: row('endpoints', 'Endpoints', core.endpoints),
  persistentvolumeclaims: row('persistentvolumeclaims', 'PersistentVolumeClaim', core.claim),
  persistentvolumes: row('persistentvolumes', 'PersistentVolume', core.volume),
  storageclasses: row('storageclasses.storage.k8s.io', 'StorageClass', core.storageClass),
  deployments: row('deployments.apps', 'Deployment', core.workload),
  daemonsets: row('daemonsets.apps', 'DaemonSet', core.workload),
  statefulsets: row('statefulsets.apps', 'StatefulSet', core.workload),
  poddisruptionbudgets: row('poddisruptionbudgets.policy', 'PodDisruptionBudget', core.budget),
  horizontalpodautoscalers: row('horizontalpodautoscalers.autoscaling', 'HorizontalPodAutoscaler', core.autoscaler),
  csr: row('certificatesigningrequests.certificates.k8s.io', 'CertificateSigningRequest', core.signingRequest),
  namespaces: row('namespaces', 'Namespace', core.namespace),
  resourcequotas: row('resourcequotas', 'ResourceQuota', core.quota),
  configmaps: row('configmaps', 'ConfigMap', core.configMap, { managers: true }),
  validatingwebhookconfigurations: row(
    'validatingwebhookconfigurations.admissionregistration.k8s.io',
    'ValidatingWebhookConfiguration',
    core.webhooks,
    { managers: true },
  ),
  mutatingwebhookconfigurations: row(
    'mutatingwebhookconfigurations.admissionregistration.k8s.io',
    'MutatingWebhookConfiguration',
    core.webhooks,
  ),
  apiservices: row('apiservices.apiregistration.k8s.io', 'APIService', core.apiService),
  releases: row('secrets', 'Secret', core.release, { metadataOf: 'owner=helm' }),
  authorizationpolicies: custom(
    'authorizationpolicies.security.istio.io',
    'AuthorizationPolicy',
    istio.authorizationPolicy,
  ),
  peerauthentications: custom('peerauthentications.security.istio.io', 'PeerAuthentication', istio.peerAuthentication),
  virtualservices: row('virtualservices.networking.istio.io', 'VirtualService', istio.virtualService, {
    custom: true,
    managers: true,
  }),
  gateways: custom('gateways.networking.istio.io', 'Gateway', istio.gateway),
  destinationrules: custom('destinationrules.networking.istio.io', 'DestinationRule', istio.destinationRule),
  ciliumnetworkpolicies: custom('ciliumnetworkpolicies.cilium.io', 'CiliumNetworkPolicy', ciliumPolicy),
  ciliumclusterwidenetworkpolicies: custom(
    'ciliumclusterwidenetworkpolicies.cilium.io',
    'CiliumClusterwideNetworkPolicy',
    ciliumPolicy,
  ),
  longhornvolumes: custom('volumes.longhorn.io', 'Volume', longhorn.longhornVolume),
  longhornreplicas: custom('replicas.longhorn.io', 'Replica', longhorn.longhornReplica),
  longhornnodes: custom('nodes.longhorn.io', 'Node', longhorn.longhornNode),
  rollouts: custom('rollouts.argoproj.io', 'Rollout', rollout),
  applications: custom('applications.argoproj.io', 'Application', application),
  sealedsecrets: custom('sealedsecrets.bitnami.com', 'SealedSecret', sealedSecret),
} as const;

export type Kinds = typeof kinds;
export type KindName = keyof Kinds;
export type ObjectOf<K extends KindName> = z.output<Kinds[K]['schema']>;
export const kindNames = Object.keys(kinds) as readonly KindName[];
