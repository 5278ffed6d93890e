// What several machines say alike stands once, with their names: a hundred machines make a report that is as long as one of four.
import { grouped } from '../model/grouped.ts';
import type { Evidence } from './journal.ts';
import type { Deed, Phase } from './run.ts';

export interface SaidAlike {
  readonly title: string;
  readonly ok: boolean;
  readonly reproduce: string;
  readonly hint: string | undefined;
  /** Machines that expected and observed the same. */
  readonly values: readonly {
    readonly expected: string;
    readonly observed: string;
    readonly hosts: readonly string[];
  }[];
}

/** What failed comes first. */
export function proofsAlike(evidence: readonly Evidence[]): readonly SaidAlike[] {
  const groups = grouped(evidence, ({ host, title, ok, reproduce, hint }) =>
    nameless([title, ok, reproduce, hint], host),
  );
  return groups
    .map(([first, ...others]) => {
      const values = grouped([first, ...others], ({ host, expected, observed }) =>
        nameless([expected, observed], host),
      );
      const { title, ok, reproduce, hint } = first;
      const alike = inWordsOf([first, ...others]);
      return {
        title: alike(title),
        ok,
        reproduce: alike(reproduce),
        hint: hint === undefined ? undefined : alike(hint),
        values: values.map(group => ({
          expected: inWordsOf(group)(group[0].expected),
          observed: inWordsOf(group)(group[0].observed),
          hosts: group.map(({ host }) => host),
        })),
      };
    })
    .sort((one, other) => Number(one.ok) - Number(other.ok));
}

export interface StepAlike {
  readonly name: string;
  readonly title: string;
  readonly risk: 'safe' | 'disruptive' | 'destructive';
  readonly hosts: readonly string[];
  /** Machines where the reason and the difference are the same. */
  readonly reasons: readonly {
    readonly why: string;
    readonly diff: string | undefined;
    readonly hosts: readonly string[];
  }[];
  readonly deeds: readonly Deed[];
}

export function stepsAlike({ planned, deeds }: Pick<Phase, 'planned' | 'deeds'>): readonly StepAlike[] {
  return grouped(planned, ({ id, host, title, risk }) => nameless([id, title, risk], host)).map(steps => {
    const [first] = steps;
    const ids = new Set(steps.map(({ id }) => id));
    return {
      name: first.id.slice(first.id.lastIndexOf('/') + 1),
      title: inWordsOf(steps)(first.title),
      risk: first.risk,
      hosts: steps.map(({ host }) => host),
      reasons: grouped(steps, ({ host, why, diff }) => nameless([why, diff], host)).map(group => ({
        why: inWordsOf(group)(group[0].why),
        diff: group[0].diff === undefined ? undefined : inWordsOf(group)(group[0].diff),
        hosts: group.map(({ host }) => host),
      })),
      deeds: deeds.filter(({ id }) => ids.has(id)),
    };
  });
}

/** In what several machines say alike each one's own name. */
const nobody = '‹NAME›';

function nameless(values: readonly unknown[], host: string): string {
  return withoutName(JSON.stringify(values), host);
}

function withoutName(text: string, host: string): string {
  const name = host.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return text.replace(new RegExp(`(?<![A-Za-z0-9_-])${name}(?![A-Za-z0-9_-])`, 'g'), nobody);
}

function inWordsOf(group: readonly { readonly host: string }[]): (text: string) => string {
  const [first] = group;
  return first === undefined || group.length === 1 ? text => text : text => withoutName(text, first.host);
}
