// What Longhorn's own objects say, as its CRDs have it (chart longhorn 1.12.1 templates/crds.yaml).
import { z } from 'zod';

const condition = z.object({ type: z.string(), status: z.string() });
const volume = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ numberOfReplicas: z.number() }),
  status: z.object({ state: z.string().optional(), robustness: z.string().optional() }).optional(),
});
const replica = z.object({
  spec: z.object({ nodeID: z.string().optional(), volumeName: z.string() }),
  status: z.object({ currentState: z.string().optional() }).optional(),
});
const node = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ allowScheduling: z.boolean() }),
  status: z
    .object({
      diskStatus: z
        .record(z.string(), z.object({ diskPath: z.string().optional(), conditions: z.array(condition) }))
        .nullish(),
    })
    .optional(),
});
const snapshot = z.object({
  status: z.object({ readyToUse: z.boolean().optional(), error: z.string().optional() }).optional(),
});
/** Kubernetes' own: batch/v1. */
const cronJob = z.object({
  spec: z.object({ schedule: z.string(), suspend: z.boolean().optional(), timeZone: z.string().optional() }),
});
const listOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item) });

/** Of `kubectl get volumes.longhorn.io -o json`: those that are in use and lack a copy, 'NAME (degraded)'. */
export function degradedVolumes(json: string): readonly string[] {
  return listOf(volume)
    .parse(JSON.parse(json))
    .items.filter(({ status }) => status?.state === 'attached' && status.robustness !== 'healthy')
    .map(({ metadata, status }) => `${metadata.name} (${status?.robustness || 'unknown'})`);
}

/** Of `kubectl get nodes.longhorn.io -o json`: disks of machines that are to take volumes, and take none, 'NODE PATH'. */
export function unschedulableDisks(json: string): readonly string[] {
  return listOf(node)
    .parse(JSON.parse(json))
    .items.filter(({ spec }) => spec.allowScheduling)
    .flatMap(({ metadata, status }) =>
      Object.entries(status?.diskStatus ?? {})
        .filter(([, { conditions }]) =>
          conditions.some(({ type, status: is }) => type === 'Schedulable' && is !== 'True'),
        )
        .map(([name, { diskPath }]) => `${metadata.name} ${diskPath ?? name}`),
    );
}

export interface Copies {
  /** 'attached, healthy, 3 wanted'. */
  readonly volume: string;
  /** Machines with a copy that runs. */
  readonly machines: readonly string[];
}

/** Of `kubectl get volumes.longhorn.io,replicas.longhorn.io -o json`. */
export function copiesOfVolume(json: string, name: string): Copies {
  const { items } = listOf(z.looseObject({ kind: z.string() })).parse(JSON.parse(json));
  const found = items
    .filter(({ kind }) => kind === 'Volume')
    .map(item => volume.parse(item))
    .find(({ metadata }) => metadata.name === name);
  const replicas = items.filter(({ kind }) => kind === 'Replica').map(item => replica.parse(item));
  const machines = replicas
    .filter(({ spec, status }) => spec.volumeName === name && status?.currentState === 'running')
    .map(({ spec }) => spec.nodeID ?? '');
  return {
    volume: found
      ? `${found.status?.state || 'unknown'}, ${found.status?.robustness || 'unknown'}, ${found.spec.numberOfReplicas} wanted`
      : 'no such volume',
    machines: [...new Set(machines)].sort(),
  };
}

/** Of `kubectl get snapshots.longhorn.io NAME -o json`: 'ready to use', or what Longhorn says against it. */
export function stateOfSnapshot(json: string): string {
  const { status } = snapshot.parse(JSON.parse(json));
  return status?.readyToUse === true ? 'ready to use' : status?.error || 'not ready';
}

/** Of `kubectl get cronjob NAME -o json`: '0 18 * * *', and what of it is otherwise than Longhorn makes it. */
export function scheduleOf(json: string): string {
  const { schedule, suspend, timeZone } = cronJob.parse(JSON.parse(json)).spec;
  return [schedule, ...(timeZone === undefined ? [] : [`in ${timeZone}`]), ...(suspend ? ['suspended'] : [])].join(
    ', ',
  );
}
