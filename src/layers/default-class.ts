// One storage class is the default: with none, claims without a class wait for ever; with two, the newest of them takes what was meant for the other.
import { z } from 'zod';
import { adminKubectl } from '../model/kubectl.ts';
import type { Probe } from '../model/plan.ts';
import { look } from '../model/probes.ts';
import { controlPlaneOf, type World } from '../model/world.ts';

const annotation = 'storageclass.kubernetes.io/is-default-class';
const listed = z.object({
  items: z.array(
    z.object({ metadata: z.object({ name: z.string(), annotations: z.record(z.string(), z.string()).optional() }) }),
  ),
});

/** Asked where the layer stands whose class it is to be. */
export function defaultClassProbe(world: World, wanted: string): Probe {
  const probe = look({
    id: 'default-class',
    host: controlPlaneOf(world).name,
    title: 'exactly one storage class is the default',
    expected: `one: ${wanted}`,
    script: `${adminKubectl(30)} get storageclass -o json`,
    reproduce: 'kubectl get storageclass',
  });
  if (probe.kind !== 'read') return probe;
  return {
    ...probe,
    judge(result) {
      if (result.code !== 0) return probe.judge(result);
      const names = defaultsIn(result.stdout);
      const others = names.filter(name => name !== wanted);
      return {
        ok: names.length === 1,
        observed: names.length === 1 ? `one: ${names[0]}` : names.join(', ') || 'none',
        hint:
          names.length === 0
            ? mark(wanted, true)
            : (others.length > 0 ? others : names.slice(1)).map(name => mark(name, false)).join('; '),
      };
    },
  };
}

/** Of `kubectl get storageclass -o json`. */
export function defaultsIn(json: string): readonly string[] {
  return listed
    .parse(JSON.parse(json))
    .items.filter(({ metadata }) => metadata.annotations?.[annotation] === 'true')
    .map(({ metadata }) => metadata.name)
    .sort();
}

function mark(name: string, isDefault: boolean): string {
  return `kubectl annotate --overwrite storageclass ${name} ${annotation}=${isDefault}`;
}
