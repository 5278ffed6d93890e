// One look at the API: every kind that a rule reads, in a few calls of kubectl side by side; and what it said, kind by kind.
import { z } from 'zod';
import { command } from '../../model/shell.ts';
import { type KindName, type KindRow, kindNames, kinds } from '../objects/kinds.ts';
import { type AnyList, listsOf, readItems } from '../objects/read.ts';
import { redacted, withMessagesRedacted } from '../redact.ts';
import type { Snapshot } from '../snapshot.ts';
import { type Answer, answersIn, reasonIn, sideBySide } from './script.ts';

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Group {
  readonly id: string;
  readonly names: readonly KindName[];
  readonly flags: string;
}

const rowOf = (name: KindName): KindRow<unknown> => kinds[name];
const namesOf = (accept: (row: KindRow<unknown>, name: KindName) => boolean) =>
  kindNames.filter(name => accept(rowOf(name), name));
const isOwn = (row: KindRow<unknown>) => row.custom !== true && row.metadataOf === undefined;
const isLarge = (name: KindName) => name === 'pods' || name === 'events';

/** What is asked together. Pods and events are most of what a cluster has: they come beside the rest. */
const builtIn: readonly Group[] = [
  { id: 'large', names: namesOf((row, name) => isOwn(row) && isLarge(name)), flags: '' },
  { id: 'small', names: namesOf((row, name) => isOwn(row) && !row.managers && !isLarge(name)), flags: '' },
  { id: 'managed', names: namesOf(row => isOwn(row) && row.managers === true), flags: ' --show-managed-fields' },
];
const customs: readonly Group[] = [
  { id: 'custom', names: namesOf(row => row.custom === true && !row.managers), flags: '' },
  {
    id: 'custom-managed',
    names: namesOf(row => row.custom === true && row.managers === true),
    flags: ' --show-managed-fields',
  },
];
const labelled = namesOf(row => row.metadataOf !== undefined);

/** Labels of a Helm release; a table has these and no more, so that what the Secret holds does not even leave the API server. */
const releaseLabels = ['name', 'status', 'version', 'createdAt', 'modifiedAt'];

/**
 * sh. `kubectl`: the beginning of a command line for sh, with its --request-timeout. First one question, which an API server answers that answers
 * at all: each of the others would wait for as long. Ends with 0 whatever it finds.
 */
export function apiScript(kubectl: string): string {
  const get = ({ names, flags }: Group) => `k get ${resources(names)} -A -o json${flags}`;
  // A kind that is not installed would end the whole call: first what is there.
  const present = ({ id, names, flags }: Group) => `echo '@${id}'
wanted=
for kind in ${names.map(name => rowOf(name).resource).join(' ')}; do
  if printf '%s\\n' "$installed" | grep -qxF "$kind"; then wanted=\${wanted:+$wanted,}$kind; echo "@present $kind"; fi
done
if [ -n "$wanted" ]; then echo '@list'; k get "$wanted" -A -o json${flags} || code=$?; fi
`;
  const asked = customs.filter(({ names }) => names.length > 0);
  const lanes = [
    ...builtIn.filter(({ names }) => names.length > 0).map(group => [{ id: group.id, script: get(group) }]),
    [
      ...labelled.map(name => ({
        id: name,
        script: `k get ${rowOf(name).resource} -A ${command('-l', rowOf(name).metadataOf ?? '')} --no-headers -L ${releaseLabels.join(',')}`,
      })),
      {
        id: 'custom',
        script: `code=0\ninstalled=$(k api-resources -o name) || [ -n "$installed" ]\necho '@installed'\n${asked.map(present).join('')}exit "$code"`,
      },
    ],
  ];
  return `k() { ${kubectl} "$@"; }
command -v ${kubectl.split(' ')[0]} >/dev/null || { echo '@gate missing'; exit 0; }
ready=$(k get --raw '/readyz?verbose' 2>&1) && code=0 || code=$?
if [ "$code" != 0 ]; then
  # Not ready may still answer; what does not answer this, answers nothing.
  said=$(k get --raw '/api/v1/namespaces?limit=1' 2>&1) && state=unready || state=silent
  [ "$state" = unready ] || case $said in *Forbidden* | *forbidden*) state=unready ;; esac
  printf '@gate %s\\n%s\\n%s\\n@gate end\\n' "$state" "$ready" "$said"
  [ "$state" = unready ] || exit 0
else
  echo '@gate ready'
fi
${sideBySide(lanes)}exit 0
`;
}

function resources(names: readonly KindName[]): string {
  return names.map(name => rowOf(name).resource).join(',');
}

/** `from`: who was asked, for people: 'k8s-cp'. Never throws. */
export function readApi(output: Output, from: string): Pick<Snapshot, 'api' | 'lists'> {
  const gate = /^@gate (\S+)$/m.exec(output.stdout)?.[1];
  const body = /^@gate \S+\n([\s\S]*?)\n@gate end$/m.exec(output.stdout)?.[1] ?? '';
  if (gate !== 'ready' && gate !== 'unready') {
    const says =
      gate === 'missing' ? `there is no kubectl on ${from}` : wordsOf(body || output.stderr || `exit ${output.code}`);
    return {
      api: { state: gate === 'missing' ? 'not asked' : 'silent', says, from },
      lists: listsOf(new Map(), gate === 'missing' ? says : `the API server does not answer: ${says}`),
    };
  }
  const answers = answersIn(output.stdout);
  const found = new Map<KindName, AnyList>();
  const put = (lists: ReadonlyMap<KindName, AnyList>) => {
    for (const [name, list] of lists) found.set(name, list);
  };
  for (const group of builtIn) put(listsIn(answers.get(group.id), group.names, from));
  const custom = answers.get('custom');
  for (const group of customs) put(customIn(custom, group, from));
  for (const name of labelled) found.set(name, tableIn(answers.get(name), name, from));
  return {
    api: { state: 'answers', says: gate === 'ready' ? 'ready' : wordsOf(body), from },
    lists: listsOf(found, 'not asked'),
  };
}

