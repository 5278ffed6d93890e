// Volumes that are bound and do not reach their pods: where their data is, and what attaching and mounting says.
import { nameOf } from '../objects/common.ts';
import { reaches, termsOf } from '../placement.ts';
import {
  claimsOf,
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
  machineEntity,
  oneLine,
  type Pod,
  podEntity,
  together,
  word,
} from '../reading.ts';
import type { Entity, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';

interface Pinned {
  readonly volume: string;
  readonly claim: Entity;
  readonly claimName: string;
  /** As the volume names them. */
  readonly names: readonly string[];
  /** Nodes there are that reach it. */
  readonly nodes: readonly string[];
  /** Pods that wait for a node. */
  readonly waiting: readonly Pod[];
  readonly users: readonly Pod[];
}

/** Bound volumes that only some nodes reach. */
function pinned(snapshot: Snapshot): readonly Pinned[] {
  const nodes = objects(snapshot, 'nodes');
  const pods = objects(snapshot, 'pods').filter(pod => !isOver(pod));
  const volumes = objects(snapshot, 'persistentvolumes');
  if (nodes.length === 0) return [];
  const users = new Map<Entity, Pod[]>();
  for (const pod of pods) for (const claim of claimsOf(pod)) users.set(claim, [...(users.get(claim) ?? []), pod]);
  return volumes.flatMap(volume => {
    const terms = termsOf(volume);
    const ref = volume.spec.claimRef;
    if (terms.length === 0 || !ref || volume.status.phase !== 'Bound') return [];
    const claim: Entity = `claim:${ref.namespace}/${ref.name}`;
    const mine = users.get(claim) ?? [];
    return [
      {
        volume: volume.metadata.name,
        claim,
        claimName: `${ref.namespace}/${ref.name}`,
        names: terms.flatMap(({ matchExpressions, matchFields }) =>
          [...matchExpressions, ...matchFields].flatMap(({ values }) => values),
        ),
        nodes: nodes
          .filter(({ metadata }) => reaches(terms, metadata.labels, metadata.name))
          .map(({ metadata }) => metadata.name),
        users: mine,
        waiting: mine.filter(pod => pod.spec.nodeName === '' && !isLeaving(pod)),
      },
    ];
  });
}

function affinityEvidence({ volume, names }: Pinned): Finding['evidence'][number] {
  return {
    says: `nodeAffinity: ${listed(names)}`,
    from: `API: persistentvolume ${volume}`,
    again: `kubectl get persistentvolume ${word(volume)} -o jsonpath='{.spec.nodeAffinity}'`,
  };
}

const ofPods = [
  { rule: 'pod-pending', by: 'claim' },
  { rule: 'pod-not-ready', by: 'claim' },
] as const;

const nodeGone: Rule = {
  id: 'volume-node-gone',
  layer: 'storage',
  symptom: 'A pod stays Pending with "had volume node affinity conflict".',
  cause: 'Its volume is a folder of a node that the cluster no longer has, or that has another name now.',
  cure: 'Bring the node back under its name, or make claim and volume anew and restore the data from a backup.',
  sources: ['kubernetes.io/docs/concepts/storage/volumes (local)', 'rancher/local-path-provisioner README.md'],
  needs: ['api.nodes', 'api.persistentvolumes', 'api.pods'],
  explains: ofPods,
  find: snapshot =>
    pinned(snapshot)
      .filter(({ nodes }) => nodes.length === 0)
      .map(each => ({
        says: `Volume ${each.volume} of claim ${each.claimName} is on ${listed(each.names)}, and there is no such node`,
        severity: each.waiting.length > 0 ? 'error' : 'warning',
        certainty: 'certain',
        about: together(`volume:${each.volume}`, each.claim, ...each.users.map(podEntity)),
        evidence: [
          affinityEvidence(each),
          {
            says: listed(
              objects(snapshot, 'nodes').map(({ metadata }) => metadata.name),
              6,
            ),
            from: 'API: nodes',
            again: 'kubectl get nodes --show-labels',
          },
        ],
        cure: [
          'if the machine only has another name: give it back the name that the volume has and let it join again',
          `otherwise the data is lost with it: delete the claim ${each.claimName}, and restore it from a backup`,
        ],
      })),
};

const nodeNotReady: Rule = {
  id: 'volume-node-not-ready',
  layer: 'storage',
  symptom: 'A pod stays Pending because its data is on a node that is not ready.',
  cause: 'The volume is a folder of that node, and nothing else reaches it.',
  cure: 'Bring the node back; storage that copies its data (Longhorn) does not have this trouble.',
  sources: ['kubernetes.io/docs/concepts/storage/volumes (local)'],
  needs: ['api.nodes', 'api.persistentvolumes', 'api.pods'],
  explains: ofPods,
  symptomOnly: true,
  find: snapshot => {
    const ready = new Set(
      objects(snapshot, 'nodes').flatMap(node => (isTrue(node, 'Ready') ? [node.metadata.name] : [])),
    );
    return pinned(snapshot).flatMap((each): readonly Finding[] => {
      if (each.waiting.length === 0 || each.nodes.length === 0 || each.nodes.some(name => ready.has(name))) return [];
      return [
        {
          says: `Volume ${each.volume} of claim ${each.claimName} can only be used on ${listed(each.nodes)}, which is not ready`,
          severity: 'error',
          certainty: 'certain',
          about: together(
            `volume:${each.volume}`,
            each.claim,
            ...each.nodes.map(machineEntity),
            ...each.users.map(podEntity),
          ),
          evidence: [affinityEvidence(each)],
          cure: [`bring ${listed(each.nodes)} back: kubectl describe node ${each.nodes[0]}`],
        },
      ];
    });
  },
};

/** What kubelet and attach controller say, Kubernetes 1.24 to 1.36. */
const wording = {
  elsewhere: /Multi-Attach error|already exclusively attached|already used by pod/,
  driver: /driver name (\S+) not found in the list of registered CSI drivers/,
  /** Missing ConfigMaps and Secrets are told by their own rule. */
  config: /(configmap|secret) "[^"]+" not found|references non-existent (config|secret) key|not registered/i,
  generic: /timed out waiting for the condition|context deadline exceeded|timeout expired waiting/,
};

