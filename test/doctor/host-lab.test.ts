// What the rules about machines say of real ones, as doctor saw them in the lab.

import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { homelabRules } from '../../src/doctor/rules/homelab.ts';
import { hostRules } from '../../src/doctor/rules/host.ts';
import { labState } from './lab-states.ts';
import { withFacts } from './rig.ts';

const rules = [...hostRules, ...homelabRules];
const healthy = await labState('healthy');

describe('a healthy lab', () => {
  it('is accused of nothing', () => {
    const { broken, worthDoing, bugs } = diagnose(healthy, rules);
    expect([broken, worthDoing, bugs]).toEqual([[], [], []]);
  });
  it('has every fact that these rules read', () => {
    expect(diagnose(healthy, rules).unseen).toEqual([]);
  });
  it.each(['kubelet', 'containerd'])('whose %s is stopped on a worker is told so', name => {
    const [worker] = healthy.machines.filter(({ role }) => role === 'worker');
    const units = worker?.facts.units;
    const unit = units?.[name];
    if (!worker || !unit) throw new Error('the fixture has no such unit');
    const stopped = { ...unit, active: 'inactive', sub: 'dead', pid: 0 };
    const { broken } = diagnose(withFacts(healthy, worker.name, { units: { ...units, [name]: stopped } }), rules);
    expect(broken.map(({ rule, about }) => [rule, about[0]])).toEqual([[`${name}-stopped`, `machine:${worker.name}`]]);
  });
});
