// Claims that stay Pending, by cause: four look alike and differ in one field.
import { amountsOf, shownAmount } from '../../model/quantities.ts';
import type { ObjectOf } from '../objects/kinds.ts';
import { meets } from '../placement.ts';
import {
  begun,
  counted,
  type Event,
  eventEvidence,
  eventsOf,
  hasHeld,
  isLeaving,
  isOver,
  kubectl,
  lastSeen,
  listed,
  oneLine,
  type Pod,
  podEntity,
  together,
  word,
} from '../reading.ts';
import type { Entity, Evidence, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';

type Claim = ObjectOf<'persistentvolumeclaims'>;
type Volume = ObjectOf<'persistentvolumes'>;
type StorageClass = ObjectOf<'storageclasses'>;

const claimEntity = ({ metadata }: Claim): Entity => `claim:${metadata.namespace}/${metadata.name}`;

/** Undefined: it names none, and takes the default. '' asks for a volume without a class. */
function classOf({ spec, metadata }: Claim): string | undefined {
  return spec.storageClassName ?? metadata.annotations['volume.beta.kubernetes.io/storage-class'];
}

export function isDefault({ metadata }: StorageClass): boolean {
  return (
    metadata.annotations['storageclass.kubernetes.io/is-default-class'] === 'true' ||
    metadata.annotations['storageclass.beta.kubernetes.io/is-default-class'] === 'true'
  );
}

function sizeOf(quantities: Readonly<Record<string, string>>): number {
  return amountsOf({ storage: quantities['storage'] ?? '0' })['storage'] ?? 0;
}

function shown(bytes: number): string {
  return shownAmount('storage', bytes);
}

/** Which pods use it. */
function usersOf(snapshot: Snapshot): (claim: Claim) => readonly Pod[] {
  const users = new Map<string, Pod[]>();
  for (const pod of objects(snapshot, 'pods')) {
    if (isOver(pod) || isLeaving(pod)) continue;
    for (const { persistentVolumeClaim: claim } of pod.spec.volumes) {
      if (!claim) continue;
      const name = `${pod.metadata.namespace}/${claim.claimName}`;
      users.set(name, [...(users.get(name) ?? []), pod]);
    }
  }
  return ({ metadata }) => users.get(`${metadata.namespace}/${metadata.name}`) ?? [];
}

interface Pending {
  readonly claim: Claim;
  readonly name: string;
  readonly className: string | undefined;
  /** Undefined where it is not known which classes there are, or there is none of that name. */
  readonly storage: StorageClass | undefined;
  readonly volumes: readonly Volume[];
  readonly events: readonly Event[];
  readonly evidence: readonly Evidence[];
}

/** Claims that wait and should not: not those whose class waits for a pod and that no pod asks for. */
function pendingClaims(snapshot: Snapshot): {
  readonly classes: readonly StorageClass[] | undefined;
  readonly pending: readonly Pending[];
} {
  const look = snapshot.lists.storageclasses;
  const classes = look.state === 'seen' ? look.items : undefined;
  const volumes = objects(snapshot, 'persistentvolumes');
  const events = eventsOf(snapshot);
  const users = usersOf(snapshot);
  const pending = objects(snapshot, 'persistentvolumeclaims').flatMap((claim): readonly Pending[] => {
    if (claim.status.phase !== 'Pending' || isLeaving(claim)) return [];
    if (!hasHeld(snapshot, claim.metadata.creationTimestamp, 30)) return [];
    const className = classOf(claim);
    const storage = classes?.find(each =>
      className === undefined ? isDefault(each) : each.metadata.name === className,
    );
    if (storage?.volumeBindingMode === 'WaitForFirstConsumer' && users(claim).length === 0) return [];
    const mine = events(claim);
    const newest = mine.at(-1);
    const asked = className === undefined ? 'storageClassName is not set' : `storageClassName: ${className || '""'}`;
    return [
      {
        claim,
        name: `${claim.metadata.namespace}/${claim.metadata.name}`,
        className,
        storage,
        volumes: volumes.filter(({ spec }) => spec.storageClassName === (className ?? '')),
        events: mine,
        evidence: [
          {
            says: `Pending since ${claim.metadata.creationTimestamp}, ${asked}`,
            from: `API: claim ${claim.metadata.namespace}/${claim.metadata.name}`,
            again: kubectl('describe', 'pvc', claim),
          },
          ...(newest ? [eventEvidence(newest, claim)] : []),
        ],
      },
    ];
  });
  return { classes, pending };
}

function finding(
  { claim, evidence }: Pending,
  rest: Pick<Finding, 'says' | 'certainty' | 'cure' | 'settledBy'>,
): Finding {
  return {
    severity: 'error',
    about: [claimEntity(claim)],
    ...begun(claim.metadata.creationTimestamp),
    evidence,
    ...rest,
  };
}

const needs = [
  'api.persistentvolumeclaims',
  'api.storageclasses',
  'api.persistentvolumes',
  'api.events',
  'api.pods',
] as const;
const explains = [
  { rule: 'pod-pending', by: 'claim' },
  { rule: 'pod-not-ready', by: 'claim' },
] as const;
const docs = 'kubernetes.io/docs/concepts/storage/persistent-volumes';

/** What the volume controller of Kubernetes 1.24 to 1.36 says in events of a claim. */
const wording = {
  noClass: /no storage class is set/,
  noSuchClass: /storageclass\.storage\.k8s\.io "([^"]+)" not found/,
};

