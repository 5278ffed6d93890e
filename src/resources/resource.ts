// How a kind of resource is written: typed inside, plain JSON outside.
import { createTwoFilesPatch } from 'diff';
import type { Json, SecretRef } from '../model/cluster.ts';
import type { Change, Remark, Resource, Risk } from '../model/plan.ts';

/** A resource in terms of its own state type. */
export interface ResourceSpec<S extends Json> {
  readonly key: string;
  readonly name: string;
  readonly title: string;
  readonly read: string;
  readonly secrets?: Readonly<Record<string, SecretRef>>;
  parse(output: string): S;
  readonly blank: S;
  readonly desired: S;
  readonly inputs?: readonly string[];
  /** The differences between observed and desired in words; none means in order. */
  differences(observed: S, stale: readonly string[]): readonly string[];
  /** What is to be said of it, whether it changes or not. */
  remarks?(observed: S): readonly Remark[];
  /** How it is made right, once there are differences. `leaves`: what is there then, where a machine cannot have all that is desired. */
  act(
    observed: S,
    stale: readonly string[],
  ): Pick<Change, 'action' | 'diff'> & { readonly risk?: Risk; readonly leaves?: S };
}

/** A look at something that homelab does not change: it only has something to say about it. */
export interface SightSpec<S extends Json> {
  readonly key: string;
  readonly name: string;
  readonly read: string;
  parse(output: string): S;
  /** Also what a bare machine has. */
  readonly blank: S;
  remarks(observed: S): readonly Remark[];
}

/** Closes a spec over its state type. States come only from its own `parse`, so the one cast is sound. */
export function defineResource<S extends Json>(spec: ResourceSpec<S>): Resource {
  const { differences, act, remarks, ...rest } = spec;
  return {
    kind: 'resource',
    ...rest,
    ...(remarks ? { remarks: observed => remarks(observed as S) } : {}),
    change(observed, stale) {
      const reasons = differences(observed as S, stale);
      if (reasons.length === 0) return undefined;
      return { why: reasons.join('; '), risk: 'safe', ...act(observed as S, stale) };
    },
  };
}

/** A resource that never changes anything. */
export function defineSight<S extends Json>({ remarks, ...spec }: SightSpec<S>): Resource {
  return {
    kind: 'resource',
    title: 'Look',
    ...spec,
    desired: spec.blank,
    change: () => undefined,
    remarks: observed => remarks(observed as S),
  };
}

/** A unified diff for people, without the file headers. */
export function textDiff(before: string, after: string): string {
  const lines = createTwoFilesPatch('', '', before, after, '', '', { context: 2 }).split('\n');
  return lines
    .slice(lines.findIndex(line => line.startsWith('@@')))
    .join('\n')
    .trimEnd();
}
