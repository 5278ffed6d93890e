// The API's objects as kubectl prints them, as far as they are read; everything else in them is ignored.
import { z } from 'zod';

const strings = z.record(z.string(), z.string()).default({});
const metadata = z.object({
  name: z.string(),
  namespace: z.string().default(''),
  labels: strings,
  annotations: strings,
  deletionTimestamp: z.string().optional(),
  ownerReferences: z
    .array(z.object({ kind: z.string(), name: z.string(), controller: z.boolean().default(false) }))
    .default([]),
});
const requirements = z
  .array(z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).default([]) }))
  .default([]);
const selector = z.object({ matchLabels: strings, matchExpressions: requirements });
const nodeTerms = z.object({
  nodeSelectorTerms: z.array(z.object({ matchExpressions: requirements, matchFields: requirements })).default([]),
});
const conditions = z
  .array(z.object({ type: z.string(), status: z.string(), lastTransitionTime: z.string().nullish() }))
  .default([]);
/** Of resources: '100m', '64Mi', or a bare number. */
const quantities = z.record(z.string(), z.union([z.string(), z.number()])).default({});

const node = z.object({
  kind: z.literal('Node'),
  metadata,
  spec: z.object({
    unschedulable: z.boolean().default(false),
    taints: z.array(z.object({ key: z.string(), value: z.string().default(''), effect: z.string() })).default([]),
  }),
  status: z.object({ allocatable: quantities, conditions }),
});

const container = z.object({
  resources: z.object({ requests: quantities }).prefault({}),
  ports: z.array(z.object({ hostPort: z.number().default(0), protocol: z.string().default('TCP') })).default([]),
  /** 'Always' makes an init container one that stays. */
  restartPolicy: z.string().default(''),
});
const containerStatuses = z
  .array(
    z.object({ state: z.object({ waiting: z.object({ reason: z.string().default('') }).optional() }).prefault({}) }),
  )
  .default([]);
const podSpec = z.object({
  nodeName: z.string().default(''),
  terminationGracePeriodSeconds: z.number().default(30),
  containers: z.array(container).default([]),
  initContainers: z.array(container).default([]),
  overhead: quantities,
  volumes: z
    .array(
      z.object({
        name: z.string(),
        emptyDir: z.object({ medium: z.string().default('') }).optional(),
        hostPath: z.object({ path: z.string() }).optional(),
        persistentVolumeClaim: z.object({ claimName: z.string() }).optional(),
      }),
    )
    .default([]),
  nodeSelector: strings,
  affinity: z
    .object({
      nodeAffinity: z.object({ requiredDuringSchedulingIgnoredDuringExecution: nodeTerms.optional() }).prefault({}),
      podAntiAffinity: z
        .object({
          requiredDuringSchedulingIgnoredDuringExecution: z
            .array(
              z.object({
                topologyKey: z.string(),
                labelSelector: selector.prefault({}),
                namespaces: z.array(z.string()).default([]),
              }),
            )
            .default([]),
        })
        .prefault({}),
    })
    .prefault({}),
  tolerations: z
    .array(
      z.object({
        key: z.string().default(''),
        operator: z.string().default('Equal'),
        value: z.string().default(''),
        effect: z.string().default(''),
      }),
    )
    .default([]),
});
const pod = z.object({
  kind: z.literal('Pod'),
  metadata,
  spec: podSpec,
  status: z
    .object({
      phase: z.string().default(''),
      conditions,
      containerStatuses,
      initContainerStatuses: containerStatuses,
    })
    .prefault({}),
});

const count = z.number().default(0);
const budget = z.object({
  kind: z.literal('PodDisruptionBudget'),
  metadata,
  spec: z.object({
    selector: selector.optional(),
    minAvailable: z.union([z.string(), z.number()]).optional(),
    maxUnavailable: z.union([z.string(), z.number()]).optional(),
    unhealthyPodEvictionPolicy: z.string().default('IfHealthyBudget'),
  }),
  status: z
    .object({ expectedPods: count, currentHealthy: count, desiredHealthy: count, disruptionsAllowed: count })
    .prefault({}),
});
const volume = z.object({
  kind: z.literal('PersistentVolume'),
  metadata,
  spec: z.object({
    claimRef: z.object({ name: z.string(), namespace: z.string() }).optional(),
    nodeAffinity: z.object({ required: nodeTerms.optional() }).prefault({}),
    local: z.object({ path: z.string() }).optional(),
    hostPath: z.object({ path: z.string() }).optional(),
    csi: z.object({ driver: z.string(), volumeHandle: z.string().default('') }).optional(),
  }),
});
const replicated = <Kind extends 'Deployment' | 'StatefulSet' | 'ReplicaSet'>(kind: Kind) =>
  z.object({
    kind: z.literal(kind),
    metadata,
    spec: z.object({ replicas: z.number().default(1) }),
    status: z.object({ readyReplicas: count }).prefault({}),
  });
const daemonSet = z.object({
  kind: z.literal('DaemonSet'),
  metadata,
  status: z.object({ desiredNumberScheduled: count, numberReady: count }).prefault({}),
});
const service = z.object({
  kind: z.literal('Service'),
  metadata,
  spec: z.object({ selector: strings }),
});
// Longhorn's.
const longhornVolume = z.object({
  kind: z.literal('Volume'),
  metadata,
  spec: z.object({ numberOfReplicas: count }),
  status: z.object({ robustness: z.string().default('') }).prefault({}),
});
const longhornReplica = z.object({
  kind: z.literal('Replica'),
  metadata,
  spec: z.object({
    volumeName: z.string().default(''),
    nodeID: z.string().default(''),
    healthyAt: z.string().default(''),
    failedAt: z.string().default(''),
  }),
});

export const list = z.object({
  items: z.array(
    z.discriminatedUnion('kind', [
      node,
      pod,
      budget,
      volume,
      replicated('Deployment'),
      replicated('StatefulSet'),
      replicated('ReplicaSet'),
      daemonSet,
      service,
      longhornVolume,
      longhornReplica,
    ]),
  ),
});

export type ApiObject = z.output<typeof list>['items'][number];
export type PodObject = z.output<typeof pod>;
export type Selecting = z.output<typeof selector>;
export type NodeTerms = z.output<typeof nodeTerms>;