const withoutClass: Rule = {
  id: 'claim-without-class',
  layer: 'storage',
  symptom: 'A claim stays Pending with "no persistent volumes available for this claim and no storage class is set".',
  cause: 'The claim names no storage class, and no class is marked as the default.',
  cure: 'Mark a class as the default, or name one in the claim.',
  sources: [`${docs} (class), kubernetes.io/docs/tasks/administer-cluster/change-default-storage-class`],
  needs,
  explains,
  find: snapshot => {
    const { classes, pending } = pendingClaims(snapshot);
    return pending.flatMap(each => {
      if (each.className !== undefined || each.volumes.some(isFree)) return [];
      const says = each.events.some(({ message }) => wording.noClass.test(message));
      if (classes === undefined && !says) return [];
      const byDefault = classes?.find(isDefault);
      const names = classes?.map(({ metadata }) => metadata.name) ?? [];
      if (byDefault) {
        // Since 1.28 such a claim gets the default by itself; one that waits for its provisioner is another matter.
        return says &&
          Date.parse(each.claim.metadata.creationTimestamp) < Date.parse(byDefault.metadata.creationTimestamp)
          ? [
              finding(each, {
                says: `Claim ${each.name} names no storage class and is older than the default one, ${byDefault.metadata.name}`,
                certainty: 'likely',
                settledBy: `an event that says so: ${kubectl('describe', 'pvc', each.claim)}`,
                cure: cureWith(each.claim, byDefault.metadata.name),
              }),
            ]
          : [];
      }
      const [one] = names;
      return [
        finding(each, {
          says: `Claim ${each.name} names no storage class, and ${classes === undefined ? 'there is no default' : names.length === 0 ? 'the cluster has none' : `none of ${listed(names)} is the default`}`,
          certainty: classes === undefined ? 'likely' : 'certain',
          ...(classes === undefined ? { settledBy: 'the list of classes: kubectl get storageclass' } : {}),
          cure:
            one === undefined
              ? ['install something that provides volumes (Longhorn, local-path), and mark its class as the default']
              : [
                  `kubectl annotate storageclass ${one} storageclass.kubernetes.io/is-default-class=true`,
                  'a claim that Kubernetes before 1.28 made is to be made anew with spec.storageClassName',
                ],
        }),
      ];
    });
  },
};

