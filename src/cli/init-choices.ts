// What `homelab init` suggests from what it saw: names, roles, subnets, the endpoint. Pure.
import { type FirstMachine, lookOf } from '../inventory/first-machine.ts';
import { type ChosenSubnets, freeSubnets } from '../inventory/free-subnets.ts';
import { checkHostName } from '../inventory/names.ts';
import type { Role } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import { isPodLink } from '../phases/preflight/network.ts';
import type { Looked } from './init-look.ts';

export type Unnamed = Omit<FirstMachine, 'role'> & { readonly role: Role | undefined };

/** Machines by the names they were given, or by what they call themselves; undefined where neither is a name. */
export function named(
  looked: readonly Looked[],
): readonly (Unnamed | { readonly address: string; readonly name?: never })[] {
  return looked.map(({ machine: { name, address, port, role }, seen }) => {
    const isSeen = !(seen instanceof HomelabError);
    const own = isSeen && checkHostName(seen.facts.hostname) === undefined ? seen.facts.hostname : undefined;
    const known = name ?? own;
    if (known === undefined) return { address };
    return { name: known, address, port, role, seen: isSeen ? seen : { unseen: seen.message } };
  });
}

const controlPlaneName = /(^|[-_.])(cp|ctrl|control|controlplane|master|server)[-_.]?\d*([-_.]|$)/;

/** Those that are one already, those that are called so, or the first. */
export function suggestedControlPlanes(machines: readonly Unnamed[]): readonly string[] {
  const isMember = (machine: Unnamed) => {
    const membership = lookOf(machine)?.facts.membership;
    return membership?.state === 'joined' && membership.role === 'control-plane';
  };
  const given = machines.filter(({ role }) => role === 'control-plane');
  const open = machines.filter(({ role }) => role === undefined);
  if (given.length > 0) return given.map(({ name }) => name);
  const members = open.filter(isMember);
  const called = open.filter(({ name }) => controlPlaneName.test(name));
  const chosen = members.length > 0 ? members : called.length > 0 ? called : open.slice(0, 1);
  return chosen.map(({ name }) => name);
}

export function withRoles(machines: readonly Unnamed[], controlPlanes: readonly string[]): readonly FirstMachine[] {
  const all = machines.map(
    (machine): FirstMachine => ({
      ...machine,
      role: controlPlanes.includes(machine.name) ? 'control-plane' : 'worker',
    }),
  );
  return [...all.filter(({ role }) => role === 'control-plane'), ...all.filter(({ role }) => role === 'worker')];
}

/** RFC 8375: home.arpa is nobody's on the internet. */
export function usualEndpoint(cluster: string): string {
  return `api.${cluster}.home.arpa`;
}

/** Throws HL_REFUSED where no private range is left. */
export function subnetsFor(machines: readonly FirstMachine[]): ChosenSubnets {
  const taken = machines.flatMap(machine => {
    const look = lookOf(machine);
    const own = { what: machine.address, where: machine.name };
    if (!look) return [own];
    const addresses = look.facts.nics.filter(({ name }) => !isPodLink(name)).flatMap(nic => nic.addresses);
    const routes = look.routes.filter(({ to, dev }) => to !== 'default' && !isPodLink(dev));
    return [
      own,
      ...addresses.map(address => ({ what: address.split('/')[0] ?? address, where: machine.name })),
      ...routes.map(({ to, dev }) => ({ what: to, where: `route on ${dev} of ${machine.name}` })),
    ];
  });
  const chosen = freeSubnets(taken, machines.length);
  if (chosen) return chosen;
  throw new HomelabError('HL_REFUSED', 'every usual subnet for pods and services is in use around these machines', {
    context: { details: taken.map(({ what, where }) => `${what} (${where})`) },
    hint: 'copy inventory/homelab.yaml, and write podSubnet and serviceSubnet that are free',
  });
}
