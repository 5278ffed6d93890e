// Finds what is explained by the name of a step, a check or a refusal, as a plan or an error says it.
import { type ExplainedCheck, explainedChecks, explainedDrains } from './checks.ts';
import { type Explained, explainedSteps } from './steps.ts';

/** `phase`: undefined where only the name was given. */
export function explainedStep(name: string, phase?: string): Explained | undefined {
  return best(explainedSteps, name, phase);
}

export function explainedCheck(id: string, phase?: string): ExplainedCheck | undefined {
  return best(explainedChecks, id, phase) ?? drainOf(id);
}

/** 'budget-never-default-web': the rule, then what it is about. The longest rule first: 'two-budgets' and 'budget-never' share no beginning, others might. */
function drainOf(id: string): ExplainedCheck | undefined {
  const rules = Object.entries(explainedDrains).toSorted(([left], [right]) => right.length - left.length);
  return rules.find(([rule]) => id === rule || id.startsWith(`${rule}-`))?.[1];
}

function best<T>(table: Readonly<Record<string, T>>, name: string, phase: string | undefined): T | undefined {
  const keys = Object.keys(table);
  const ofPhase = keys.filter(key => {
    const [keyPhase = '', keyName] = key.split('/');
    return (
      keyName !== undefined && fits(keyName, name) && (phase === undefined ? keyName !== '*' : fits(keyPhase, phase))
    );
  });
  const plain = keys.filter(key => !key.includes('/') && fits(key, name));
  // The exact name before a pattern, the phase's own before anybody's.
  const key =
    phase === undefined
      ? [...plain.filter(each => each === name), ...plain, ...ofPhase][0]
      : [...ofPhase, ...plain.filter(each => each === name), ...plain][0];
  return key === undefined ? undefined : table[key];
}

function fits(pattern: string, name: string): boolean {
  const source = pattern.split('*').map(part => part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${source.join('.+')}$`).test(name);
}
