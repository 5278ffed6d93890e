import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadBundle } from '../../src/io/bundle.ts';
import { HomelabError } from '../../src/model/errors.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'homelab-bundle-'));
  mkdirSync(join(dir, 'images'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const signal = new AbortController().signal;

function entry(file: string, content: string | Uint8Array, more: object = {}) {
  writeFileSync(join(dir, file), content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const bytes = Buffer.byteLength(content);
  return {
    kind: 'image',
    name: `registry.k8s.io/${file}:3.10`,
    version: '3.10',
    arch: 'amd64',
    file,
    sha256,
    bytes,
    ...more,
  };
}

function list(entries: readonly unknown[], more: object = {}): void {
  const bundle = { apiVersion: 'homelab/v1', kind: 'Bundle', entries, ...more };
  writeFileSync(join(dir, 'bundle.json'), JSON.stringify(bundle));
}

async function failure(options = { signal }): Promise<HomelabError> {
  const error = await loadBundle(dir, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof HomelabError)) throw new Error(`expected a HomelabError, got ${String(error)}`);
  return error;
}

describe('a bundle', () => {
  test('gives every entry, in its order, with the absolute path of its verified file', async () => {
    const entries = Array.from({ length: 20 }, (_, index) => entry(`images/${index}.tar.gz`, `image ${index}`));
    const deb = entry('kubelet.deb', Buffer.alloc(3_000_000, 7), {
      kind: 'deb',
      name: 'kubelet',
      version: '1.31.1-1.1',
    });
    list([...entries, deb]);
    const bundle = await loadBundle(dir, { signal });
    expect(bundle.dir).toBe(dir);
    expect(bundle.entries.map(each => each.path)).toEqual([...entries, deb].map(each => join(dir, each.file)));
    expect(bundle.entries.at(-1)).toMatchObject({ kind: 'deb', name: 'kubelet', bytes: 3_000_000, sha256: deb.sha256 });
  });

  test('holds charts and tools beside packages and images', async () => {
    const chart = entry('cilium-1.16.1.tgz', 'chart', {
      kind: 'chart',
      name: 'cilium',
      version: '1.16.1',
      arch: 'all',
    });
    const tool = entry('helm-4.3.0-amd64', 'program', { kind: 'tool', name: 'helm', version: '4.3.0' });
    list([chart, tool]);
    expect((await loadBundle(dir, { signal })).entries).toMatchObject([
      { kind: 'chart', name: 'cilium', version: '1.16.1', arch: 'all', path: join(dir, chart.file) },
      { kind: 'tool', name: 'helm', version: '4.3.0', arch: 'amd64', path: join(dir, tool.file) },
    ]);
  });

  test('may be empty', async () => {
    list([]);
    expect((await loadBundle(dir, { signal })).entries).toEqual([]);
  });

  test('reports every broken file at once', async () => {
    const changed = entry('changed', 'before');
    const shorter = entry('shorter', 'whole file');
    const gone = entry('gone', 'x');
    writeFileSync(join(dir, 'changed'), 'afterw');
    writeFileSync(join(dir, 'shorter'), 'whole');
    rmSync(join(dir, 'gone'));
    list([entry('good', 'good'), changed, shorter, gone, { ...changed, name: 'b', file: 'images' }]);
    const error = await failure();
    expect(error).toMatchObject({ code: 'HL_BUNDLE', exitCode: 5 });
    expect(error.context.details).toEqual([
      expect.stringMatching(/^entries\[1\] {2}changed {2}expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}$/),
      'entries[2]  shorter  expected 10 bytes, found 5',
      'entries[3]  gone  is missing',
      'entries[4]  images  is not a file',
    ]);
    expect(error.hint).toBeDefined();
  });

  test('may not reach out of its folder, by path or by link', async () => {
    const outside = entry('images/real', 'real');
    symlinkSync('/etc/hostname', join(dir, 'link'));
    symlinkSync('images/real', join(dir, 'inner'));
    list([
      { ...outside, name: 'a', file: '../etc/passwd' },
      { ...outside, name: 'b', file: '/etc/passwd' },
      { ...outside, name: 'c', file: 'images/../../x' },
      { ...outside, name: 'd', file: 'link' },
      { ...outside, name: 'e', file: 'inner' },
      { ...outside, name: 'f', file: '.' },
    ]);
    expect((await failure()).context.details).toEqual([
      'entries[0]  ../etc/passwd  is outside the bundle',
      'entries[1]  /etc/passwd  is outside the bundle',
      'entries[2]  images/../../x  is outside the bundle',
      'entries[3]  link  is a link that leads outside the bundle',
      'entries[5]  .  is outside the bundle',
    ]);
  });

  test('may not list the same thing twice', async () => {
    const one = entry('one', '1');
    list([one, one]);
    expect((await failure()).context.details).toEqual([
      'entries[1]  one  image registry.k8s.io/one:3.10 3.10 amd64 is entries[0] already',
    ]);
  });

  test('says which field of bundle.json is wrong', async () => {
    list([{ ...entry('a', 'a'), sha256: 'ABC', kind: 'rpm', file: 'a\nb', extra: 1 }], { apiVersion: 'v1' });
    const { details = [] } = (await failure()).context;
    expect(details.map(line => line.split('  ')[1])).toEqual([
      'apiVersion',
      'entries[0].kind',
      'entries[0].file',
      'entries[0].sha256',
      'entries[0]',
    ]);
  });

  test.each([
    ['is missing', () => undefined, /no readable bundle.json \(ENOENT\)/],
    ['is a directory', () => mkdirSync(join(dir, 'bundle.json')), /no readable bundle.json \(EISDIR\)/],
    ['is not JSON', () => writeFileSync(join(dir, 'bundle.json'), '{'), /has 1 problem/],
    ['is a list', () => writeFileSync(join(dir, 'bundle.json'), '[]'), /has 1 problem/],
  ])('without a usable list is refused: bundle.json %s', async (_, prepare, message) => {
    prepare();
    const error = await failure();
    expect(error).toMatchObject({ code: 'HL_BUNDLE', exitCode: 5 });
    expect(error.message).toMatch(message);
  });

  test('stops reading when cancelled', async () => {
    list([entry('a', 'a')]);
    expect(await failure({ signal: AbortSignal.abort() })).toMatchObject({ code: 'HL_CANCELLED' });
  });
});
