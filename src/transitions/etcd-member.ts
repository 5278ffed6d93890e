// member of etcd → no member: asked of another member, before the machine itself is touched.

import type { Host } from '../model/cluster.ts';
import { etcdctl } from '../model/etcdctl.ts';
import type { Transition } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import type { EtcdMember, World } from '../model/world.ts';

export function leaveEtcd(world: World, { name, address }: Host): Transition {
  const members = world.etcd;
  // One that never started, because its join was cut off, has no name yet.
  const isIt = (each: EtcdMember) => each.name === name || each.address === address;
  const member = members === 'unknown' ? undefined : members.find(isIt);
  return {
    kind: 'transition',
    name: `etcd-without-${name}`,
    title: `Take ${name} out of etcd`,
    now: members !== 'unknown' && !member ? 'absent' : 'member',
    to: 'absent',
    change: members === 'unknown' ? silent : member && leaveChange(members, member),
    predict: before => ({
      ...before,
      etcd: before.etcd === 'unknown' ? before.etcd : before.etcd.filter(each => !isIt(each)),
    }),
  };
}

const silent = {
  refuse: 'etcd does not answer on the control planes that stay',
  hint: 'see its log there (sudo tail -n 50 /var/log/pods/kube-system_etcd-*/etcd/*.log); a majority of the members must run',
};

function leaveChange(members: readonly EtcdMember[], { id }: EtcdMember): Transition['change'] {
  const lost = quorumLost(members, id);
  if (lost !== undefined) {
    return {
      refuse: lost,
      hint: 'bring the other members back first (homelab verify names them); without a majority etcd takes no change',
    };
  }
  return {
    why: `it is one of ${members.length} members`,
    risk: 'disruptive',
    action: { script: `${etcdctl}\netcdctl member remove ${sh(id)}\n`, timeoutMs: 60_000 },
  };
}

/** Why the members without the one of this id would have no majority, or those that are there have none to decide it. Undefined: all is well. */
export function quorumLost(members: readonly EtcdMember[], leaving?: string): string | undefined {
  const voters = members.filter(({ learner }) => !learner);
  for (const group of [voters, voters.filter(({ id }) => id !== leaving)]) {
    const healthy = group.filter(each => each.healthy).length;
    const needed = Math.floor(group.length / 2) + 1;
    if (healthy < needed) {
      const down = group.filter(each => !each.healthy).map(({ name, address }) => name || address);
      return `only ${healthy} of ${group.length} etcd members are healthy, ${needed} are needed (not: ${down.join(', ')})`;
    }
  }
  return undefined;
}
