// Longhorn: volumes that cannot be attached, or are not as safe as they should be.
import type { ObjectOf } from '../objects/kinds.ts';
import type { Entity, Evidence, Finding, Rule } from '../rule.ts';
import { machinesWith, objects, type Snapshot, secondsSince } from '../snapshot.ts';
import { fails, isAlive, listed, logEvidence, type Pod, podEntity, said } from './installed.ts';

type LonghornVolume = ObjectOf<'longhornvolumes'>;

const explainsVolumes: Rule['explains'] = [
  { rule: 'volume-not-attached', by: 'pod' },
  { rule: 'volume-not-mounted', by: 'pod' },
  { rule: 'container-crashing', by: 'pod' },
  { rule: 'container-cannot-start', by: 'pod' },
  { rule: 'pod-pending', by: 'pod' },
  { rule: 'pod-not-ready', by: 'pod' },
];

function isInstalled(snapshot: Snapshot): boolean {
  return objects(snapshot, 'longhornnodes').length > 0;
}

function isLonghornNode(snapshot: Snapshot, machine: string): boolean {
  return objects(snapshot, 'longhornnodes').some(({ metadata }) => metadata.name === machine);
}

/** Of the volume: itself, its claim, and the pods that use that claim now. */
function around(
  snapshot: Snapshot,
  { metadata, status }: LonghornVolume,
): { readonly entities: readonly Entity[]; readonly pods: readonly Pod[]; readonly claim: string } {
  const { namespace, pvcName, pvName } = status.kubernetesStatus;
  const pods = objects(snapshot, 'pods').filter(
    pod =>
      isAlive(pod) &&
      pod.metadata.namespace === namespace &&
      pod.spec.volumes.some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === pvcName),
  );
  const claim = pvcName === '' ? '' : `${namespace}/${pvcName}`;
  return {
    pods,
    claim,
    entities: [
      `volume:${pvName || metadata.name}`,
      ...(claim === '' ? [] : [`claim:${claim}` as const]),
      ...pods.map(podEntity),
    ],
  };
}

/** The attacher says of one of these pods, which still waits, that it could not. */
function attachEvent(snapshot: Snapshot, pods: readonly Pod[], pattern: RegExp): Evidence | undefined {
  const waiting = pods.filter(
    pod => pod.status.phase === 'Pending' || !pod.status.containerStatuses.every(({ ready }) => ready),
  );
  const event = objects(snapshot, 'events').find(
    ({ reason, message, involvedObject }) =>
      /^(FailedAttachVolume|FailedMount)$/.test(reason) &&
      pattern.test(message) &&
      waiting.some(({ metadata }) => metadata.uid === involvedObject.uid),
  );
  if (!event) return undefined;
  const { namespace, name } = event.involvedObject;
  return {
    says: `${event.reason}: ${event.message.slice(0, 300)}`,
    from: `events of pod ${namespace}/${name}`,
    again: `kubectl get events -n ${namespace} --field-selector involvedObject.name=${name}`,
  };
}

const cordoned = (snapshot: Snapshot) =>
  objects(snapshot, 'nodes')
    .filter(({ spec }) => spec.unschedulable)
    .map(({ metadata }) => metadata.name);

