// A layer's values with the inventory's laid over them, as Helm does it: mappings are merged, everything else is replaced.
import type { Cluster, Json, JsonObject } from '../model/cluster.ts';
import type { Layer } from './layer.ts';

/** What its release is given. */
export function valuesOf({ name, values }: Pick<Layer, 'name' | 'values'>, cluster: Cluster): JsonObject {
  return merged(values(cluster), cluster.layers[name]?.values ?? {});
}

export function merged(below: JsonObject, above: JsonObject): JsonObject {
  const keys = new Set([...Object.keys(below), ...Object.keys(above)]);
  return Object.fromEntries(
    [...keys].map(key => {
      const [low, high] = [below[key], above[key]];
      if (high === undefined) return [key, low ?? null];
      return [key, isMapping(low) && isMapping(high) ? merged(low, high) : high];
    }),
  );
}

export function isMapping(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
