// Snapshots that are as bad as the schemas allow, made from the schemas themselves: they grow with every new field.
import { z } from 'zod';
import { machineFacts } from '../../src/doctor/machine-facts.ts';
import { type KindName, kindNames, kinds } from '../../src/doctor/objects/kinds.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';

interface Shape {
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly Shape[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly additionalProperties?: Shape | boolean;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
}

/** How to fill what a schema leaves open. */
export interface Manner {
  readonly text: string;
  readonly number: number;
  readonly flag: boolean;
  /** Everything that may be there is; otherwise only what must. */
  readonly isFull: boolean;
  /** null wherever it is allowed. */
  readonly isNull: boolean;
}

export const manners: Readonly<Record<string, Manner>> = {
  'with nothing that may be left out': { text: '', number: 0, flag: false, isFull: false, isNull: false },
  'with null wherever it may be': { text: '', number: 0, flag: false, isFull: true, isNull: true },
  'with empty words everywhere': { text: '', number: 0, flag: true, isFull: true, isNull: false },
  'with words that a shell and a terminal would obey': {
    text: '$(INJECTED)\';`INJECTED`\nINJECTED\n\u001b[2J\\ "{}[]<script>',
    number: -1,
    flag: true,
    isFull: true,
    isNull: false,
  },
  'with words that are no time, no quantity and no address': {
    text: 'Pending',
    number: 1e308,
    flag: true,
    isFull: true,
    isNull: false,
  },
  'with times everywhere': { text: '2026-11-21T20:04:48Z', number: 3, flag: false, isFull: true, isNull: false },
  'with very long words': { text: 'x'.repeat(20_000), number: 0, flag: true, isFull: true, isNull: false },
};

function filled(shape: Shape, manner: Manner): unknown {
  if (shape.const !== undefined) return shape.const;
  if (shape.enum) return shape.enum[0];
  if (shape.anyOf) {
    if (manner.isNull && shape.anyOf.some(({ type }) => type === 'null')) return null;
    return filled(shape.anyOf.find(({ type }) => type !== 'null') ?? {}, manner);
  }
  switch (typeof shape.type === 'object' ? shape.type[0] : shape.type) {
    case 'string':
      return shape.pattern && !new RegExp(shape.pattern).test(manner.text) ? 'a-name' : manner.text;
    case 'number':
    case 'integer':
      return manner.number;
    case 'boolean':
      return manner.flag;
    case 'array':
      return manner.isFull ? [filled(shape.items ?? {}, manner), filled(shape.items ?? {}, manner)] : [];
    case 'object': {
      const must = new Set(shape.required ?? []);
      const fields = Object.entries(shape.properties ?? {})
        .filter(([name]) => manner.isFull || must.has(name))
        .map(([name, field]) => [name, filled(field, manner)]);
      const { additionalProperties: more } = shape;
      const extra = typeof more === 'object' && manner.isFull ? [[manner.text, filled(more, manner)]] : [];
      return Object.fromEntries([...extra, ...fields]);
    }
    default:
      return undefined;
  }
}

function shapeOf(schema: z.ZodType): Shape {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Shape;
}

const objectShapes = new Map<KindName, Shape>(kindNames.map(kind => [kind, shapeOf(kinds[kind].schema)]));
const factShape = shapeOf(machineFacts);

/** The snapshot with objects and facts of that manner in the place of all its own. */
export function madeUp(snapshot: Snapshot, manner: Manner): Snapshot {
  const lists = Object.fromEntries(
    kindNames.map(kind => {
      const item = kinds[kind].schema.parse(filled(objectShapes.get(kind) ?? {}, manner));
      return [kind, { state: 'seen', unreadable: 0, items: [item, item] }];
    }),
  );
  const facts = machineFacts.parse(filled(factShape, { ...manner, isFull: true, isNull: false }));
  return {
    ...snapshot,
    lists: lists as unknown as Snapshot['lists'],
    machines: snapshot.machines.map(({ unreached: _, ...machine }) => ({ ...machine, facts })),
    logs: [{ pod: manner.text, container: manner.text, lines: [manner.text] }],
  };
}

/** The snapshot with every kind seen, and every fact of every machine known: both as `manner` fills what it lacks. */
export function allSeen(snapshot: Snapshot, manner: Manner): Snapshot {
  const { lists, machines } = madeUp(snapshot, manner);
  return {
    ...snapshot,
    lists: Object.fromEntries(
      kindNames.map(kind => [
        kind,
        snapshot.lists[kind].state === 'seen' ? snapshot.lists[kind] : { ...lists[kind], items: [] },
      ]),
    ) as unknown as Snapshot['lists'],
    machines: snapshot.machines.map(({ unreached: _, ...machine }, index) => ({
      ...machine,
      facts: { ...machines[index]?.facts, ...machine.facts },
    })),
  };
}
