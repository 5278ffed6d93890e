// Nodes that are not ready or not well, as the API tells it; what is behind it, the machine's own facts tell.
import {
  ago,
  type Condition,
  conditionOf,
  type Event,
  eventEvidence,
  hasHeld,
  isTrue,
  lastSeen,
  listed,
  machineEntity,
  type Node,
  oneLine,
  span,
  word,
} from '../reading.ts';
import type { Evidence, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot, secondsSince } from '../snapshot.ts';
import { lastHeard } from './on-machine.ts';

function evidenceOf({ metadata: { name } }: Node, condition: Condition): Evidence {
  const { type, status, reason, message, lastTransitionTime } = condition;
  return {
    says: `${type}=${status} since ${lastTransitionTime}, ${reason}: ${oneLine(message)}`,
    from: `API: node ${name}`,
    again: `kubectl describe node ${word(name)}`,
  };
}

/** Its node object is so young that the machine may still be joining. */
const joiningSeconds = 120;
/** What the kubelet itself reports passes at its start. */
const startingSeconds = 30;

function notReady(
  snapshot: Snapshot,
): readonly { readonly node: Node; readonly ready: Condition; readonly isSilent: boolean }[] {
  return objects(snapshot, 'nodes').flatMap(node => {
    const ready = conditionOf(node, 'Ready');
    if (ready === undefined || ready.status === 'True') return [];
    const isSilent = ready.status === 'Unknown';
    const isStarting =
      !isSilent &&
      (!hasHeld(snapshot, ready.lastTransitionTime, startingSeconds) ||
        !hasHeld(snapshot, node.metadata.creationTimestamp, joiningSeconds));
    return isStarting ? [] : [{ node, ready, isSilent }];
  });
}

/** Fragments of what kubelets 1.24 to 1.36 say when the runtime has no network plugin. */
const noPlugin =
  /cni plugin not initialized|cni config uninitialized|NetworkPluginNotReady|network plugin is not ready/;

const cniNotInitialised: Rule = {
  id: 'cni-not-initialised',
  layer: 'node',
  symptom: 'A node is NotReady, and its kubelet says that the network plugin is not ready or not initialised.',
  cause:
    'The container runtime finds no usable network configuration in /etc/cni/net.d: the agent of the network (Cilium, flannel) has not run there, or its file is gone.',
  cure: 'Look at the pod of the network agent on that node, and at /etc/cni/net.d; restart the agent so that it writes its file again.',
  sources: [
    'kubernetes/kubernetes pkg/kubelet/kubelet.go (runtimeState.networkErrors)',
    'containerd docs/cri/config.md, "CNI configuration"',
  ],
  needs: ['api.nodes', 'api.pods'],
  explains: [
    { rule: 'node-not-ready', by: 'machine' },
    { rule: 'sandbox-not-created', by: 'machine' },
  ],
  find: snapshot => {
    const pods = objects(snapshot, 'pods');
    return notReady(snapshot).flatMap(({ node, ready, isSilent }): readonly Finding[] => {
      if (isSilent || !noPlugin.test(ready.message)) return [];
      const { name } = node.metadata;
      const agents = pods.filter(
        ({ metadata, spec }) =>
          spec.nodeName === name && /^(cilium|kube-flannel|calico-node|weave-net)-/.test(metadata.name),
      );
      const bad = agents.filter(agent => !isTrue(agent, 'Ready')).map(agent => agent.metadata.name);
      const agent =
        agents.length === 0
          ? 'no pod of a network agent is there'
          : bad.length > 0
            ? `its network agent ${listed(bad)} is not ready`
            : `its network agent ${listed(agents.map(each => each.metadata.name))} is ready`;
      return [
        {
          says: `${name} has no network for pods: its container runtime finds no CNI configuration, and ${agent}`,
          severity: 'error',
          certainty: 'certain',
          about: [machineEntity(name)],
          since: ready.lastTransitionTime,
          evidence: [evidenceOf(node, ready)],
          cure: [
            `ssh ${word(name)} ls -l /etc/cni/net.d`,
            `kubectl get pods -A -o wide --field-selector spec.nodeName=${word(name)}`,
            'restart the agent of the network there: it writes its file when it starts (kubectl -n kube-system delete pod NAME)',
          ],
        },
      ];
    });
  },
};

const pressures: Readonly<
  Record<string, { readonly lacks: string; readonly cure: (name: string) => readonly string[] }>
