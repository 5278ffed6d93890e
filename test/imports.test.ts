// Imports go one way. What may be imported is written here once; src/ is read as text.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './sample.ts';

/** Each folder of src/ and the folders below it. */
const below: Readonly<Record<string, readonly string[]>> = {
  model: [],
  inventory: ['model'],
  resources: ['model'],
  // Rules about what is there and what is wanted.
  upgrade: ['model'],
  transitions: ['model', 'resources', 'upgrade'],
  // A chart with its values and evidence each; phases make releases of them.
  layers: ['model'],
  phases: ['model', 'resources', 'upgrade', 'transitions', 'layers'],
  // Not phases, resources or transitions: the engine is given them, as data.
  engine: ['model'],
  // From a snapshot to causes; the looks themselves are scripts and parsers.
  doctor: ['model'],
  io: ['model', 'doctor'],
  // What goes into a bundle and what is done with it; the effects themselves are io's.
  bundle: ['model', 'resources', 'io'],
  // engine: only what it needs to order a plan's steps as they will run.
  render: ['model', 'engine', 'doctor'],
  // A run's journal as a page; its words are render's.
  report: ['model', 'doctor', 'render'],
  cli: [
    'model',
    'inventory',
    'resources',
    'upgrade',
    'transitions',
    'layers',
    'phases',
    'engine',
    'io',
    'bundle',
    'render',
    'report',
    'doctor',
  ],
};

/** The adapters: one folder per outside thing. Packages that stand nowhere here are free (pure, like semver). */
const adapters: Readonly<Record<string, string>> = {
  'node-ssh': 'io',
  ssh2: 'io',
  execa: 'io',
  undici: 'io',
  listr2: 'render',
  chalk: 'render',
  commander: 'cli',
  inquirer: 'cli',
};

/** What reaches files, processes or the network. node:net stands elsewhere for its isIP, which is pure. */
const outside = ['node:fs', 'node:fs/promises', 'node:child_process', 'node:dns', 'node:http', 'node:os'];
/** Files, not folders: each reads what ships with homelab or what the user named, and nothing else. */
const readers = [
  'inventory/load.ts',
  'resources/template.ts',
  'cli/access.ts',
  'cli/certs.ts',
  'cli/commands.ts',
  'cli/describe.ts',
  'cli/layers.ts',
  'cli/connector.ts',
  'cli/look.ts',
  'cli/session.ts',
  'cli/bundle-commands.ts',
];

interface Import {
  readonly from: string;
  readonly to: string;
}

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(name =>
  name.endsWith('.ts'),
);
const imports: readonly Import[] = sources.flatMap(from => {
  const text = readFileSync(join(root, 'src', from), 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'";]*?from '([^']+)'|\bimport\('([^']+)'\)|(?:^|\n)import '([^']+)'/g,
  );
  return [...found].map(match => ({ from, to: match[1] ?? match[2] ?? match[3] ?? '' }));
});
const inner = imports
  .filter(each => each.to.startsWith('.'))
  .map(({ from, to }) => ({ from, to: normalize(join(dirname(from), to)) }));
const folderOf = (path: string): string => path.split('/')[0] ?? '';
const shown = ({ from, to }: Import): string => `${from} imports ${to}`;

describe('imports', () => {
  it('are all seen', () => {
    expect(sources.length).toBeGreaterThan(60);
    expect(inner).toContainEqual({ from: 'cli/main.ts', to: 'cli/tell-error.ts' });
    expect(inner).toContainEqual({ from: 'engine/run.ts', to: 'model/plan.ts' });
    expect(imports).toContainEqual({ from: 'cli/commands.ts', to: 'inquirer' });
    expect([...new Set(sources.map(folderOf))].sort()).toEqual(Object.keys(below).sort());
  });

  it('of our own files name files that are there', () => {
    expect(inner.filter(({ to }) => !sources.includes(to)).map(shown)).toEqual([]);
  });

  it('point down', () => {
    const up = inner.filter(
      ({ from, to }) => folderOf(from) !== folderOf(to) && !below[folderOf(from)]?.includes(folderOf(to)),
    );
    expect(up.map(shown)).toEqual([]);
  });

  it('make no circle between folders', () => {
    for (const [folder, allowed] of Object.entries(below)) {
      for (const other of allowed) expect(below[other], `${folder} and ${other}`).not.toContain(folder);
    }
  });

  it('make no circle between files', () => {
    const next = new Map(sources.map(from => [from, inner.filter(each => each.from === from).map(each => each.to)]));
    const circles: string[] = [];
    const done = new Set<string>();
    const walk = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file) || path.includes(file)) return;
      for (const each of next.get(file) ?? []) walk(each, [...path, file]);
      done.add(file);
    };
    for (const file of sources) walk(file, []);
    expect(circles).toEqual([]);
  });

  it('of what reaches the outside stand in one folder each', () => {
    const stray = imports.filter(({ from, to }) => {
      const home = Object.entries(adapters).find(([name]) => to === name || to.startsWith(`${name}/`))?.[1];
      return home !== undefined && home !== folderOf(from);
    });
    expect(stray.map(shown)).toEqual([]);
  });

  it('of files, processes and the network stand in io, and in the few files that say so here', () => {
    const users = imports.filter(({ from, to }) => outside.includes(to) && folderOf(from) !== 'io');
    expect([...new Set(users.map(({ from }) => from))].filter(from => !readers.includes(from))).toEqual([]);
    expect(readers.filter(reader => !users.some(({ from }) => from === reader))).toEqual([]);
  });

  it('are relative and end in .ts, so that the sources run as they are', () => {
    expect(inner.filter(({ to }) => !to.endsWith('.ts')).map(shown)).toEqual([]);
    expect(imports.filter(({ to }) => /^(src|@)\//.test(to) || to.startsWith('/')).map(shown)).toEqual([]);
  });

  it('from bin/ go to the command line only', () => {
    const text = readFileSync(join(root, 'bin', 'homelab.ts'), 'utf8');
    expect([...text.matchAll(/from '([^']+)'/g)].map(match => relative('../src', match[1] ?? ''))).toEqual([
      'cli/main.ts',
    ]);
  });
});
