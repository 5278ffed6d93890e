// Drains, before anything is cordoned: which pods go where, what would not go and what to type, what is away meanwhile.
import { nameOf, type Pod, type Workloads, type WorkNode } from '../model/workloads.ts';
import { budgetsOf, evictionOf } from './budgets.ts';
import { orphansOf, toMove } from './evictable.ts';
import { gapsOf } from './gaps.ts';
import { isClosed, placementOf, takesPods } from './placement.ts';
import type { DrainOptions, Move, NodeDrain, Purpose, Simulation, Stuck } from './simulation.ts';
import { dataLostWith, lastReplicasOn, replicasOn, storageNotes } from './storage.ts';
import { bare, homeless, onlyTogether, orphan } from './stuck.ts';

/** Drains the nodes in this order. Nodes that the API server does not know have nothing to drain. */
export function simulateDrains(workloads: Workloads, nodes: readonly string[], options: DrainOptions): Simulation {
  const { purpose, parallel = 1 } = options;
  const leaving = new Set(purpose === 'remove' ? nodes : []);
  let now = workloads;
  const drains: NodeDrain[] = [];
  for (const batch of batchesOf(workloads, nodes, purpose === 'remove' ? 1 : parallel)) {
    const done = drainTogether(now, batch, purpose === 'remove' ? leaving : new Set(batch), purpose);
    drains.push(...done.drains);
    now = done.after;
  }
  const found = { drains, after: now };
  return purpose === 'upgrade' && parallel > 1
    ? withoutHarm(found, simulateDrains(workloads, nodes, { purpose }), parallel)
    : found;
}

// Control planes one at a time, workers side by side.
function batchesOf({ nodes }: Workloads, names: readonly string[], parallel: number): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let open: string[] | undefined;
  for (const name of names) {
    const isWorker =
      nodes.find(node => node.name === name)?.labels['node-role.kubernetes.io/control-plane'] === undefined;
    if (isWorker && open && open.length < parallel) open.push(name);
    else {
      const batch = [name];
      batches.push(batch);
      open = isWorker ? batch : undefined;
    }
  }
  return batches;
}

function drainTogether(
  before: Workloads,
  batch: readonly string[],
  out: ReadonlySet<string>,
  purpose: Purpose,
): Simulation {
  // In a run that removes nodes nobody lifts a cordon, not even one of homelab's.
  const candidates = before.nodes
    .filter(({ name }) => !out.has(name))
    .map(node => (purpose === 'remove' ? { ...node, cordonedByUs: false } : node));
  const lost = purpose === 'remove' ? dataLostWith(out, before) : lastReplicasOn(out, before);
  const away = new Map<string, number>();
  const waiting: Pod[] = [];
  const gone: Pod[] = [];
  let now = before;

  const drainOne = (node: WorkNode): Omit<NodeDrain, 'gaps'> => {
    const moves: Move[] = [];
    const notes = [...notesOf(node, before, purpose)];
    const stuck: Stuck[] = [
      ...lost.filter(each => each.node === node.name).map(({ node: _, ...each }) => each),
      ...orphansOf(before, node.name).map(orphan),
    ];
    for (const pod of toMove(now, node.name)) {
      if (pod.owner === 'none') {
        stuck.push(bare(pod));
        continue;
      }
      const eviction = evictionOf(pod, before, budget => away.get(nameOf(budget)) ?? 0);
      if (eviction.kind === 'stuck') {
        const { rule, why, hint } = eviction;
        stuck.push({ rule, what: nameOf(pod), why, hint });
        continue;
      }
      // Said of the claim already.
      if (purpose === 'remove' && lost.some(({ what }) => pod.claims.includes(what))) continue;
      const place = placementOf(pod, candidates, now);
      if (place.kind === 'none' && !comesBack(node, purpose)) {
        stuck.push(homeless(pod, place, node, purpose, before));
        continue;
      }
      if (eviction.kind === 'waits') notes.push(eviction.why);
      const owner = `${pod.owner.kind} ${pod.owner.name}`;
      gone.push(pod);
      if (place.kind === 'fits') {
        moves.push({ pod: nameOf(pod), owner, to: place.node });
        now = moved(now, pod, place.node);
      } else {
        moves.push({ pod: nameOf(pod), owner, to: node.name, why: place.why });
        waiting.push(pod);
        for (const budget of budgetsOf(before, pod)) away.set(nameOf(budget), (away.get(nameOf(budget)) ?? 0) + 1);
      }
    }
    return { node: node.name, moves, stuck, notes };
  };

  const drains = batch.map(name => {
    const node = before.nodes.find(each => each.name === name);
    if (!node) return { node: name, moves: [], stuck: [], notes: [] };
    return purpose === 'upgrade' && isAlone(node, before)
      ? { node: name, skipped: 'alone' as const, moves: [], stuck: [], notes: [aloneNote(node)] }
      : drainOne(node);
  });
  const gaps = gapsOf(gone, waiting, before);
  return {
    drains: drains.map(drain => ({
      ...drain,
      // Told once, where the first of its pods goes.
      gaps: gaps.filter(gap => drain.moves.some(({ pod }) => pod === gap.pods[0])),
    })),
    after: now,
  };
}

