// The two nouns (resource, transition), what phases want, and the plan that follows from what is observed. All pure data and functions.
import type { Host, Json, SecretRef } from './cluster.ts';
import type { World } from './world.ts';

export type Risk = 'safe' | 'disruptive' | 'destructive';

/** A local file that must stand on the machine before a script runs. */
export interface Upload {
  readonly localPath: string;
  readonly remotePath: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** One mutation of one machine, as data. The engine adds the deadline, the secrets and the transport. */
export interface RemoteAction {
  /** POSIX sh, run as root under `set -eu`. */
  readonly script: string;
  /** Become shell variables of these names; never argv, never files of ours. */
  readonly secrets?: Readonly<Record<string, SecretRef>>;
  readonly uploads?: readonly Upload[];
  readonly timeoutMs: number;
  /** What a known failure means: the first pattern found in stderr gives the message and the next thing to type; $1 is its first group. */
  readonly explain?: readonly { readonly pattern: RegExp; readonly message: string; readonly hint: string }[];
}

/** The difference between observed and desired, and how it goes away. */
export interface Change {
  /** The observation, for example 'EEE is on (driver e1000e)'. */
  readonly why: string;
  /** Unified diff or before/after lines, for people. */
  readonly diff?: string;
  readonly risk: Risk;
  readonly action: RemoteAction;
  /** The state it leaves, where that is not simply the desired one: what a machine does not have stays so. */
  readonly leaves?: Json;
}

/** Something with a desired state. `read` is an sh fragment; all fragments of a host travel as one script. */
export interface Resource {
  readonly kind: 'resource';
  /** Unique per machine and stable: 'file:/etc/containerd/config.toml'. */
  readonly key: string;
  /** Last part of the step id: 'containerd-config'. */
  readonly name: string;
  /** Imperative, without the host's name. */
  readonly title: string;
  readonly read: string;
  /** Shell variables of these names while it is read: what is secret is compared on the machine. */
  readonly secrets?: Readonly<Record<string, SecretRef>>;
  /** Throws on output it does not understand. */
  parse(output: string): Json;
  /** The state on a bare machine: what rehearsal starts from. */
  readonly blank: Json;
  /** What `parse` returns once it is in order: state after apply, by definition. */
  readonly desired: Json;
  /** Keys of resources whose change makes this one stale (a unit's config files, its package). */
  readonly inputs?: readonly string[];
  /** Undefined when observed is in order. `stale` names inputs that are about to change. */
  change(observed: Json, stale: readonly string[]): Change | undefined;
  /** What is to be said about the observed state, whether it changes or not. */
  remarks?(observed: Json, stale: readonly string[]): readonly Remark[];
}

/** What cannot be a resource: init, join, drain, upgrade… Recognised in the world, one way from `from` to `to`. */
export interface Transition {
  readonly kind: 'transition';
  readonly name: string;
  readonly title: string;
  /** State recognised now. */
  readonly now: string;
  readonly to: string;
  /** The step, when `now` is a state it starts from; a refusal when it is not. */
  readonly change: Change | { readonly refuse: string; readonly hint: string } | undefined;
  /** The world once it is done. */
  predict(world: World): World;
  /** Keys of resources that it leaves in order: kubeadm starts the kubelet. */
  readonly settles?: readonly string[];
  /** Runs before (after) all lanes of the phase; 'after' runs even when a lane failed. */
  readonly stage?: 'before' | 'after';
  /** With a stage: wanted also when nothing else of the phase is. */
  readonly alone?: true;
}

/** Said, not acted on; ends a run before anything changes. */
export interface Refusal {
  readonly id: string;
  readonly host: string;
  readonly reason: string;
  readonly hint: string;
}

/** Worth knowing; stops nothing. */
export interface Note {
  readonly host?: string;
  readonly text: string;
}

export type Remark =
  | ({ readonly kind: 'refusal' } & Omit<Refusal, 'host'>)
  | ({ readonly kind: 'note' } & Omit<Note, 'host'>);

export type Want = Resource | Transition | Remark;

/** One step of the plan as people and files see it. */
export interface PlannedStep {
  /** phase/host/name: stable, people type it. */
  readonly id: string;
  readonly phase: string;
  readonly host: string;
  readonly title: string;
  readonly why: string;
  readonly diff?: string;
  readonly risk: Risk;
  readonly deadlineMs: number;
}

/** A planned step with what the engine needs to do it. */
export interface Step extends PlannedStep {
  readonly action: RemoteAction;
  readonly stage: 'before' | 'main' | 'after';
  /** Set for resources: the state that must be observed afterwards. */
  readonly predicted?: { readonly key: string; readonly state: Json };
  /** States that follow from a transition. */
  readonly settles: readonly { readonly key: string; readonly state: Json }[];
  /** Set for transitions. */
  readonly predict?: (world: World) => World;
}

export interface Plan {
  readonly steps: readonly Step[];
  readonly refusals: readonly Refusal[];
  readonly notes: readonly Note[];
}

/** What a probe found. `reproduce` is a command a person can type. */
export interface Evidence {
  readonly id: string;
  readonly host: string;
  readonly title: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly observed: string;
  readonly reproduce: string;
  /** When it is not as it should be: the next thing to type. */
  readonly hint?: string | undefined;
}

interface ProbeBase {
  readonly id: string;
  /** The machine that is asked. */
  readonly host: string;
  /** The machine it is about, where that is another one: the API server is asked about every node. */
  readonly about?: string;
  readonly title: string;
  readonly expected: string;
  readonly reproduce: string;
  readonly hint?: string | undefined;
}

/** Runs commands on machines for a probe that needs several of them. */
export interface ProbeContext {
  readonly signal: AbortSignal;
  exec(
    host: string,
    script: string,
    timeoutMs: number,
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
}

export type Probe =
  /** Follows from what was read already: no command of its own. */
  | (ProbeBase & { readonly kind: 'known'; readonly ok: boolean; readonly observed: string })
  /** Looks, changes nothing; all `read` probes of a host travel as one script. */
  | (ProbeBase & {
      readonly kind: 'read';
      readonly script: string;
      readonly timeoutMs: number;
      judge(result: { readonly code: number; readonly stdout: string; readonly stderr: string }): {
        readonly ok: boolean;
        readonly observed: string;
        /** Instead of the probe's own. */
        readonly hint?: string | undefined;
      };
    })
  /** Makes objects in a probe namespace and always cleans them up; several pieces of evidence. */
  | (ProbeBase & {
      readonly kind: 'active';
      readonly timeoutMs: number;
      /** The pieces of evidence that `run` gives, for rehearsal and for the report when it throws. */
      readonly pieces: readonly ProbeBase[];
      run(context: ProbeContext): Promise<readonly Evidence[]>;
    });

/** One line of the ordered list of what happens. */
export interface Phase {
  readonly id: string;
  readonly title: string;
  /** One line for --help. */
  readonly summary: string;
  /** 1: one machine after the other, and none after one that failed; undefined: as many at a time as --fork says. */
  width?(world: World): 1 | undefined;
  /** Proven before anything changes, together with all refusals; a failed proof ends the run like a refusal. It has no steps. */
  readonly gate?: true;
  /** Asked for by name: it disturbs members too that somebody else set up. */
  readonly asked?: true;
  wants(world: World, host: Host): readonly Want[];
  probes(world: World): readonly Probe[];
}
