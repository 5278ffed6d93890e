// Containers that do not stay up or never start, by what the kubelet says ended them.
import { grouped } from '../../model/grouped.ts';
import { nameOf } from '../objects/common.ts';
import {
  begun,
  conditionOf,
  type Event,
  entitiesOf,
  eventEvidence,
  eventsOf,
  hasHeld,
  isLeaving,
  isOver,
  isTrue,
  kubectl,
  lastSeen,
  listed,
  oneLine,
  ownerOf,
  type Pod,
  podEntity,
  span,
  together,
  word,
} from '../reading.ts';
import type { Evidence, Explains, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';

type Status = Pod['status']['containerStatuses'][number];
type Ended = NonNullable<Status['state']['terminated']>;

interface Bad {
  readonly pod: Pod;
  readonly status: Status;
  /** How it ended last; undefined while it never has. */
  readonly ended: Ended | undefined;
  readonly events: readonly Event[];
}

/** Containers of pods that are not ready now, with how they ended last. A pod that is ready again is well. */
function badContainers(snapshot: Snapshot): readonly Bad[] {
  const events = eventsOf(snapshot);
  return objects(snapshot, 'pods').flatMap(pod => {
    if (isOver(pod) || isLeaving(pod) || isTrue(pod, 'Ready')) return [];
    const { initContainerStatuses, containerStatuses } = pod.status;
    return [...initContainerStatuses, ...containerStatuses].flatMap((status): readonly Bad[] => {
      const { state, lastState } = status;
      if (status.ready || (state.terminated?.exitCode === 0 && state.terminated.reason === 'Completed')) return [];
      return [{ pod, status, ended: state.terminated ?? lastState.terminated, events: events(pod) }];
    });
  });
}

/** It has ended and waits, or has ended more than once of late: not a single restart. */
function isLooping(snapshot: Snapshot, { status, ended }: Bad): boolean {
  if (ended === undefined) return false;
  if (status.state.waiting?.reason === 'CrashLoopBackOff') return true;
  if (status.state.terminated !== undefined) return status.restartCount > 0 || hasHeld(snapshot, ended.finishedAt, 30);
  return status.restartCount > 1 && !hasHeld(snapshot, ended.finishedAt, 900);
}

type Told = (
  group: readonly [Bad, ...Bad[]],
) => Pick<Finding, 'says' | 'cure' | 'evidence'> & Partial<Pick<Finding, 'certainty' | 'settledBy'>>;

/** Pods of one owner whose same container ends the same way are one finding. */
function findingsOf(bad: readonly Bad[], told: Told): readonly Finding[] {
  return grouped(
    bad,
    ({ pod, status, ended }) => `${ownerOf(pod)} ${status.name} ${ended?.reason} ${ended?.exitCode}`,
  ).map((group): Finding => {
    const [first] = group;
    return {
      severity: 'error',
      certainty: 'certain',
      about: together(podEntity(first.pod), ...group.flatMap(({ pod }) => entitiesOf(pod))),
      ...begun(...group.map(({ pod }) => conditionOf(pod, 'Ready')?.lastTransitionTime ?? '')),
      ...told(group),
    };
  });
}

function podsOf(group: readonly [Bad, ...Bad[]]): string {
  const names = [...new Set(group.map(({ pod }) => nameOf(pod)))];
  const [first] = group;
  return names.length > 1 ? `${ownerOf(first.pod)} (${names.length} pods)` : listed(names);
}

function stateEvidence({ pod, status, ended }: Bad): Evidence {
  const { waiting } = status.state;
  const now = waiting
    ? waiting.reason
    : status.state.running
      ? `running since ${status.state.running.startedAt}`
      : 'ended';
  const before = ended ? `, last ended ${ended.finishedAt}: ${ended.reason}, exit code ${ended.exitCode}` : '';
  return {
    says: `container ${status.name}: ${now}, ${status.restartCount} restarts${before}`,
    from: `API: pod ${nameOf(pod)}`,
    again: kubectl('describe', 'pod', pod),
  };
}

function logEvidence({ logs }: Snapshot, { pod, status }: Bad): readonly Evidence[] {
  const lines = logs
    .filter(log => log.pod === nameOf(pod) && log.container === status.name)
    .flatMap(log => log.lines)
    .filter(line => line.trim() !== '');
  if (lines.length === 0) return [];
  return [
    {
      says: lines
        .slice(-3)
        .map(line => oneLine(line, 160))
        .join(' | '),
      from: `log of ${nameOf(pod)}, container ${status.name}`,
      again: kubectl('logs', '', pod, `-c ${word(status.name)} --previous --tail=20`).replace('  ', ' '),
    },
  ];
}

/** Whoever waits for a pod that does not start or stay. */
export const explainsPods: readonly Explains[] = [
  { rule: 'dns-down', by: 'pod' },
  { rule: 'webhook-unanswered', by: 'pod' },
  { rule: 'apiservice-unavailable', by: 'pod' },
  { rule: 'pod-not-ready', by: 'pod' },
];
const needs = ['api.pods', 'api.events'] as const;
const debug = 'kubernetes.io/docs/tasks/debug/debug-application/debug-pods';

function limitOf({ pod, status }: Bad): string {
  const all = [...pod.spec.initContainers, ...pod.spec.containers];
  return all.find(({ name }) => name === status.name)?.resources.limits['memory'] ?? '';
}

function isOom({ ended }: Bad): boolean {
  return ended?.reason === 'OOMKilled';
}

/** Ready between one kill and the next: it comes again. */
function killedAgain(snapshot: Snapshot): readonly Bad[] {
  const events = eventsOf(snapshot);
  return objects(snapshot, 'pods').flatMap(pod =>
    isOver(pod) || isLeaving(pod) || !isTrue(pod, 'Ready')
      ? []
      : pod.status.containerStatuses.flatMap((status): readonly Bad[] => {
          const ended = status.lastState.terminated;
          const isAgain =
            ended?.reason === 'OOMKilled' && status.restartCount > 2 && !hasHeld(snapshot, ended.finishedAt, 3600);
          return isAgain ? [{ pod, status, ended, events: events(pod) }] : [];
        }),
  );
}

const oomKilled: Rule = {
  id: 'container-oom-killed',
  layer: 'workload',
  symptom: 'A container restarts with reason OOMKilled and exit code 137.',
  cause:
    'It used more memory than its limit allows; for a JVM heap, metaspace, threads and direct memory count together.',
  cure: 'Raise the limit of that container, or let it use less: a JVM with -XX:MaxRAMPercentage=70.',
  sources: [
    'kubernetes.io/docs/tasks/configure-pod-container/assign-memory-resource',
    'kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle',
  ],
  needs,
  explains: explainsPods,
  find: snapshot => {
    const now = badContainers(snapshot).filter(
      each => isOom(each) && (isLooping(snapshot, each) || each.status.state.running === undefined),
    );
    const again = killedAgain(snapshot);
    const told: Told = group => {
      const [first] = group;
      const limit = limitOf(first);
      const isSidecar = first.status.name === 'istio-proxy';
      return {
        says: `Container ${first.status.name} of ${podsOf(group)} is killed for using more memory than ${limit === '' ? 'its machine has left' : `its limit of ${limit}`} (${first.status.restartCount} restarts)${isSidecar ? '; it is the sidecar, not the application' : ''}`,
        evidence: [stateEvidence(first), ...logEvidence(snapshot, first)],
        cure: [
          kubectl('top', 'pod', first.pod, '--containers'),
          limit === ''
            ? `give the containers on ${first.pod.spec.nodeName} limits: the machine itself ran out`
            : `raise resources.limits.memory of container ${first.status.name} in ${ownerOf(first.pod)}`,
          'of a JVM: -XX:MaxRAMPercentage=70 -XX:+ExitOnOutOfMemoryError, and a limit of at least -Xmx / 0.7',
        ],
      };
    };
    return [
      ...findingsOf(now, told),
      ...findingsOf(again, told).map((finding): Finding => ({ ...finding, severity: 'warning' })),
    ];
  },
};

const livenessKill = /^Container (\S+) failed (liveness|startup) probe, will be restarted/;
const livenessFailed = /^(Liveness|Startup) probe failed: /;

/** What the probe's own error means. */
const probeMeaning: readonly (readonly [RegExp, string])[] = [
  [/connection refused/, 'nothing listens on that port in the container'],
  [/i\/o timeout|deadline exceeded|Client\.Timeout/, 'it does not answer in time'],
  [/statuscode: (4|5)\d\d/, 'it answers with an error'],
];

const livenessKilled: Rule = {
  id: 'liveness-killed',
  layer: 'workload',
  symptom:
    'A container is restarted again and again, and it does not end by itself: its last exit code is 0, 137 or 143.',
  cause:
    'Its liveness or startup probe fails, and the kubelet restarts it each time: the application does not answer, or the probe asks the wrong port or path.',
  cure: 'See why it does not answer; correct port and path of the probe, or give it more time (startupProbe, initialDelaySeconds).',
  sources: ['kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes'],
  needs,
  explains: [{ rule: 'container-crashing', by: 'pod' }, ...explainsPods],
  find: snapshot => {
    const killed = badContainers(snapshot).flatMap(each => {
      const { pod, status, events } = each;
      if (status.restartCount === 0 || isOom(each)) return [];
      const from = Date.parse(conditionOf(pod, 'Ready')?.lastTransitionTime ?? '');
      // Of this stretch of not being ready; a pod that is ready in between is not ready since its last kill.
      const isOfNow = (event: Event): boolean => !(Date.parse(lastSeen(event)) < from - 120_000);
      const kill = events.findLast(
        event => event.reason === 'Killing' && livenessKill.exec(event.message)?.[1] === status.name && isOfNow(event),
      );
      const probe = events.findLast(({ reason, message }) => reason === 'Unhealthy' && livenessFailed.test(message));
      return kill ? [{ ...each, kill, probe }] : [];
    });
    const byStatus = new Map(killed.map(each => [each.status, each]));
    return findingsOf(killed, group => {
      const [first] = group;
      const { kill, probe } = byStatus.get(first.status) ?? {};
      const said = probe?.message.replace(livenessFailed, '') ?? '';
      const meaning = probeMeaning.find(([pattern]) => pattern.test(said))?.[1];
      const kind = livenessKill.exec(kill?.message ?? '')?.[2] ?? '';
      return {
        says: `The kubelet keeps restarting ${first.status.name} of ${podsOf(group)} because its ${kind} probe fails${said === '' ? '' : `: ${oneLine(said, 160)}`}${meaning === undefined ? '' : ` (${meaning})`}`,
        evidence: [
          ...(probe ? [eventEvidence(probe, first.pod)] : []),
          ...(kill ? [eventEvidence(kill, first.pod)] : []),
          logEvidence(snapshot, first)[0] ?? stateEvidence(first),
        ],
        cure: [
          kubectl('logs', '', first.pod, `-c ${word(first.status.name)} --previous --tail=50`).replace('  ', ' '),
          `compare port and path of its ${kind}Probe with what the application listens on: ${kubectl('describe', 'pod', first.pod)}`,
          'an application that only starts slowly: a startupProbe with failureThreshold x periodSeconds as long as it takes',
        ],
      };
    });
  },
};

const named =
  /(configmap|secret) "([^"]+)" not found|couldn't find key (\S+) in (ConfigMap|Secret) (\S+)|references non-existent (config|secret) key: (\S+)/i;

