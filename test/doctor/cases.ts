// Tests of a group of rules: each has a hit and near misses, reads what it says it needs, and is silent on what is healthy.
import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import type { Finding, Rule } from '../../src/doctor/rule.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { apiOnly, healthy } from './constructed.ts';
import { quoted } from './hostile.ts';
import { recorded, states } from './recorded.ts';
import { readBy } from './rig.ts';

export interface Case {
  readonly rule: Rule;
  /** What was done. */
  readonly when: string;
  readonly in: Snapshot;
  readonly says: RegExp;
  readonly severity: Finding['severity'];
  readonly certainty?: Finding['certainty'];
  readonly about?: Finding['about'][number];
  /** The whole of what it is about. */
  readonly allAbout?: Finding['about'];
  /** The evidence, one a line. */
  readonly shows?: RegExp;
  /** The cure, one a line. */
  readonly advises?: RegExp;
  /** Empty: that is not known. */
  readonly since?: string;
  /** By one field away: nothing is said. At least two in all cases of a rule. */
  readonly near: Readonly<Record<string, Snapshot>>;
}

export function testRules(
  rules: readonly Rule[],
  cases: readonly Case[],
  options: { readonly recordedHits?: readonly string[] } = {},
): void {
  describe.each(cases.map(each => ({ ...each, name: `${each.rule.id}: ${each.when}` })))('$name', one => {
    it('is said', () => {
      const found = quoted(one.rule, one.in);
      expect(found.map(({ says }) => says).join('\n')).toMatch(one.says);
      const finding = found.find(({ says }) => one.says.test(says));
      expect(finding?.severity).toBe(one.severity);
      expect(finding?.certainty).toBe(one.certainty ?? 'certain');
      if (one.about) expect(finding?.about).toContain(one.about);
      if (one.allAbout) expect(finding?.about).toEqual(one.allAbout);
      if (one.since !== undefined) expect(finding?.since ?? '').toBe(one.since);
      if (one.shows) expect(finding?.evidence.map(each => each.says).join('\n')).toMatch(one.shows);
      if (one.advises) expect(finding?.cure.join('\n')).toMatch(one.advises);
      for (const { evidence, cure, certainty, settledBy, says } of found) {
        expect(evidence.length, says).toBeGreaterThan(0);
        expect(evidence.length, says).toBeLessThanOrEqual(3);
        expect(cure.length, says).toBeGreaterThan(0);
        expect(certainty === 'certain' || settledBy !== undefined, says).toBe(true);
        expect(says).not.toMatch(/undefined|NaN|\[object/);
      }
    });
    it.each(Object.entries(one.near))('not when %s', (_, snapshot) => {
      expect(one.rule.find(snapshot)).toEqual([]);
    });
    it('is silent when healthy', () => {
      expect(one.rule.find(healthy)).toEqual([]);
    });
    it('does not throw on a diagnosis', () => {
      expect(diagnose(one.in, rules).bugs).toEqual([]);
    });
  });

  describe('every rule', () => {
    it.each(rules.map(rule => ({ id: rule.id, rule })))('$id has a hit and two near misses', ({ rule }) => {
      const mine = cases.filter(each => each.rule === rule);
      expect(mine.length).toBeGreaterThan(0);
      expect(mine.flatMap(({ near }) => Object.keys(near)).length).toBeGreaterThanOrEqual(2);
    });
    it.each(rules.map(rule => ({ id: rule.id, rule })))('$id reads what it needs, and nothing else', ({ rule }) => {
      const given = [healthy, ...cases.flatMap(each => [each.in, ...Object.values(each.near)])];
      // What is not known is looked for elsewhere.
      const snapshots = given.flatMap(each => [each, apiOnly(each), withoutRoles(each)]);
      const read = new Set(snapshots.flatMap(snapshot => [...readBy(rule, snapshot)]));
      expect([...read].sort()).toEqual([...rule.needs].sort());
    });
    it('is silent on what was recorded, or says what is true there', async () => {
      const said = new Set<string>();
      for (const state of states) {
        const snapshot = await recorded(state);
        for (const rule of rules)
          for (const { severity } of rule.find(snapshot)) if (severity !== 'note') said.add(`${state}: ${rule.id}`);
      }
      expect([...said].sort()).toEqual([...(options.recordedHits ?? [])].sort());
    });
  });
}

function withoutRoles(snapshot: Snapshot): Snapshot {
  return { ...snapshot, machines: snapshot.machines.map(each => ({ ...each, role: 'unknown' })) };
}
