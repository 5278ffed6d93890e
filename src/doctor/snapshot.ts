// One look at everything: machines and API objects as they were at one moment. What could not be looked at says so.

import type { FactName, MachineFacts } from './machine-facts.ts';
import type { KindName, ObjectOf } from './objects/kinds.ts';

export interface MachineLook {
  /** As the inventory calls it; the node's name where there is no inventory. */
  readonly name: string;
  readonly address: string;
  readonly role: 'control-plane' | 'worker' | 'unknown';
  /** Why nothing was read of it: it did not answer SSH, or nobody asked. */
  readonly unreached?: {
    readonly kind: 'no answer' | 'refused' | 'not asked';
    readonly says: string;
    /** It took our connection, and then was silent. */
    readonly tookConnection?: boolean | undefined;
  };
  readonly facts: MachineFacts;
  /** Parts that were asked and did not come: why. */
  readonly missed: Readonly<Partial<Record<FactName, string>>>;
}

export type ListLook<T> =
  | {
      readonly state: 'seen';
      readonly items: readonly T[] /** Objects that are not what they should be. */;
      readonly unreadable: number;
    }
  /** The cluster has no such kind. */
  | { readonly state: 'absent' }
  | { readonly state: 'unknown'; readonly why: string };

export type Lists = { readonly [K in KindName]: ListLook<ObjectOf<K>> };

/** The last lines of a container that does not stay up. */
export interface ContainerLog {
  readonly pod: string;
  readonly container: string;
  readonly lines: readonly string[];
}

/** What the operator declared, as far as rules compare with it. */
export interface Declared {
  readonly cluster: string;
  readonly version: string;
  readonly endpoint: string;
  readonly hosts: readonly {
    readonly name: string;
    readonly address: string;
    readonly role: 'control-plane' | 'worker';
  }[];
}

/** An earlier run of homelab's that did not come to its end, from this computer's journal. */
export interface OpenRun {
  readonly run: string;
  readonly command: string;
  readonly startedAt: string;
  readonly says: string;
}

export interface Snapshot {
  /** Milliseconds since the epoch, by the clock of the API server's machine where that is known, else of the computer that looked. */
  readonly at: number;
  readonly machines: readonly MachineLook[];
  /** `answers`: the API server's own words, or why there is none. 'not asked' in a folder without objects. */
  readonly api: { readonly state: 'answers' | 'silent' | 'not asked'; readonly says: string; readonly from: string };
  readonly lists: Lists;
  readonly logs: readonly ContainerLog[];
  readonly declared: Declared | undefined;
  readonly openRuns: readonly OpenRun[];
}

/** The objects of a kind; none where the kind is absent or could not be read (the rule's `needs` say that). */
export function objects<K extends KindName>(snapshot: Snapshot, kind: K): readonly ObjectOf<K>[] {
  const look: ListLook<ObjectOf<K>> = snapshot.lists[kind];
  return look.state === 'seen' ? look.items : [];
}

/** Machines whose fact is known. */
export function machinesWith<F extends FactName>(
  snapshot: Snapshot,
  fact: F,
): readonly { readonly machine: MachineLook; readonly value: NonNullable<MachineFacts[F]> }[] {
  return snapshot.machines.flatMap(machine => {
    const value = machine.facts[fact];
    return value === undefined ? [] : [{ machine, value: value as NonNullable<MachineFacts[F]> }];
  });
}

/** Seconds from a moment to the look; not a number where the moment is not known. */
export function secondsSince(snapshot: Snapshot, moment: string): number {
  return (snapshot.at - Date.parse(moment)) / 1000;
}
