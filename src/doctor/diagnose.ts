// From a snapshot to a diagnosis: every rule asked, causes told from consequences, in the order in which a person should act. Pure.

import type { FactName } from './machine-facts.ts';
import type { KindName } from './objects/kinds.ts';
import { type EntityKind, type Finding, layers, type Need, type Rule } from './rule.ts';
import type { Snapshot } from './snapshot.ts';

export interface Diagnosed extends Finding {
  readonly rule: string;
  readonly layer: Rule['layer'];
  /** Nothing known explains this symptom. */
  readonly unexplained: boolean;
  /** What follows from it, nearest first. */
  readonly consequences: readonly Diagnosed[];
}

/** What a rule could not be asked about, and why. */
export interface Unseen {
  readonly what: string;
  readonly why: string;
  /** Rules that would have looked there. */
  readonly rules: readonly string[];
}

export interface Diagnosis {
  /** Causes of what is broken now, the one to act on first at the front. */
  readonly broken: readonly Diagnosed[];
  /** True, and not the cause of anything seen. */
  readonly worthDoing: readonly Diagnosed[];
  readonly notes: readonly Diagnosed[];
  readonly unseen: readonly Unseen[];
  /** Rules that threw: our own fault. */
  readonly bugs: readonly { readonly rule: string; readonly says: string }[];
  /** How many rules could see all that they need. */
  readonly asked: number;
}

interface Found {
  readonly finding: Finding;
  readonly rule: Rule;
  readonly order: number;
}

