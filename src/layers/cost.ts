// What a layer's pods ask for, by the values that its chart is given: who lowers them there gets them in.
import { z } from 'zod';
import type { Json, JsonObject } from '../model/cluster.ts';
import { amountsOf } from '../model/quantities.ts';
import { type Amount, type Cost, nothing } from './layer.ts';
import { isMapping } from './values.ts';

/** One workload of a chart. */
export interface Pods {
  /** Where its values are; empty: at the top. */
  readonly at?: readonly string[];
  /** The key there that says how many; undefined: one. */
  readonly copies?: string;
}

const asking = z.object({
  resources: z.object({ requests: z.record(z.string(), z.union([z.string(), z.number()])) }),
});

export function costOf(values: JsonObject, ...workloads: readonly Pods[]): Cost {
  return workloads.reduce<{ readonly total: Amount; readonly largest: Amount }>(
    ({ total, largest }, { at = [], copies }) => {
      const one = requestsAt(values, at);
      const many =
        copies === undefined
          ? 1
          : z
              .number()
              .catch(1)
              .parse(valueAt(values, [...at, copies]));
      return { total: plus(total, times(one, many)), largest: most(largest, one) };
    },
    { total: nothing, largest: nothing },
  );
}

/** Of one pod; nothing where the values say nothing. */
export function requestsAt(values: JsonObject, at: readonly string[] = []): Amount {
  const found = asking.safeParse(valueAt(values, at));
  if (!found.success) return nothing;
  const { cpu = 0, memory = 0 } = amountsOf(found.data.resources.requests);
  return { milliCpu: cpu, memoryMiB: Math.ceil(memory / 2 ** 20) };
}

export function plus(one: Amount, other: Amount): Amount {
  return { milliCpu: one.milliCpu + other.milliCpu, memoryMiB: one.memoryMiB + other.memoryMiB };
}

function times({ milliCpu, memoryMiB }: Amount, many: number): Amount {
  return { milliCpu: milliCpu * many, memoryMiB: memoryMiB * many };
}

function most(one: Amount, other: Amount): Amount {
  return {
    milliCpu: Math.max(one.milliCpu, other.milliCpu),
    memoryMiB: Math.max(one.memoryMiB, other.memoryMiB),
  };
}

function valueAt(values: JsonObject, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((value, key) => (isMapping(value) ? value[key] : undefined), values);
}
