// What a simulation of drains is asked, and what it says.
import type { Workloads } from '../model/workloads.ts';
import type { Gap } from './gaps.ts';

export type Purpose = 'upgrade' | 'remove';

export interface DrainOptions {
  /** After an upgrade the node takes pods again before the next one is drained; one that is removed never does. */
  readonly purpose: Purpose;
  /** Workers that are empty at the same time. */
  readonly parallel?: number;
}

export interface Move {
  /** 'namespace/name'. */
  readonly pod: string;
  /** 'Deployment web'. */
  readonly owner: string;
  /** A node that has room for it; its own where it has to wait until that is back. */
  readonly to: string;
  /** Why it has to wait. */
  readonly why?: string;
}

export interface Stuck {
  readonly rule:
    | 'bare'
    | 'orphan'
    | 'two-budgets'
    | 'budget-never'
    | 'budget-unhealthy'
    | 'budget-sequence'
    | 'data'
    | 'longhorn'
    | 'room'
    | 'nowhere'
    | 'cordoned'
    | 'parallel';
  /** The pod, claim, volume or controller. */
  readonly what: string;
  readonly why: string;
  /** What to type. */
  readonly hint: string;
}

export interface NodeDrain {
  readonly node: string;
  /** Set when it is better left as it is: nothing else takes its pods, and they go on running while the kubelet is exchanged. */
  readonly skipped?: 'alone';
  readonly moves: readonly Move[];
  readonly stuck: readonly Stuck[];
  readonly gaps: readonly Gap[];
  readonly notes: readonly string[];
}

export interface Simulation {
  readonly drains: readonly NodeDrain[];
  /** What runs where once all of it is done. */
  readonly after: Workloads;
}
