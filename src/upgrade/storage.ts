// Data that lies on a node's own disks, and what emptying the node means for it.
import { type LonghornVolume, nameOf, type Volume, type Workloads, type WorkNode } from '../model/workloads.ts';
import { toMove } from './evictable.ts';
import { reaches } from './selectors.ts';

export interface StuckData {
  readonly rule: 'data' | 'longhorn';
  readonly what: string;
  /** Where the data is. */
  readonly node: string;
  readonly why: string;
  readonly hint: string;
}

/** Claims whose data would be gone with the nodes that leave, whether a pod uses them now or not. */
export function dataLostWith(leaving: ReadonlySet<string>, workloads: Workloads): readonly StuckData[] {
  return workloads.volumes.flatMap(volume => {
    if (volume.claim === '') return [];
    const homes = homesOf(volume, workloads);
    const [node] = homes;
    if (node === undefined || !homes.every(name => leaving.has(name))) return [];
    const [namespace = '', claim = ''] = volume.claim.split('/');
    return [
      {
        rule: 'data' as const,
        what: volume.claim,
        node,
        why: `the data of ${volume.claim} lies on the disk of ${node} and would be lost`,
        hint: `save that data, then delete what uses it and: kubectl delete persistentvolumeclaim -n ${namespace} ${claim}`,
      },
    ];
  });
}

// A hostPath without node affinity is wherever its pods have been running.
function homesOf(volume: Volume, workloads: Workloads): readonly string[] {
  if (volume.nodeTerms.length > 0)
    return workloads.nodes.filter(node => reaches(volume.nodeTerms, node)).map(({ name }) => name);
  if (volume.storage !== 'hostPath') return [];
  const users = workloads.pods.filter(pod => pod.node !== '' && pod.claims.includes(volume.claim));
  return [...new Set(users.map(({ node }) => node))];
}

/** Volumes of Longhorn that have no whole copy outside of `out`: Longhorn lets nobody evict the last one. */
export function lastReplicasOn(out: ReadonlySet<string>, { longhorn, volumes }: Workloads): readonly StuckData[] {
  return longhorn.flatMap(volume => {
    const [node] = volume.healthyOn;
    if (node === undefined || !volume.healthyOn.every(name => out.has(name))) return [];
    const claim = volumes.find(
      ({ driver, handle }) => driver === 'driver.longhorn.io' && handle === volume.name,
    )?.claim;
    const wanted = Math.max(2, volume.wantedReplicas);
    return [
      {
        rule: 'longhorn' as const,
        what: volume.name,
        node,
        why: `the last healthy replica of Longhorn's volume ${volume.name}${claim ? ` (${claim})` : ''} is on ${[...volume.healthyOn].join(' and ')}`,
        hint: `have another one built, then run the same command again: kubectl patch -n longhorn-system volumes.longhorn.io ${volume.name} --type=merge -p '{"spec":{"numberOfReplicas":${wanted}}}'`,
      },
    ];
  });
}

/** What goes with the pods of a node or is not the same elsewhere. */
export function storageNotes(node: WorkNode, workloads: Workloads): readonly string[] {
  const pods = toMove(workloads, node.name);
  const scratch = pods.flatMap(pod => {
    const names = pod.emptyDirs.filter(({ inMemory }) => !inMemory).map(({ name }) => name);
    return names.length > 0 ? [`${nameOf(pod)} (${names.join(', ')})`] : [];
  });
  const folders = pods.flatMap(pod => {
    const anywhere = workloads.volumes.filter(
      ({ claim, storage, nodeTerms }) => storage === 'hostPath' && nodeTerms.length === 0 && pod.claims.includes(claim),
    );
    const names = [...pod.hostPaths, ...anywhere.map(({ claim }) => claim)];
    return names.length > 0 ? [`${nameOf(pod)} (${names.join(', ')})`] : [];
  });
  return [
    ...(scratch.length > 0 ? [`what is in an emptyDir goes with its pod: ${scratch.join(', ')}`] : []),
    ...(folders.length > 0 ? [`elsewhere these see that machine's folder, not this one's: ${folders.join(', ')}`] : []),
  ];
}

/** Replicas that Longhorn copies elsewhere before a node leaves. */
export function replicasOn(node: string, { longhorn }: Workloads): readonly LonghornVolume[] {
  return longhorn.filter(({ healthyOn }) => healthyOn.includes(node));
}
