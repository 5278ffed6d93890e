// Mutants of a valid inventory: each is valid, or has issues that say where. Nothing else may come out.
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderIssue } from '../../src/inventory/issue.ts';
import { exampleFile, parse } from './helpers.ts';

const valid = `${readFileSync(exampleFile, 'utf8')}    ssh: &ssh {user: root, port: 2222, sudo: {password: "\${env:SUDO}"}}
    labels: {disk: ssd, "example.com/rack": "1"}
    taints: ["a=b:NoSchedule", {key: c, effect: NoExecute}]
  - {name: k8s-worker4, role: worker, address: 192.168.0.14, ssh: *ssh}
`;

type Mutation = (text: string, at: number, other: number) => string | Uint8Array;

const lines = (text: string, change: (all: string[]) => void): string => {
  const all = text.split('\n');
  change(all);
  return all.join('\n');
};

const tokens = (text: string) => [...text.matchAll(/[A-Za-z0-9_./:"-]+|[{}[\],:&*!|>#-]/g)];

const mutations: Readonly<Record<string, Mutation>> = {
  'flips a byte': (text, at, other) => {
    const bytes = Buffer.from(text);
    bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << (other % 8));
    return bytes;
  },
  'deletes a line': (text, at) => lines(text, all => all.splice(at % all.length, 1)),
  'doubles a line': (text, at) => lines(text, all => all.splice(at % all.length, 0, all[at % all.length] ?? '')),
  'swaps two lines': (text, at, other) =>
    lines(text, all => {
      const [left, right] = [at % all.length, other % all.length];
      [all[left], all[right]] = [all[right] ?? '', all[left] ?? ''];
    }),
  'swaps a token': (text, at, other) => {
    const all = tokens(text);
    const [from, to] = [all[at % all.length], all[other % all.length]];
    if (!from || !to) return text;
    return text.slice(0, from.index) + to[0] + text.slice(from.index + from[0].length);
  },
  'mistypes a key': (text, at, other) => {
    const keys = [...text.matchAll(/[A-Za-z]+(?=:)/g)];
    const key = keys[at % keys.length];
    if (!key) return text;
    const place = key.index + (other % key[0].length);
    return text.slice(0, place) + 'aZ_0'[other % 4] + text.slice(place + 1);
  },
  'cuts the end off': (text, at) => text.slice(0, at % text.length),
  'inserts a hostile token': (text, at, other) => {
    const hostile = [
      '\t',
      '\0',
      '"',
      "'",
      '&a ',
      '*ssh',
      '!!map ',
      '<<: ',
      '---\n',
      '? ',
      '$(x)',
      '\u{feff}',
      '\r',
      '{',
      '- ',
      '한',
      '__proto__: ',
    ];
    const place = at % text.length;
    return text.slice(0, place) + hostile[other % hostile.length] + text.slice(place);
  },
};

test('the inventory that mutants are made of is valid', () => {
  expect(parse(valid)).toMatchObject({ ok: true });
});

test.each(Object.entries(mutations))('a mutant that %s is valid or says where it is wrong', async (_, mutate) => {
  const numbers = fc.array(fc.tuple(fc.nat(1_000_000), fc.nat(1_000_000)), { minLength: 1, maxLength: 3 });
  let wrong = 0;
  await fc.assert(
    fc.property(numbers, steps => {
      let mutant: string | Uint8Array = valid;
      for (const [at, other] of steps)
        mutant = mutate(typeof mutant === 'string' ? mutant : Buffer.from(mutant).toString('utf8'), at, other);
      const parsed = parse(mutant);
      if (parsed.ok) return;
      wrong++;
      expect(parsed.issues.length).toBeGreaterThan(0);
      const count = Buffer.from(mutant)
        .toString('utf8')
        .split(/\r\n|\n|\r/).length;
      for (const issue of parsed.issues) {
        expect(issue.line).toBeGreaterThanOrEqual(1);
        expect(issue.line).toBeLessThanOrEqual(count);
        expect(issue.column).toBeGreaterThanOrEqual(1);
        expect(renderIssue(issue)).not.toContain('\n');
      }
    }),
    { seed: 3, numRuns: 500 },
  );
  expect(wrong).toBeGreaterThan(50);
});
