// What happens in a run, as data. tty, plain, json and the journal all consume this one stream.
import type { AccessRow } from './access.ts';
import type { ListedCertificate } from './certificates.ts';
import type { Host, Json } from './cluster.ts';
import type { ListedLayer } from './layers.ts';
import type { Evidence, Note, PlannedStep, Refusal } from './plan.ts';
import type { Facts } from './world.ts';

export type StepOutcome = 'done' | 'failed' | 'skipped';

/** A machine as it was read: what a report draws its map from. */
export interface SeenMachine extends Pick<Facts, 'host' | 'kernel' | 'arch' | 'virtualization' | 'bootId' | 'nics'> {
  readonly role: Host['role'];
  readonly address: string;
  readonly os: string;
  /** Versions without v, 'absent' when not installed. */
  readonly kubelet: string;
  readonly containerd: string;
}

/** The events themselves; the bus adds `time` (ISO 8601, UTC). */
export type EventBody =
  | {
      readonly type: 'run-started';
      readonly run: string;
      readonly command: string;
      /** What a good end means: 'look' proves nothing and changes nothing. */
      readonly purpose: 'look' | 'change' | 'verify';
      readonly cluster: string;
      readonly version: string;
      readonly simulated: boolean;
      readonly hosts: readonly string[];
      readonly phases: readonly { readonly id: string; readonly title: string }[];
    }
  /** Before the plan, and again after the last change. */
  | { readonly type: 'machines'; readonly machines: readonly SeenMachine[] }
  | {
      readonly type: 'plan';
      readonly steps: readonly PlannedStep[];
      readonly refusals: readonly Refusal[];
      readonly notes: readonly Note[];
    }
  | {
      readonly type: 'phase-started';
      readonly phase: string;
      readonly title: string;
      readonly steps: readonly PlannedStep[];
    }
  | {
      readonly type: 'step-started';
      readonly id: string;
      readonly host: string;
      readonly title: string;
      readonly deadlineMs: number;
    }
  | {
      readonly type: 'step-finished';
      readonly id: string;
      readonly host: string;
      readonly title: string;
      readonly outcome: StepOutcome;
      readonly durationMs: number;
      readonly why?: string;
    }
  | { readonly type: 'evidence'; readonly phase: string; readonly evidence: Evidence; readonly simulated: boolean }
  | {
      readonly type: 'phase-finished';
      readonly phase: string;
      readonly outcome: 'unchanged' | 'changed' | 'failed';
      readonly durationMs: number;
    }
  /** One round trip, for timelines and measurements; `what` is a step's id or the reading's name. */
  | { readonly type: 'remote-command'; readonly host: string; readonly what: string; readonly durationMs: number }
  | { readonly type: 'note'; readonly host?: string; readonly text: string }
  /** Predicted against observed after a phase; `differences` is empty when physics agreed. */
  | {
      readonly type: 'prediction';
      readonly phase: string;
      readonly compared: number;
      readonly differences: readonly string[];
    }
  /** What `homelab certs` found. */
  | { readonly type: 'certificates'; readonly certificates: readonly ListedCertificate[] }
  | { readonly type: 'layers'; readonly layers: readonly ListedLayer[] }
  /** After the first bootstrap that ended well: how one gets in, and what to type next. */
  | {
      readonly type: 'hand-over';
      readonly access: readonly AccessRow[];
      readonly next: readonly { readonly type: string; readonly why: string }[];
    }
  | { readonly type: 'error'; readonly error: Json }
  | {
      readonly type: 'run-finished';
      readonly outcome: 'ok' | 'failed' | 'cancelled';
      readonly exitCode: number;
      readonly steps: number;
      readonly predictionErrors: number;
      readonly durationMs: number;
      readonly simulated: boolean;
      readonly remoteCommands: Readonly<Record<string, number>>;
    };

export type RunEvent = { readonly time: string } & EventBody;

/** Consumes events: a renderer or the journal. `close` flushes. */
export interface EventSink {
  /** How a note names it when it fails: 'the journal'. */
  readonly name?: string;
  handle(event: RunEvent): void;
  close(): Promise<void>;
}
