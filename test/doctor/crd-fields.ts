// Which fields products' own kinds really have: paths taken from their CRDs, so that no field of a rule or a test is made up.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { root } from '../sample.ts';

const listed = z.record(
  z.string(),
  z.object({ source: z.string(), apiVersion: z.string(), fields: z.array(z.string()) }),
);

/** By kind as src/doctor/objects/kinds.ts calls it. 'a[]' is a list, 'a.*' any name. */
export const crdFields = listed.parse(
  JSON.parse(readFileSync(join(root, 'test/fixtures/doctor/crd-fields.json'), 'utf8')),
);

const plain = z.record(z.string(), z.unknown());

/** Paths of this object, or of this schema's fields, that the CRD does not have. `metadata` is the API's own. */
export function unknownFields(kind: string, value: unknown): readonly string[] {
  const known = new Set(crdFields[kind]?.fields);
  const walk = (each: unknown, path: string): readonly string[] => {
    if (Array.isArray(each)) {
      if (!known.has(`${path}[]`)) return [`${path}[]`];
      return each.flatMap(item => walk(item, `${path}[]`));
    }
    const object = plain.safeParse(each).data;
    if (!object) return known.has(path) || path.endsWith('[]') || path.endsWith('*') ? [] : [path];
    return Object.entries(object).flatMap(([name, item]) => {
      const next = path === '' ? name : `${path}.${name}`;
      if (path === '' && /^(metadata|kind|apiVersion)$/.test(name)) return [];
      if (known.has(`${path}.*`) && !known.has(next)) return walk(item, `${path}.*`);
      return walk(item, next);
    });
  };
  return walk(value, '');
}

/** An object with every field that a schema names, to be walked like a real one. */
export function everyField(schema: z.ZodType): unknown {
  if (schema instanceof z.ZodObject) {
    return Object.fromEntries(
      Object.entries(schema.shape).map(([name, inner]) => [name, everyField(inner as z.ZodType)]),
    );
  }
  if (schema instanceof z.ZodArray) return [everyField(schema.element as z.ZodType)];
  if (schema instanceof z.ZodRecord) return { anything: everyField(schema.valueType as z.ZodType) };
  if (schema instanceof z.ZodPipe) return everyField(schema.in as z.ZodType);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodPrefault) {
    return everyField(schema.unwrap() as z.ZodType);
  }
  return '';
}
