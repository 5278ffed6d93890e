import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { dump } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { addHost, type Edit, removeHost, setVersion } from '../../src/inventory/edit.ts';
import { clusterOf, exampleFile, minimal, parse } from './helpers.ts';

const context = {
  file: 'homelab.yaml',
  dir: '/inventory',
  home: '/home/me',
  readText: (path: string) => readFileSync(path, 'utf8'),
};
const worker9 = { name: 'k8s-worker9', role: 'worker' as const, address: '192.168.0.19' };
const head = 'apiVersion: homelab/v1\nkind: Cluster\nname: homelab\nprofile: "1.31"\n';

function edited(edit: Edit): string {
  if (edit.kind === 'snippet') throw new Error(`a snippet: ${edit.why}`);
  return edit.text;
}

describe('adding a machine', () => {
  test('writes it the way the entry before it is written, and nothing else changes', () => {
    const example = readFileSync(exampleFile, 'utf8');
    expect(edited(addHost(example, { ...worker9, labels: { disk: 'ssd', rack: '1' } }, context))).toBe(
      `${example}  - name: k8s-worker9
    role: worker
    address: 192.168.0.19
    labels: {disk: ssd, rack: "1"}
`,
    );
    expect(edited(addHost(minimal, worker9, context))).toBe(
      `${minimal}  - {name: k8s-worker9, role: worker, address: 192.168.0.19}\n`,
    );
  });

  const one = 'name: k8s-cp, role: control-plane, address: 192.168.0.10';
  const nine = 'name: k8s-worker9, role: worker, address: 192.168.0.19';
  test.each<[string, string, string]>([
    [
      'a list that ends in the middle of the file',
      `hosts:\n  - {${one}}\n\ntimeZone: UTC\n`,
      `hosts:\n  - {${one}}\n  - {${nine}}\n\ntimeZone: UTC\n`,
    ],
    ['dashes at the margin', `hosts:\n- {${one}}\ntimeZone: UTC\n`, `hosts:\n- {${one}}\n- {${nine}}\ntimeZone: UTC\n`],
    ['no line break at the end', `hosts:\n  - {${one}}`, `hosts:\n  - {${one}}\n  - {${nine}}`],
    [
      'a comment at the end',
      `hosts:\n  - {${one}} # here\n  # more here\n`,
      `hosts:\n  - {${one}} # here\n  - {${nine}}\n  # more here\n`,
    ],
    [
      'wide gaps and an anchor',
      `hosts:\n  -   &cp\n      ${one.replaceAll(', ', '\n      ')}\n`,
      `hosts:\n  -   &cp\n      ${one.replaceAll(', ', '\n      ')}\n  -   ${nine.replaceAll(', ', '\n      ')}\n`,
    ],
    ['a list on one line', `hosts: [{${one}}]\ntimeZone: UTC\n`, `hosts: [{${one}}, {${nine}}]\ntimeZone: UTC\n`],
    ['a list on one line with a comma at its end', `hosts: [{${one}},]\n`, `hosts: [{${one}}, {${nine}},]\n`],
    [
      'a flow list on several lines',
      `hosts: [\n  {${one}} # first, {of} all]\n ]\n`,
      `hosts: [\n  {${one}}, # first, {of} all]\n  {${nine}}\n ]\n`,
    ],
    [
      'a flow list with commas at its ends',
      `hosts: [\n  {${one}}, # first\n ]\n`,
      `hosts: [\n  {${one}}, # first\n  {${nine}},\n ]\n`,
    ],
    [
      'a flow list closed behind its last entry',
      `hosts:\n  [\n   {${one}}]\n`,
      `hosts:\n  [\n   {${one}},\n   {${nine}}]\n`,
    ],
    ['a document with an end', `hosts:\n  - {${one}}\n...\n`, `hosts:\n  - {${one}}\n  - {${nine}}\n...\n`],
  ])('%s', (_, before, after) => {
    expect(edited(addHost(head + before, worker9, context))).toBe(head + after);
    const dos = (text: string) => (head + text).replaceAll('\n', '\r\n');
    expect(edited(addHost(dos(before), worker9, context))).toBe(dos(after));
    expect(edited(addHost(`\u{feff}${head}${before}`, worker9, context))).toBe(`\u{feff}${head}${after}`);
  });

  test('JSON stays JSON', () => {
    const json = JSON.stringify(
      {
        apiVersion: 'homelab/v1',
        kind: 'Cluster',
        name: 'a',
        profile: '1.31',
        hosts: [{ name: 'k8s-cp', role: 'control-plane', address: '192.168.0.10', labels: { a: '' } }],
      },
      null,
      2,
    );
    expect(JSON.parse(edited(addHost(json, worker9, context)))).toMatchObject({ hosts: [{ name: 'k8s-cp' }, worker9] });
  });
});

