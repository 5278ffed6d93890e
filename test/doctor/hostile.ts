// What somebody else named may stand in no command as anything but data: every text of a snapshot is made hostile, one field at a time.
import { machineFacts } from '../../src/doctor/machine-facts.ts';
import { type KindName, kinds } from '../../src/doctor/objects/kinds.ts';
import type { Finding, Rule } from '../../src/doctor/rule.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { written } from '../../src/io/snapshot-folder.ts';

/** Whole, it ends every quote and every line; inside of a word, it has no space, as what a regular expression takes from a message. */
const whole = `'"$(INJECTED)\n;INJECTED;\`INJECTED\``;
const inside = '$(INJECTED)';
const marker = /[$`;|&\n<>(]INJECTED/i;
/** More words than any line has from which a rule takes something. */
const mostWords = 40;

/** Commands of a finding of this rule that a text of the snapshot would get into, with the field that it stood in. */
export function obeyed(rule: Rule, snapshot: Snapshot): readonly string[] {
  const wrong = new Set<string>();
  for (const [field, variant] of variants(rule, snapshot)) {
    for (const line of rule.find(variant).flatMap(commandsOf)) {
      if (obeys(line)) wrong.add(`${rule.id}: ${field}: ${JSON.stringify(line.replaceAll(whole, '<TEXT>'))}`);
    }
  }
  return [...wrong];
}

/** All of a finding that somebody types or that is run. */
export function commandsOf({ evidence, cure, settledBy, fix }: Finding): readonly string[] {
  return [
    ...evidence.map(({ again }) => again),
    ...cure,
    ...(settledBy === undefined ? [] : [settledBy]),
    ...(fix === undefined ? [] : [fix.script, fix.undo]),
  ];
}

/** Would sh run the marker: here, in what ssh hands to another shell, or in what `sh -c` is given? */
export function obeys(line: string): boolean {
  if (!/INJECTED/i.test(line)) return false;
  const { bare, commands, isOpen } = scanned(line);
  return isOpen || marker.test(bare) || commands.some(words => inner(words).some(obeys));
}

function inner(words: readonly string[]): readonly string[] {
  const far = words.indexOf('ssh');
  const given = words.findIndex((word, index) => /^-e?c$/.test(word) && /(^|\/)(ba)?sh$/.test(words[index - 1] ?? ''));
  return [...(far < 0 ? [] : [words.slice(far + 2).join(' ')]), ...(given < 0 ? [] : [words[given + 1] ?? ''])];
}

/** The words of each command without their quotes, and all that stands outside of single quotes and comments. */
function scanned(line: string) {
  const commands: string[][] = [[]];
  let bare = '';
  let word: string | undefined;
  let state: 'plain' | 'single' | 'double' = 'plain';
  const end = () => {
    if (word !== undefined) commands.at(-1)?.push(word);
    word = undefined;
  };
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at] as string;
    if (state === 'single') {
      if (char === "'") state = 'plain';
      else word = (word ?? '') + char;
      continue;
    }
    bare += char;
    if (char === '\\') {
      at += 1;
      word = (word ?? '') + (line[at] ?? '');
      bare += line[at] ?? '';
    } else if (state === 'double') {
      if (char === '"') state = 'plain';
      else word = (word ?? '') + char;
    } else if (char === "'" || char === '"') {
      state = char === "'" ? 'single' : 'double';
      word ??= '';
    } else if (char === '#' && word === undefined) {
      while (at + 1 < line.length && line[at + 1] !== '\n') at += 1;
    } else if (/[;|&()<>\n]/.test(char)) {
      end();
      commands.push([]);
    } else if (/\s/.test(char)) end();
    else word = (word ?? '') + char;
  }
  end();
  return { bare, commands, isOpen: state !== 'plain' };
}

function* variants(rule: Rule, snapshot: Snapshot): Generator<readonly [string, Snapshot]> {
  for (const need of rule.needs) {
    const [from, what] = need.split('.') as ['api' | 'machine', string];
    if (from === 'api') {
      const kind = what as KindName;
      const look = snapshot.lists[kind];
      if (look.state !== 'seen') continue;
      for (const [field, items] of changed(look.items)) {
        const read = (items as unknown[]).flatMap(item => kinds[kind].schema.safeParse(item).data ?? []);
        const list = { ...look, items: read };
        yield [`${kind}${field}`, { ...snapshot, lists: { ...snapshot.lists, [kind]: list } as Snapshot['lists'] }];
      }
    } else {
      const fact = what as keyof Snapshot['machines'][number]['facts'];
      for (const [field, values] of changed(snapshot.machines.map(({ facts }) => facts[fact]))) {
        const machines = snapshot.machines.map((machine, index) => {
          const read = machineFacts.safeParse({ ...machine.facts, [fact]: (values as unknown[])[index] });
          return { ...machine, facts: read.data ?? {} };
        });
        yield [`${fact}${field}`, { ...snapshot, machines }];
      }
    }
  }
  const { lists, machines, ...rest } = snapshot;
  const own = { ...rest, format: 1, lists: {}, machines: machines.map(({ facts: _, ...machine }) => machine) };
  for (const [field, value] of changed(own)) {
    const read = written.safeParse(value).data;
    if (!read) continue;
    const { machines: names, lists: _, format: __, ...more } = read;
    const looks = names.map((machine, index) => ({ ...machine, facts: machines[index]?.facts ?? {} }));
    yield [field, { ...more, declared: more.declared, lists, machines: looks } as Snapshot];
  }
}

/** The value with each of its fields made hostile in each way, one after the other; elements of a list are changed together. */
function* changed(value: unknown): Generator<readonly [string, unknown]> {
  for (const [field, words] of fieldsOf(value, '', new Map())) {
    const ways = [
      () => whole,
      (text: string) => text + whole,
      ...Array.from({ length: Math.min(words, mostWords) }, (_, index) => (text: string) => withInside(text, index)),
    ];
    for (const way of ways) yield [field, withField(value, '', field, way)];
  }
}

const runs = /[A-Za-z0-9]+/g;

/** All fields with a text, as '.spec.nodeName', and how many words the longest has. A key of an object is one: '.labels{}'. */
function fieldsOf(value: unknown, path: string, found: Map<string, number>): ReadonlyMap<string, number> {
  if (typeof value === 'string') {
    found.set(path, Math.max(found.get(path) ?? 0, value.match(runs)?.length ?? 0));
  } else if (Array.isArray(value)) for (const each of value) fieldsOf(each, path, found);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, each] of Object.entries(value)) {
      if (/[^A-Za-z0-9]/.test(key)) found.set(`${path}{}`, 1);
      fieldsOf(each, `${path}.${key}`, found);
    }
  }
  return found;
}

function withField(value: unknown, path: string, field: string, way: (text: string) => string): unknown {
  if (!field.startsWith(path)) return value;
  if (typeof value === 'string') return path === field ? way(value) : value;
  if (Array.isArray(value)) return value.map(each => withField(each, path, field, way));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      field === `${path}{}` ? way(key) : key,
      withField(each, `${path}.${key}`, field, way),
    ]),
  );
}

function withInside(text: string, word: number): string {
  let index = -1;
  return text.replaceAll(runs, run => {
    index += 1;
    return index === word ? run + inside : run;
  });
}

const seen = new Set<string>();

/** The findings, when none of their commands obeys a text of this snapshot. Throws otherwise. */
export function quoted(rule: Rule, snapshot: Snapshot): readonly Finding[] {
  const found = rule.find(snapshot);
  const key = `${rule.id} ${JSON.stringify(found.map(commandsOf))}`;
  if (found.length === 0 || seen.has(key)) return found;
  seen.add(key);
  const wrong = obeyed(rule, snapshot);
  if (wrong.length > 0) throw new Error(`an unquoted text in a command of\n${wrong.join('\n')}`);
  return found;
}
