// Which adapters of a machine matter, and what logs say of them.
import type { MachineNic } from '../machine-facts.ts';
import type { Explains } from '../rule.ts';
import type { MachineLook } from '../snapshot.ts';

/** Every wording that a rule about adapters looks for, with where it comes from. */
export const lines = {
  /** e1000e, igb, r8169, virtio: 'NIC Link is Down', 'Link is Down'; networkd: 'Lost carrier'. */
  down: /[Ll]ink (?:is )?[Dd]own|Lost carrier/,
  /** drivers/net/ethernet/intel/e1000e/netdev.c */
  intelHang: /Detected Hardware Unit Hang/,
  /** net/sched/sch_generic.c: 'NETDEV WATCHDOG: enp2s0 (r8169): transmit queue 0 timed out'; drivers/net/ethernet/realtek/r8169_main.c */
  stall: /NETDEV WATCHDOG: ?(?:CPU: \d+: )?(?:[\w.-]+ \(([\w-]+)\))?|(r8169).*rtl_rxtx_empty_cond/,
} as const;

/** Adapters that matter: with a device below them, or what a container has in their place. Bridges of pods are none. */
export function adapters(machine: MachineLook, nics: readonly MachineNic[]): readonly MachineNic[] {
  const defaults = machine.facts.routing?.defaults.map(({ dev }) => dev) ?? [];
  const isOwn = ({ addresses }: MachineNic) => addresses.some(each => each.split('/')[0] === machine.address);
  return nics.filter(nic => nic.bus !== '' || defaults.includes(nic.name) || isOwn(nic));
}

/** Not one whose name begins the same way, nor a VLAN of it. */
export function isNamed(text: string, { name }: Pick<MachineNic, 'name'>): boolean {
  return text.split(/[^\w.-]+/).includes(name);
}

export function isUsed(machine: MachineLook, { name, addresses }: MachineNic): boolean {
  return addresses.length > 0 || (machine.facts.routing?.defaults.some(({ dev }) => dev === name) ?? false);
}

/** Not a port of the kubelet that is blocked: there, other ports of the machine answer at the same moment. */
export const nodeGone: readonly Explains[] = ['etcd-member-down', 'api-port-blocked', 'node-not-ready'].map(rule => ({
  rule,
  by: 'machine',
}));
