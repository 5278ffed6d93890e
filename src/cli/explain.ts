// homelab explain: why a step, a phase, a check, an error or a rule of doctor is what it is, and how to do by hand what it does.
import { rules } from '../doctor/rules/index.ts';
import { errorMeanings, exitMeaning } from '../model/error-meanings.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import { explainedChecks, explainedDrains } from '../phases/explained/checks.ts';
import { explainedCheck, explainedStep } from '../phases/explained/find.ts';
import { explainedSteps } from '../phases/explained/steps.ts';
import { leavingNames, phaseNames } from '../phases/names.ts';
import { paletteFor } from '../render/color.ts';
import { type Explanation, formatExplanations } from '../render/explanation.ts';
import { byHand, type Hand, probesCalled, stepNamesOf } from './by-hand.ts';
import type { Io } from './session.ts';
import { oneOf } from './suggest.ts';

export interface ExplainOptions {
  readonly inventory: string;
  readonly output?: 'plain' | 'json';
}

/** 'phase/host/name', 'phase/name' or 'name'. */
interface Asked {
  readonly phase: string | undefined;
  readonly host: string | undefined;
  readonly name: string;
}

export async function runExplain(what: string, options: ExplainOptions, io: Io): Promise<number> {
  const asked = askedFor(what);
  const found = [
    ...ofPhase(what, options),
    ...(await Promise.all([ofStep(asked, options), ofCheck(asked, options)])).flat(),
    ...ofError(what),
    ...ofRule(what),
  ];
  const explanations = await Promise.all(found);
  if (explanations.length === 0) {
    throw new HomelabError('HL_USAGE', `nothing is called ${JSON.stringify(what)}`, {
      hint: oneOf(asked.name, explainable()),
    });
  }
  io.stdout.write(
    options.output === 'json'
      ? `${JSON.stringify(explanations)}\n`
      : formatExplanations(explanations, await paletteFor(io.stdout, io.env)),
  );
  return exitCodes.ok;
}

/** Every name that it knows, patterns left out. */
export function explainable(): readonly string[] {
  const names = [
    ...allPhases.map(({ id }) => id),
    ...[...Object.keys(explainedSteps), ...Object.keys(explainedChecks), ...Object.keys(explainedDrains)].map(
      key => key.split('/').at(-1) ?? '',
    ),
    ...Object.keys(errorMeanings),
    ...rules.map(({ id }) => id),
  ];
  return [...new Set(names.filter(name => !name.includes('*')))];
}

const allPhases = [...Object.values(phaseNames), ...Object.values(leavingNames)];

function askedFor(what: string): Asked {
  const [first = '', second, third] = what.split('/');
  if (third !== undefined) return { phase: first, host: second, name: third };
  return second === undefined
    ? { phase: undefined, host: undefined, name: first }
    : { phase: first, host: undefined, name: second };
}

function ofPhase(what: string, { inventory }: ExplainOptions): readonly Promise<Explanation>[] {
  return allPhases
    .filter(({ id }) => id === what)
    .map(
      async ({ id, title, summary }): Promise<Explanation> => ({
        kind: 'phase',
        name: id,
        title,
        rows: [
          ['does', summary],
          ['steps', (await stepNamesOf(id, inventory)).join(', ') || 'none: it looks, before anything changes'],
          ['look', `homelab plan --only ${id}`],
        ],
      }),
    );
}

async function ofStep({ phase, host, name }: Asked, { inventory }: ExplainOptions): Promise<readonly Explanation[]> {
  const known = explainedStep(name, phase);
  if (!known) return [];
  const hand = await byHand({ phase, host, name }, inventory, known.found);
  return [
    {
      kind: 'step',
      name: hand?.id ?? name,
      title: hand?.title ?? 'a step',
      rows: [
        ['why', known.why],
        ...(hand?.why === undefined ? [] : [['now', hand.why] as const]),
        ['source', known.source],
        ['undo', known.undo],
      ],
      ...scriptOf(hand),
    },
  ];
}

function scriptOf(hand: Hand | undefined): Pick<Explanation, 'script'> {
  if (!hand)
    return {
      script: {
        title:
          'by hand: which commands depends on the machines; homelab plan, homelab plan upgrade and homelab plan --verbose show it',
        text: '',
      },
    };
  const where = hand.isExample ? `${hand.host}, an example machine` : hand.host;
  return hand.kind === 'does'
    ? { script: { title: `by hand, as root on ${where}, under set -eu:`, text: hand.script } }
    : {
        script: {
          title: `what it does depends on what is found; how it looks, as root on ${where}:`,
          text: hand.script,
        },
      };
}

async function ofCheck({ phase, host, name }: Asked, { inventory }: ExplainOptions): Promise<readonly Explanation[]> {
  const probes = await probesCalled({ phase, host, name }, inventory);
  const known = explainedCheck(name, phase);
  const [probe] = probes;
  if (!known && !probe) return [];
  return [
    {
      kind: 'check',
      name,
      title: probe?.title ?? 'why it is refused',
      rows: [
        ...(known ? [['why', known.why] as const] : []),
        ...(probe
          ? ([
              ['expected', probe.expected],
              ['look', probe.reproduce],
            ] as const)
          : []),
        ...(known ? [['source', known.source] as const] : []),
      ],
    },
  ];
}

function ofError(what: string): readonly Explanation[] {
  const code = what.toUpperCase();
  const number = /^(?:exit[ -]?)?(\d+)$/i.exec(what)?.[1];
  const isKnown = (key: string): key is keyof typeof errorMeanings => Object.hasOwn(errorMeanings, key);
  const meaning =
    number === undefined ? (isKnown(code) ? errorMeanings[code] : undefined) : exitMeaning(Number(number));
  if (!meaning) return [];
  const name = number === undefined ? code : `exit ${number}`;
  return [{ kind: 'error', name, title: meaning.means, rows: [['cure', meaning.cure]] }];
}

function ofRule(what: string): readonly Explanation[] {
  return rules
    .filter(({ id }) => id === what)
    .map(({ id, layer, symptom, cause, cure, sources }) => ({
      kind: 'rule',
      name: id,
      title: symptom,
      rows: [
        ['layer', layer],
        ['why', cause],
        ['cure', cure],
        ['source', sources.join('; ')],
        ['look', 'homelab doctor'],
      ],
    }));
}
