// What is new since a moment, by the times that machines and objects carry themselves: packages, units, boots, links, nodes, certificates.
import { nameOf } from './objects/common.ts';
import { type MachineLook, objects, type Snapshot } from './snapshot.ts';

export interface Change {
  readonly at: string;
  /** A machine's or an object's name. */
  readonly where: string;
  readonly says: string;
}

/** Oldest first. `since`: milliseconds since the epoch. */
export function changesSince(snapshot: Snapshot, since: number): readonly Change[] {
  return [...snapshot.machines.flatMap(ofMachine), ...ofObjects(snapshot)]
    .filter(({ at }) => Date.parse(at) > since)
    .sort((one, other) => Date.parse(one.at) - Date.parse(other.at) || (one.where < other.where ? -1 : 1));
}

function ofMachine({ name, facts }: MachineLook): readonly Change[] {
  const of = (at: string, says: string): Change => ({ at, where: name, says });
  return [
    ...(facts.identity ? [of(facts.identity.bootedAt, 'booted')] : []),
    ...Object.entries(facts.units ?? {}).map(([unit, { active, since }]) => of(since, `${unit} became ${active}`)),
    ...(facts.packageLog ?? []).map(({ at, command, text }) =>
      of(at, `${text}${command === '' ? '' : ` (${command})`}`),
    ),
    ...(facts.kernelLog ?? []).map(({ at, text }) => of(at, `kernel: ${text}`)),
    ...(facts.certificates ?? []).map(({ path, notBefore }) => of(notBefore, `${path} is a new certificate`)),
  ];
}

function ofObjects(snapshot: Snapshot): readonly Change[] {
  const nodes = objects(snapshot, 'nodes').flatMap(({ metadata, spec, status }) => [
    { at: metadata.creationTimestamp, where: metadata.name, says: 'became a node' },
    ...status.conditions.map(({ type, status: value, reason, lastTransitionTime }) => ({
      at: lastTransitionTime,
      where: metadata.name,
      says: `${type} became ${value}${reason === '' ? '' : ` (${reason})`}`,
    })),
    ...spec.taints.map(({ key, timeAdded }) => ({
      at: timeAdded,
      where: metadata.name,
      says: `was given the taint ${key}`,
    })),
  ]);
  const workloads = (['deployments', 'daemonsets', 'statefulsets'] as const).flatMap(kind =>
    objects(snapshot, kind).map(each => ({
      at: each.metadata.creationTimestamp,
      where: nameOf(each),
      says: `${kind.slice(0, -1)} was made`,
    })),
  );
  const pods = objects(snapshot, 'pods').flatMap(each => [
    { at: each.metadata.creationTimestamp, where: nameOf(each), says: 'pod was made' },
    ...each.status.containerStatuses.flatMap(({ name, lastState: { terminated } }) =>
      terminated
        ? [
            {
              at: terminated.finishedAt,
              where: nameOf(each),
              says: `container ${name} ended (${terminated.reason}, ${terminated.exitCode})`,
            },
          ]
        : [],
    ),
  ]);
  return [...nodes, ...workloads, ...pods];
}
