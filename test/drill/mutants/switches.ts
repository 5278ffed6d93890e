// What instrumented rules ask at every decision; it also knows which switches a test passes.

export interface Mutation {
  readonly id: number;
  /** 'etcd.ts:41:17'. */
  readonly at: string;
  /** 'a === b  became  !==', for people. */
  readonly change: string;
}

type Compare = (left: unknown, right: unknown) => boolean;

const compares: Readonly<Record<string, Compare>> = {
  '===': (left, right) => left === right,
  '!==': (left, right) => left !== right,
  '<': (left, right) => (left as number) < (right as number),
  '<=': (left, right) => (left as number) <= (right as number),
  '>': (left, right) => (left as number) > (right as number),
  '>=': (left, right) => (left as number) >= (right as number),
};

const all: Mutation[] = [];
let active = 0;
let passed = new Set<number>();

function isOn(id: number): boolean {
  passed.add(id);
  return id === active;
}

export const mutant = {
  declare(mutations: readonly Mutation[]): void {
    all.push(...mutations);
  },
  all(): readonly Mutation[] {
    return all;
  },
  /** 0: the program as it is. */
  switchOn(id: number): void {
    active = id;
  },
  /** The switches that were passed since the last call. */
  takePassed(): ReadonlySet<number> {
    const taken = passed;
    passed = new Set();
    return taken;
  },
  compare(operator: string, others: readonly (readonly [number, string])[], left: unknown, right: unknown): boolean {
    const chosen = others.filter(([id]) => isOn(id))[0]?.[1] ?? operator;
    return compares[chosen]?.(left, right) ?? false;
  },
  logical(id: number, operator: string, left: () => unknown, right: () => unknown): unknown {
    const isAnd = (operator === '&&') !== isOn(id);
    return isAnd ? left() && right() : left() || right();
  },
  not(id: number, value: unknown): boolean {
    return isOn(id) ? Boolean(value) : !value;
  },
  turned<T>(id: number, value: T): T | boolean {
    return isOn(id) ? !value : value;
  },
  kept(id: number, test: unknown): unknown {
    return isOn(id) ? () => true : test;
  },
};
