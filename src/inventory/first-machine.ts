// A machine that `homelab init` has seen, in words: for the screen, and for the comments of the inventory.
import type { Role } from '../model/cluster.ts';
import { type Card, type FirstLook, leastControlPlane } from '../model/first-look.ts';

export interface FirstMachine {
  readonly name: string;
  readonly address: string;
  readonly role: Role;
  /** How it is reached, where it is otherwise than the others. */
  readonly port?: number | undefined;
  readonly seen: FirstLook | { readonly unseen: string };
}

export function lookOf({ seen }: Pick<FirstMachine, 'seen'>): FirstLook | undefined {
  return 'unseen' in seen ? undefined : seen;
}

/** What it is: its system, its size, its network cards. */
export function describeMachine({ facts, processors, memoryMiB, disks, cards }: FirstLook): readonly string[] {
  const size = [
    `${processors} ${processors === 1 ? 'processor' : 'processors'}`,
    `${gib(memoryMiB * 1024 ** 2)} memory`,
    ...disks.map(
      ({ name, bytes, rotates }) =>
        `${name} ${gib(bytes)}${rotates && facts.virtualization === 'none' ? ' (spinning)' : ''}`,
    ),
  ];
  return [`${facts.os.pretty}, ${facts.arch}, ${kindOf(facts)}`, size.join(', '), ...cardLines(facts.nics, cards)];
}

/** What a person has to know before this machine becomes a member. */
export function remarksOn({ name, address, role, seen }: FirstMachine): readonly string[] {
  if ('unseen' in seen) return [];
  const { facts, processors, memoryMiB } = seen;
  const isSmall = processors < leastControlPlane.processors || memoryMiB < leastControlPlane.memoryMiB;
  const addresses = facts.nics.flatMap(nic => nic.addresses);
  return [
    ...(facts.membership.state === 'joined'
      ? [
          `is a ${facts.membership.role} of a kubeadm cluster already: homelab plan --describe says what that cluster is`,
        ]
      : []),
    ...(facts.membership.state === 'partial' ? [`something of a cluster is left there: ${facts.membership.why}`] : []),
    ...(addresses.some(each => each.split('/')[0] === address)
      ? []
      : [
          `none of its network cards has ${address} (it has ${addresses.join(', ') || 'none'}): give the one that the others reach it by`,
        ]),
    ...(role === 'control-plane' && isSmall
      ? [
          `too small for a control plane: kubeadm wants ${leastControlPlane.processors} processors and ${leastControlPlane.memoryMiB} MiB`,
        ]
      : []),
    ...(facts.hostname === name ? [] : [`calls itself ${facts.hostname}; its node will be called ${name}`]),
  ];
}

function kindOf({ virtualization, container }: FirstLook['facts']): string {
  if (container) return `a container (${virtualization})`;
  return virtualization === 'none' || virtualization === '' ? 'metal' : `a virtual machine (${virtualization})`;
}

function cardLines(nics: FirstLook['facts']['nics'], cards: readonly Card[]): readonly string[] {
  return nics
    .filter(({ name, addresses }) => addresses.length > 0 || cards.some(card => card.name === name))
    .toSorted((left, right) => Number(right.addresses.length > 0) - Number(left.addresses.length > 0))
    .slice(0, mostCards)
    .map(({ name, addresses }) => {
      const card = cards.find(each => each.name === name);
      const about = [
        ...(card ? [card.driver] : []),
        ...(card?.wifi ? ['Wi-Fi'] : []),
        ...(card && card.speedMbps > 0 ? [`${card.speedMbps} Mb/s`] : []),
      ];
      return `${name} ${addresses.join(' ') || 'without an address'}${about.length > 0 ? ` (${about.join(', ')})` : ''}`;
    });
}

/** Machines that run containers have dozens. */
const mostCards = 6;

function gib(bytes: number): string {
  const value = bytes / 1024 ** 3;
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} GiB`;
}
