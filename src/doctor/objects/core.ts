// What every cluster has: nodes, pods and what stands around them.
import { z } from 'zod';
import { keptEnvironment, keptExcerpts, keptFlags } from './allowed.ts';
import {
  conditions,
  flag,
  many,
  metadata,
  name,
  number,
  quantities,
  reference,
  requirements,
  selector,
  strings,
  text,
} from './common.ts';

export const node = z.object({
  metadata,
  spec: z
    .object({
      podCIDR: text,
      unschedulable: flag,
      taints: many(z.object({ key: z.string(), value: text, effect: text, timeAdded: text })),
    })
    .prefault({}),
  status: z
    .object({
      addresses: many(z.object({ type: z.string(), address: reference })),
      allocatable: quantities,
      conditions,
      nodeInfo: z
        .object({
          machineID: text,
          bootID: text,
          kernelVersion: text,
          osImage: text,
          containerRuntimeVersion: text,
          kubeletVersion: text,
        })
        .prefault({}),
    })
    .prefault({}),
});

const ended = z.object({ reason: text, message: text, exitCode: number, startedAt: text, finishedAt: text });
const containerState = z
  .object({
    waiting: z.object({ reason: text, message: text }).optional(),
    running: z.object({ startedAt: text }).optional(),
    terminated: ended.optional(),
  })
  .prefault({});
const containerStatus = z.object({
  name,
  ready: flag,
  restartCount: number,
  image: text,
  state: containerState,
  lastState: containerState,
});
const container = z.object({
  name,
  image: text,
  resources: z.object({ requests: quantities, limits: quantities }).prefault({}),
  ports: many(z.object({ name: text, containerPort: number, hostPort: number, protocol: text })),
  /** 'Always' makes an init container one that stays. */
  restartPolicy: text,
  args: keptFlags,
  command: keptFlags,
  env: keptEnvironment,
  volumeMounts: many(z.object({ name, mountPath: text, subPath: text })),
});
const nodeTerms = z.object({
  nodeSelectorTerms: many(z.object({ matchExpressions: requirements, matchFields: requirements })),
});
export const podSpec = z.object({
  nodeName: reference,
  overhead: quantities,
  affinity: z
    .object({
      nodeAffinity: z.object({ requiredDuringSchedulingIgnoredDuringExecution: nodeTerms.nullish() }).nullish(),
    })
    .nullish(),
  nodeSelector: strings,
  hostNetwork: flag,
  serviceAccountName: reference,
  containers: many(container),
  initContainers: many(container),
  tolerations: many(z.object({ key: text, operator: text, value: text, effect: text })),
  volumes: many(
    z.object({
      name: reference,
      persistentVolumeClaim: z.object({ claimName: name }).optional(),
      configMap: z.object({ name: reference, optional: flag }).optional(),
      secret: z.object({ secretName: reference, optional: flag }).optional(),
    }),
  ),
});
export const pod = z.object({
  metadata,
  spec: podSpec,
  status: z
    .object({
      phase: text,
      reason: text,
      message: text,
      startTime: text,
      podIP: reference,
      hostIP: reference,
      conditions,
      containerStatuses: many(containerStatus),
      initContainerStatuses: many(containerStatus),
    })
    .prefault({}),
});

export const event = z.object({
  metadata,
  type: text,
  reason: text,
  message: text,
  count: number,
  firstTimestamp: text,
  lastTimestamp: text,
  eventTime: text,
  involvedObject: z.object({ kind: reference, namespace: reference, name: reference, uid: text }),
  series: z.object({ count: number, lastObservedTime: text }).nullish(),
});

export const service = z.object({
  metadata,
  spec: z
    .object({
      type: text,
      clusterIP: reference,
      externalName: reference,
      selector: strings,
      ports: many(
        z.object({
          name: text,
          port: number,
          /** A number or a name of the pod's. */
          targetPort: z
            .union([z.string(), z.number()])
            .nullish()
            .transform(port => String(port ?? '')),
          protocol: text,
          appProtocol: text,
        }),
      ),
    })
    .prefault({}),
  status: z
    .object({
      loadBalancer: z.object({ ingress: many(z.object({ ip: reference, hostname: reference })) }).prefault({}),
    })
    .prefault({}),
});
const endpointAddress = z.object({
  ip: reference,
  nodeName: reference,
  targetRef: z.object({ kind: reference, name: reference }).optional(),
});
export const endpoints = z.object({
  metadata,
  subsets: many(z.object({ addresses: many(endpointAddress), notReadyAddresses: many(endpointAddress) })),
});

export const claim = z.object({
  metadata,
  spec: z
    .object({
      storageClassName: z.union([name, z.literal('')]).nullish(),
      volumeName: reference,
      accessModes: many(z.string()),
      resources: z.object({ requests: quantities }).prefault({}),
      selector,
    })
    .prefault({}),
  status: z.object({ phase: text, conditions }).prefault({}),
});
export const volume = z.object({
  metadata,
  spec: z
    .object({
      storageClassName: reference,
      capacity: quantities,
      accessModes: many(z.string()),
      claimRef: z.object({ namespace: reference, name: reference, uid: text }).nullish(),
      nodeAffinity: z
        .object({
          required: nodeTerms.optional(),
        })
        .optional(),
    })
    .prefault({}),
  status: z.object({ phase: text, reason: text, message: text }).prefault({}),
});
export const storageClass = z.object({ metadata, provisioner: text, volumeBindingMode: text });

export const workload = z.object({
  metadata,
  spec: z
    .object({
      replicas: z.number().nullish(),
      selector,
      template: z.object({ metadata: metadata.partial().prefault({}), spec: podSpec }).optional(),
    })
    .prefault({}),
  status: z
    .object({
      replicas: number,
      readyReplicas: number,
      availableReplicas: number,
      updatedReplicas: number,
      observedGeneration: number,
      desiredNumberScheduled: number,
      numberReady: number,
      conditions,
    })
    .prefault({}),
});
export const budget = z.object({
  metadata,
  spec: z.object({ selector }).prefault({}),
  status: z
    .object({ disruptionsAllowed: number, currentHealthy: number, desiredHealthy: number, expectedPods: number })
    .prefault({}),
});
export const autoscaler = z.object({
  metadata,
  spec: z.object({ scaleTargetRef: z.object({ kind: reference, name: reference }) }),
  status: z.object({ conditions }).prefault({}),
});
export const lease = z.object({
  metadata,
  spec: z.object({ renewTime: text, leaseDurationSeconds: number }).prefault({}),
});
/** The request itself is public; whose it is and whether somebody answered is what matters. */
export const signingRequest = z.object({
  metadata,
  spec: z.object({ signerName: text, username: text }),
  status: z.object({ conditions }).prefault({}),
});
export const namespace = z.object({ metadata, status: z.object({ phase: text, conditions }).prefault({}) });
export const quota = z.object({ metadata, status: z.object({ hard: quantities, used: quantities }).prefault({}) });
export const webhooks = z.object({
  metadata,
  webhooks: many(
    z.object({
      name: text,
      failurePolicy: text,
      clientConfig: z.object({ service: z.object({ namespace: reference, name: reference, port: number }).nullish() }),
    }),
  ),
});
export const apiService = z.object({
  metadata,
  spec: z.object({ service: z.object({ namespace: reference, name: reference }).nullish() }).prefault({}),
  status: z.object({ conditions }).prefault({}),
});

export const configMap = z.object({ metadata, data: strings.transform(keptExcerpts) });
/** Of a Helm release only its labels: name, version, status. They stand on a Secret, whose data is never asked. */
export const release = z.object({ metadata });
