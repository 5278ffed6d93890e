import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from './run-cli.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'homelab-bundle-'));
  mkdirSync(join(dir, 'images'));
  const entries = ['one', 'two'].map(name => {
    const content = `image ${name}`;
    writeFileSync(join(dir, 'images', name), content);
    return {
      kind: 'image',
      name: `registry.k8s.io/${name}:1`,
      version: '1',
      arch: 'amd64',
      file: `images/${name}`,
      sha256: createHash('sha256').update(content).digest('hex'),
      bytes: content.length,
    };
  });
  writeFileSync(join(dir, 'bundle.json'), JSON.stringify({ apiVersion: 'homelab/v1', kind: 'Bundle', entries }));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('homelab bundle', () => {
  test('list shows a table with its totals, and the same as JSON', async () => {
    const { code, stdout } = await runCli(['bundle', 'list', dir]);
    expect(code).toBe(0);
    expect(stdout).toBe(`KIND   NAME                   VERSION  ARCH   SIZE
image  registry.k8s.io/one:1  1        amd64   9 B
image  registry.k8s.io/two:1  1        amd64   9 B
0 packages, 2 images, 18 B
`);
    const json = JSON.parse((await runCli(['bundle', 'list', dir, '--output', 'json'])).stdout);
    expect(json).toMatchObject({ entries: [{ arch: 'amd64' }, {}], totals: { debs: 0, images: 2, bytes: 18 } });
  });

  test('list counts charts and tools where there are any', async () => {
    const listed = JSON.parse(readFileSync(join(dir, 'bundle.json'), 'utf8'));
    const [{ sha256, bytes, file }] = listed.entries;
    const more = { version: '1.16.1', sha256, bytes, file };
    listed.entries.push({ kind: 'chart', name: 'cilium', arch: 'all', ...more });
    writeFileSync(join(dir, 'bundle.json'), JSON.stringify(listed));
    const { stdout } = await runCli(['bundle', 'list', dir]);
    expect(stdout).toMatch(/^chart {2}cilium +1\.16\.1 +all /m);
    expect(stdout).toContain('0 packages, 2 images, 1 charts, 0 tools, 27 B');
  });

  test('verify says yes, or exits with 5 and every problem', async () => {
    expect(await runCli(['bundle', 'verify', dir])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('2 files'),
    });
    writeFileSync(join(dir, 'images/one'), 'image 1ne');
    rmSync(join(dir, 'images/two'));
    const { code, stderr } = await runCli(['bundle', 'verify', dir]);
    expect(code).toBe(5);
    expect(stderr).toMatch(/images\/one {2}expected sha256/);
    expect(stderr).toContain('images/two  is missing');
  });

  test('make says what is wrong with its options before it asks anybody', async () => {
    const make = ['bundle', 'make', '--out', join(dir, 'new')];
    for (const [args, message] of [
      [['bundle', 'make'], "'--out <DIR>' not specified"],
      [[...make, '--profile', '0.1'], 'there is no profile "0.1"'],
      [[...make, '--profile', '1.31', '-i', 'x.yaml'], 'exclude each other'],
      [[...make, '--arch', 'x86/64'], 'amd64,arm64'],
      [[...make, '--os', 'debian'], 'debian/bookworm'],
      [[...make, '--profile', '1.31', '--images', join(dir, 'absent')], 'cannot be read'],
    ] as const) {
      const { code, stderr } = await runCli(args);
      expect([code, stderr], args.join(' ')).toEqual([2, expect.stringContaining(message)]);
    }
  });

  test('has help with examples for each command', async () => {
    for (const command of ['make', 'add', 'list', 'verify']) {
      expect((await runCli(['bundle', command, '--help'])).stdout).toContain(`homelab bundle ${command} `);
    }
  });
});