const replicasCordoned: Rule = {
  id: 'longhorn-replicas-cordoned',
  layer: 'storage',
  symptom: 'A pod stays in ContainerCreating with FailedAttachVolume.',
  cause:
    'Every replica of the volume lies on a node on which nothing may be started (cordoned), so Longhorn cannot start what serves them.',
  cure: 'Uncordon a node that has a replica; before the next drain wait until every volume has a healthy replica elsewhere.',
  sources: ['longhorn/longhorn#9938', 'longhorn/longhorn#1661'],
  needs: ['api.longhornvolumes', 'api.longhornreplicas', 'api.nodes', 'api.pods', 'api.events'],
  explains: explainsVolumes,
  find(snapshot) {
    const closed = cordoned(snapshot);
    if (closed.length === 0) return [];
    return objects(snapshot, 'longhornvolumes').flatMap((volume): readonly Finding[] => {
      const replicas = objects(snapshot, 'longhornreplicas').filter(
        ({ spec }) => spec.volumeName === volume.metadata.name && spec.nodeID !== '',
      );
      const nodes = [...new Set(replicas.map(({ spec }) => spec.nodeID))].sort();
      if (nodes.length === 0 || !nodes.every(node => closed.includes(node))) return [];
      const { entities, pods, claim } = around(snapshot, volume);
      const event = attachEvent(snapshot, pods, /./);
      const { state, robustness } = volume.status;
      const isServed = state === 'attached' && /^(healthy|degraded)$/.test(robustness);
      // A drain by its owner: it serves until its last pod has gone. Nobody waits for a detached one.
      if (!event && (isServed || state === 'detached')) return [];
      const [about = `volume:${volume.metadata.name}` as const, ...others] = entities;
      return [
        {
          says: `${claim === '' ? `Volume ${volume.metadata.name}` : `The volume of ${claim}`} cannot be attached: all its replicas lie on ${listed(nodes)}, and ${
            nodes.length === 1 ? 'that is' : 'those are'
          } cordoned`,
          severity: 'error',
          certainty: event ? 'certain' : 'likely',
          ...(event
            ? {}
            : {
                settledBy: `kubectl get volumes.longhorn.io -n ${volume.metadata.namespace} ${volume.metadata.name} -o yaml`,
              }),
          about: [about, ...others, ...nodes.map(node => `machine:${node}` as const)],
          evidence: [
            {
              says: `replicas on ${nodes.join(', ')}; cordoned: ${closed.join(', ')}; volume ${state}, ${robustness}`,
              from: 'Longhorn',
              again: `kubectl get replicas.longhorn.io -n ${volume.metadata.namespace} -o custom-columns=VOLUME:.spec.volumeName,NODE:.spec.nodeID | grep ${volume.metadata.name}; kubectl get nodes`,
            },
            ...(event ? [event] : []),
          ],
          cure: [
            `kubectl uncordon ${nodes[0]}`,
            `kubectl get volumes.longhorn.io -n ${volume.metadata.namespace} -w   # healthy, before the next node is drained`,
          ],
        },
      ];
    });
  },
};

const iscsiMissing: Rule = {
  id: 'longhorn-iscsi-missing',
  layer: 'storage',
  symptom: 'longhorn-manager crashes, or volumes are never attached on one machine.',
  cause: 'Longhorn attaches volumes by iSCSI, and the machine has no open-iscsi, or no initiator name.',
  cure: 'Install open-iscsi, and let iscsid start at boot.',
  sources: ['longhorn/longhorn#8697', 'longhorn/longhorn#5380', 'longhorn/cli: pkg/local/preflight/checker.go'],
  needs: ['machine.iscsi', 'api.longhornnodes', 'api.pods'],
  explains: explainsVolumes,
  find(snapshot) {
    const managers = objects(snapshot, 'pods').filter(
      ({ metadata }) => metadata.namespace === 'longhorn-system' && metadata.labels['app'] === 'longhorn-manager',
    );
    return machinesWith(snapshot, 'iscsi').flatMap(({ machine, value }): readonly Finding[] => {
      const mine = managers.filter(({ spec }) => spec.nodeName === machine.name);
      if (mine.length === 0 && !isLonghornNode(snapshot, machine.name)) return [];
      if (value.installed && value.initiator !== '') return [];
      const failing = mine.filter(pod => fails(snapshot, pod));
      const lines = failing.flatMap(pod => {
        const found = said(snapshot, pod, /iscsiadm|open-iscsi|initiatorname/i);
        return found ? [logEvidence(pod, found)] : [];
      });
      return [
        {
          says: `Longhorn cannot attach volumes on ${machine.name}: ${
            value.installed ? '/etc/iscsi/initiatorname.iscsi is empty' : 'open-iscsi is not installed'
          }`,
          severity: 'error',
          certainty: 'certain',
          about: [`machine:${machine.name}`, ...failing.map(podEntity)],
          evidence: [
            {
              says: value.installed ? 'iscsiadm is there, no InitiatorName' : 'no iscsiadm',
              from: machine.name,
              again: `ssh ${machine.name} 'command -v iscsiadm; sudo cat /etc/iscsi/initiatorname.iscsi'`,
            },
            ...lines.slice(0, 1),
          ],
          cure: value.installed
            ? [
                `ssh ${machine.name} 'echo "InitiatorName=$(sudo iscsi-iname)" | sudo tee /etc/iscsi/initiatorname.iscsi && sudo systemctl restart iscsid'`,
              ]
            : [
                `ssh ${machine.name} sudo apt-get install -y open-iscsi`,
                `ssh ${machine.name} sudo systemctl enable --now iscsid`,
              ],
        },
      ];
    });
  },
};