export function diagnose(snapshot: Snapshot, rules: readonly Rule[]): Diagnosis {
  const bugs: { rule: string; says: string }[] = [];
  const found = rules.flatMap((rule, order): readonly Found[] => {
    try {
      return rule.find(snapshot).map(finding => ({ finding, rule, order }));
    } catch (error) {
      bugs.push({ rule: rule.id, says: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      return [];
    }
  });
  const causes = causesOf(found);
  const children = new Map<Found, Found[]>();
  for (const [consequence, cause] of causes) children.set(cause, [...(children.get(cause) ?? []), consequence]);
  const under = (parent: Found): readonly Diagnosed[] =>
    [...(children.get(parent) ?? [])].sort(byUrgency).map(each => told(each, under(each), true));
  const roots = found
    .filter(each => !causes.has(each))
    .sort(byUrgency)
    .map(each => told(each, under(each), false));
  const isBroken = (each: Diagnosed): boolean => each.severity === 'error' || each.consequences.some(isBroken);
  const unseen = unseenBy(snapshot, rules);
  const blind = new Set(unseen.flatMap(({ rules: ids }) => ids));
  return {
    broken: roots.filter(isBroken),
    worthDoing: roots.filter(each => !isBroken(each) && each.severity === 'warning'),
    notes: roots.filter(each => !isBroken(each) && each.severity === 'note'),
    unseen,
    bugs,
    asked: rules.length - blind.size,
  };
}

/** Every finding, causes and consequences, from the bottom up. */
export function findingsOf({ broken, worthDoing, notes }: Diagnosis): readonly Diagnosed[] {
  const all = (each: Diagnosed): readonly Diagnosed[] => [each, ...each.consequences.flatMap(all)];
  return [...broken, ...worthDoing, ...notes].flatMap(all);
}

function told({ finding, rule }: Found, consequences: readonly Diagnosed[], explained: boolean): Diagnosed {
  const unexplained = rule.symptomOnly === true && !explained;
  return { ...finding, rule: rule.id, layer: rule.layer, unexplained, consequences };
}

/** What explains each finding best: the surest, then the lowest. What nothing explains is not in the map. */
function causesOf(found: readonly Found[]): ReadonlyMap<Found, Found> {
  const causes = new Map<Found, Found>();
  // By the rule that is explained: thousands of pods have a handful of causes.
  const explainers = new Map<string, Found[]>();
  for (const cause of found)
    for (const id of new Set(cause.rule.explains.map(({ rule }) => rule)))
      explainers.set(id, [...(explainers.get(id) ?? []), cause]);
  for (const consequence of found) {
    const [best] = (explainers.get(consequence.rule.id) ?? [])
      .filter(cause => cause !== consequence && explains(cause, consequence))
      .sort((one, other) => sureness(one) - sureness(other) || one.order - other.order);
    if (best) causes.set(consequence, best);
  }
  return causes;
}

function explains(cause: Found, consequence: Found): boolean {
  return cause.rule.explains.some(
    ({ rule, by }) =>
      rule === consequence.rule.id &&
      concerns(cause.finding, consequence.finding, by) &&
      couldCause(cause.finding, consequence.finding),
  );
}

function concerns(cause: Finding, consequence: Finding, by: EntityKind | 'everything'): boolean {
  if (by === 'everything') return true;
  const mine = cause.about.filter(entity => entity.startsWith(`${by}:`));
  return mine.some(entity => consequence.about.includes(entity));
}

/** A consequence is noticed up to a grace later, never much earlier: a node's silence becomes known after 40 s, a pod's after 5 min. */
const toleranceMs = 300_000;

function couldCause(cause: Finding, consequence: Finding): boolean {
  if (cause.since === undefined || consequence.since === undefined) return true;
  const [from, to] = [Date.parse(cause.since), Date.parse(consequence.since)];
  return Number.isNaN(from) || Number.isNaN(to) || to >= from - toleranceMs;
}

const severities = ['error', 'warning', 'note'];
const certainties = ['certain', 'likely', 'possible'];

function sureness({ finding }: Found): number {
  return certainties.indexOf(finding.certainty);
}

function byUrgency(one: Found, other: Found): number {
  return (
    layers.indexOf(one.rule.layer) - layers.indexOf(other.rule.layer) ||
    one.order - other.order ||
    severities.indexOf(one.finding.severity) - severities.indexOf(other.finding.severity) ||
    sureness(one) - sureness(other) ||
    (one.finding.says < other.finding.says ? -1 : 1)
  );
}

function unseenBy(snapshot: Snapshot, rules: readonly Rule[]): readonly Unseen[] {
  const needing = (...any: readonly Need[]) =>
    rules.filter(({ needs }) => needs.some(need => any.includes(need))).map(({ id }) => id);
  const needs = [...new Set(rules.flatMap(rule => rule.needs))];
  const facts = needs.flatMap(need => (need.startsWith('machine.') ? [need.slice('machine.'.length) as FactName] : []));
  const kinds = needs.flatMap(need => (need.startsWith('api.') ? [need.slice('api.'.length) as KindName] : []));
  const machines = snapshot.machines.flatMap(({ name, unreached, missed }): readonly Unseen[] => {
    if (unreached)
      return [{ what: name, why: unreached.says, rules: needing(...facts.map(fact => `machine.${fact}` as const)) }];
    return facts.flatMap(fact => {
      const why = missed[fact];
      return why === undefined ? [] : [{ what: `${fact} of ${name}`, why, rules: needing(`machine.${fact}`) }];
    });
  });
  const lists = kinds.flatMap((kind): readonly Unseen[] => {
    const look = snapshot.lists[kind];
    if (look.state === 'unknown') return [{ what: kind, why: look.why, rules: needing(`api.${kind}`) }];
    if (look.state === 'seen' && look.unreadable > 0)
      return [
        { what: `${look.unreadable} of ${kind}`, why: 'not what such an object is', rules: needing(`api.${kind}`) },
      ];
    return [];
  });
  const silent =
    snapshot.api.state === 'answers'
      ? []
      : [
          {
            what: 'the API server',
            why: snapshot.api.says,
            rules: needing(...kinds.map(kind => `api.${kind}` as const)),
          },
        ];
  // Where nothing of the API was read, one line says it for all kinds.
  return [...machines, ...(silent.length > 0 ? silent : lists)];
}