function cureWith(claim: Claim, name: string): readonly string[] {
  return [
    `make the claim anew with spec.storageClassName: ${name}; it holds no data yet: ${kubectl('delete', 'pvc', claim)}`,
  ];
}

const classMissing: Rule = {
  id: 'claim-class-missing',
  layer: 'storage',
  symptom: 'A claim stays Pending with "storageclass.storage.k8s.io ... not found".',
  cause: 'The claim names a storage class that the cluster does not have.',
  cure: 'Make the claim with a class that is there, or install what provides the one it names.',
  sources: [`${docs} (class)`],
  needs,
  explains,
  find: snapshot => {
    const { classes, pending } = pendingClaims(snapshot);
    return pending.flatMap(each => {
      const { className, storage, volumes, claim, events, name } = each;
      // A class of volumes that somebody made by hand needs no object of its own.
      if (className === undefined || className === '' || storage !== undefined || volumes.length > 0) return [];
      const says = events.some(({ message }) => wording.noSuchClass.exec(message)?.[1] === className);
      if (classes === undefined && !says) return [];
      const names = classes?.map(({ metadata }) => metadata.name) ?? [];
      const known = classes === undefined ? '' : names.length === 0 ? '; it has none' : `; it has ${listed(names)}`;
      return [
        finding(each, {
          says: `Claim ${name} names the storage class "${oneLine(className, 80)}", which the cluster does not have${known}`,
          certainty: classes === undefined ? 'likely' : 'certain',
          ...(classes === undefined ? { settledBy: 'the list of classes: kubectl get storageclass' } : {}),
          cure: [
            'kubectl get storageclass',
            names[0] === undefined
              ? `install what provides the class, or make the claim anew with another one: ${kubectl('delete', 'pvc', claim)}`
              : (cureWith(claim, names.length === 1 ? names[0] : 'ONE OF THEM')[0] ?? ''),
          ],
        }),
      ];
    });
  },
};

const modes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'one node',
  ReadOnlyMany: 'many nodes, reading',
  ReadWriteMany: 'many nodes',
  ReadWriteOncePod: 'one pod',
};

function isFree({ status, spec }: Volume): boolean {
  return status.phase === 'Available' && !spec.claimRef;
}

/** Why this volume does not serve this claim; empty when it does. */
function mismatch({ spec }: Claim, volume: Volume): string {
  const asked = sizeOf(spec.resources.requests);
  const has = sizeOf(volume.spec.capacity);
  if (asked > has) return `${volume.metadata.name} has ${shown(has)}`;
  const mode = spec.accessModes.find(each => !volume.spec.accessModes.includes(each));
  if (mode !== undefined)
    return `${volume.metadata.name} is not for ${mode}${modes[mode] === undefined ? '' : ` (${modes[mode]})`}`;
  const { matchLabels = {}, matchExpressions = [] } = spec.selector ?? {};
  const { labels } = volume.metadata;
  const fits =
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(each => meets(each, labels));
  return fits ? '' : `${volume.metadata.name} lacks the labels that the claim selects by`;
}