const initiatorTwice: Rule = {
  id: 'iscsi-initiator-duplicate',
  layer: 'storage',
  symptom: 'Volumes are attached to the wrong machine, or drop off when another machine attaches one.',
  cause: 'Two machines are clones and kept the same iSCSI initiator name.',
  cure: 'Give one of them a new name and restart iscsid there, with no volume attached.',
  sources: ['longhorn/longhorn#2319', 'open-iscsi: README (InitiatorName must be unique)'],
  needs: ['machine.iscsi', 'api.longhornnodes'],
  explains: [],
  find(snapshot) {
    if (!isInstalled(snapshot)) return [];
    const named = machinesWith(snapshot, 'iscsi').filter(({ value }) => value.initiator !== '');
    const names = [...new Set(named.map(({ value }) => value.initiator))];
    return names.flatMap((initiator): readonly Finding[] => {
      const same = named.filter(({ value }) => value.initiator === initiator).map(({ machine }) => machine.name);
      const [first, second] = same;
      if (first === undefined || second === undefined) return [];
      return [
        {
          says: `${listed(same)} have the same iSCSI initiator name (${initiator}): they are clones of one machine`,
          severity: 'warning',
          certainty: 'certain',
          about: [`machine:${second}`, ...same.filter(name => name !== second).map(name => `machine:${name}` as const)],
          evidence: same.slice(0, 3).map(name => ({
            says: initiator,
            from: name,
            again: `ssh ${name} sudo cat /etc/iscsi/initiatorname.iscsi`,
          })),
          cure: [
            `kubectl drain ${second} --ignore-daemonsets --delete-emptydir-data`,
            `ssh ${second} 'echo "InitiatorName=$(sudo iscsi-iname)" | sudo tee /etc/iscsi/initiatorname.iscsi && sudo systemctl restart iscsid'`,
            `kubectl uncordon ${second}`,
          ],
        },
      ];
    });
  },
};

const multipath: Rule = {
  id: 'longhorn-multipath',
  layer: 'storage',
  symptom: "A pod does not start: 'already mounted or mount point busy', although Longhorn says healthy and attached.",
  cause: "multipathd took Longhorn's block devices for its own.",
  cure: 'Tell multipathd to leave them alone (blacklist), and flush what it made of them.',
  sources: ['longhorn/longhorn#1210', 'longhorn.io: kb/troubleshooting-volume-with-multipath'],
  needs: ['machine.iscsi', 'api.longhornnodes', 'api.longhornvolumes', 'api.pods', 'api.events'],
  explains: explainsVolumes,
  find: snapshot =>
    machinesWith(snapshot, 'iscsi').flatMap(({ machine, value }): readonly Finding[] => {
      if (value.multipathOwns.length === 0 || !isLonghornNode(snapshot, machine.name)) return [];
      const pods = objects(snapshot, 'longhornvolumes')
        .flatMap(volume => around(snapshot, volume).pods)
        .filter(({ spec }) => spec.nodeName === machine.name);
      const event = attachEvent(
        snapshot,
        pods,
        /already mounted or .*mount point busy|apparently in use by the system/i,
      );
      const stuck = pods.filter(({ status }) => status.phase === 'Pending');
      return [
        {
          says: `multipathd on ${machine.name} holds ${listed(value.multipathOwns)}${event ? ', so Longhorn’s volumes cannot be mounted there' : ': Longhorn’s volumes among them cannot be mounted'}`,
          severity: event ? 'error' : 'warning',
          certainty: event ? 'certain' : 'possible',
          ...(event
            ? {}
            : {
                settledBy: `ssh ${machine.name} lsblk -o NAME,TYPE,VENDOR   (vendor IET or LONGHORN above an mpath = this)`,
              }),
          about: [`machine:${machine.name}`, ...(event ? stuck.map(podEntity) : [])],
          evidence: [
            {
              says: `multipath on ${value.multipathOwns.join(', ')}`,
              from: machine.name,
              again: `ssh ${machine.name} lsblk`,
            },
            ...(event ? [event] : []),
          ],
          cure: [
            `ssh ${machine.name} 'printf "blacklist {\\n  devnode \\"^sd[a-z0-9]+\\"\\n}\\n" | sudo tee -a /etc/multipath.conf'`,
            `ssh ${machine.name} 'sudo systemctl restart multipathd && sudo multipath -F'`,
          ],
        },
      ];
    }),
};