describe('removing a machine', () => {
  test('takes its lines and the comments inside them; those around it stay', () => {
    const example = readFileSync(exampleFile, 'utf8');
    const after = edited(removeHost(example, 'k8s-worker1', context));
    expect(after).toBe(example.replace(/ {2}- name: k8s-worker1\n(?: {4}.*\n)+/, ''));
    expect(clusterOf(after).hosts.map(host => host.name)).toEqual(['k8s-cp', 'k8s-worker2', 'k8s-worker3']);
  });

  const cp = '{name: k8s-cp, role: control-plane, address: 192.168.0.10}';
  const worker = (n: number) => `{name: w${n}, role: worker, address: 192.168.0.2${n}}`;
  test.each<[string, string, string, string]>([
    [
      'the first',
      'w1',
      `hosts:\n  # one\n  - ${worker(1)} # gone\n  # two\n  - ${cp}\n`,
      `hosts:\n  # one\n  # two\n  - ${cp}\n`,
    ],
    ['the last', 'w1', `hosts:\n  - ${cp}\n  - ${worker(1)}\n\n# end\n`, `hosts:\n  - ${cp}\n\n# end\n`],
    ['the last, without a line break', 'w1', `hosts:\n- ${cp}\n- ${worker(1)}`, `hosts:\n- ${cp}\n`],
    ['the first of a line', 'w1', `hosts: [${worker(1)}, ${cp}]\n`, `hosts: [${cp}]\n`],
    ['the middle of a line', 'w1', `hosts: [${cp},${worker(1)},  ${worker(2)}]\n`, `hosts: [${cp},${worker(2)}]\n`],
    ['the last of a line', 'w1', `hosts: [${cp}, ${worker(1)}]\n`, `hosts: [${cp}]\n`],
    ['the last of a line with a comma', 'w1', `hosts: [${cp}, ${worker(1)},]\n`, `hosts: [${cp},]\n`],
    [
      'a flow list’s line',
      'w1',
      `hosts: [\n  ${cp}, # stays\n  ${worker(1)}, # goes\n  ${worker(2)}\n ]\n`,
      `hosts: [\n  ${cp}, # stays\n  ${worker(2)}\n ]\n`,
    ],
    [
      'a flow list’s last line',
      'w1',
      `hosts: [\n  ${cp}, # stays\n  ${worker(1)}\n ]\n`,
      `hosts: [\n  ${cp}, # stays\n ]\n`,
    ],
    [
      'an alias',
      'w1',
      `hosts:\n  - &cp ${cp}\n  - name: w1\n    role: worker\n    address: 192.168.0.21\n    ssh: &key {user: root}\n`,
      `hosts:\n  - &cp ${cp}\n`,
    ],
  ])('%s', (_, name, before, after) => {
    expect(edited(removeHost(head + before, name, context))).toBe(head + after);
  });
});

