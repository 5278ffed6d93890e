// What has nobody left to answer while nodes are drained, and for how long.
import { type Labels, nameOf, type Pod, type Workloads } from '../model/workloads.ts';
import { budgetsOf, headroomOf } from './budgets.ts';
import { isOver } from './evictable.ts';

export interface Gap {
  /** 'Deployment shop/web'. */
  readonly of: string;
  /** 'namespace/name': who asks these has no answer meanwhile. */
  readonly services: readonly string[];
  readonly why: string;
  /** How long: until its pods run elsewhere, or until the node is back. */
  readonly until: 'elsewhere' | 'back';
  readonly expected: string;
  /** Its pods that go, 'namespace/name'. */
  readonly pods: readonly string[];
}

/** `gone`: pods that these drains evict; `waiting`: those of them that start nowhere before their node is back. */
export function gapsOf(gone: readonly Pod[], waiting: readonly Pod[], workloads: Workloads): readonly Gap[] {
  const owners = [...new Set(gone.filter(pod => pod.ready).map(ownerOf))];
  const dark = owners.filter(owner => isDark(siblings(owner, gone), siblings(owner, workloads.pods), workloads));
  const darkPods = dark.flatMap(owner => siblings(owner, workloads.pods));
  return dark.map(owner => {
    const mine = siblings(owner, gone);
    const [first] = mine;
    const isBack = mine.every(pod => waiting.includes(pod));
    const count = siblings(owner, workloads.pods).length;
    return {
      of: owner,
      services: workloads.services
        .filter(service => {
          const behind = workloads.pods.filter(pod => answers(pod) && isBehind(service, pod));
          return behind.some(pod => mine.includes(pod)) && behind.every(pod => darkPods.includes(pod));
        })
        .map(nameOf),
      why:
        count === 1
          ? 'it has one replica'
          : `all of its ${count} replicas go at once, and no disruption budget says otherwise`,
      until: isBack ? 'back' : 'elsewhere',
      expected: isBack ? 'until its node takes pods again' : first ? startOf(first, workloads) : '',
      pods: mine.map(nameOf),
    };
  });
}

// Are all of its pods away at some moment? A budget lets only so many go before the first is ready elsewhere.
function isDark(gone: readonly Pod[], all: readonly Pod[], workloads: Workloads): boolean {
  const ready = all.filter(answers);
  const going = gone.filter(answers);
  const budget = going.map(pod => budgetsOf(workloads, pod)[0]).find(Boolean);
  const atOnce = budget ? Math.min(going.length, headroomOf(budget, workloads)) : going.length;
  return ready.length > 0 && ready.length - atOnce <= 0;
}

function ownerOf({ namespace, name, owner }: Pod): string {
  return owner === 'none' ? `Pod ${namespace}/${name}` : `${owner.kind} ${namespace}/${owner.name}`;
}

// A Job answers nobody.
function siblings(owner: string, pods: readonly Pod[]): readonly Pod[] {
  return owner.startsWith('Job ') ? [] : pods.filter(pod => ownerOf(pod) === owner && answers(pod));
}

function answers(pod: Pod): boolean {
  return pod.ready && !pod.leaving && !isOver(pod);
}

function isBehind(
  service: { readonly namespace: string; readonly selector: Labels },
  { namespace, labels }: Pod,
): boolean {
  const wanted = Object.entries(service.selector);
  return service.namespace === namespace && wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

// A Deployment's new pod starts while the old one ends, unless both want one disk; a StatefulSet's waits for the old one's end.
function startOf({ owner, claims, graceSeconds }: Pod, { volumes }: Workloads): string {
  const isAlone =
    (owner !== 'none' && owner.kind === 'StatefulSet') || volumes.some(({ claim }) => claims.includes(claim));
  return isAlone
    ? `until it has ended (at most ${graceSeconds} s) and then started elsewhere`
    : 'until it has started elsewhere';
}
