// For tests of rules: a real snapshot with one thing changed.
import { diagnose } from '../../src/doctor/diagnose.ts';
import type { MachineFacts } from '../../src/doctor/machine-facts.ts';
import { type KindName, kinds, type ObjectOf } from '../../src/doctor/objects/kinds.ts';
import type { Finding, Rule } from '../../src/doctor/rule.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { quoted } from './hostile.ts';

/** The snapshot with this list in the place of its own; each object goes through its kind's schema, as when it is read. */
export function withObjects<K extends KindName>(snapshot: Snapshot, kind: K, items: readonly unknown[]): Snapshot {
  const list = {
    state: 'seen',
    unreadable: 0,
    items: items.map(item => kinds[kind].schema.parse(item) as ObjectOf<K>),
  };
  return { ...snapshot, lists: { ...snapshot.lists, [kind]: list } };
}

/** What the snapshot has of a kind; none where it was not seen. */
export function itemsOf<K extends KindName>(snapshot: Snapshot, kind: K): readonly ObjectOf<K>[] {
  const look = snapshot.lists[kind];
  return look.state === 'seen' ? (look.items as readonly ObjectOf<K>[]) : [];
}

/** The snapshot with each object of a kind changed; undefined takes it away. */
export function eachObject<K extends KindName>(
  snapshot: Snapshot,
  kind: K,
  change: (item: ObjectOf<K>) => unknown,
): Snapshot {
  return withObjects(
    snapshot,
    kind,
    itemsOf(snapshot, kind)
      .map(change)
      .filter(item => item !== undefined),
  );
}

/** The snapshot with these facts of one machine. */
export function withFacts(snapshot: Snapshot, machine: string, facts: MachineFacts): Snapshot {
  return {
    ...snapshot,
    machines: snapshot.machines.map(each => {
      if (each.name !== machine) return each;
      const { unreached: _, ...reached } = each;
      return { ...reached, facts: { ...each.facts, ...facts } };
    }),
  };
}

/** What one rule says, alone. Throws what the rule throws. */
export function saidBy(rule: Rule, snapshot: Snapshot): readonly Finding[] {
  return quoted(rule, snapshot);
}

/** The rules of all causes on the first level, in order. */
export function causesIn(snapshot: Snapshot, mine: readonly Rule[]): readonly string[] {
  return diagnose(snapshot, mine).broken.map(({ rule }) => rule);
}

/** Everything that a rule reads of a snapshot, as needs: what `needs` must say. */
export function readBy(rule: Rule, snapshot: Snapshot): ReadonlySet<string> {
  const read = new Set<string>();
  const watched = <T extends object>(value: T, prefix: string): T =>
    new Proxy(value, {
      get(target, name, receiver) {
        if (typeof name === 'string' && name in target) read.add(`${prefix}.${name}`);
        return Reflect.get(target, name, receiver);
      },
    });
  rule.find({
    ...snapshot,
    lists: watched(snapshot.lists, 'api'),
    machines: snapshot.machines.map(each => ({ ...each, facts: watched(each.facts, 'machine') })),
  });
  return read;
}

/** What the rule of that id finds. Throws when there is none. */
export function found(id: string, snapshot: Snapshot): readonly Finding[] {
  const rule = rules.find(each => each.id === id);
  if (!rule) throw new Error(`no rule ${id}`);
  return quoted(rule, snapshot);
}

/** The rules that find an error or a warning, but for what is true of every recorded state. */
export function ids(snapshot: Snapshot): readonly string[] {
  return rules.flatMap(rule =>
    !['kubernetes-end-of-life', 'machine-id-twice'].includes(rule.id) &&
    quoted(rule, snapshot).some(({ severity }) => severity !== 'note')
      ? [rule.id]
      : [],
  );
}
