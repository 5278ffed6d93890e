// A worker without power, as a phase: what stands against that, and that a layer's data bears it.
import type { Layer } from '../layers/layer.ts';
import type { Host } from '../model/cluster.ts';
import type { Phase, Want } from '../model/plan.ts';
import type { World } from '../model/world.ts';
import { recoveryName } from './names.ts';

export function recoveryPhase({ recovery }: Pick<Layer, 'recovery'>, lost: string): Phase {
  return {
    ...recoveryName,
    title: `Take ${lost} away`,
    wants: (world, host) => (host.name === lost ? objections(world, host) : []),
    probes: world =>
      world.cluster.hosts.filter(({ name }) => name === lost).flatMap(host => recovery?.(world, host) ?? []),
  };
}

function objections({ cluster, nodes }: World, { name, role }: Host): readonly Want[] {
  if (nodes === 'unknown') return [];
  const takesPods = nodes.filter(({ ready, unschedulable }) => ready && !unschedulable).map(node => node.name);
  const others = cluster.hosts.filter(host => host.name !== name && takesPods.includes(host.name));
  return [
    ...(role === 'worker' ? [] : [refusal('not-a-worker', `${name} is a control plane`, 'name a worker')]),
    ...(takesPods.includes(name)
      ? []
      : [refusal('not-ready', `${name} is not Ready, or is cordoned: nothing would be shown`, 'homelab status')]),
    ...(others.length > 0
      ? []
      : [
          refusal(
            'no-other',
            `no other machine than ${name} takes pods`,
            'let another one be Ready first: homelab status',
          ),
        ]),
  ];
}

function refusal(id: string, reason: string, hint: string): Want {
  return { kind: 'refusal', id, reason, hint };
}
