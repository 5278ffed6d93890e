// A rule: what it is about, what it reads, what it explains; and a pure function from a snapshot to what it found.

import type { FactName } from './machine-facts.ts';
import type { KindName } from './objects/kinds.ts';
import type { Snapshot } from './snapshot.ts';

/** From the bottom up: a cause is never above its consequence. */
export const layers = [
  'machine',
  'runtime',
  'control-plane',
  'node',
  'network',
  'dns',
  'storage',
  'mesh',
  'workload',
  'platform',
] as const;
export type Layer = (typeof layers)[number];

/** 'machine:k8s-worker1', 'pod:demo/web-0', 'claim:demo/data': what a finding is about, and what ties it to another one. */
export type Entity =
  `${'machine' | 'pod' | 'namespace' | 'claim' | 'volume' | 'service' | 'image' | 'workload' | 'webhook' | 'resolver' | 'release' | 'registry' | 'object'}:${string}`;
export type EntityKind = Entity extends `${infer Kind}:${string}` ? Kind : never;

/** A line that was read: where, and how to see it again. */
export interface Evidence {
  readonly says: string;
  readonly from: string;
  /** A command that a person can type. */
  readonly again: string;
}

/** What --fix may do: reversible, without losing anything. */
export interface Fix {
  readonly machine: string;
  /** Imperative: 'Start the kubelet'. */
  readonly title: string;
  /** sh, run as root on the machine under `set -eu`. */
  readonly script: string;
  /** Back to how it was, in case it did not help. */
  readonly undo: string;
}

export interface Finding {
  /** One sentence, with names: the one the user needs. */
  readonly says: string;
  /** 'error': something does not work now. 'warning': it will, or it is not safe. 'note': worth knowing. */
  readonly severity: 'error' | 'warning' | 'note';
  readonly certainty: 'certain' | 'likely' | 'possible';
  /** When it is not certain: what would settle it, as a command or a look. */
  readonly settledBy?: string;
  /** The first is what it is about; all of them tie it to others. */
  readonly about: readonly [Entity, ...Entity[]];
  /** When it began, where that is known. */
  readonly since?: string;
  /** At most three; the one that separates it from its look-alikes first. */
  readonly evidence: readonly Evidence[];
  /** What to type, in order; the last makes it last beyond a reboot where that is something else. */
  readonly cure: readonly string[];
  readonly fix?: Fix;
}

/** This rule's findings explain those of `rule` that share an entity of that kind; 'everything': all of them. */
export interface Explains {
  readonly rule: string;
  readonly by: EntityKind | 'everything';
}

export type Need = `machine.${FactName}` | `api.${KindName}`;

export interface Rule {
  /** Stable; people type it. Never used again for something else. */
  readonly id: string;
  readonly layer: Layer;
  /** What one sees. */
  readonly symptom: string;
  /** Why it is so. */
  readonly cause: string;
  /** What to do about it, in words. */
  readonly cure: string;
  /** Where that is known from. */
  readonly sources: readonly string[];
  /** All that `find` reads. What is missing of it is told as not looked at. */
  readonly needs: readonly Need[];
  readonly explains: readonly Explains[];
  /** A mere symptom: another rule should know its cause, and where none does, that is said. */
  readonly symptomOnly?: true;
  find(snapshot: Snapshot): readonly Finding[];
}