/** What runs where once this node is drained. */
export function afterDrain(workloads: Workloads, { node, moves }: NodeDrain): Workloads {
  const targets = new Map(moves.map(({ pod, to }) => [pod, to === node ? '' : to]));
  const pods = workloads.pods.map(pod => ({ ...pod, node: targets.get(nameOf(pod)) ?? pod.node }));
  return { ...workloads, pods };
}

function moved(workloads: Workloads, pod: Pod, node: string): Workloads {
  return { ...workloads, pods: workloads.pods.map(each => (each === pod ? { ...each, node } : each)) };
}

function comesBack(node: WorkNode, purpose: Purpose): boolean {
  return purpose === 'upgrade' && !isClosed(node);
}

// The only machine of the cluster, or the only one that ordinary pods may run on.
function isAlone(node: WorkNode, { nodes }: Workloads): boolean {
  const others = nodes.filter(({ name }) => name !== node.name);
  return others.length === 0 || (takesPods(node) && !others.some(takesPods));
}

function aloneNote({ name }: WorkNode): string {
  return `${name} is the only node that pods can run on: it is not drained, they go on running while its kubelet is exchanged`;
}

function notesOf(node: WorkNode, workloads: Workloads, purpose: Purpose): readonly string[] {
  const replicas = purpose === 'remove' ? replicasOn(node.name, workloads) : [];
  return [
    ...(purpose === 'upgrade' && isClosed(node) ? [`${node.name} was cordoned by its owner and stays so`] : []),
    ...(replicas.length > 0
      ? [
          `Longhorn builds ${replicas.map(({ name }) => name).join(', ')} anew on other nodes first; that may take its time`,
        ]
      : []),
    ...storageNotes(node, workloads),
  ];
}

// What is stuck or away only because several nodes are empty at once is a reason against that.
function withoutHarm(together: Simulation, one: Simulation, parallel: number): Simulation {
  const singly = one.drains.flatMap(({ stuck, gaps }) => [
    ...stuck.map(({ what }) => what),
    ...gaps.map(gap => `${gap.of} ${gap.until}`),
  ]);
  const drains = together.drains.map(drain => ({
    ...drain,
    stuck: [
      ...drain.stuck.map(each => (singly.includes(each.what) ? each : onlyTogether(each.what, each.why, parallel))),
      ...drain.gaps
        .filter(gap => !singly.includes(`${gap.of} ${gap.until}`))
        .map(gap => onlyTogether(gap.of, `${gap.of} would have no pod left: ${gap.why}`, parallel)),
    ],
  }));
  return { ...together, drains };
}