interface Stuck {
  readonly pod: Pod;
  readonly event: Event;
}

/** Pods whose containers wait to be made, and whose last word about volumes is a failure: the most telling one. */
function stuck(snapshot: Snapshot): readonly Stuck[] {
  const events = eventsOf(snapshot);
  return objects(snapshot, 'pods').flatMap(pod => {
    const { status, metadata } = pod;
    if (status.phase !== 'Pending' || isLeaving(pod)) return [];
    const statuses = [...status.initContainerStatuses, ...status.containerStatuses];
    const isWaiting = statuses.every(({ state }) => state.running === undefined && state.terminated === undefined);
    const since = conditionOf(pod, 'PodScheduled')?.lastTransitionTime || metadata.creationTimestamp;
    if (!isWaiting || !hasHeld(snapshot, since, 60)) return [];
    const mine = events(pod);
    // Volumes come before the first image.
    if (mine.some(({ reason }) => reason === 'Pulled' || reason === 'Pulling')) return [];
    const attached = mine.findLast(({ reason }) => reason === 'SuccessfulAttachVolume');
    const failed = mine.filter(
      event =>
        /^(FailedAttachVolume|FailedMount|FailedMapVolume)$/.test(event.reason) &&
        (event.reason !== 'FailedAttachVolume' ||
          attached === undefined ||
          Date.parse(lastSeen(event)) > Date.parse(lastSeen(attached))),
    );
    const told = failed.filter(({ message }) => !wording.generic.test(message));
    const event = told[0] ?? failed[0];
    return event === undefined || failed.some(({ message }) => wording.config.test(message)) ? [] : [{ pod, event }];
  });
}

function stuckFinding({ pod, event }: Stuck, says: string, cure: readonly string[]): Finding {
  return {
    says,
    severity: 'error',
    certainty: 'certain',
    about: entitiesOf(pod),
    since: conditionOf(pod, 'PodScheduled')?.lastTransitionTime || pod.metadata.creationTimestamp,
    evidence: [eventEvidence(event, pod)],
    cure,
  };
}

const stuckNeeds = ['api.pods', 'api.events'] as const;
const stuckExplains = [{ rule: 'pod-not-ready', by: 'pod' }] as const;

const inUseElsewhere: Rule = {
  id: 'volume-in-use-elsewhere',
  layer: 'storage',
  symptom: 'A pod stays in ContainerCreating with "Multi-Attach error".',
  cause:
    'The volume serves one node at a time and is still attached to another one: its pod there is not gone, often because that node is silent.',
  cure: 'End the pod on the other node; if that machine is off for good, say so to Kubernetes, which then lets the volume go.',
  sources: [
    'kubernetes/kubernetes#65392',
    'kubernetes.io/docs/concepts/cluster-administration/node-shutdown (out-of-service)',
  ],
  needs: stuckNeeds,
  explains: stuckExplains,
  symptomOnly: true,
  find: snapshot => {
    const pods = objects(snapshot, 'pods');
    return stuck(snapshot)
      .filter(({ event }) => wording.elsewhere.test(event.message))
      .map(each => {
        const mine = new Set(claimsOf(each.pod));
        const others = pods.filter(
          other =>
            other !== each.pod &&
            !isOver(other) &&
            other.spec.nodeName !== '' &&
            other.spec.nodeName !== each.pod.spec.nodeName &&
            claimsOf(other).some(claim => mine.has(claim)),
        );
        const machines = [...new Set(others.map(({ spec }) => spec.nodeName))];
        return {
          ...stuckFinding(
            each,
            `Pod ${nameOf(each.pod)} waits for a volume that is still attached to another node${others.length > 0 ? `: ${listed(others.map(nameOf))} on ${listed(machines)} uses it` : ''}`,
            [
              'kubectl get volumeattachments',
              ...machines.map(
                name =>
                  `if ${name} is off for good: kubectl taint node ${word(name)} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`,
              ),
              ...(machines.length === 0 ? [kubectl('describe', 'pod', each.pod)] : []),
            ],
          ),
          // What matters is the machine that holds it, not the one that waits.
          about: together(podEntity(each.pod), ...mine, ...machines.map(machineEntity), ...others.map(podEntity)),
        };
      });
  },
};