const noVolumeFits: Rule = {
  id: 'claim-no-volume-fits',
  layer: 'storage',
  symptom: 'A claim for a volume made by hand stays Pending although volumes are Available.',
  cause: 'No available volume of its class is large enough, has its access mode and its labels.',
  cure: 'Make a volume that fits, or ask for what is there.',
  sources: [`${docs} (binding)`],
  needs,
  explains,
  find: snapshot => {
    const { pending } = pendingClaims(snapshot);
    const look = snapshot.lists.persistentvolumes;
    return pending.flatMap(each => {
      const { className, storage, volumes, claim, name } = each;
      const isByHand =
        storage === undefined
          ? className === '' || volumes.length > 0
          : storage.provisioner === 'kubernetes.io/no-provisioner';
      if (!isByHand || look.state !== 'seen') return [];
      const free = volumes.filter(isFree);
      const why = free.map(volume => mismatch(claim, volume));
      if (why.includes('')) return [];
      const asked = `${shown(sizeOf(claim.spec.resources.requests))}, ${claim.spec.accessModes.join('+')}`;
      const label = className === undefined || className === '' ? 'without a class' : `of class ${className}`;
      return [
        finding(each, {
          says:
            free.length === 0
              ? `Claim ${name} waits for a volume ${label} made by hand, and ${volumes.length === 0 ? 'there is none' : `${counted(volumes.length, 'volume')} of that kind ${volumes.length === 1 ? 'is' : 'are'} in use`}`
              : `Claim ${name} asks for ${asked}, and no available volume ${label} serves it: ${listed(why)}`,
          certainty: 'certain',
          cure: [
            'kubectl get persistentvolumes',
            'make a PersistentVolume that fits, or make the claim anew with what is there',
          ],
        }),
      ];
    });
  },
};

const notProvisioned: Rule = {
  id: 'claim-not-provisioned',
  layer: 'storage',
  symptom: 'A claim with a class that is there stays Pending.',
  cause:
    'What provides volumes of that class does not run, or refuses: its own words stand in the events of the claim.',
  cure: 'Look at the pods of the provisioner and at the events of the claim.',
  sources: [
    'kubernetes.io/docs/concepts/storage/dynamic-provisioning',
    'kubernetes-csi/external-provisioner README.md',
  ],
  needs,
  explains,
  symptomOnly: true,
  find: snapshot =>
    pendingClaims(snapshot).pending.flatMap(each => {
      const { storage, claim, events, name } = each;
      if (!storage || storage.provisioner === 'kubernetes.io/no-provisioner') return [];
      const isChosen = claim.metadata.annotations['volume.kubernetes.io/selected-node'] !== undefined;
      if (storage.volumeBindingMode === 'WaitForFirstConsumer' && !isChosen) return [];
      if (!hasHeld(snapshot, claim.metadata.creationTimestamp, 120)) return [];
      const refusal = events.findLast(({ reason }) => reason === 'ProvisioningFailed');
      const isRecent = refusal !== undefined && !hasHeld(snapshot, lastSeen(refusal), 3600);
      return [
        {
          ...finding(each, {
            says: `Claim ${name} waits for ${storage.provisioner} to make its volume (class ${storage.metadata.name})${isRecent ? `: "${oneLine(refusal.message, 200)}"` : ', which says nothing about it'}`,
            certainty: 'certain',
            cure: [
              kubectl('describe', 'pvc', claim),
              `kubectl get pods -A -o wide (the pods of ${word(storage.provisioner)})`,
            ],
          }),
          ...(isRecent ? { evidence: [eventEvidence(refusal, claim), ...each.evidence.slice(0, 1)] } : {}),
        },
      ];
    }),
};

const claimLost: Rule = {
  id: 'claim-lost',
  layer: 'storage',
  symptom: 'A claim is Lost and pods that use it do not start.',
  cause: 'The volume that the claim was bound to has been deleted.',
  cure: 'Restore the data from a backup into a new claim.',
  sources: [`${docs} (phase)`],
  needs: ['api.persistentvolumeclaims'],
  explains,
  find: snapshot =>
    objects(snapshot, 'persistentvolumeclaims').flatMap((claim): readonly Finding[] => {
      if (claim.status.phase !== 'Lost') return [];
      const name = `${claim.metadata.namespace}/${claim.metadata.name}`;
      return [
        {
          says: `Claim ${name} is lost: its volume ${claim.spec.volumeName} is gone`,
          severity: 'error',
          certainty: 'certain',
          about: together(
            claimEntity(claim),
            ...(claim.spec.volumeName ? [`volume:${claim.spec.volumeName}` as const] : []),
          ),
          evidence: [{ says: 'phase Lost', from: `API: claim ${name}`, again: kubectl('get', 'pvc', claim) }],
          cure: [
            `kubectl get persistentvolume ${claim.spec.volumeName || 'NAME'}`,
            `restore from a backup; the claim itself is made anew: ${kubectl('delete', 'pvc', claim)}`,
          ],
        },
      ];
    }),
};

