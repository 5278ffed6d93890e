// What runs on nodes that are to be emptied, and what would keep it there.
import { z } from 'zod';
import { adminKubectl } from '../model/kubectl.ts';
import { sh } from '../model/shell.ts';
import type { PodFacts } from '../model/world.ts';
import type { Fragment, Frame } from './frames.ts';

const kubectl = adminKubectl(20);

/** Asked on control planes, when these nodes are leaving. */
export function podsFragment(nodes: readonly string[]): Fragment {
  return {
    id: 'pods',
    script: `[ -e /etc/kubernetes/admin.conf ] || { echo none; exit 0; }
for node in ${nodes.map(sh).join(' ')}; do
  ${kubectl} get pods -A --field-selector "spec.nodeName=$node" -o json || { echo silent; exit 0; }
done
${kubectl} get poddisruptionbudgets,persistentvolumes -A -o json`,
  };
}

const labels = z.record(z.string(), z.string()).default({});
const selector = z.object({
  matchLabels: labels,
  matchExpressions: z
    .array(z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).default([]) }))
    .default([]),
});
const pod = z.object({
  kind: z.literal('Pod'),
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    labels,
    annotations: z.record(z.string(), z.string()).default({}),
    ownerReferences: z.array(z.object({ kind: z.string(), controller: z.boolean().default(false) })).default([]),
  }),
  spec: z.object({
    nodeName: z.string().default(''),
    volumes: z.array(z.object({ persistentVolumeClaim: z.object({ claimName: z.string() }).optional() })).default([]),
  }),
  status: z.object({ phase: z.string().default('') }).default({ phase: '' }),
});
const budget = z.object({
  kind: z.literal('PodDisruptionBudget'),
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({ selector: selector.optional() }),
  status: z.object({ disruptionsAllowed: z.number().default(0) }).default({ disruptionsAllowed: 0 }),
});
const volume = z.object({
  kind: z.literal('PersistentVolume'),
  spec: z.object({
    claimRef: z.object({ name: z.string(), namespace: z.string() }).optional(),
    nodeAffinity: z.unknown().optional(),
  }),
});
const list = z.object({ items: z.array(z.discriminatedUnion('kind', [pod, budget, volume])) });

type Selector = z.output<typeof selector>;

/** Pods that a drain has to move: finished ones, DaemonSets' and static ones stay out of it. 'unknown' when no API server answered. */
export function parsePods(frame: Frame | undefined): readonly PodFacts[] | 'unknown' {
  if (frame?.code !== 0 || /^(none|silent)$/m.test(frame.stdout)) return 'unknown';
  // kubectl prints one indented list after the other.
  const items = frame.stdout
    .split(/^(?=\{)/m)
    .filter(text => text.trim() !== '')
    .flatMap(text => list.parse(JSON.parse(text)).items);
  const budgets = items.filter(each => each.kind === 'PodDisruptionBudget');
  const local = items.filter(each => each.kind === 'PersistentVolume' && each.spec.nodeAffinity !== undefined);
  const claims = new Set(
    local.flatMap(each =>
      each.kind === 'PersistentVolume' && each.spec.claimRef ? [claimOf(each.spec.claimRef)] : [],
    ),
  );
  return items.flatMap((each): readonly PodFacts[] => {
    if (each.kind !== 'Pod') return [];
    const { metadata, spec, status } = each;
    const owner = metadata.ownerReferences.find(({ controller }) => controller)?.kind ?? 'none';
    const isStatic = metadata.annotations['kubernetes.io/config.mirror'] !== undefined;
    if (isStatic || owner === 'DaemonSet' || ['Succeeded', 'Failed'].includes(status.phase)) return [];
    const used = spec.volumes.flatMap(({ persistentVolumeClaim: claim }) =>
      claim ? [claimOf({ namespace: metadata.namespace, name: claim.claimName })] : [],
    );
    return [
      {
        name: `${metadata.namespace}/${metadata.name}`,
        node: spec.nodeName,
        owner,
        pinnedClaims: used.filter(claim => claims.has(claim)),
        blockedBy: budgets
          .filter(
            found =>
              found.metadata.namespace === metadata.namespace &&
              found.spec.selector !== undefined &&
              matches(found.spec.selector, metadata.labels) &&
              found.status.disruptionsAllowed === 0,
          )
          .map(found => claimOf(found.metadata)),
      },
    ];
  });
}

function claimOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function matches({ matchLabels, matchExpressions }: Selector, of: Readonly<Record<string, string>>): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => of[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const value = of[key];
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        default:
          return value === undefined;
      }
    })
  );
}
