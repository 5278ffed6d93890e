// What happens to a machine that leaves: emptied, out of etcd, reset, forgotten. Every phase begins from what the one before left.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Phase, Probe, Want } from '../model/plan.ts';
import { look, seen } from '../model/probes.ts';
import { controlPlanesOf, factsOf, type World } from '../model/world.ts';
import { emptying } from '../transitions/drain.ts';
import { leaveEtcd } from '../transitions/etcd-member.ts';
import { forget as forgetNode } from '../transitions/forget.ts';
import { reset as resetMachine } from '../transitions/reset.ts';
import { leavingNames } from './names.ts';

export const drain: Phase = {
  ...leavingNames.drain,
  wants(world, host): readonly Want[] {
    // Nobody tells a dead machine's kubelet to stop its pods; they go with the node object.
    if (host !== stayingControlPlane(world) || world.about?.dead) return [];
    return leavingNow(world).flatMap(each => emptying(world, each));
  },
  probes: () => [],
};

export const etcdMember: Phase = {
  ...leavingNames.etcdMember,
  wants(world, host): readonly Want[] {
    if (host !== stayingControlPlane(world)) return [];
    return leavingNow(world)
      .filter(({ role }) => role === 'control-plane')
      .map(each => leaveEtcd(world, each));
  },
  probes: () => [],
};

export const reset: Phase = {
  ...leavingNames.reset,
  wants(world, host): readonly Want[] {
    if (!leavingNow(world).some(({ name }) => name === host.name)) return [];
    return [...lastOfItsKind(world, host), resetMachine(world, host)];
  },
  probes: world =>
    leavingNow(world)
      .filter(({ name }) => world.facts.has(name))
      .flatMap(({ name }): readonly Probe[] => [
        look({
          id: 'nothing-runs',
          host: name,
          title: 'no container and no kubelet run there',
          expected: 'none',
          script: `{ timeout 20 ctr -n k8s.io tasks list -q 2>/dev/null || true; pgrep -x kubelet || true; } | paste -sd' ' | sed 's/^$/none/'`,
          reproduce: 'sudo ctr -n k8s.io tasks list; pgrep -ax kubelet',
        }),
        look({
          id: 'nothing-left',
          host: name,
          title: 'no file of the cluster and no pod network are left',
          expected: 'none',
          // The packages' own folders and hidden files may be there.
          script: `{ find /etc/kubernetes /etc/cni/net.d/10-homelab.conflist -type f ! -name '.*' 2>/dev/null || true; ls -d /var/lib/etcd/member 2>/dev/null || true; ip -o link show cni0 2>/dev/null || true; } | paste -sd' ' | sed 's/^$/none/'`,
          reproduce: 'sudo find /etc/kubernetes /var/lib/etcd -type f; ip link show cni0',
        }),
      ]),
};

export const forget: Phase = {
  ...leavingNames.forget,
  wants: (world, host) =>
    host === stayingControlPlane(world) ? leavingNow(world).map(each => forgetNode(world, each)) : [],
  probes(world) {
    const host = stayingControlPlane(world)?.name;
    if (host === undefined) return [];
    const { nodes } = world;
    return leavingNow(world).map(({ name }) =>
      seen({
        id: `gone-${name}`,
        host,
        title: `the API server knows no ${name}`,
        expected: 'no such node',
        observed:
          nodes === 'unknown'
            ? 'no API server answers'
            : nodes.some(each => each.name === name)
              ? name
              : 'no such node',
        reproduce: `sudo ${adminKubectl(10)} get nodes`,
      }),
    );
  },
};

function leavingNow({ about }: World): readonly Host[] {
  return about === undefined || about.kind === 'join' ? [] : about.hosts;
}

/** A member that stays and can be asked; none when the whole cluster is reset. */
function stayingControlPlane(world: World): Host | undefined {
  const leaving = leavingNow(world).map(({ name }) => name);
  return controlPlanesOf(world).find(
    ({ name }) =>
      !leaving.includes(name) && world.facts.has(name) && factsOf(world, name).membership.state === 'joined',
  );
}

// Its workers would have nobody to report to.
function lastOfItsKind(world: World, host: Host): readonly Want[] {
  const leaving = leavingNow(world).map(({ name }) => name);
  const staying = world.cluster.hosts.filter(({ name }) => !leaving.includes(name));
  const { membership: mine } = factsOf(world, host);
  const isNeeded =
    host.role === 'control-plane' &&
    mine.state === 'joined' &&
    stayingControlPlane(world) === undefined &&
    staying.some(({ name }) => {
      const theirs = world.facts.get(name)?.membership;
      return theirs?.state === 'joined' && theirs.caHash === mine.caHash;
    });
  if (!isNeeded) return [];
  return [
    {
      kind: 'refusal',
      id: 'last-control-plane',
      reason: 'it is the last control plane, and other machines are members of its cluster',
      hint: `to take the whole cluster apart: homelab reset ${world.cluster.name}`,
    },
  ];
}
