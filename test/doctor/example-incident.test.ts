// The example that ships: what a stranger sees first must stay right.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import { loadSnapshot } from '../../src/io/snapshot-folder.ts';
import { secretShapes } from '../../src/model/secret-shapes.ts';
import { root } from '../sample.ts';

const folder = join(root, 'examples/incidents/sleeping-worker');

describe('the example incident', () => {
  it('has two causes, and everything else follows from them', async () => {
    const { broken, bugs } = diagnose(await loadSnapshot(folder), rules);
    expect(bugs).toEqual([]);
    expect(broken.map(({ rule, about: [first] }) => [rule, first])).toEqual([
      ['nic-power-saving', 'machine:k8s-worker2'],
      ['claim-without-class', 'claim:blog/uploads'],
    ]);
    expect(broken[0]?.says).toContain('Energy Efficient Ethernet is on');
    const below = (all: typeof broken): readonly string[] =>
      all.flatMap(each => [each.rule, ...below(each.consequences)]);
    expect(below(broken[0]?.consequences ?? [])).toEqual(
      expect.arrayContaining(['nic-flapping', 'node-not-ready', 'pod-not-ready']),
    );
    expect(below(broken[1]?.consequences ?? [])).toEqual(['pod-pending']);
  });

  it('was read whole, is small and holds no secret', async () => {
    const { machines, lists } = await loadSnapshot(folder);
    expect(machines.map(({ unreached }) => unreached)).toEqual([undefined, undefined, undefined]);
    expect(
      Object.values(lists).filter(look => look.state === 'unknown' || (look.state === 'seen' && look.unreadable > 0)),
    ).toEqual([]);
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.json'));
    expect(names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)).toBeLessThan(300 * 1024);
    for (const name of names) {
      const text = readFileSync(join(folder, name), 'utf8');
      expect(secretShapes(text)).toEqual([]);
      expect(text).not.toMatch(/\/(root|home)\/|PRIVATE KEY/);
    }
  });

  it('says that it is constructed', () => {
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain('**Constructed.**');
  });
});
