// node with pods → node that is empty: cordoned by us, evicted within every disruption budget; and back. One drain for every purpose.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Transition, Want } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import type { Workloads } from '../model/workloads.ts';
import { cordonMark, type NodeFacts, type World } from '../model/world.ts';
import { afterDrain, simulateDrains } from '../upgrade/drain-simulation.ts';
import { toMove } from '../upgrade/evictable.ts';
import type { NodeDrain, Purpose, Simulation } from '../upgrade/simulation.ts';

/** Seconds that pods may take to move, unless the user says otherwise. */
export const drainSecondsByDefault = 300;

const kubectl = adminKubectl(20);

/** The drain, and all that is to be said of it: refusals instead of the step where something would not move. */
export function emptying(
  world: World,
  host: Host,
  simulation: Simulation | 'unknown' = simulationOf(world, host),
): readonly Want[] {
  const found = simulation === 'unknown' ? undefined : simulation.drains.find(({ node }) => node === host.name);
  const { stuck = [], gaps = [], notes = [] } = found ?? {};
  const isDone = isEmpty(world, host.name);
  return [
    ...stuck.map(({ rule, what, why, hint }) => ({
      kind: 'refusal' as const,
      id: `${rule}-${what.replaceAll(/[/ ]/g, '-')}`,
      reason: `emptying ${host.name}: ${why}`,
      hint,
    })),
    ...gaps.map(gap => ({ kind: 'note' as const, text: `emptying ${host.name}: ${gapInWords(gap)}` })),
    ...notes.map(text => ({ kind: 'note' as const, text: `emptying ${host.name}: ${text}` })),
    ...(stuck.length > 0 && !isDone ? [] : [drain(world, host, found)]),
  ];
}

function gapInWords({ of, why, services, expected }: NodeDrain['gaps'][number]): string {
  const asked = services.length > 0 ? ` (nobody answers for ${services.join(', ')})` : '';
  return `${of} is away ${expected}${asked}: ${why}`;
}

function simulationOf(world: World, host: Host): Simulation | 'unknown' {
  const { workloads, about } = world;
  if (workloads === 'unknown') return 'unknown';
  const purpose = purposeOf(world);
  return simulateDrains(workloads, purpose === 'remove' ? (about?.hosts ?? []).map(({ name }) => name) : [host.name], {
    purpose,
  });
}

function purposeOf({ about }: World): Purpose {
  return about?.kind === 'remove' ? 'remove' : 'upgrade';
}

function drain(world: World, { name }: Host, found: NodeDrain | undefined): Transition {
  const isDone = isEmpty(world, name);
  const isAlone = found?.skipped === 'alone';
  return {
    kind: 'transition',
    name: `drain-${name}`,
    title: `Cordon ${name} and move its pods away`,
    now: isDone ? 'empty' : isAlone ? 'alone' : 'scheduled',
    to: isAlone ? 'alone' : 'empty',
    change: isDone || isAlone ? undefined : drainChange(world, name, found),
    predict: before =>
      isAlone
        ? before
        : {
            ...before,
            nodes: withNode(before, name, node => ({
              ...node,
              unschedulable: true,
              cordonedByUs: node.cordonedByUs || !node.unschedulable,
            })),
            workloads:
              before.workloads === 'unknown' || !found ? before.workloads : afterDrain(before.workloads, found),
          },
  };
}

function isEmpty({ nodes, workloads }: World, name: string): boolean {
  if (nodes === 'unknown') return false;
  const node = nodes.find(each => each.name === name);
  return !node || (node.unschedulable && workloads !== 'unknown' && toMove(workloads, name).length === 0);
}

function withNode(world: World, name: string, turn: (node: NodeFacts) => NodeFacts): World['nodes'] {
  return world.nodes === 'unknown' ? 'unknown' : world.nodes.map(node => (node.name === name ? turn(node) : node));
}

function drainChange(world: World, name: string, found: NodeDrain | undefined): Transition['change'] {
  if (world.nodes === 'unknown' || world.workloads === 'unknown' || !found) {
    return {
      refuse: `the API server does not say what runs on ${name}`,
      hint: 'see why it does not answer: homelab verify --only control-plane',
    };
  }
  const { moves } = found;
  const purpose = purposeOf(world);
  const seconds = (world.about ?? world.upgrade)?.drainSeconds ?? drainSecondsByDefault;
  const count = moves.length === 1 ? '1 pod runs' : `${moves.length} pods run`;
  return {
    why: moves.length === 0 ? 'new pods may still be put there' : `${count} there`,
    diff: moves
      .map(
        ({ pod, owner, to, why }) =>
          `- ${pod} (${owner}): ${why === undefined ? `fits ${to}` : `waits for ${name} (${why})`}`,
      )
      .join('\n'),
    risk: 'disruptive',
    action: {
      script: drainScript(name, seconds, purpose),
      timeoutMs: (seconds + (purpose === 'remove' ? longhornSeconds : 0) + 60) * 1000,
      explain: [
        {
          pattern: /would violate the pod's disruption budget[\s\S]*timeout reached/,
          message: `a disruption budget did not let all pods go within ${seconds} s; the node takes pods again`,
          hint: 'see which: kubectl get poddisruptionbudgets -A; let more replicas run, or wait longer with --drain-timeout SECONDS',
        },
        {
          pattern: /timeout reached/,
          message: `not all pods were gone after ${seconds} s; the node takes pods again`,
          hint: `see what keeps them: kubectl get pods -A --field-selector spec.nodeName=${name}; or wait longer with --drain-timeout SECONDS`,
        },
      ],
    },
  };
}

