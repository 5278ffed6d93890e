// What a machine is asked besides what it is: control planes know the cluster.
import type { Host } from '../model/cluster.ts';
import { controlPlanesOf, type Goal } from '../model/world.ts';
import { apiFragment } from './api.ts';
import { etcdFragment } from './etcd.ts';
import type { Fragment } from './frames.ts';
import { upgradeFragments } from './upgrade-facts.ts';
import { workloadsFragment } from './workloads.ts';

/** In the same round trip as the facts. A machine that is about to be reset is asked nothing: its API server may be what is broken. */
export function questionsOf(goal: Goal, host: Host): readonly Fragment[] {
  const { about } = goal;
  const isLeaving = about !== undefined && about.kind !== 'join' && about.hosts.some(({ name }) => name === host.name);
  if (isLeaving) return [];
  // What would break is looked for once, before anything moves.
  const forUpgrade = goal.upgrade ? upgradeFragments(host).map(each => ({ ...each, once: true as const })) : [];
  if (host.role !== 'control-plane') return forUpgrade;
  const changesEtcd = about?.hosts.some(({ role }) => role === 'control-plane') ?? false;
  const others = controlPlanesOf(goal).filter(({ name }) => name !== host.name);
  return [
    apiFragment(others.map(({ address }) => address)),
    ...(changesEtcd || others.length > 0 ? [etcdFragment] : []),
    ...(about?.kind === 'remove' || goal.upgrade ? [workloadsFragment] : []),
    ...forUpgrade,
  ];
}
