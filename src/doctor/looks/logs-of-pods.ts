// The last words of containers that do not stay up, or stay up and are not ready: a second look, for it needs to know which.
import { command } from '../../model/shell.ts';
import type { ObjectOf } from '../objects/kinds.ts';
import { redacted } from '../redact.ts';
import type { ContainerLog, Lists } from '../snapshot.ts';
import { answersIn, type Part, sideBySide } from './script.ts';

type Pod = ObjectOf<'pods'>;
type Status = Pod['status']['containerStatuses'][number];

const containersAtMost = 10;
const lines = 20;
const lanes = 5;

interface Wanted {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly previous: boolean;
}

/** sh; undefined when there is nothing to ask. */
export function logsScript(kubectl: string, lists: Lists): string | undefined {
  const wanted = wantedOf(lists);
  if (wanted.length === 0) return undefined;
  const parts = wanted.map(({ namespace, pod, container, previous }): Part => {
    const ask = `k logs ${command('-n', namespace, pod, '-c', container, `--tail=${lines}`)}`;
    // What it said the last time is gone with its container, which kubectl tells as if that were the log; then what it says now.
    const last = `said=$(${ask} --previous 2>/dev/null) || said=
case $said in '' | 'unable to retrieve container logs'*) ${ask} ;; *) printf '%s\\n' "$said" ;; esac`;
    return { id: `${namespace}/${pod}/${container}`, script: previous ? last : ask };
  });
  const side = Array.from({ length: lanes }, (_, lane) => parts.filter((_, index) => index % lanes === lane));
  return `k() { ${kubectl} "$@"; }\n${sideBySide(side)}exit 0\n`;
}

/** Never throws; a log that did not come is not there. */
export function readLogs({ stdout }: { readonly stdout: string }): readonly ContainerLog[] {
  return [...answersIn(stdout)].flatMap(([id, { code, output }]): readonly ContainerLog[] => {
    const at = id.lastIndexOf('/');
    const said = output
      .split('\n')
      .filter(line => line.trim() !== '' && !line.startsWith('unable to retrieve container logs'));
    if (code !== 0 || said.length === 0) return [];
    const last = said.slice(-lines).map(line => redacted(line.slice(0, 500)));
    return [{ pod: id.slice(0, at), container: id.slice(at + 1), lines: last }];
  });
}

// One of each kind: ten replicas die of the same.
function wantedOf({ pods }: Lists): readonly Wanted[] {
  if (pods.state !== 'seen') return [];
  const found = new Map<string, Wanted & { readonly rank: number }>();
  for (const pod of pods.items as readonly Pod[]) {
    const { name, namespace, ownerReferences } = pod.metadata;
    for (const status of [...pod.status.initContainerStatuses, ...pod.status.containerStatuses]) {
      const rank = rankOf(pod, status);
      const owner = `${namespace}/${ownerReferences[0]?.name ?? name}/${status.name}`;
      if (rank === undefined || (found.get(owner)?.rank ?? Infinity) <= rank) continue;
      const previous = status.restartCount > 0;
      found.set(owner, { namespace, pod: name, container: status.name, previous, rank });
    }
  }
  return [...found.values()].sort((one, other) => one.rank - other.rank).slice(0, containersAtMost);
}

/** Who is heard first; undefined for one that does well, or is only being started. */
function rankOf(pod: Pod, { name, ready, restartCount, state }: Status): number | undefined {
  if (ready || pod.metadata.deletionTimestamp !== '' || pod.status.phase === 'Succeeded') return undefined;
  const isDns = pod.metadata.namespace === 'kube-system' && name === 'coredns';
  if (isDns && (restartCount > 0 || state.running)) return 0;
  if (state.waiting?.reason === 'CrashLoopBackOff' || (restartCount > 0 && !state.running)) return 1;
  if (state.terminated) return state.terminated.exitCode === 0 ? undefined : 1;
  return state.running ? 2 : undefined;
}