/** cordoned by homelab → taking pods again. Its owner's cordon stays. */
export function uncordon(world: World, { name }: Host): Transition {
  const node = world.nodes === 'unknown' ? undefined : world.nodes.find(each => each.name === name);
  const isOurs = node?.cordonedByUs ?? false;
  const free = (workloads: Workloads): Workloads => ({
    ...workloads,
    nodes: workloads.nodes.map(each =>
      each.name === name && each.cordonedByUs ? { ...each, unschedulable: false, cordonedByUs: false } : each,
    ),
  });
  return {
    kind: 'transition',
    name: `uncordon-${name}`,
    title: `Let ${name} take pods again`,
    now: isOurs ? 'cordoned by homelab' : 'as its owner left it',
    to: 'as its owner left it',
    stage: 'after',
    // A run that was cut off may have left nothing but the cordon.
    alone: true,
    change: isOurs
      ? {
          why: 'homelab cordoned it',
          risk: 'safe',
          action: { script: uncordonScript(name), timeoutMs: 180_000 },
        }
      : undefined,
    predict: before => ({
      ...before,
      nodes: withNode(before, name, each =>
        each.cordonedByUs ? { ...each, unschedulable: false, cordonedByUs: false } : each,
      ),
      workloads: before.workloads === 'unknown' ? 'unknown' : free(before.workloads),
    }),
  };
}

// The mark goes last: cut off in between, the next run still knows whose cordon it was.
function uncordonScript(name: string): string {
  const node = sh(name);
  return `left=60
until mark=$(${kubectl} get node ${node} -o jsonpath='{.metadata.annotations.${cordonMark}}'); do
  left=$((left - 1))
  [ "$left" -gt 0 ] || exit 1
  sleep 2
done
if [ -n "$mark" ]; then
  ${kubectl} uncordon ${node} >/dev/null
  ${kubectl} annotate node ${node} ${cordonMark}- >/dev/null
fi
`;
}

// Replicas are built anew elsewhere before the last one here goes.
const longhornSeconds = 1800;

function drainScript(name: string, seconds: number, purpose: Purpose): string {
  const node = sh(name);
  return `ours=
undo() {
  [ -z "$ours" ] || { ${kubectl} uncordon ${node}; ${kubectl} annotate node ${node} ${cordonMark}-; } >/dev/null
}
trap 'undo; exit 143' HUP INT TERM
if [ "$(${kubectl} get node ${node} -o jsonpath='{.spec.unschedulable}')" != true ]; then
  ours=yes
  ${kubectl} annotate --overwrite node ${node} ${cordonMark}=drain >/dev/null
  ${kubectl} cordon ${node} >/dev/null
elif [ -n "$(${kubectl} get node ${node} -o jsonpath='{.metadata.annotations.${cordonMark}}')" ]; then
  # By an earlier run that was cut off here.
  ours=yes
fi
${purpose === 'remove' ? longhornLeaves(name) : ''}# An emptyDir is gone with its pod by definition.
kubectl --kubeconfig /etc/kubernetes/admin.conf drain ${node} --ignore-daemonsets --delete-emptydir-data --timeout=${seconds}s >&2 || { code=$?; undo; exit "$code"; }
`;
}

// A node that comes back keeps its replicas: what is written meanwhile is caught up on.
function longhornLeaves(name: string): string {
  return `if ${kubectl} get crd replicas.longhorn.io >/dev/null 2>&1; then
  ${kubectl} patch -n longhorn-system nodes.longhorn.io ${sh(name)} --type=merge -p '{"spec":{"allowScheduling":false,"evictionRequested":true}}' >/dev/null || { undo; exit 1; }
  left=${longhornSeconds / 5}
  while [ -n "$(${kubectl} get -n longhorn-system replicas.longhorn.io -o jsonpath='{range .items[?(@.spec.nodeID=="${name}")]}{.metadata.name}{"\\n"}{end}')" ]; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo 'homelab: Longhorn still has replicas there' >&2; undo; exit 1; }
    sleep 5
  done
fi
`;
}