// What kubectl says when nobody answers, or what is not ready: '[-]etcd failed: reason withheld'.
function wordsOf(text: string): string {
  // kubectl quotes the server's words into one line.
  const lines = text
    .replaceAll('\\n', '\n')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !/^([EWI]\d{4} |\[\+\])/.test(line));
  const failed = lines.filter(line => line.startsWith('[-]'));
  return redacted((failed.length > 0 ? failed.join('; ') : (lines[0] ?? text)).slice(0, 300));
}

const didNotEnd = 'the look did not come to its end';

/** kubectl goes on after a kind that it may not list, and says so: what it did not complain of is whole. */
function listsIn(answer: Answer | undefined, names: readonly KindName[], from: string): ReadonlyMap<KindName, AnyList> {
  const unknown = (why: string) => new Map(names.map((name): [KindName, AnyList] => [name, { state: 'unknown', why }]));
  if (!answer) return unknown(didNotEnd);
  let items: readonly unknown[];
  try {
    // With a single kind and nothing found it prints nothing at all.
    items = answer.output.trim() === '' && answer.code === 0 ? [] : itemsIn(JSON.parse(answer.output));
  } catch {
    return unknown(answer.code === 0 ? `${from}: what kubectl printed is cut off` : whyIn(answer));
  }
  const read = new Map(
    readItems({ kind: 'List', apiVersion: 'v1', items: withMessagesRedacted(items) }, undefined, from),
  );
  const complaints = answer.words.split('\n').filter(line => /^(Error|error|Unable)/.test(line));
  return new Map(
    names.map((name): [KindName, AnyList] => {
      const [plural = '', ...group] = rowOf(name).resource.split('.');
      const complaint = complaints.find(
        line => line.includes(`resource "${plural}" in API group "${group.join('.')}"`) || line.includes(`/${plural}?`),
      );
      if (complaint !== undefined && /NotFound|could not find the requested resource/.test(complaint))
        return [name, { state: 'absent' }];
      if (complaint !== undefined) return [name, { state: 'unknown', why: worded(complaint) }];
      const list = read.get(name);
      if (list) return [name, list];
      // Something went wrong that names no kind: then nothing of this one is no proof that there is none.
      return [
        name,
        answer.code === 0 || (complaints.length > 0 && complaints.every(namesKind))
          ? { state: 'seen', items: [], unreadable: 0 }
          : { state: 'unknown', why: whyIn(answer) },
      ];
    }),
  );
}

const namesKind = (line: string): boolean => / in API group "/.test(line);

function whyIn(answer: Answer): string {
  const lines = answer.words.split('\n').filter(line => /^(Error|error|Unable|The connection)/.test(line));
  return worded(lines[0] ?? reasonIn(answer));
}

function worded(complaint: string): string {
  return redacted(
    complaint.replace(/^Error from server \(Forbidden\): .*? is forbidden: /, 'forbidden: ').slice(0, 300),
  );
}

const list = z.object({ items: z.array(z.unknown()).nullable() });

function itemsIn(value: unknown): readonly unknown[] {
  return list.parse(value).items ?? [];
}

/** The part of one group in the answer for custom kinds: which are installed, and their list. */
function customIn(answer: Answer | undefined, { id, names }: Group, from: string): ReadonlyMap<KindName, AnyList> {
  const body = answer && new RegExp(`^@${id}\\n([\\s\\S]*?)(?=^@custom|(?![\\s\\S]))`, 'm').exec(answer.output)?.[1];
  if (!answer || body === undefined) {
    const why = answer ? whyIn(answer) : didNotEnd;
    return new Map(names.map(name => [name, { state: 'unknown', why }]));
  }
  const [installed = '', printed = ''] = body.split(/^@list\n/m);
  const present = new Set([...installed.matchAll(/^@present (\S+)$/gm)].map(([, resource]) => resource));
  const there = names.filter(name => present.has(rowOf(name).resource));
  return new Map<KindName, AnyList>([
    ...names.filter(name => !there.includes(name)).map((name): [KindName, AnyList] => [name, { state: 'absent' }]),
    ...(there.length > 0 ? listsIn({ ...answer, output: printed }, there, from) : []),
  ]);
}

// NAMESPACE NAME TYPE DATA AGE and the labels; '<none>' for one that it does not have.
function tableIn(answer: Answer | undefined, name: KindName, from: string): AnyList {
  if (!answer) return { state: 'unknown', why: didNotEnd };
  if (answer.code !== 0) return { state: 'unknown', why: whyIn(answer) };
  const items = answer.output
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(row => row.length >= 5)
    .map(([namespace, secret, , , , ...values]) => {
      const labels = releaseLabels.flatMap((label, index) => {
        const value = values[index];
        return value === undefined || value === '<none>' ? [] : [[label, value] as const];
      });
      const begun = Number(new Map(labels).get('createdAt') ?? new Map(labels).get('modifiedAt'));
      return {
        apiVersion: 'v1',
        kind: rowOf(name).kind,
        metadata: {
          namespace,
          name: secret,
          labels: { owner: 'helm', ...Object.fromEntries(labels) },
          ...(Number.isFinite(begun) ? { creationTimestamp: new Date(begun * 1000).toISOString() } : {}),
        },
      };
    });
  return (
    new Map(readItems({ kind: 'List', apiVersion: 'v1', items }, name, from)).get(name) ?? {
      state: 'unknown',
      why: 'not a table',
    }
  );
}
