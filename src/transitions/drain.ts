// node with pods → node that is empty: cordoned by us, evicted within every disruption budget.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Transition } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import type { PodFacts, World } from '../model/world.ts';

/** Seconds that pods may take to move, unless the user says otherwise. */
export const drainSecondsByDefault = 300;

/** Marks a cordon as ours: nobody's own cordon is ever lifted. */
export const cordonMark = 'homelab/cordoned';

const kubectl = adminKubectl(20);

export function drain(world: World, { name }: Host): Transition {
  const node = world.nodes === 'unknown' ? undefined : world.nodes.find(each => each.name === name);
  const pods = world.pods === 'unknown' ? [] : world.pods.filter(pod => pod.node === name);
  const isEmpty = world.nodes !== 'unknown' && (!node || (node.unschedulable && pods.length === 0));
  return {
    kind: 'transition',
    name: `drain-${name}`,
    title: `Cordon ${name} and move its pods away`,
    now: isEmpty ? 'empty' : 'scheduled',
    to: 'empty',
    change: isEmpty ? undefined : drainChange(world, name, pods),
    predict: before => ({
      ...before,
      pods: before.pods === 'unknown' ? before.pods : before.pods.filter(pod => pod.node !== name),
      nodes:
        before.nodes === 'unknown'
          ? before.nodes
          : before.nodes.map(each =>
              each.name === name
                ? { ...each, unschedulable: true, cordonedByUs: each.cordonedByUs || !each.unschedulable }
                : each,
            ),
    }),
  };
}

/** cordoned by us → takes pods again. Its owner's cordon is not ours to lift. */
export function uncordon(world: World, { name }: Host): Transition {
  const node = world.nodes === 'unknown' ? undefined : world.nodes.find(each => each.name === name);
  const isOurs = node?.cordonedByUs ?? false;
  return {
    kind: 'transition',
    name: `uncordon-${name}`,
    title: `Let ${name} take pods again`,
    now: isOurs ? 'cordoned' : 'open',
    to: 'open',
    stage: 'after',
    alone: true,
    change: isOurs
      ? {
          why: 'homelab cordoned it',
          risk: 'safe',
          action: {
            script: `left=24
until ${kubectl} uncordon ${sh(name)} >/dev/null && ${kubectl} annotate node ${sh(name)} ${cordonMark}- >/dev/null; do
  left=$((left - 1))
  [ "$left" -gt 0 ] || exit 1
  sleep 5
done
`,
            timeoutMs: 180_000,
          },
        }
      : undefined,
    predict: before => ({
      ...before,
      nodes:
        before.nodes === 'unknown'
          ? before.nodes
          : before.nodes.map(each =>
              each.name === name && each.cordonedByUs ? { ...each, unschedulable: false, cordonedByUs: false } : each,
            ),
    }),
  };
}

function drainChange(world: World, name: string, pods: readonly PodFacts[]): Transition['change'] {
  if (world.nodes === 'unknown' || world.pods === 'unknown') {
    return {
      refuse: `the API server does not say what runs on ${name}`,
      hint: 'see why it does not answer: homelab verify --only control-plane',
    };
  }
  const lonely = pods.filter(pod => pod.owner === 'none').map(pod => pod.name);
  const pinned = pods.flatMap(pod => pod.pinnedClaims);
  if (lonely.length > 0) {
    return {
      refuse: `nothing would bring back ${lonely.join(', ')}, which run there by themselves`,
      hint: `if they may go: ${lonely.map(pod => `kubectl delete pod -n ${pod.replace('/', ' ')}`).join('; ')}`,
    };
  }
  if (pinned.length > 0) {
    return {
      refuse: `the data of ${pinned.join(', ')} lies on its own disk and would be lost`,
      hint: 'save that data, then delete the claims and what uses them',
    };
  }
  const seconds = world.about?.drainSeconds ?? world.upgrade?.drainSeconds ?? drainSecondsByDefault;
  return {
    why: pods.length === 0 ? 'new pods may still be put there' : `${pods.length} pods run there`,
    diff: pods.map(pod => `- ${pod.name} (${pod.owner})`).join('\n'),
    risk: 'disruptive',
    action: {
      script: drainScript(name, seconds),
      timeoutMs: (seconds + longhornSeconds + 60) * 1000,
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

// Replicas are built anew elsewhere before the last one here goes.
const longhornSeconds = 1800;

function drainScript(name: string, seconds: number): string {
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
elif [ -n "$(${kubectl} get node ${node} -o jsonpath='{.metadata.annotations.homelab/cordoned}')" ]; then
  # By an earlier run that was cut off here.
  ours=yes
fi
if ${kubectl} get crd replicas.longhorn.io >/dev/null 2>&1; then
  ${kubectl} patch -n longhorn-system nodes.longhorn.io ${node} --type=merge -p '{"spec":{"allowScheduling":false,"evictionRequested":true}}' >/dev/null || { undo; exit 1; }
  left=${longhornSeconds / 5}
  while [ -n "$(${kubectl} get -n longhorn-system replicas.longhorn.io -o jsonpath='{range .items[?(@.spec.nodeID=="${name}")]}{.metadata.name}{"\\n"}{end}')" ]; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo 'homelab: Longhorn still has replicas there' >&2; undo; exit 1; }
    sleep 5
  done
fi
# An emptyDir is gone with its pod by definition.
kubectl --kubeconfig /etc/kubernetes/admin.conf drain ${node} --ignore-daemonsets --delete-emptydir-data --timeout=${seconds}s >&2 || { code=$?; undo; exit "$code"; }
`;
}