const claimMissing: Rule = {
  id: 'claim-missing',
  layer: 'storage',
  symptom: 'A pod stays Pending with "persistentvolumeclaim ... not found".',
  cause: 'The pod names a claim that is not in its namespace.',
  cure: 'Make the claim, or correct its name in the pod.',
  sources: ['kubernetes/kubernetes pkg/scheduler/framework/plugins/volumebinding'],
  needs: ['api.persistentvolumeclaims', 'api.pods'],
  explains,
  find: snapshot => {
    const look = snapshot.lists.persistentvolumeclaims;
    const pods = objects(snapshot, 'pods');
    if (look.state !== 'seen' || look.unreadable > 0) return [];
    const there = new Set(look.items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
    return pods.flatMap(pod =>
      pod.spec.volumes.flatMap(({ persistentVolumeClaim }): readonly Finding[] => {
        if (!persistentVolumeClaim || isOver(pod) || isLeaving(pod) || pod.spec.nodeName !== '') return [];
        const { claimName } = persistentVolumeClaim;
        const { namespace, name, creationTimestamp } = pod.metadata;
        if (there.has(`${namespace}/${claimName}`) || !hasHeld(snapshot, creationTimestamp, 30)) return [];
        const others = look.items.filter(({ metadata }) => metadata.namespace === namespace);
        return [
          {
            says: `Pod ${namespace}/${name} names the claim ${claimName}, which ${namespace} does not have${others.length > 0 ? ` (it has ${listed(others.map(({ metadata }) => metadata.name))})` : ''}`,
            severity: 'error',
            certainty: 'certain',
            about: [podEntity(pod), `claim:${namespace}/${claimName}`],
            since: creationTimestamp,
            evidence: [
              {
                says: `volumes name ${claimName}`,
                from: `API: pod ${namespace}/${name}`,
                again: kubectl('describe', 'pod', pod),
              },
            ],
            cure: [`kubectl -n ${namespace} get pvc`, `make the claim ${claimName}, or correct its name in the pod`],
          },
        ];
      }),
    );
  },
};

const twoDefaults: Rule = {
  id: 'two-default-classes',
  layer: 'storage',
  symptom: 'Claims without a class land on storage that nobody meant.',
  cause:
    'More than one storage class is marked as the default: Kubernetes takes the newest, before 1.26 it refuses such claims.',
  cure: 'Take the mark off all but one.',
  sources: ['kubernetes.io/docs/concepts/storage/storage-classes (default)', 'kubernetes/kubernetes#110514'],
  needs: ['api.storageclasses'],
  explains: [],
  find: snapshot => {
    const found = objects(snapshot, 'storageclasses').filter(isDefault);
    const names = found.map(({ metadata }) => metadata.name).sort();
    const [first, second, ...more] = names;
    if (first === undefined || second === undefined) return [];
    return [
      {
        says: `${listed(names)} are all marked as the default storage class: a claim without a class gets the newest`,
        severity: 'warning',
        certainty: 'certain',
        about: together(
          `object:storageclass/${first}`,
          ...[second, ...more].map((each): Entity => `object:storageclass/${each}`),
        ),
        evidence: [
          { says: `(default) beside ${listed(names)}`, from: 'API: storageclasses', again: 'kubectl get storageclass' },
        ],
        cure: [
          `kubectl annotate storageclass ${second} storageclass.kubernetes.io/is-default-class-  # and all others but one`,
        ],
      },
    ];
  },
};

export const claimRules: readonly Rule[] = [
  twoDefaults,
  claimLost,
  claimMissing,
  withoutClass,
  classMissing,
  noVolumeFits,
  notProvisioned,
];
