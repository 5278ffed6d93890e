// For rules about machines: how they are named, shown and cured, and what time it is there.
import { sh } from '../../model/shell.ts';
import type { Unit } from '../machine-facts.ts';
import { nameOf } from '../objects/common.ts';
import type { ObjectOf } from '../objects/kinds.ts';
import { word } from '../reading.ts';
import type { Entity, Evidence } from '../rule.ts';
import { type MachineLook, objects, type Snapshot } from '../snapshot.ts';

type Named = Pick<MachineLook, 'name'>;

export function entityOf({ name }: Named): Entity {
  return `machine:${name}`;
}

/** A command that a person types here and that runs there. */
export function on({ name }: Named, line: string): string {
  return `ssh ${word(name)} ${/[|&;<>$*(){}"'\\`]/.test(line) ? sh(line) : line}`;
}

/** What was read of a machine, and how to read it again. */
export function seenOn(machine: Named, says: string, line: string): Evidence {
  return { says, from: machine.name, again: on(machine, line) };
}

/** What the machine's own clock showed when it was looked at, ms: its times and certificates are judged by that. */
export function timeOn({ facts }: MachineLook, { at }: Snapshot): number {
  return at + (facts.clock?.offsetMs ?? 0);
}

/**
 * What time the cluster has, ms. This computer's clock may be wrong: machines know better, and where none was asked, leases that the control
 * plane renews every few seconds. Reads the facts `clock` and the list `leases`.
 */
export function clusterTime(snapshot: Snapshot): number {
  const offset = median(snapshot.machines.flatMap(({ facts }) => facts.clock?.offsetMs ?? []));
  if (offset !== undefined) return snapshot.at + offset;
  const renewals = (isOwn: boolean) =>
    objects(snapshot, 'leases')
      .filter(({ metadata }) => (metadata.namespace === 'kube-system') === isOwn)
      .map(({ spec }) => Date.parse(spec.renewTime))
      .filter(time => !Number.isNaN(time));
  const own = renewals(true);
  const times = own.length > 0 ? own : renewals(false);
  return times.length > 0 ? Math.max(...times) : snapshot.at;
}

export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** '02:11 UTC', with the day when that is another one. */
export function clockOf(moment: string, { at }: Pick<Snapshot, 'at'>): string {
  const time = Date.parse(moment);
  if (Number.isNaN(time) || Number.isNaN(at)) return moment;
  const iso = new Date(time).toISOString();
  const isToday = iso.slice(0, 10) === new Date(at).toISOString().slice(0, 10);
  return `${isToday ? '' : `${iso.slice(0, 10)} `}${iso.slice(11, 16)} UTC`;
}

/** How long ago in words: '4 min', '3 h', '12 days'. */
export function span(seconds: number): string {
  const size = Math.abs(seconds);
  if (size < 120) return `${Math.round(size)} s`;
  if (size < 7200) return `${Math.round(size / 60)} min`;
  if (size < 172_800) return `${Math.round(size / 3600)} h`;
  return `${Math.round(size / 86_400)} days`;
}

export function bytesText(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 1 ? `${gib >= 10 ? Math.round(gib) : gib.toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

export function isRunning({ active }: Unit): boolean {
  return active === 'active' || active === 'reloading';
}

/** It starts, ends and is started again, or systemd has given up on it. */
export function isCrashing({ active, sub }: Unit): boolean {
  return active === 'failed' || sub === 'auto-restart' || sub === 'auto-restart-queued';
}

/** Seconds since the unit changed its state last, by the machine's clock. Not a number where that is not known. */
export function settledFor({ since }: Unit, machine: MachineLook, snapshot: Snapshot): number {
  return (timeOn(machine, snapshot) - Date.parse(since)) / 1000;
}

/** In a kernel's or unit's log: those lines of the last so many seconds that say this. */
export function recent(
  lines: readonly { readonly at: string; readonly text: string }[] | undefined,
  pattern: RegExp,
  seconds: number,
  now: number,
) {
  return (lines ?? []).filter(({ at, text }) => pattern.test(text) && (now - Date.parse(at)) / 1000 <= seconds);
}

export type NodeObject = ObjectOf<'nodes'>;

export function nodeNamed(snapshot: Snapshot, name: string): NodeObject | undefined {
  return objects(snapshot, 'nodes').find(({ metadata }) => metadata.name === name);
}

export function readyOf(node: NodeObject | undefined): NodeObject['status']['conditions'][number] | undefined {
  return node?.status.conditions.find(({ type }) => type === 'Ready');
}

export function addressOf(node: NodeObject): string {
  return node.status.addresses.find(({ type }) => type === 'InternalIP')?.address ?? '';
}

/** When the kubelet of this node last renewed its lease; empty where that is not known. */
export function lastHeard(snapshot: Snapshot, node: string): string {
  const lease = objects(snapshot, 'leases').find(each => nameOf(each) === `kube-node-lease/${node}`);
  return lease?.spec.renewTime ?? '';
}

/** After 40 s without a renewal the control plane calls a node silent (50 s from Kubernetes 1.32 on). */
export const silentAfterSeconds = 40;

export function isControlPlane(machine: MachineLook, snapshot: Snapshot): boolean {
  if (machine.role !== 'unknown') return machine.role === 'control-plane';
  const labels = nodeNamed(snapshot, machine.name)?.metadata.labels ?? {};
  return 'node-role.kubernetes.io/control-plane' in labels;
}

export function list(names: readonly string[]): string {
  if (names.length <= 1) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
