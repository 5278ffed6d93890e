// The end of the first bootstrap: how one gets in, and what to type next. Later runs say nothing of it; homelab access does.
import { apply } from '../engine/run.ts';
import { stateDir } from '../io/journal.ts';
import { hasSucceeded } from '../io/past-runs.ts';
import type { Cluster } from '../model/cluster.ts';
import type { EventBody } from '../model/events.ts';
import type { Plan } from '../model/plan.ts';
import { command } from '../model/shell.ts';
import { accessRows } from './access.ts';
import { usualInventory } from './options.ts';
import type { Io, RunOptions, Session } from './session.ts';

/** Does what `apply` does; after the first run that ended well, or one that made the cluster, hands it over. */
export async function applyAndHandOver(session: Session): Promise<void> {
  const { goal, options, io, rehearsal, bus } = session;
  const isFirst = !(await hasSucceeded(stateDir(io.env), goal.cluster.name));
  let isNew = false;
  await apply({
    ...session,
    async approve(plan) {
      await session.approve(plan);
      isNew = makesCluster(plan);
    },
  });
  if (rehearsal || !isWhole(options) || !(isFirst || isNew)) return;
  bus.emit(await handOver(goal.cluster, options.inventory, io.env));
}

export function makesCluster({ steps }: Pick<Plan, 'steps'>): boolean {
  return steps.some(({ id }) => /^control-plane\/[^/]+\/init$/.test(id));
}

function isWhole({ only, skip, until }: RunOptions): boolean {
  return only === undefined && skip === undefined && until === undefined;
}

export async function handOver(
  cluster: Cluster,
  inventory: string,
  env: Io['env'],
): Promise<EventBody & { readonly type: 'hand-over' }> {
  const which = inventory === usualInventory ? '' : ` ${command('-i', inventory)}`;
  return {
    type: 'hand-over',
    access: await accessRows(cluster, inventory, env),
    next: [
      { type: `homelab status${which}`, why: 'one screen, at any time' },
      { type: `homelab verify${which}`, why: 'every proof again' },
      ...(cluster.backup
        ? [{ type: `homelab backup${which}`, why: 'etcd and the keys, encrypted, brought here' }]
        : []),
      { type: `homelab doctor${which}`, why: 'when something is wrong' },
    ],
  };
}
