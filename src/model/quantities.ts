// Quantities as Kubernetes writes them, and what a pod as a whole asks of its node.
import type { Amounts } from './workloads.ts';

type Quantities = Readonly<Record<string, string | number>>;
interface Asking {
  readonly restartPolicy: string;
  readonly resources: { readonly requests: Quantities };
}

const units: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** '100m' is 0.1, '64Mi' is 67108864, '1e3' is 1000. */
export function parseQuantity(text: string | number): number {
  if (typeof text === 'number') return text;
  const unit = /(?:[KMGTPE]i|[numkMGTPE])$/.exec(text)?.[0] ?? '';
  return Number(text.slice(0, text.length - unit.length)) * (units[unit] ?? 1);
}

/** cpu is told in thousandths: whole numbers add up exactly. */
export function amountsOf(quantities: Quantities): Amounts {
  return Object.fromEntries(
    Object.entries(quantities).map(([name, text]) => [
      name,
      Math.ceil(Number((parseQuantity(text) * (name === 'cpu' ? 1000 : 1)).toFixed(6))),
    ]),
  );
}

/**
 * The scheduler's rule: all containers together, or any one init container if that asks for more; init containers that stay
 * (sidecars) run beside the containers and beside the init containers after them.
 */
export function requestsOf({
  containers,
  initContainers,
  overhead,
}: {
  readonly containers: readonly Asking[];
  readonly initContainers: readonly Asking[];
  readonly overhead: Quantities;
}): Amounts {
  let staying: Amounts = {};
  let highest: Amounts = {};
  for (const { restartPolicy, resources } of initContainers) {
    const asked = sum(staying, amountsOf(resources.requests));
    highest = most(highest, asked);
    if (restartPolicy === 'Always') staying = asked;
  }
  const together = containers.reduce((total, { resources }) => sum(total, amountsOf(resources.requests)), staying);
  return { ...sum(most(highest, together), amountsOf(overhead)), pods: 1 };
}

/** For people: '500m', '2', '1.5Gi'. */
export function shownAmount(resource: string, amount: number): string {
  if (resource === 'cpu') return amount % 1000 === 0 ? String(amount / 1000) : `${amount}m`;
  if (resource !== 'memory' && resource !== 'ephemeral-storage' && resource !== 'storage') return String(amount);
  const [unit, size] = amount >= 2 ** 30 ? (['Gi', 2 ** 30] as const) : (['Mi', 2 ** 20] as const);
  return `${Number((amount / size).toFixed(1))}${unit}`;
}

function sum(one: Amounts, other: Amounts): Amounts {
  return merged(one, other, (a, b) => a + b);
}

function most(one: Amounts, other: Amounts): Amounts {
  return merged(one, other, Math.max);
}

function merged(one: Amounts, other: Amounts, by: (a: number, b: number) => number): Amounts {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries([...names].map(name => [name, by(one[name] ?? 0, other[name] ?? 0)]));
}