describe('what cannot be edited safely is said, with what to write', () => {
  test.each<[string, Edit, RegExp]>([
    ['an inventory with mistakes', addHost(`${minimal}colour: blue\n`, worker9, context), /colour/],
    ['several documents', addHost(`${minimal}---\n${minimal}`, worker9, context), /one document/],
    [
      'a machine that is there already',
      addHost(minimal, { ...worker9, name: 'k8s-cp' }, context),
      /line 6 has it already/,
    ],
    [
      'an address that is there already',
      addHost(minimal, { ...worker9, address: '192.168.0.10' }, context),
      /hosts\[2\]\.address/,
    ],
    ['text that is no YAML', addHost('hosts: [', worker9, context), /YAML|inventory/],
    ['the last control plane', removeHost(minimal, 'k8s-cp', context), /role: control-plane/],
    ['the only machine', removeHost(minimal.replace(/ {2}- \{name: k8s-worker1.*\n/, ''), 'k8s-cp', context), /hosts/],
    ['a machine that is not there', removeHost(minimal, 'nas', context), /nas/],
    [
      'a machine whose keys another one uses',
      removeHost(
        `${head}hosts:\n  - {name: w1, role: worker, address: 192.168.0.21, ssh: &s {user: root}}\n  - {name: cp, role: control-plane, address: 192.168.0.10, ssh: *s}\n`,
        'w1',
        context,
      ),
      /alias/,
    ],
    [
      'a machine whose anchor another one has too',
      removeHost(
        `${head}hosts:\n  - {name: w0, role: worker, address: 192.168.0.20, ssh: &s {user: root}}\n  - {name: w1, role: worker, address: 192.168.0.21, ssh: &s {user: me}}\n  - {name: cp, role: control-plane, address: 192.168.0.10, ssh: *s}\n`,
        'w1',
        context,
      ),
      /something else/,
    ],
    [
      'hosts that stand elsewhere',
      addHost(
        `${head}kubernetes: {kubeletConfig: {x: &h [${minimal.match(/\{.*\}/)?.[0]}]}}\nhosts: *h\n`,
        worker9,
        context,
      ),
      /written out/,
    ],
  ])('%s', (_, edit, why) => {
    expect(edit).toMatchObject({ kind: 'snippet', why: expect.stringMatching(why) });
    if (edit.kind === 'snippet') expect(edit.snippet).toMatch(/^- name: \S+\n/);
  });
});

// Inventories in any style, with what makes editing by offset hard: comments with brackets, quotes, CRLF, texts behind the list.
const entries = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/), { minLength: 2, maxLength: 5 }).chain(names =>
  fc.tuple(
    ...names.map((name, index) =>
      fc.record({
        host: fc
          .record({
            labels: fc.option(
              fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.constantFrom('', 'true', 'a.b', '1', 'x'), {
                maxKeys: 3,
              }),
              { nil: undefined },
            ),
            taints: fc.option(fc.constant(['a=b:NoSchedule']), { nil: undefined }),
          })
          .map(
            extra =>
              JSON.parse(
                JSON.stringify({
                  name,
                  role: index === 0 ? 'control-plane' : 'worker',
                  address: `192.168.0.${10 + index}`,
                  ...extra,
                }),
              ) as object,
          ),
        isFlow: fc.boolean(),
        quote: fc.constantFrom('single' as const, 'double' as const),
        quoted: fc.boolean(),
        above: fc.constantFrom('', '# [a, {b\n', '\n', "# - name: it's\n"),
        inside: fc.constantFrom('', '# labels: {disk: "ssd}\n', '\n# - old\n'),
        behind: fc.constantFrom('', ' # , ] }', ' #'),
      }),
    ),
  ),
);
const inventories = fc.record({
  entries,
  column: fc.constantFrom(0, 2, 5),
  gap: fc.constantFrom(2, 4),
  eol: fc.constantFrom('\n', '\r\n'),
  foot: fc.constantFrom('', '\n', '# end\n', 'timeZone: Asia/Seoul\n', 'network: {provider: basic}\n...\n'),
  style: fc.constantFrom('block', 'line', 'lines', 'lines with commas'),
  added: fc.record({ labels: fc.option(fc.constant({ yes: 'no', a: '1' }), { nil: undefined }) }),
});
type Drawn = typeof inventories extends fc.Arbitrary<infer T> ? T : never;

