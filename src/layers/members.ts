// Machines that a layer can be proven on: those that were reached and are nodes.
import type { Host } from '../model/cluster.ts';
import { reachedHosts, type World } from '../model/world.ts';

export function members(world: World): readonly Host[] {
  const { nodes } = world;
  return reachedHosts(world).filter(({ name }) => nodes !== 'unknown' && nodes.some(node => node.name === name));
}

/** Workers before control planes: where pods of users are. */
export function workersFirst(world: World): readonly Host[] {
  const all = members(world);
  return [...all.filter(({ role }) => role === 'worker'), ...all.filter(({ role }) => role !== 'worker')];
}
