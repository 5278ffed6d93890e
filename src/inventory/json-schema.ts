// The inventory's shape as JSON Schema: a file for editors, and here the source of known keys, descriptions and examples.
import * as z from 'zod';
import type { Path } from './issue.ts';
import { at } from './raw.ts';
import { inventorySchema } from './schema.ts';

let cached: object | undefined;
let homes: ReadonlyMap<string, readonly string[]> | undefined;

/** Draft 7, which is what the YAML language server reads best. Made on the first error only. */
function jsonSchema(): object {
  cached ??= z.toJSONSchema(inventorySchema, { io: 'input', target: 'draft-7' });
  return cached;
}

/** The text of inventory/homelab.schema.json. */
export function schemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`;
}

/** The schema of what stands at a path; several where alternatives are allowed. */
export function schemasAt(path: Path): readonly unknown[] {
  return path.reduce<readonly unknown[]>(
    (schemas, part) =>
      schemas.flatMap(schema => {
        const inner = typeof part === 'number' ? at(schema, ['items']) : at(schema, ['properties', part]);
        return alternatives(inner ?? at(schema, ['additionalProperties']));
      }),
    [jsonSchema()],
  );
}

export function keysAt(path: Path): readonly string[] {
  return schemasAt(path).flatMap(schema => Object.keys(at(schema, ['properties']) ?? {}));
}

/** Where a key is known, as a person would write it: 'ssh.user', 'hosts[].ssh.user'. */
export function homesOf(key: string): readonly string[] {
  homes ??= indexHomes();
  return homes.get(key) ?? [];
}

function indexHomes(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  const walk = (schema: unknown, path: string): void => {
    for (const [name, inner] of Object.entries(at(schema, ['properties']) ?? {})) {
      // Layers have the same keys: they are one place.
      const here = path === '' ? name : path === 'layers' ? 'layers.NAME' : `${path}.${name}`;
      found.set(name, [...new Set([...(found.get(name) ?? []), here === 'layers.NAME' ? `layers.${name}` : here])]);
      for (const each of alternatives(inner)) walk(each, here);
    }
    for (const each of alternatives(at(schema, ['items']))) walk(each, `${path}[]`);
  };
  walk(jsonSchema(), '');
  return found;
}

function alternatives(schema: unknown): readonly unknown[] {
  const several = at(schema, ['anyOf']);
  if (Array.isArray(several)) return several;
  return typeof schema === 'object' && schema !== null ? [schema] : [];
}
