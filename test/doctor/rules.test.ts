// What holds for every rule, whoever wrote it.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { factNames } from '../../src/doctor/machine-facts.ts';
import { kindNames } from '../../src/doctor/objects/kinds.ts';
import { layers, type Rule } from '../../src/doctor/rule.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { loadSnapshot } from '../../src/io/snapshot-folder.ts';
import { root } from '../sample.ts';
import { commandsOf, obeys } from './hostile.ts';
import { allSeen, type Manner, madeUp, manners } from './made-up.ts';
import { recorded, states } from './recorded.ts';
import { readBy } from './rig.ts';
import { wellInEveryWay } from './well.ts';

/** True of healthy fixtures all the same: each with its reason. */
const background: Readonly<Record<string, string>> = {
  'etcd-slow': 'labs are recorded on a machine with more to do: their etcd does wait',
  'machine-id-twice': 'the recorded machines are clones of one disk',
  'kubernetes-end-of-life': 'the recorded cluster runs 1.26, the lab 1.31: both are over',
};

const plain: Manner = { text: '', number: 0, flag: false, isFull: false, isNull: false };
const labFolder = join(root, 'test/fixtures/doctor/lab');
const labStates = readdirSync(labFolder);

let real: readonly Snapshot[] = [];
/** With facts of machines. */
let lab: readonly Snapshot[] = [];
let healthy: Readonly<Record<string, Snapshot>> = {};

beforeAll(async () => {
  lab = await Promise.all(labStates.map(name => loadSnapshot(join(labFolder, name))));
  const well = labStates.flatMap((name, index) => (name.startsWith('healthy') ? [[`lab ${name}`, lab[index]]] : []));
  healthy = { ...(await wellInEveryWay()), ...Object.fromEntries(well) };
  real = await Promise.all(states.map(recorded));
});

/** Programs and settings keep their small letters at the beginning of one. */
const sentence = /^\S+ \S+ .*[.!?]$/s;