> = {
  MemoryPressure: {
    lacks: 'memory',
    cure: name => [
      `kubectl describe node ${word(name)}`,
      `ssh ${word(name)} free -m`,
      'give the largest pods a limit, or move them',
    ],
  },
  DiskPressure: {
    lacks: 'disk',
    cure: name => [
      `ssh ${word(name)} df -h / /var/lib/containerd /var/lib/kubelet`,
      `ssh ${word(name)} sudo crictl rmi --prune`,
      'limit what grows: journald SystemMaxUse, containerLogMaxSize, a disk of its own for volumes',
    ],
  },
  PIDPressure: {
    lacks: 'process ids',
    cure: name => [
      `ssh ${word(name)} 'ps -eLf | wc -l'`,
      'find the pod that forks without end, and set podPidsLimit in the kubelet configuration',
    ],
  },
};

const nodePressure: Rule = {
  id: 'node-pressure',
  layer: 'node',
  symptom: 'A node reports MemoryPressure, DiskPressure or PIDPressure; pods are evicted and new ones are kept away.',
  cause: 'Less is left than the kubelet keeps in reserve (evictionHard).',
  cure: 'Free what is short on that machine; then keep it from growing again.',
  sources: ['kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction'],
  needs: ['api.nodes'],
  explains: [
    { rule: 'pod-evicted', by: 'machine' },
    { rule: 'pod-pending', by: 'machine' },
    { rule: 'pod-not-ready', by: 'machine' },
  ],
  find: snapshot =>
    objects(snapshot, 'nodes').flatMap(node =>
      Object.entries(pressures).flatMap(([type, { lacks, cure }]): readonly Finding[] => {
        const condition = conditionOf(node, type);
        // A silent kubelet leaves 'Unknown', which says nothing.
        if (condition?.status !== 'True') return [];
        const { name } = node.metadata;
        return [
          {
            says: `${name} is short of ${lacks} (${type}): its kubelet evicts pods and takes no new ones`,
            severity: 'error',
            certainty: 'certain',
            about: [machineEntity(name)],
            since: condition.lastTransitionTime,
            evidence: [evidenceOf(node, condition)],
            cure: cure(name),
          },
        ];
      }),
    ),
};

const nodeNotReady: Rule = {
  id: 'node-not-ready',
  layer: 'node',
  symptom: 'A node is NotReady.',
  cause:
    'Either nothing is heard from its kubelet (stopped, hanging, machine off, link cut, the API out of its reach), or the kubelet says itself what is missing.',
  cure: 'Look at the machine: whether it answers at all, then whether its kubelet runs, then what the kubelet says.',
  sources: [
    'kubernetes.io/docs/reference/node/node-status',
    'kubernetes/kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go (NodeStatusUnknown)',
  ],
  needs: ['api.nodes', 'api.leases', 'machine.units'],
  explains: [
    { rule: 'volume-node-not-ready', by: 'machine' },
    { rule: 'volume-in-use-elsewhere', by: 'machine' },
    { rule: 'volume-not-attached', by: 'machine' },
    { rule: 'volume-not-mounted', by: 'machine' },
    { rule: 'dns-down', by: 'machine' },
    { rule: 'webhook-unreached', by: 'machine' },
    { rule: 'webhook-unanswered', by: 'machine' },
    { rule: 'apiservice-unavailable', by: 'machine' },
    { rule: 'pod-pending', by: 'machine' },
    { rule: 'pod-stuck-terminating', by: 'machine' },
    { rule: 'pod-not-ready', by: 'machine' },
  ],
  symptomOnly: true,
  find: snapshot => {
    const units = new Map(snapshot.machines.map(({ name, facts }) => [name, facts.units]));
    return notReady(snapshot).map(({ node, ready, isSilent }): Finding => {
      const { name } = node.metadata;
      const machine = snapshot.machines.find(each => each.name === name);
      if (!isSilent)
        return {
          says: `${name} is NotReady: its kubelet says "${oneLine(ready.message || ready.reason)}"`,
          severity: 'error',
          certainty: 'certain',
          about: [machineEntity(name)],
          since: ready.lastTransitionTime,
          evidence: [evidenceOf(node, ready)],
          cure: [
            `ssh ${word(name)} systemctl status kubelet containerd`,
            `ssh ${word(name)} sudo journalctl -u kubelet -n 50`,
          ],
        };
      const renewed = lastHeard(snapshot, name);
      const heard = renewed === '' ? ready.lastTransitionTime : renewed;
      const silence = secondsSince(snapshot, heard);
      const wasSeen = units.get(name) !== undefined;
      // One that does not answer is told of by the rules about machines.
      const isOpen = !wasSeen && machine?.unreached?.kind !== 'no answer';
      return {
        says: `${name} is NotReady: nothing has been heard from its kubelet since ${heard}${Number.isNaN(silence) ? '' : `, for ${span(silence)}`}${isOpen ? '; it is stopped or hangs, the machine is off or cut off, or it cannot reach the API server: nobody looked at the machine itself' : ''}`,
        severity: 'error',
        certainty: wasSeen ? 'certain' : 'possible',
        ...(wasSeen
          ? {}
          : {
              settledBy: `a look at the machine: ssh ${word(name)} systemctl is-active kubelet; "inactive" means that the kubelet stopped, no answer means that the machine is off or its link is cut`,
            }),
        about: [machineEntity(name)],
        since: heard,
        evidence: [
          evidenceOf(node, ready),
          ...(renewed === ''
            ? []
            : [
                {
                  says: `renewed last at ${renewed}`,
                  from: `API: lease kube-node-lease/${name}`,
                  again: `kubectl -n kube-node-lease get lease ${word(name)}`,
                },
              ]),
        ],
        cure: [
          ...(isOpen ? [`homelab doctor   # with an inventory that names ${name}`] : []),
          `ping -c 3 ${word(machine?.address || name)}`,
          `ssh ${word(name)} systemctl status kubelet`,
          `if the kubelet is stopped: ssh ${word(name)} sudo systemctl enable --now kubelet; if the machine does not answer: its power, its cable, the port of the switch`,
        ],
      };
    });
  },
};