/** Where Longhorn may put a replica now. */
function openNodes(snapshot: Snapshot): readonly string[] {
  return objects(snapshot, 'longhornnodes')
    .filter(({ spec, status }) => {
      const is = (type: string) => status.conditions.find(each => each.type === type)?.status;
      const disks = Object.values(status.diskStatus);
      return (
        spec.allowScheduling &&
        is('Ready') !== 'False' &&
        is('Schedulable') !== 'False' &&
        (disks.length === 0 ||
          disks.some(({ conditions }) => conditions.find(({ type }) => type === 'Schedulable')?.status !== 'False'))
      );
    })
    .map(({ metadata }) => metadata.name);
}

const tooFewNodes: Rule = {
  id: 'longhorn-too-few-nodes',
  layer: 'storage',
  symptom: 'Volumes stay degraded: one replica is never made.',
  cause: 'Volumes want more replicas than there are nodes on which Longhorn may put one.',
  cure: 'Open another node (uncordon, allowScheduling, room on its disk), or ask for fewer replicas.',
  sources: [
    'longhorn/longhorn#1360',
    'longhorn/longhorn#4277',
    'longhorn.io: references/settings (replica node level soft anti-affinity)',
  ],
  needs: ['api.longhornvolumes', 'api.longhornnodes', 'api.nodes', 'api.longhornreplicas'],
  explains: [{ rule: 'longhorn-degraded', by: 'volume' }],
  find(snapshot) {
    const look = snapshot.lists.longhornnodes;
    if (look.state !== 'seen' || look.items.length === 0) return [];
    const closed = cordoned(snapshot);
    const open = openNodes(snapshot).filter(node => !closed.includes(node));
    const short = objects(snapshot, 'longhornvolumes')
      .filter(({ status }) => status.state === 'attached' && status.robustness === 'degraded')
      .filter(volume => {
        // Replicas that are there and run count, wherever they are.
        const running = objects(snapshot, 'longhornreplicas').filter(
          ({ spec, status }) =>
            spec.volumeName === volume.metadata.name &&
            status.currentState === 'running' &&
            !open.includes(spec.nodeID),
        );
        return running.length + open.length < volume.spec.numberOfReplicas;
      });
    const [first, ...others] = short.map(
      volume => `volume:${volume.status.kubernetesStatus.pvName || volume.metadata.name}` as const,
    );
    if (first === undefined) return [];
    const wants = Math.max(...short.map(({ spec }) => spec.numberOfReplicas));
    const shut = look.items.map(({ metadata }) => metadata.name).filter(name => !open.includes(name));
    return [
      {
        says: `${short.length === 1 ? 'A volume of Longhorn wants' : `${short.length} volumes of Longhorn want`} ${wants} replicas, and only ${open.length === 1 ? 'one node takes' : `${open.length} nodes take`} any (${listed(open) || 'none'})${
          shut.length === 0 ? '' : `; ${listed(shut)} ${shut.length === 1 ? 'does' : 'do'} not`
        }`,
        severity: 'warning',
        certainty: 'certain',
        about: [first, ...others],
        evidence: [
          {
            says: `nodes that take replicas: ${open.join(', ') || 'none'}; numberOfReplicas: ${wants}`,
            from: 'Longhorn',
            again:
              'kubectl get nodes.longhorn.io -n longhorn-system; kubectl get volumes.longhorn.io -n longhorn-system',
          },
        ],
        cure: [
          ...shut
            .slice(0, 1)
            .map(
              node =>
                `kubectl get nodes.longhorn.io -n longhorn-system ${node} -o yaml   # its conditions say why; then kubectl uncordon ${node}, or more room on its disk`,
            ),
          `or: kubectl patch volumes.longhorn.io -n longhorn-system ${short[0]?.metadata.name} --type merge -p '{"spec":{"numberOfReplicas":${Math.max(1, open.length)}}}'`,
        ],
      },
    ];
  },
};

