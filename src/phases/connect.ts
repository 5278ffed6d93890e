// Every machine answers, is who it says it is, and its clock can be trusted.
import type { Host } from '../model/cluster.ts';
import type { Phase, Probe, Want } from '../model/plan.ts';
import { look, seen } from '../model/probes.ts';
import { factsOf, reachedHosts, type World } from '../model/world.ts';
import { adoption } from './adoption.ts';
import { phaseNames } from './names.ts';

/** etcd and certificates bear less than this; kubelets renew leases every 10 s. */
const maxClockSpreadMs = 2_000;

export const connect: Phase = {
  ...phaseNames.connect,
  gate: true,
  wants(world, host) {
    const facts = factsOf(world, host);
    const supported = ['debian', 'ubuntu'].includes(facts.os.id);
    return [
      ...(supported
        ? []
        : [
            {
              kind: 'refusal' as const,
              id: 'os',
              reason: `it runs ${facts.os.pretty}`,
              hint: 'homelab installs on Debian and Ubuntu; reinstall the machine, or take it out of the inventory',
            },
          ]),
      ...(facts.nics.some(nic => nic.addresses.some(each => each.split('/')[0] === host.address))
        ? []
        : [
            {
              kind: 'refusal' as const,
              id: 'address',
              reason: `none of its network cards has the address ${host.address} (it has ${facts.nics.flatMap(nic => nic.addresses).join(', ') || 'none'})`,
              hint: 'put the address that the machine really has into the inventory; if SSH goes by another one, that is ssh config HostName',
            },
          ]),
      ...registeredElsewhere(world, host),
      ...adoption(world, host),
    ];
  },
  probes(world) {
    const offsets = [...world.facts.values()].map(facts => facts.clockOffsetMs).sort((a, b) => a - b);
    const median = offsets[Math.floor(offsets.length / 2)] ?? 0;
    return reachedHosts(world).flatMap((host): readonly Probe[] => {
      const facts = factsOf(world, host);
      const away = facts.clockOffsetMs - median;
      return [
        look({
          id: 'boot-id',
          host: host.name,
          title: 'answers as root, still in the boot that was read',
          expected: facts.bootId,
          script: 'cat /proc/sys/kernel/random/boot_id',
        }),
        seen({
          id: 'clock',
          host: host.name,
          title: 'clock agrees with the other machines',
          expected: `within ${maxClockSpreadMs} ms of the median`,
          observed: `${away} ms`,
          ok: Math.abs(away) <= maxClockSpreadMs,
          reproduce: 'date +%s%3N (on all machines at once)',
          hint: facts.container ? "set its host's clock" : `sudo timedatectl set-ntp true, on ${host.name}`,
        }),
      ];
    });
  },
};

// kubelet, certificates and routes were made for the address the node joined with.
function registeredElsewhere(world: World, host: Host): readonly Want[] {
  if (world.nodes === 'unknown') return [];
  const node = world.nodes.find(each => each.name === host.name);
  const other = world.nodes.find(each => each.address === host.address);
  if (!node && other && factsOf(world, host).membership.state === 'joined') {
    return [
      {
        kind: 'refusal',
        id: 'node-name',
        reason: `the running cluster knows it by the name ${other.name}`,
        hint: `write name: ${other.name} into the inventory; a node keeps the name it joined with`,
      },
    ];
  }
  if (!node?.address || node.address === host.address) return [];
  return [
    {
      kind: 'refusal',
      id: 'node-address',
      reason: `the running cluster knows it by the address ${node.address}, the inventory says ${host.address}`,
      hint: `write address: ${node.address} into the inventory; if SSH goes by another one, that is ssh config HostName`,
    },
  ];
}
