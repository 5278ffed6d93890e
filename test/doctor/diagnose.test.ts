// Causes before consequences, and nothing lost: with rules made for the purpose.
import { describe, expect, it } from 'vitest';
import { diagnose, findingsOf } from '../../src/doctor/diagnose.ts';
import type { Finding, Layer, Rule } from '../../src/doctor/rule.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { recorded } from './recorded.ts';

const snapshot = await recorded('broken-pods');

function finding(about: Finding['about'], more: Partial<Finding> = {}): Finding {
  return {
    says: `trouble with ${about[0]}`,
    severity: 'error',
    certainty: 'certain',
    about,
    evidence: [],
    cure: [],
    ...more,
  };
}

function rule(id: string, layer: Layer, findings: readonly Finding[], more: Partial<Rule> = {}): Rule {
  const said = {
    symptom: 'It does not work.',
    cause: 'Something else is broken.',
    cure: 'Mend it.',
    sources: ['nowhere'],
  };
  return { id, layer, ...said, needs: [], explains: [], find: () => findings, ...more };
}

const tree = (found: Snapshot, rules: readonly Rule[]) =>
  diagnose(found, rules).broken.map(({ rule: id, consequences }) => [id, consequences.map(each => each.rule)]);

describe('a cause', () => {
  const stopped = rule('stopped', 'runtime', [finding(['machine:n2'])], {
    explains: [{ rule: 'silent', by: 'machine' }],
  });
  const silent = (...machines: readonly string[]) =>
    rule(
      'silent',
      'node',
      machines.map(name => finding([`machine:${name}`])),
      { symptomOnly: true },
    );

  it('has what it explains below it', () => {
    expect(tree(snapshot, [stopped, silent('n2')])).toEqual([['stopped', ['silent']]]);
  });

  it('explains nothing of another machine', () => {
    expect(tree(snapshot, [stopped, silent('n1')])).toEqual([
      ['stopped', []],
      ['silent', []],
    ]);
  });

  it('does not explain what was there long before', () => {
    const since = (text: string) => ({ since: text });
    const late = rule('stopped', 'runtime', [finding(['machine:n2'], since('2026-11-21T20:10:00Z'))], {
      explains: [{ rule: 'silent', by: 'machine' }],
    });
    const at = (text: string) => rule('silent', 'node', [finding(['machine:n2'], since(text))]);
    expect(tree(snapshot, [late, at('2026-11-21T20:00:00Z')])).toHaveLength(2);
    expect(tree(snapshot, [late, at('2026-11-21T20:06:00Z')])).toHaveLength(1);
    expect(tree(snapshot, [late, at('')])).toHaveLength(1);
  });

  it('is the surest one, then the lowest', () => {
    const explains = [{ rule: 'silent', by: 'machine' }] as const;
    const disk = rule('disk', 'machine', [finding(['machine:n2'])], { explains });
    const guess = rule('guess', 'machine', [finding(['machine:n2'], { certainty: 'possible' })], { explains });
    expect(tree(snapshot, [guess, disk, stopped, silent('n2')])).toEqual([
      ['guess', []],
      ['disk', ['silent']],
      ['stopped', []],
    ]);
  });

  it('stands first where it explains something broken, also when it is no error by itself', () => {
    const quiet = rule('quiet', 'machine', [finding(['machine:n2'], { severity: 'warning' })]);
    const cause = rule('cause', 'storage', [finding(['machine:n2'], { severity: 'warning' })], {
      explains: [{ rule: 'silent', by: 'machine' }],
    });
    const { broken, worthDoing } = diagnose(snapshot, [quiet, cause, silent('n2')]);
    expect([broken.map(each => each.rule), worthDoing.map(each => each.rule)]).toEqual([['cause'], ['quiet']]);
  });

  it('with everything explains all', () => {
    const down = rule('down', 'control-plane', [finding(['object:api'])], {
      explains: [{ rule: 'silent', by: 'everything' }],
    });
    expect(tree(snapshot, [down, silent('n1', 'n2')])).toEqual([['down', ['silent', 'silent']]]);
  });
});

describe('a symptom that nothing explains', () => {
  it('says so, and one that is explained does not', () => {
    const silent = rule('silent', 'node', [finding(['machine:n1']), finding(['machine:n2'])], { symptomOnly: true });
    const stopped = rule('stopped', 'runtime', [finding(['machine:n2'])], {
      explains: [{ rule: 'silent', by: 'machine' }],
    });
    const all = findingsOf(diagnose(snapshot, [stopped, silent]));
    expect(all.map(each => [each.about[0], each.rule, each.unexplained])).toEqual([
      ['machine:n2', 'stopped', false],
      ['machine:n2', 'silent', false],
      ['machine:n1', 'silent', true],
    ]);
  });
});

describe('a rule', () => {
  it('that throws is our bug, and the others go on', () => {
    const thrower = rule('thrower', 'machine', [], {
      find: () => {
        throw new Error('no such thing');
      },
    });
    const { broken, bugs } = diagnose(snapshot, [thrower, rule('other', 'dns', [finding(['machine:n1'])])]);
    expect(broken.map(each => each.rule)).toEqual(['other']);
    expect(bugs).toEqual([{ rule: 'thrower', says: expect.stringContaining('no such thing') }]);
  });

  it('that could not see says what it missed, once for all', () => {
    const { unseen, asked } = diagnose(snapshot, [
      rule('one', 'machine', [], { needs: ['machine.swap', 'api.nodes'] }),
      rule('two', 'dns', [], { needs: ['api.apiservices'] }),
      rule('three', 'dns', [], { needs: ['api.nodes'] }),
    ]);
    expect(unseen.map(({ what, rules }) => [what, rules])).toEqual([
      ['n1', ['one']],
      ['n2', ['one']],
      ['apiservices', ['two']],
    ]);
    expect(asked).toBe(1);
  });

  it('that asks an API server which is silent is told so in one line', () => {
    const silent: Snapshot = { ...snapshot, api: { state: 'silent', says: 'connection refused', from: 'n1' } };
    const { unseen } = diagnose(silent, [rule('one', 'node', [], { needs: ['api.nodes', 'api.pods'] })]);
    expect(unseen.slice(2)).toEqual([{ what: 'the API server', why: 'connection refused', rules: ['one'] }]);
  });
});
