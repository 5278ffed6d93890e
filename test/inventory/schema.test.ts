// The committed JSON Schema is the zod schema's, and says what editors need.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { expect, test } from 'vitest';
import { schemaText } from '../../src/inventory/json-schema.ts';
import { at, listAt } from '../../src/inventory/raw.ts';
import { layerNames } from '../../src/model/layers.ts';
import { exampleFile } from './helpers.ts';

const committed = readFileSync(join(exampleFile, '..', 'homelab.schema.json'), 'utf8');
const schema: unknown = JSON.parse(committed);
const example: unknown = load(readFileSync(exampleFile, 'utf8'));

test('the committed schema is fresh (npm run schema writes it)', () => {
  expect(committed).toBe(schemaText());
});

test('unknown keys are errors everywhere, except in configuration that is passed through', () => {
  const open: string[] = [];
  eachSchema(schema, '', (each, path) => {
    if (at(each, ['type']) === 'object' && at(each, ['additionalProperties']) !== false) open.push(path);
  });
  expect(open).toEqual([
    'kubernetes.kubeletConfig',
    'kubernetes.proxyConfig',
    'containerd.config',
    'containerd.registries',
    ...layerNames.map(name => `layers.${name}.values`),
    'hosts[].labels',
  ]);
});

test('what has a default is not required', () => {
  expect(at(schema, ['required'])).toEqual(['apiVersion', 'kind', 'name', 'hosts']);
  expect(at(schema, ['properties', 'hosts', 'items', 'required'])).toEqual(['name', 'role', 'address']);
});

test('every key is described', () => {
  const mute: string[] = [];
  eachSchema(schema, '', (each, path) => {
    if (path.match(/[a-z]$/i) && !at(each, ['description'])) mute.push(path);
  });
  expect(mute).toEqual([]);
});

test('the example is accepted, and names the schema in its first line', () => {
  expect(readFileSync(exampleFile, 'utf8').split('\n')[0]).toBe('# yaml-language-server: $schema=homelab.schema.json');
  expect(violations(example, schema, '')).toEqual([]);
});

test.each<[string, unknown]>([
  ['a missing key', { ...asObject(example), name: undefined }],
  ['an unknown key', { ...asObject(example), nmae: 'homelab' }],
  ['a number as version', { ...asObject(example), kubernetes: { version: 1.31 } }],
  ['an unknown profile', { ...asObject(example), profile: '1.13' }],
  ['an unknown role', { ...asObject(example), hosts: [{ name: 'a', role: 'node', address: '1.1.1.1' }] }],
  ['a literal password', { ...asObject(example), ssh: { sudo: { password: 'hunter2' } } }],
])('%s is not accepted', (_, value) => {
  expect(violations(JSON.parse(JSON.stringify(value)), schema, '')).not.toEqual([]);
});

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}

function eachSchema(each: unknown, path: string, visit: (schema: unknown, path: string) => void): void {
  visit(each, path);
  for (const [key, inner] of Object.entries(at(each, ['properties']) ?? {})) {
    eachSchema(inner, path === '' ? key : `${path}.${key}`, visit);
  }
  if (at(each, ['items'])) eachSchema(at(each, ['items']), `${path}[]`, visit);
  listAt(each, ['anyOf']).forEach((inner, index) => {
    eachSchema(inner, `${path}<${index}>`, visit);
  });
}

/** The part of JSON Schema that the generated file uses. */
function violations(value: unknown, each: unknown, path: string): string[] {
  const branches = listAt(each, ['anyOf']);
  if (branches.length > 0) {
    return branches.some(branch => violations(value, branch, path).length === 0) ? [] : [`${path}: no alternative`];
  }
  const type = at(each, ['type']);
  const found = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  if (type !== undefined && found !== (type === 'integer' ? 'number' : type)) return [`${path}: is no ${String(type)}`];
  const bad: string[] = [];
  const constant = at(each, ['const']);
  const allowed = at(each, ['enum']);
  const pattern = at(each, ['pattern']);
  if (constant !== undefined && value !== constant) bad.push(`${path}: is not ${String(constant)}`);
  if (Array.isArray(allowed) && !allowed.includes(value)) bad.push(`${path}: is none of ${allowed.join(', ')}`);
  if (typeof pattern === 'string' && !new RegExp(pattern, 'u').test(String(value)))
    bad.push(`${path}: breaks ${pattern}`);
  if (Array.isArray(value))
    return [...bad, ...value.flatMap((inner, index) => violations(inner, at(each, ['items']), `${path}[${index}]`))];
  if (typeof value !== 'object' || value === null) return bad;
  for (const key of listAt(each, ['required']))
    if (!Object.hasOwn(value, String(key))) bad.push(`${path}.${String(key)}: is missing`);
  for (const [key, inner] of Object.entries(value)) {
    const known = at(each, ['properties', key]);
    if (known) bad.push(...violations(inner, known, `${path}.${key}`));
    else if (at(each, ['additionalProperties']) === false) bad.push(`${path}.${key}: is unknown`);
  }
  return bad;
}
