// What rules ask of pods, nodes and events again and again.
import { sh } from '../model/shell.ts';
import type { ObjectOf } from './objects/kinds.ts';
import type { Entity, Evidence } from './rule.ts';
import { objects, type Snapshot, secondsSince } from './snapshot.ts';

export type Pod = ObjectOf<'pods'>;
export type Node = ObjectOf<'nodes'>;
export type Event = ObjectOf<'events'>;
export type Condition = Node['status']['conditions'][number];
interface Named {
  readonly metadata: { readonly namespace: string; readonly name: string };
}

export function conditionOf(
  { status }: { readonly status: { readonly conditions: readonly Condition[] } },
  type: string,
): Condition | undefined {
  return status.conditions.find(each => each.type === type);
}

export function isTrue(
  object: { readonly status: { readonly conditions: readonly Condition[] } },
  type: string,
): boolean {
  return conditionOf(object, type)?.status === 'True';
}

/** It ran to its end, well or not: nothing of it runs. */
export function isOver({ status }: Pod): boolean {
  return status.phase === 'Succeeded' || status.phase === 'Failed';
}

export function isLeaving({ metadata }: { readonly metadata: { readonly deletionTimestamp: string } }): boolean {
  return metadata.deletionTimestamp !== '';
}

/** A word of a command that a person can type. What no shell can take is left out: names come from outside. */
export function word(value: string): string {
  return sh(value.replaceAll('\0', ''));
}

/** Has it been so for that long? A moment that nobody wrote down was long ago. */
export function hasHeld(snapshot: Snapshot, moment: string, seconds: number): boolean {
  const age = secondsSince(snapshot, moment);
  return Number.isNaN(age) || age >= seconds;
}

/** 40 s, 7 min, 3 h, 12 days. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.round(whole / 60)} min`;
  return whole < 172_800 ? `${Math.round(whole / 3600)} h` : `${Math.round(whole / 86_400)} days`;
}

export function ago(snapshot: Snapshot, moment: string): string {
  const seconds = secondsSince(snapshot, moment);
  return Number.isNaN(seconds) ? '' : ` (${span(seconds)} ago)`;
}

/** When it was last seen. */
export function lastSeen({ series, lastTimestamp, eventTime, firstTimestamp, metadata }: Event): string {
  return series?.lastObservedTime || lastTimestamp || eventTime || firstTimestamp || metadata.creationTimestamp;
}

export function timesSeen({ series, count }: Event): number {
  return Math.max(1, series?.count ?? 0, count);
}

const byUid = new WeakMap<readonly Event[], ReadonlyMap<string, readonly Event[]>>();

/** Events of exactly this object, oldest first. The kubelet writes those of a static pod under the hash of its file. */
export function eventsOf(snapshot: Snapshot): (object: { readonly metadata: Pod['metadata'] }) => readonly Event[] {
  const all = objects(snapshot, 'events');
  const index = byUid.get(all) ?? indexed(all);
  byUid.set(all, index);
  return ({ metadata: { uid, annotations } }) => {
    const hash = annotations['kubernetes.io/config.hash'];
    const mine = (uid === '' ? undefined : index.get(uid)) ?? [];
    return hash === undefined ? mine : [...mine, ...(index.get(hash) ?? [])].sort(byTime);
  };
}

function indexed(all: readonly Event[]): ReadonlyMap<string, readonly Event[]> {
  const index = new Map<string, Event[]>();
  for (const event of all) {
    const { uid } = event.involvedObject;
    const mine = index.get(uid);
    if (mine) mine.push(event);
    else index.set(uid, [event]);
  }
  for (const mine of index.values()) mine.sort(byTime);
  return index;
}

function byTime(one: Event, other: Event): number {
  return Date.parse(lastSeen(one)) - Date.parse(lastSeen(other)) || (one.metadata.name < other.metadata.name ? -1 : 1);
}

export const machineEntity = (name: string): Entity => `machine:${name}`;
export const podEntity = ({ metadata }: Pod): Entity => `pod:${metadata.namespace}/${metadata.name}`;

/** A pod, the machine it is on, and its claims. */
export function entitiesOf(pod: Pod): readonly [Entity, ...Entity[]] {
  const { nodeName } = pod.spec;
  return [podEntity(pod), ...(nodeName === '' ? [] : [machineEntity(nodeName)]), ...claimsOf(pod)];
}

export function claimsOf({ metadata, spec }: Pod): readonly Entity[] {
  return spec.volumes.flatMap(({ persistentVolumeClaim: claim }) =>
    claim ? [`claim:${metadata.namespace}/${claim.claimName}` as const] : [],
  );
}

/** Each entity once, the first stays the first. */
export function together(first: Entity, ...more: readonly Entity[]): readonly [Entity, ...Entity[]] {
  return [first, ...[...new Set(more)].filter(each => each !== first)];
}

/** When the first of these began, as a finding has it; without it where no moment is known. */
export function begun(...moments: readonly string[]): { readonly since?: string } {
  const [since] = moments.filter(each => each !== '').sort();
  return since === undefined ? {} : { since };
}

/** The lines of somebody else, as one that fits a screen. Cut in the middle: what failed first stands at the end. */
export function oneLine(text: string, most = 400): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  if (line.length <= most) return line;
  const head = Math.floor(most / 3);
  return `${line.slice(0, head)} … ${line.slice(head + 3 - most)}`;
}

/** 'a', 'a and b', 'a, b, c and 4 more'. */
export function listed(names: readonly string[], most = 3): string {
  const shown = names.length > most + 1 ? names.slice(0, most) : names;
  const rest = names.length - shown.length;
  if (rest > 0) return `${shown.join(', ')} and ${rest} more`;
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `kubectl -n demo VERB pod web-0`. */
export function kubectl(verb: string, resource: string, { metadata: { namespace, name } }: Named, more = ''): string {
  const place = namespace === '' ? '' : `-n ${word(namespace)} `;
  return `kubectl ${place}${verb} ${resource} ${word(name)}${more && ` ${more}`}`;
}

export function eventEvidence(event: Event, object: Named): Evidence {
  const { namespace, name } = object.metadata;
  const place = namespace === '' ? '' : `-n ${word(namespace)} `;
  return {
    says: `${event.reason}: ${oneLine(event.message)}`,
    from: `event of ${event.involvedObject.kind} ${name}, ${lastSeen(event)}`,
    again: `kubectl ${place}get events --field-selector involvedObject.name=${word(name)}`,
  };
}

/** What it belongs to: the controller's name, or its own. */
export function ownerOf({ metadata }: Pod): string {
  const owner = metadata.ownerReferences.find(({ controller }) => controller);
  return owner === undefined || owner.kind === 'Node'
    ? `${metadata.namespace}/${metadata.name}`
    : `${metadata.namespace}/${owner.name}`;
}