const driverMissing: Rule = {
  id: 'csi-driver-missing',
  layer: 'storage',
  symptom: 'A pod stays in ContainerCreating with "not found in the list of registered CSI drivers".',
  cause: "The storage driver's own pod does not run on that node, so its kubelet does not know the driver.",
  cure: 'Bring the pod of the driver up on that node.',
  sources: ['kubernetes/kubernetes pkg/volume/csi/csi_plugin.go', 'longhorn/longhorn#1861'],
  needs: stuckNeeds,
  explains: stuckExplains,
  find: snapshot =>
    stuck(snapshot).flatMap(each => {
      const driver = wording.driver.exec(each.event.message)?.[1];
      const { nodeName } = each.pod.spec;
      return driver === undefined
        ? []
        : [
            stuckFinding(
              each,
              `Pod ${nameOf(each.pod)} gets no volume: the driver ${driver} does not run on ${nodeName}`,
              [
                `kubectl get pods -A -o wide --field-selector spec.nodeName=${word(nodeName)}  # the plugin of ${driver} is missing or not ready there`,
                'kubectl get csinodes',
              ],
            ),
          ];
    }),
};

const notAttached: Rule = {
  id: 'volume-not-attached',
  layer: 'storage',
  symptom: 'A pod stays in ContainerCreating with FailedAttachVolume.',
  cause: 'The storage could not attach the volume to that node; its own words say why.',
  cure: 'Look at the storage: whether the volume has a healthy copy on a node that takes pods, and whether its driver is up.',
  sources: ['kubernetes/kubernetes pkg/controller/volume/attachdetach', 'longhorn/longhorn#9938'],
  needs: stuckNeeds,
  explains: stuckExplains,
  symptomOnly: true,
  find: snapshot =>
    stuck(snapshot)
      .filter(
        ({ event: { reason, message } }) =>
          reason === 'FailedAttachVolume' && !wording.elsewhere.test(message) && !wording.driver.test(message),
      )
      .map(each =>
        stuckFinding(
          each,
          `Pod ${nameOf(each.pod)} waits on ${each.pod.spec.nodeName} for a volume that cannot be attached: "${oneLine(each.event.message, 160)}"`,
          [kubectl('describe', 'pod', each.pod), 'kubectl get volumeattachments', 'kubectl get persistentvolumes'],
        ),
      ),
};

const notMounted: Rule = {
  id: 'volume-not-mounted',
  layer: 'storage',
  symptom: 'A pod stays in ContainerCreating with FailedMount.',
  cause: 'The volume is attached, and mounting it on that node fails; the words of mount or of the driver say why.',
  cure: 'Do what the message says; look at the kubelet and the kernel log of that machine.',
  sources: ['kubernetes/kubernetes pkg/kubelet/volumemanager', 'longhorn/longhorn#1210'],
  needs: stuckNeeds,
  explains: stuckExplains,
  symptomOnly: true,
  find: snapshot =>
    stuck(snapshot)
      .filter(
        ({ event: { reason, message } }) =>
          reason !== 'FailedAttachVolume' && !wording.elsewhere.test(message) && !wording.driver.test(message),
      )
      .map(each =>
        stuckFinding(
          each,
          `Pod ${nameOf(each.pod)} waits on ${each.pod.spec.nodeName} for a volume that cannot be mounted: "${oneLine(each.event.message, 160)}"`,
          [
            kubectl('describe', 'pod', each.pod),
            `ssh ${word(each.pod.spec.nodeName)} sudo journalctl -u kubelet -n 50`,
            `ssh ${word(each.pod.spec.nodeName)} sudo dmesg -T --level=err,warn`,
          ],
        ),
      ),
};

export const volumeRules: readonly Rule[] = [
  nodeGone,
  nodeNotReady,
  inUseElsewhere,
  driverMissing,
  notAttached,
  notMounted,
];
