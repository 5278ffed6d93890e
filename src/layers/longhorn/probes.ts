// No volume lacks a copy, every disk takes volumes, and a volume is read on another machine than it was written on.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';
import { defaultClassProbe } from '../default-class.ts';
import { workersFirst } from '../members.ts';
import { degradedVolumes, unschedulableDisks } from './objects.ts';
import { longhornVolumeProbe } from './volume-probe.ts';

export function longhornProbes(world: World): readonly Probe[] {
  const [writer, reader = writer] = workersFirst(world);
  return [
    named(world, {
      id: 'degraded',
      title: 'no volume in use lacks a copy',
      kind: 'volumes.longhorn.io',
      find: degradedVolumes,
    }),
    named(world, {
      id: 'disks',
      title: 'every disk that is to take volumes takes them',
      kind: 'nodes.longhorn.io',
      find: unschedulableDisks,
    }),
    defaultClassProbe(world, 'longhorn'),
    ...(writer && reader ? [longhornVolumeProbe(world, writer.name, reader.name)] : []),
  ];
}

interface Named {
  readonly id: string;
  readonly title: string;
  readonly kind: string;
  find(json: string): readonly string[];
}

/** Nothing of a kind may be found; what is found is named. */
function named(world: World, { id, title, kind, find }: Named): Probe {
  return look({
    id,
    host: controlPlaneOf(world).name,
    title,
    expected: 'none',
    script: `${adminKubectl(30)} get -n longhorn-system ${kind} -o json`,
    reproduce: `kubectl get -n longhorn-system ${kind}`,
    hint: 'see why: homelab doctor',
    accept: output => find(output).length === 0,
    show: output => find(output).join(', ') || 'none',
  });
}