/** Pods come back within minutes; what is broken later has another cause. */
const rebootSeconds = 900;

const nodeRebooted: Rule = {
  id: 'node-rebooted',
  layer: 'node',
  symptom: 'Pods of one machine were restarted at the same time.',
  cause: 'The machine was rebooted a few minutes ago, and its pods are coming back.',
  cure: 'Wait for the pods; find out who rebooted it if it was not you.',
  sources: ['kubernetes/kubernetes pkg/kubelet/events/event.go (NodeRebooted)'],
  needs: ['api.nodes', 'api.events', 'machine.identity'],
  explains: [
    { rule: 'sandbox-changed', by: 'machine' },
    { rule: 'sandbox-not-created', by: 'machine' },
    { rule: 'pod-not-ready', by: 'machine' },
  ],
  find: snapshot => {
    const reboots = objects(snapshot, 'events').filter(
      event => event.reason === 'Rebooted' && event.involvedObject.kind === 'Node',
    );
    const booted = new Map(snapshot.machines.map(({ name, facts }) => [name, facts.identity?.bootedAt]));
    return objects(snapshot, 'nodes').flatMap(({ metadata: { name, creationTimestamp } }): readonly Finding[] => {
      const event = reboots
        .filter(({ involvedObject }) => involvedObject.name === name)
        .sort(byTime)
        .at(-1);
      const bootedAt = booted.get(name) ?? (event ? lastSeen(event) : '');
      const age = secondsSince(snapshot, bootedAt);
      // A machine that joined after its boot is new, not rebooted.
      if (!(age >= 0 && age < rebootSeconds) || !(Date.parse(creationTimestamp) < Date.parse(bootedAt))) return [];
      return [
        {
          says: `${name} was rebooted at ${bootedAt}${ago(snapshot, bootedAt)}`,
          severity: 'note',
          certainty: 'certain',
          about: [machineEntity(name)],
          since: bootedAt,
          evidence: [
            ...(booted.get(name) === undefined
              ? []
              : [{ says: `booted at ${bootedAt}`, from: `${name}: /proc/stat`, again: `ssh ${word(name)} uptime -s` }]),
            ...(event ? [eventEvidence(event, { metadata: { namespace: '', name } })] : []),
          ],
          cure: [`ssh ${word(name)} last -x reboot shutdown`],
        },
      ];
    });
  },
};

function byTime(one: Event, other: Event): number {
  return Date.parse(lastSeen(one)) - Date.parse(lastSeen(other));
}

export const nodeRules: readonly Rule[] = [nodePressure, cniNotInitialised, nodeNotReady, nodeRebooted];