const degraded: Rule = {
  id: 'longhorn-degraded',
  layer: 'storage',
  symptom: 'A volume is degraded or faulted: fewer copies of the data than asked for, or none that can be read.',
  cause: 'A replica is lost and Longhorn has not made a new one: its node or disk is away, or no disk has room.',
  cure: 'Bring the node back, or make room on a disk; a faulted volume is salvaged from its best replica, or restored from a backup.',
  sources: ['longhorn/longhorn#1360', 'longhorn.io: concepts (volume robustness)'],
  needs: ['api.longhornvolumes', 'api.longhornreplicas', 'api.pods'],
  explains: explainsVolumes,
  find: snapshot =>
    objects(snapshot, 'longhornvolumes').flatMap((volume): readonly Finding[] => {
      const { state, robustness, lastDegradedAt, conditions } = volume.status;
      const isFaulted = robustness === 'faulted';
      const isLong = robustness === 'degraded' && state === 'attached' && secondsSince(snapshot, lastDegradedAt) > 1800;
      if (!isFaulted && !isLong) return [];
      const { entities, claim, pods } = around(snapshot, volume);
      if (isFaulted && state === 'detached' && pods.length === 0) return [];
      const replicas = objects(snapshot, 'longhornreplicas').filter(
        ({ spec }) => spec.volumeName === volume.metadata.name,
      );
      const running = replicas.filter(({ status }) => status.currentState === 'running');
      const lost = replicas
        .filter(({ spec, status }) => spec.nodeID !== '' && status.currentState !== 'running')
        .map(({ spec }) => spec.nodeID);
      const scheduled = conditions.find(({ type }) => /^scheduled$/i.test(type));
      const why = scheduled?.status === 'False' ? `${scheduled.reason}: ${scheduled.message}` : '';
      const [about = `volume:${volume.metadata.name}` as const, ...others] = entities;
      const name = claim === '' ? `Volume ${volume.metadata.name}` : `The volume of ${claim}`;
      return [
        {
          says: isFaulted
            ? `${name} is faulted: no replica of it can be read${lost.length === 0 ? '' : ` (they lie on ${listed(lost)})`}`
            : `${name} has ${running.length} of ${volume.spec.numberOfReplicas} replicas${lost.length === 0 ? '' : ` (missing on ${listed(lost)})`}${why === '' ? '' : `; Longhorn cannot place another (${scheduled?.reason})`}`,
          severity: isFaulted ? 'error' : 'warning',
          certainty: 'certain',
          about: [about, ...others, ...lost.map(node => `machine:${node}` as const)],
          ...(lastDegradedAt === '' ? {} : { since: lastDegradedAt }),
          evidence: [
            {
              says: `${state}, ${robustness}${lastDegradedAt === '' ? '' : ` since ${lastDegradedAt}`}${why === '' ? '' : `; ${why}`}`,
              from: `Longhorn volume ${volume.metadata.name}`,
              again: `kubectl get volumes.longhorn.io -n ${volume.metadata.namespace} ${volume.metadata.name} -o yaml`,
            },
          ],
          cure: isFaulted
            ? [
                `kubectl get replicas.longhorn.io -n ${volume.metadata.namespace} | grep ${volume.metadata.name}   # bring a node with a replica back`,
                'then salvage it in the Longhorn UI (Volume → Salvage), or restore its last backup',
              ]
            : [
                `kubectl get nodes.longhorn.io -n ${volume.metadata.namespace} -o wide   # which node or disk takes no replica, and why`,
                ...(lost[0] === undefined ? [] : [`kubectl get node ${lost[0]}`]),
              ],
        },
      ];
    }),
};

/** Before the symptoms of volumes and pods. */
export const longhornRules: readonly Rule[] = [
  iscsiMissing,
  initiatorTwice,
  multipath,
  replicasCordoned,
  tooFewNodes,
  degraded,
];
