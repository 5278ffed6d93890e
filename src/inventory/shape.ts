// What zod found, in words: which type was expected, which key is unknown, what is missing.
import type * as z from 'zod';
import { type Finding, type Path, shown } from './issue.ts';
import { homesOf, keysAt, schemasAt } from './json-schema.ts';
import { nearest } from './nearest.ts';
import { at } from './raw.ts';
import { checkReference, isSecret } from './secrets.ts';

/** `sourceOf`: a scalar as it stands in the file. */
export function shapeFindings(
  error: z.ZodError,
  raw: unknown,
  sourceOf: (path: Path) => string | undefined,
): Finding[] {
  return error.issues.flatMap(issue => explain(issue, [], raw, sourceOf));
}

function explain(
  issue: z.core.$ZodIssue,
  prefix: Path,
  raw: unknown,
  sourceOf: (path: Path) => string | undefined,
): Finding[] {
  const path = [...prefix, ...plain(issue.path)];
  const value = at(raw, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return unknownKeys(issue.keys, path);
    case 'invalid_type':
      if (value === undefined) return [missing(path)];
      return [{ path, expectation: wrongType(issue.expected, value, path, sourceOf) }];
    case 'invalid_value':
      return value === undefined ? [missing(path)] : [notOneOf(issue.values.map(String), value, path)];
    case 'invalid_union': {
      // The alternative that accepts this kind of value has the errors worth reading.
      const branch = issue.errors.find(
        errors => !errors.some(inner => inner.code === 'invalid_type' && inner.path.length === 0),
      );
      if (!branch) return [{ path, expectation: issue.message }];
      return branch.flatMap(inner => explain(inner, path, raw, sourceOf));
    }
    case 'invalid_key':
      return issue.issues.map(inner => ({ path, of: 'key' as const, expectation: inner.message }));
    case 'too_small':
      return [
        {
          path,
          expectation: issue.origin === 'array' ? 'expected at least one entry' : `expected ${issue.minimum} or more`,
        },
      ];
    case 'too_big':
      return [{ path, expectation: `expected ${issue.maximum} or less` }];
    case 'custom': {
      const suggestion: unknown = issue.params?.['suggestion'];
      return [
        { path, expectation: issue.message, suggestion: typeof suggestion === 'string' ? suggestion : undefined },
      ];
    }
    default:
      return [{ path, expectation: issue.message }];
  }
}

function unknownKeys(keys: readonly string[], parent: Path): Finding[] {
  const known = keysAt(parent);
  // These two were refused while the tree was built.
  return keys.filter(key => key !== '__proto__' && key !== '<<').map(key => unknownKey(key, parent, known));
}

function unknownKey(key: string, parent: Path, known: readonly string[]): Finding {
  const path = [...parent, key];
  const suggestion = nearest(key, known);
  // Below sudo even a key may be the password.
  if (isSecret(parent)) return { path, shownPath: parent, of: 'key', expectation: 'unknown key in here', suggestion };
  // So may be what follows in 'password:hunter2', one key for YAML as the space is forgotten.
  const [word = ''] = key.split(/[:=\s]/);
  const name = word === key ? key : `${word}…`;
  return {
    path,
    shownPath: [...parent, name],
    of: 'key',
    expectation: `unknown key ${shown(name)}${suggestion ? '' : adviceOn(key, known)}`,
    suggestion,
  };
}

function adviceOn(key: string, known: readonly string[]): string {
  const homes = homesOf(key);
  return homes.length > 0 ? `; it belongs to ${homes.join(' or ')}` : `; known here: ${known.join(', ')}`;
}

function missing(path: Path): Finding {
  const [schema] = schemasAt(path);
  return {
    path,
    of: 'absence',
    expectation: `is required: ${String(at(schema, ['description']) ?? '')}${exampleOf(schema)}`,
  };
}

function wrongType(expected: string, value: unknown, path: Path, sourceOf: (path: Path) => string | undefined): string {
  if (isSecret(path) && path.at(-1) === 'password') return checkReference('')?.expectation ?? '';
  if (isSecret(path)) return `expected ${typeNames[expected] ?? expected}, this is ${kindOf(value)}`;
  const source = sourceOf(path);
  if (expected === 'string' && source && typeof value !== 'object') {
    return `expected text in quotes${exampleOf(schemasAt(path)[0])}: ${source} without quotes is ${kindOf(value)}`;
  }
  // Where a mapping belongs, 'password:hunter2' may stand: only what should have been short is repeated.
  const short = expected === 'boolean' || expected === 'number' || expected === 'int';
  const text = short && typeof value === 'string' ? ` ${shown(value)}` : '';
  return `expected ${typeNames[expected] ?? expected}, this is ${kindOf(value)}${text}`;
}

function exampleOf(schema: unknown): string {
  const example = at(schema, ['examples', 0]) ?? at(schema, ['const']) ?? at(schema, ['enum', 0]);
  return typeof example === 'string' ? `, for example ${shown(example)}` : '';
}

function notOneOf(values: readonly string[], value: unknown, path: Path): Finding {
  const list = values.join(' or ');
  if (typeof value !== 'string') return { path, expectation: `expected ${list}, this is ${kindOf(value)}` };
  return { path, expectation: `expected ${list}, not ${shown(value)}`, suggestion: nearest(value, values) };
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
  array: 'a list (- …)',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
};

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return 'text';
  return typeof value === 'number' ? 'a number' : 'true or false';
}

function plain(path: readonly PropertyKey[]): Path {
  return path.map(part => (typeof part === 'number' ? part : String(part)));
}