function chunksOf({
  entries: drawn,
  column,
  gap,
  style,
  eol,
}: Drawn): readonly (readonly [above: string, own: string])[] {
  return drawn.map(({ host, isFlow, quote, quoted, above, inside, behind }, index) => {
    const options = { lineWidth: -1, quoteStyle: quote, forceQuotes: quoted };
    const flow = dump(host, { ...options, flowLevel: 0 }).trimEnd();
    const isLast = index === drawn.length - 1;
    const pad = ' '.repeat(column);
    if (style === 'line') return ['', `${flow}${isLast ? '' : ', '}`] as const;
    const lead = above.replace(/^(?=#)/gm, pad);
    const own =
      style === 'block'
        ? (isFlow
            ? `- ${flow}${behind}\n`
            : `- ${dump(host, { ...options, flowLevel: 1 })}`
                .replace(/\n(?=.)/g, `\n${' '.repeat(gap)}`)
                .replace(/^- /, `-${' '.repeat(gap - 1)}`)
                .replace(/\n$/, `${behind}\n`)) + inside.replace(/^(?=#)/gm, ' '.repeat(gap))
        : `${flow}${isLast && style === 'lines' ? '' : ','}${behind}\n`;
    return [lead, own.replace(/^(?=.)/gm, pad)].map(text => text.replaceAll('\n', eol)) as [string, string];
  });
}

function frameOf({ style, foot, eol }: Drawn): readonly [string, string] {
  const [open, close] =
    style === 'block'
      ? ['hosts: # all of them\n', '']
      : style === 'line'
        ? ['hosts: [', '] # "\n']
        : ['hosts: [ # (\n', '  ] # )\n'];
  return [`${head}${open}`.replaceAll('\n', eol), `${close}${foot}`.replaceAll('\n', eol)];
}

describe('over inventories in any style', () => {
  const whole = (drawn: Drawn) => {
    const [before, after] = frameOf(drawn);
    return before + chunksOf(drawn).flat().join('') + after;
  };
  const valid = inventories.filter(drawn => parse(whole(drawn)).ok);

  test('what a machine is added to has it afterwards, and every line that was there, in order', async () => {
    await fc.assert(
      fc.property(valid, drawn => {
        const text = whole(drawn);
        const host = { ...worker9, ...drawn.added };
        const after = edited(addHost(text, host, context));
        expect(clusterOf(after).hosts.map(each => each.name)).toEqual([
          ...clusterOf(text).hosts.map(each => each.name),
          worker9.name,
        ]);
        const lines = after.split(/(?<=\n)/);
        const touched = text.split(/(?<=\n)/).filter(line => !take(lines, line));
        // In flow style, one line may get a comma or the entry itself.
        expect(touched.length).toBeLessThanOrEqual(
          drawn.style === 'block' || drawn.style === 'lines with commas' ? 0 : 1,
        );
      }),
      { seed: 11, numRuns: 80 },
    );
  });

  test('a machine that is added and removed again leaves the text as it was', async () => {
    await fc.assert(
      fc.property(valid, drawn => {
        const text = whole(drawn);
        const after = edited(removeHost(edited(addHost(text, worker9, context)), worker9.name, context));
        // A comma behind the last entry of a flow list is left.
        expect(after).toBe(drawn.style === 'lines' ? whole({ ...drawn, style: 'lines with commas' }) : text);
      }),
      { seed: 12, numRuns: 80 },
    );
  });

  test('what a machine is removed from is the rest, byte for byte', async () => {
    await fc.assert(
      fc.property(valid, fc.nat(), (drawn, nth) => {
        const chunks = chunksOf(drawn);
        const index = 1 + (nth % (chunks.length - 1));
        const [before, after] = frameOf(drawn);
        const rest =
          before + chunks.flatMap(([above, own], at) => (at === index ? [above] : [above, own])).join('') + after;
        const text = edited(removeHost(whole(drawn), nameOf(drawn, index), context));
        // The comma between the last two of one line goes with the last.
        expect(text).toBe(drawn.style === 'line' && index === chunks.length - 1 ? rest.replace(/, \]/, ']') : rest);
      }),
      { seed: 13, numRuns: 80 },
    );
  });
});

function nameOf({ entries: drawn }: Drawn, index: number): string {
  const host = drawn[index]?.host;
  return host && 'name' in host ? String(host.name) : '';
}

/** Takes everything up to and with this line away; false when it is not there. */
function take(lines: string[], line: string): boolean {
  const at = lines.indexOf(line);
  if (at !== -1) lines.splice(0, at + 1);
  return at !== -1;
}

describe('another version', () => {
  const hosts = 'hosts:\n  - {name: k8s-cp, role: control-plane, address: 192.168.0.10}\n';
  test.each<[string, string, string]>([
    ['quoted', 'kubernetes:\n  version: "v1.31.1" # ours\n', 'kubernetes:\n  version: "v1.31.4" # ours\n'],
    ['in single quotes', "kubernetes: {version: 'v1.31.1'}\n", 'kubernetes: {version: "v1.31.4"}\n'],
    ['bare', 'kubernetes:\n  version: v1.31.1\n', 'kubernetes:\n  version: "v1.31.4"\n'],
    [
      'left to the profile',
      'kubernetes:\n  # version: "v1.31.13"\n  kubeProxy: true\n',
      'kubernetes:\n  # version: "v1.31.13"\n  version: "v1.31.4"\n  kubeProxy: true\n',
    ],
  ])('%s', (_, before, after) => {
    expect(edited(setVersion(`${head}${before}${hosts}`, 'v1.31.4', context))).toBe(`${head}${after}${hosts}`);
  });

  test('is for a person to write where there is no section for it', () => {
    expect(setVersion(`${head}${hosts}`, 'v1.31.4', context)).toMatchObject({
      kind: 'snippet',
      snippet: 'version: "v1.31.4"\n',
    });
  });
});
