// The recorded states can be read, and have in them nothing that is nobody's business.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import { secretShapes } from '../../src/model/secret-shapes.ts';
import { root } from '../sample.ts';
import { labState, labStates } from './lab-states.ts';

describe.each(labStates)('the state %s', state => {
  const folder = join(root, 'test/fixtures/doctor/lab', state);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.json'));

  it('is read whole', async () => {
    const { machines, api, lists } = await labState(state);
    expect(machines.map(({ name }) => name)).toEqual(['k8s-cp', 'k8s-worker1', 'k8s-worker2']);
    for (const { unreached, facts } of machines)
      expect(Object.keys(facts).length > 20 || unreached !== undefined).toBe(true);
    if (api.state === 'answers') expect(Object.values(lists).filter(({ state: of }) => of === 'unknown')).toEqual([]);
  });

  it('is small, and holds no secret and no path of the computer that recorded it', () => {
    const texts = files.map(name => readFileSync(join(folder, name), 'utf8'));
    expect(files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)).toBeLessThan(400 * 1024);
    for (const text of texts) {
      expect(secretShapes(text).map(({ start, end }) => text.slice(start, end))).toEqual([]);
      expect(text).not.toMatch(/\/(root|home)\/|\.cache|PRIVATE KEY/);
    }
  });
});

it('the healthy state is healthy', async () => {
  const { machines } = await labState('healthy');
  for (const { facts, missed } of machines) {
    expect(missed).toEqual({});
    expect(Object.values(facts.health ?? {}).filter(({ ok }) => !ok)).toEqual([]);
    expect(facts.reach?.filter(({ ok }) => !ok)).toEqual([]);
  }
});

it.each([
  ['kubelet-stopped', 'kubelet-stopped'],
  ['kubelet-frozen', 'kubelet-hangs'],
  ['containerd-stopped', 'containerd-stopped'],
  ['cni-config-gone', 'cni-config-gone'],
  ['link-cut', 'machine-silent'],
  // Its kernel went on to take connections: nothing but the silence of its kubelet told.
  ['machine-frozen', 'machine-hangs'],
  ['firewall-10250', 'kubelet-port-blocked'],
  ['dns-loop', 'coredns-loop'],
  ['claim-without-class', 'claim-without-class'],
  ['registry-refused', 'registry-unreachable'],
  ['etcd-manifest-moved', 'manifest-broken'],
  ['scheduler-down', 'manifest-broken'],
])('what was done to %s is the first cause: %s', async (state, rule) => {
  const { broken, bugs } = diagnose(await labState(state), rules);
  expect(bugs).toEqual([]);
  expect(broken[0]?.rule).toBe(rule);
});
