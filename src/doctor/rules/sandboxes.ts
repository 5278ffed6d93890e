// Sandboxes of pods: those that the runtime cannot make, and those that end under their pods.
import { grouped } from '../../model/grouped.ts';
import { nameOf } from '../objects/common.ts';
import {
  begun,
  conditionOf,
  eventEvidence,
  eventsOf,
  hasHeld,
  isLeaving,
  isOver,
  lastSeen,
  listed,
  machineEntity,
  podEntity,
  timesSeen,
  together,
  word,
} from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { objects, secondsSince } from '../snapshot.ts';
import { explainsPods } from './containers.ts';

/** Once is what a reboot does to every pod. */
const sandboxTimes = 3;

const sandboxChanged: Rule = {
  id: 'sandbox-changed',
  layer: 'runtime',
  symptom: 'Pods of a machine restart every few minutes with "Pod sandbox changed, it will be killed and re-created".',
  cause:
    'The sandboxes end under the pods: mostly kubelet and container runtime use different cgroup drivers, or the network of a pod is torn down after each start.',
  cure: 'Let containerd use the cgroup driver of the kubelet (SystemdCgroup = true), and restart both.',
  sources: [
    'kubernetes/kubernetes#110177',
    'kubernetes.io/docs/setup/production-environment/container-runtimes (cgroup drivers)',
  ],
  needs: ['api.pods', 'api.events'],
  explains: [
    { rule: 'liveness-killed', by: 'pod' },
    { rule: 'container-crashing', by: 'pod' },
    { rule: 'dns-down', by: 'pod' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  symptomOnly: true,
  find: snapshot => {
    const events = eventsOf(snapshot);
    const hit = objects(snapshot, 'pods').flatMap(pod => {
      if (isOver(pod) || isLeaving(pod)) return [];
      const mine = events(pod).filter(
        event =>
          event.reason === 'SandboxChanged' &&
          !hasHeld(snapshot, lastSeen(event), 600) &&
          // Less than one an hour is a reboot now and then.
          !(secondsSince(snapshot, event.firstTimestamp) > 3600 * timesSeen(event)),
      );
      const times = mine.reduce((sum, event) => sum + timesSeen(event), 0);
      const last = mine.at(-1);
      return last && times >= sandboxTimes ? [{ pod, times, last }] : [];
    });
    return grouped(hit, ({ pod }) => pod.spec.nodeName).map((group): Finding => {
      const [{ pod, last }] = group;
      const { nodeName } = pod.spec;
      return {
        says: `The sandboxes of ${listed(group.map(each => nameOf(each.pod)))} on ${nodeName} end under them again and again (up to ${Math.max(...group.map(({ times }) => times))} times)`,
        severity: 'error',
        certainty: 'certain',
        about: together(machineEntity(nodeName), ...group.map(each => podEntity(each.pod))),
        ...begun(...group.map(each => each.last.firstTimestamp)),
        evidence: [eventEvidence(last, pod)],
        cure: [
          `ssh ${word(nodeName)} 'sudo containerd config dump | grep SystemdCgroup; sudo grep cgroupDriver /var/lib/kubelet/config.yaml'`,
          `ssh ${word(nodeName)} sudo journalctl -u containerd -n 50`,
        ],
      };
    });
  },
};

/** Of what the network plugin says, and of the sandbox image. */
const sandboxMeaning: readonly (readonly [RegExp, string])[] = [
  [/failed to (get|pull) sandbox image|failed to pull image .*pause/, 'the sandbox image (pause) cannot be had'],
  [
    /no (free )?IP addresses|range is full|no IPs? available|allocator .* exhausted/i,
    'no address for pods is left on that machine',
  ],
  [/plugin type|cni|setup network|subnet\.env/i, 'its network plugin fails'],
  [/cgroup/, 'the cgroup of the pod cannot be made'],
];

const sandboxNotCreated: Rule = {
  id: 'sandbox-not-created',
  layer: 'runtime',
  symptom: 'Pods of a machine stay in ContainerCreating with FailedCreatePodSandBox.',
  cause:
    'The container runtime cannot make the sandbox of a pod: the network plugin fails, the sandbox image is not to be had, or the cgroup cannot be made.',
  cure: 'Do what the message says; look at the network agent of that machine first.',
  sources: ['kubernetes/kubernetes pkg/kubelet/kuberuntime/kuberuntime_sandbox.go', 'lima-vm/lima#4185'],
  needs: ['api.pods', 'api.events'],
  explains: explainsPods,
  symptomOnly: true,
  find: snapshot => {
    const events = eventsOf(snapshot);
    const hit = objects(snapshot, 'pods').flatMap(pod => {
      const { status, metadata } = pod;
      if (status.phase !== 'Pending' || isLeaving(pod)) return [];
      const since = conditionOf(pod, 'PodScheduled')?.lastTransitionTime || metadata.creationTimestamp;
      if (!hasHeld(snapshot, since, 30)) return [];
      const mine = events(pod);
      const failure = mine.find(({ reason }) => reason === 'FailedCreatePodSandBox');
      const isPast = mine.some(({ reason }) => /^(Pulling|Pulled|Created|Started)$/.test(reason));
      return failure && !isPast ? [{ pod, failure, since }] : [];
    });
    return grouped(hit, ({ pod }) => pod.spec.nodeName).map((group): Finding => {
      const [{ pod, failure }] = group;
      const { nodeName } = pod.spec;
      const meaning = sandboxMeaning.find(([pattern]) => pattern.test(failure.message))?.[1];
      return {
        says: `${nodeName} cannot make pods (${listed(group.map(each => nameOf(each.pod)))})${meaning === undefined ? '' : `: ${meaning}`}`,
        severity: 'error',
        certainty: 'certain',
        about: together(machineEntity(nodeName), ...group.map(each => podEntity(each.pod))),
        ...begun(...group.map(each => each.since)),
        evidence: [eventEvidence(failure, pod)],
        cure: [
          `kubectl get pods -A -o wide --field-selector spec.nodeName=${word(nodeName)}  # is its network agent ready?`,
          `ssh ${word(nodeName)} sudo journalctl -u containerd -n 50`,
        ],
      };
    });
  },
};

export const sandboxRules: readonly Rule[] = [sandboxChanged, sandboxNotCreated];