describe('every rule', () => {
  it('has an id of its own, in kebab case', () => {
    const ids = rules.map(({ id }) => id);
    expect(ids.filter(id => !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(id))).toEqual([]);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(ids.length).toBeGreaterThan(40);
  });

  it('explains only rules that exist and stand later', () => {
    const order = new Map(rules.map(({ id }, index) => [id, index]));
    const wrong = rules.flatMap(({ id, explains }, index) =>
      explains.filter(({ rule }) => (order.get(rule) ?? -1) <= index).map(({ rule }) => `${id} explains ${rule}`),
    );
    expect(wrong).toEqual([]);
  });

  it('explains each other rule by each entity once', () => {
    const twice = rules.flatMap(({ id, explains }) => {
      const edges = explains.map(({ rule, by }) => `${id}: ${rule} by ${by}`);
      return edges.filter((edge, index) => edges.indexOf(edge) !== index);
    });
    expect(twice).toEqual([]);
  });

  it('says symptom, cause and cure in whole sentences, and where it is known from', () => {
    const wrong = rules.flatMap(({ id, symptom, cause, cure, sources, layer }) => [
      ...[symptom, cause, cure].filter(text => !sentence.test(text)).map(text => `${id}: ${text}`),
      ...(sources.length === 0 ||
      sources.some(source => !/[#/.(:]|IST\d/.test(source) || /layers\.md|^design/.test(source))
        ? [`${id}: sources ${sources.join(', ')}`]
        : []),
      ...(layers.includes(layer) ? [] : [`${id}: layer ${layer}`]),
    ]);
    expect(wrong).toEqual([]);
  });

  it('reads nothing that it does not declare', () => {
    const seen = real.map(snapshot => allSeen(snapshot, plain));
    const rich = Object.values(manners).map(manner => madeUp(seen[0] as Snapshot, { ...manner, isFull: true }));
    const wrong = rules.flatMap((rule: Rule) => {
      const needs = new Set<string>(rule.needs);
      const reads = new Set(
        [...seen, ...rich, ...Object.values(healthy), ...lab].flatMap(each => [...readBy(rule, each)]),
      );
      return [...reads].filter(read => !needs.has(read)).map(read => `${rule.id} reads ${read}`);
    });
    expect(wrong).toEqual([]);
  });

  it('needs what there is', () => {
    const known = new Set<string>([
      ...kindNames.map(kind => `api.${kind}`),
      ...factNames.map(fact => `machine.${fact}`),
    ]);
    expect(
      rules.flatMap(({ id, needs }) => needs.filter(need => !known.has(need)).map(need => `${id}: ${need}`)),
    ).toEqual([]);
  });
});

function thrown(snapshot: Snapshot): readonly string[] {
  return rules.flatMap(rule => {
    try {
      rule.find(snapshot);
      return [];
    } catch (error) {
      return [`${rule.id}: ${error instanceof Error ? error.stack?.split('\n').slice(0, 3).join(' ') : error}`];
    }
  });
}

describe('no rule throws', () => {
  it('when a kind was not seen, is not installed, or has no objects', () => {
    const looks = [
      { state: 'unknown', why: 'forbidden' },
      { state: 'absent' },
      { state: 'seen', items: [], unreadable: 0 },
    ];
    const wrong = real.slice(3).flatMap(snapshot =>
      looks.flatMap(look => [
        ...kindNames.flatMap(kind => thrown({ ...snapshot, lists: { ...snapshot.lists, [kind]: look } })),
        ...thrown({
          ...snapshot,
          lists: Object.fromEntries(kindNames.map(kind => [kind, look])) as unknown as Snapshot['lists'],
        }),
      ]),
    );
    expect(wrong).toEqual([]);
  });

  it('when a fact of the machines is missing', () => {
    const wrong = Object.values(manners).flatMap(manner => {
      const full = madeUp(real[0] as Snapshot, manner);
      return factNames.flatMap(fact =>
        thrown({
          ...full,
          machines: full.machines.map(machine => ({ ...machine, facts: { ...machine.facts, [fact]: undefined } })),
        }),
      );
    });
    expect(wrong).toEqual([]);
  });

  it('when there are no machines, no API and no moment', () => {
    for (const snapshot of real) {
      expect(thrown({ ...snapshot, machines: [] })).toEqual([]);
      expect(thrown({ ...snapshot, at: Number.NaN })).toEqual([]);
      expect(thrown({ ...snapshot, api: { state: 'silent', says: 'connection refused', from: 'n1' } })).toEqual([]);
    }
  });

  it.each(Object.keys(manners))('on objects and facts %s', name => {
    const manner = manners[name];
    for (const snapshot of real.slice(0, 1)) expect(manner && thrown(madeUp(snapshot, manner))).toEqual([]);
  });
});

describe('findings', () => {
  it('are the same each time', () => {
    for (const snapshot of [...real, ...Object.values(healthy)]) {
      expect(diagnose(snapshot, rules)).toEqual(diagnose(snapshot, rules));
    }
  });

  it('are the same in whatever order the objects came', () => {
    for (const snapshot of real) {
      const lists = Object.fromEntries(
        kindNames.map(kind => {
          const look = snapshot.lists[kind];
          return [kind, look.state === 'seen' ? { ...look, items: [...look.items].reverse() } : look];
        }),
      ) as unknown as Snapshot['lists'];
      const ids = (each: Snapshot): readonly string[] => diagnose(each, rules).broken.map(({ rule }) => rule);
      expect(ids({ ...snapshot, lists })).toEqual(ids(snapshot));
    }
  });

  it('have a sentence, at most three lines that show it, and a command to see each again', () => {
    const found = [...real, ...Object.values(manners).map(manner => madeUp(real[0] as Snapshot, manner))].flatMap(
      snapshot => rules.flatMap(({ id, find }) => find(snapshot).map(finding => ({ id, finding }))),
    );
    expect(found.length).toBeGreaterThan(50);
    const wrong = found.filter(
      ({ finding }) =>
        finding.says === '' ||
        finding.says.includes('undefined') ||
        finding.evidence.length > 3 ||
        finding.cure.length === 0 ||
        finding.evidence.some(({ says, from, again }) => from === '' || again === '' || says.includes('[object')),
    );
    expect(wrong.map(({ id, finding }) => `${id}: ${JSON.stringify(finding).slice(0, 300)}`)).toEqual([]);
  });

  it('that are not certain say what would settle them', () => {
    const found = real.flatMap(snapshot =>
      rules.flatMap(({ id, find }) => find(snapshot).map(finding => ({ id, ...finding }))),
    );
    expect(
      found.filter(({ certainty, settledBy }) => certainty !== 'certain' && !settledBy).map(({ id }) => id),
    ).toEqual([]);
  });

  it('tell no command that obeys a text of what was seen', () => {
    for (const manner of Object.values(manners)) {
      const snapshot = madeUp(real[0] as Snapshot, manner);
      const lines = rules.flatMap(({ find }) => find(snapshot).flatMap(commandsOf));
      expect(lines.filter(obeys)).toEqual([]);
    }
  });

  it('of well clusters are no more than what is written here', () => {
    const said = Object.entries(healthy).flatMap(([name, snapshot]) =>
      rules.flatMap(({ id, find }) =>
        find(snapshot)
          .filter(({ severity }) => severity !== 'note' && background[id] === undefined)
          .map(({ severity, says }) => `${name}: ${id}, ${severity}: ${says}`),
      ),
    );
    expect(said).toEqual([]);
  });
});
