// From what kubectl printed to objects by kind, one at a time: one that is not what it should be leaves the others alone.
import { z } from 'zod';
import type { Lists } from '../snapshot.ts';
import { type KindName, kindNames, kinds } from './kinds.ts';

export type AnyList =
  | { readonly state: 'seen'; readonly items: readonly unknown[]; readonly unreadable: number }
  | { readonly state: 'absent' }
  | { readonly state: 'unknown'; readonly why: string };

/** The kind that goes by this name: its own, or as kubectl knows it ('certificatesigningrequests'). */
export function kindNamed(name: string): KindName | undefined {
  return kindNames.find(
    kind => kind === name || kinds[kind].resource === name || kinds[kind].resource.split('.')[0] === name,
  );
}

const list = z.looseObject({
  kind: z.string().default(''),
  apiVersion: z.string().default(''),
  items: z.array(z.unknown()).nullable(),
});
const single = z.looseObject({ kind: z.string(), apiVersion: z.string().default('') });

/** Objects of one file or answer, by kind. `named`: the kind it should have, which an empty list is of. */
export function readItems(
  value: unknown,
  named: KindName | undefined,
  from: string,
): readonly (readonly [KindName, AnyList])[] {
  const many = list.safeParse(value);
  const one = single.safeParse(value);
  if (!many.success && !one.success)
    return named === undefined
      ? []
      : [[named, { state: 'unknown', why: `${from}: neither a list nor an object of Kubernetes` }]];
  const all = many.success ? (many.data.items ?? []) : [value];
  // In a PodList, which the API itself gives, the items do not say what they are.
  const fallback = many.success
    ? { kind: many.data.kind.replace(/List$/, ''), apiVersion: many.data.apiVersion }
    : { kind: '', apiVersion: '' };
  const found = new Map<KindName, { items: unknown[]; unreadable: number }>();
  const of = (kind: KindName) => {
    const mine = found.get(kind) ?? { items: [], unreadable: 0 };
    found.set(kind, mine);
    return mine;
  };
  if (named !== undefined) of(named);
  for (const item of all) {
    const says = single.safeParse(item).data;
    const kind =
      kindOf(says?.kind ?? fallback.kind, says?.apiVersion ?? fallback.apiVersion) ??
      (says?.kind === undefined ? named : undefined);
    if (kind === undefined) continue;
    const read = kinds[kind].schema.safeParse(item);
    if (read.success) of(kind).items.push(withType(read.data, kind, says?.apiVersion ?? fallback.apiVersion));
    else of(kind).unreadable += 1;
  }
  return [...found].map(([kind, look]) => [kind, { state: 'seen', ...look }]);
}

// So that what is saved can be read again, alone or mixed.
function withType(item: unknown, kind: KindName, apiVersion: string): unknown {
  return { kind: kinds[kind].kind, apiVersion: apiVersion || groupOf(kind) || 'v1', ...(item as object) };
}

function groupOf(kind: KindName): string {
  const { resource } = kinds[kind];
  return resource.includes('.') ? resource.slice(resource.indexOf('.') + 1) : '';
}

function kindOf(kind: string, apiVersion: string): KindName | undefined {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  // Other groups have a Node and a Gateway too.
  return kindNames.find(name => kinds[name].kind === kind && (groupOf(name) === group || group === 'events.k8s.io'));
}

/** Two looks at one kind as one. */
export function joined(before: AnyList | undefined, next: AnyList): AnyList {
  if (before === undefined || before.state === 'absent') return next;
  if (next.state === 'absent') return before;
  if (before.state === 'unknown') return before;
  if (next.state === 'unknown') return next;
  return { state: 'seen', items: [...before.items, ...next.items], unreadable: before.unreadable + next.unreadable };
}

/** Every kind has a look; those that are not in `found` were not asked: `why`. */
export function listsOf(found: ReadonlyMap<KindName, AnyList>, why: string): Lists {
  const unknown: AnyList = { state: 'unknown', why };
  // Each list came through the schema of its kind in readItems.
  return Object.fromEntries(kindNames.map(kind => [kind, found.get(kind) ?? unknown])) as unknown as Lists;
}