interface Missing extends Bad {
  readonly says: string;
  readonly event: Event | undefined;
  readonly thing: string;
}

function missing(snapshot: Snapshot): readonly Missing[] {
  const look = snapshot.lists.configmaps;
  const maps = new Set(
    look.state === 'seen' ? look.items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`) : [],
  );
  return badContainers(snapshot).flatMap(bad => {
    const { waiting } = bad.status.state;
    if (waiting === undefined) return [];
    const scheduled = conditionOf(bad.pod, 'PodScheduled')?.lastTransitionTime || bad.pod.metadata.creationTimestamp;
    if (!hasHeld(snapshot, scheduled, 30)) return [];
    // A missing volume stops all containers before the first; a missing variable stops one.
    const isConfig = waiting.reason === 'CreateContainerConfigError';
    const event = /^(ContainerCreating|PodInitializing)$/.test(waiting.reason)
      ? bad.events.findLast(({ reason, message }) => reason === 'FailedMount' && named.test(message))
      : undefined;
    const says = isConfig ? waiting.message : (event?.message ?? '');
    const match = named.exec(says);
    if (!match) return [];
    const [, kind, name, key, keyKind, keyOf, refKind, refKey] = match;
    const thing =
      kind !== undefined
        ? `the ${kind.toLowerCase() === 'secret' ? 'Secret' : 'ConfigMap'} ${name}`
        : key !== undefined
          ? `the key ${key} of the ${keyKind} ${keyOf}`
          : `the key ${refKey} of a ${refKind === 'secret' ? 'Secret' : 'ConfigMap'}`;
    const isThere = kind?.toLowerCase() === 'configmap' && maps.has(`${bad.pod.metadata.namespace}/${name}`);
    return isThere ? [] : [{ ...bad, says, event, thing }];
  });
}

const configMissing: Rule = {
  id: 'config-missing',
  layer: 'workload',
  symptom: 'A pod stays in CreateContainerConfigError, or in ContainerCreating with FailedMount and "not found".',
  cause: 'It names a ConfigMap, a Secret or a key of one that is not in its namespace.',
  cure: 'Make it, or correct the name; of a SealedSecret see whether the controller still has the key that unseals it.',
  sources: [debug, 'bitnami-labs/sealed-secrets README.md'],
  needs: ['api.pods', 'api.events', 'api.configmaps'],
  explains: explainsPods,
  find: snapshot => {
    const all = missing(snapshot);
    return grouped(all, ({ pod, thing }) => `${ownerOf(pod)} ${thing}`).map((group): Finding => {
      const [first] = group;
      const { namespace } = first.pod.metadata;
      const isSecret = /Secret/.test(first.thing);
      return {
        says: `${podsOf(group)} cannot start without ${first.thing}, which ${namespace} does not have`,
        severity: 'error',
        certainty: 'certain',
        about: together(podEntity(first.pod), ...group.flatMap(({ pod }) => entitiesOf(pod))),
        since: conditionOf(first.pod, 'PodScheduled')?.lastTransitionTime || first.pod.metadata.creationTimestamp,
        evidence: [
          first.event ? eventEvidence(first.event, first.pod) : { ...stateEvidence(first), says: oneLine(first.says) },
        ],
        cure: [
          `kubectl -n ${word(namespace)} get ${isSecret ? 'secrets' : 'configmaps'}`,
          ...(isSecret ? [`if it is sealed: kubectl -n ${word(namespace)} get sealedsecrets`] : []),
          `make it, or correct the name in ${ownerOf(first.pod)}`,
        ],
      };
    });
  },
};

/** What kept it from its start. While it waits for the next attempt, the kubelet says only 'back-off' of it. */
function startFailure({ status, ended }: Bad): { readonly reason: string; readonly message: string } | undefined {
  const { waiting } = status.state;
  if (/^(CreateContainerError|RunContainerError|PostStartHookError|PreCreateHookError)$/.test(waiting?.reason ?? ''))
    return waiting;
  return /^(StartError|ContainerCannotRun)$/.test(ended?.reason ?? '') ? ended : undefined;
}

const cannotStart: Rule = {
  id: 'container-cannot-start',
  layer: 'workload',
  symptom: 'A pod stays in CreateContainerError, RunContainerError or StartError.',
  cause:
    'The runtime cannot start the process: the command is not in the image, a mount does not fit, or the runtime is set up wrongly.',
  cure: 'Do what the message says; mostly command and args of the container are wrong.',
  sources: [debug],
  needs,
  explains: [{ rule: 'container-crashing', by: 'pod' }, ...explainsPods],
  symptomOnly: true,
  find: snapshot => {
    const bad = badContainers(snapshot).filter(each => startFailure(each) !== undefined);
    return findingsOf(bad, group => {
      const [first] = group;
      const { message, reason } = startFailure(first) ?? { message: '', reason: '' };
      const said = message || reason;
      return {
        says: `Container ${first.status.name} of ${podsOf(group)} cannot be started: ${oneLine(said, 200)}`,
        evidence: [{ ...stateEvidence(first), says: oneLine(said) }],
        cure: [
          kubectl('describe', 'pod', first.pod),
          `correct command and args of container ${first.status.name} in ${ownerOf(first.pod)}`,
        ],
      };
    });
  },
};

const exitCodes: Readonly<Record<number, string>> = {
  0: 'it comes to its end, although it should stay',
  1: 'an error of the application',
  126: 'its command cannot be executed',
  127: 'its command is not in the image',
  134: 'it aborted',
  137: 'it was killed (SIGKILL)',
  139: 'a memory fault (SIGSEGV)',
  143: 'it was asked to end (SIGTERM)',
  255: 'an error of the application',
};

const crashing: Rule = {
  id: 'container-crashing',
  layer: 'workload',
  symptom: 'A pod is in CrashLoopBackOff.',
  cause: 'Its container ends soon after each start, for a reason of its own: the last lines of its log say which.',
  cure: 'Read the last lines of its log.',
  sources: [debug],
  needs,
  explains: explainsPods,
  symptomOnly: true,
  find: snapshot => {
    // What a rule above names is not told twice.
    const killed = new Set(livenessKilled.find(snapshot).flatMap(({ about }) => about));
    const bad = badContainers(snapshot).filter(
      each =>
        isLooping(snapshot, each) &&
        !isOom(each) &&
        startFailure(each) === undefined &&
        !killed.has(podEntity(each.pod)),
    );
    return findingsOf(bad, group => {
      const [first] = group;
      const { ended, status, pod } = first;
      const logs = logEvidence(snapshot, first);
      const code = ended?.exitCode ?? 0;
      const meaning = exitCodes[code];
      const ran = secondsBetween(ended);
      return {
        says: `Container ${status.name} of ${podsOf(group)} ends again and again with exit code ${code}${meaning === undefined ? '' : ` (${meaning})`}${ran === undefined ? '' : `, ${span(ran)} after its start`}, ${status.restartCount} restarts${logs[0] ? `: ${oneLine(logs[0].says.split(' | ').at(-1) ?? '', 160)}` : ''}`,
        evidence: [
          ...logs,
          stateEvidence(first),
          ...(ended?.message
            ? [
                {
                  says: oneLine(ended.message),
                  from: `termination message of ${nameOf(pod)}`,
                  again: kubectl('describe', 'pod', pod),
                },
              ]
            : []),
        ].slice(0, 3),
        cure: [kubectl('logs', '', pod, `-c ${word(status.name)} --previous --tail=50`).replace('  ', ' ')],
      };
    });
  },
};

function secondsBetween(ended: Ended | undefined): number | undefined {
  const seconds = (Date.parse(ended?.finishedAt ?? '') - Date.parse(ended?.startedAt ?? '')) / 1000;
  return seconds >= 0 ? seconds : undefined;
}

export const containerRules: readonly Rule[] = [oomKilled, livenessKilled, configMissing, cannotStart, crashing];
