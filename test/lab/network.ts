// A lab's network: a bridge with the gateway's address, a firewall table of its own, and the cables of its machines.
import { z } from 'zod';
import { HomelabError } from '../../src/model/errors.ts';
import { output, run } from './run.ts';

export const podSubnet = '10.244.0.0/16';
export const serviceSubnet = '10.96.0.0/12';
const labsSubnet = '10.77.0.0/16';

export const bridgeOf = (index: number): string => `hlab${index}`;
export const gatewayOf = (index: number): string => `10.77.${index}.1`;
export const addressOf = (index: number, host: number): string => `10.77.${index}.${10 + host}`;
export const machineOf = (index: number, host: number): string => `${bridgeOf(index)}-${10 + host}`;
const tableOf = (index: number): string => `homelab_lab_${index}`;

const linkSchema = z.object({
  ifname: z.string(),
  master: z.string().optional(),
});

type Link = Readonly<z.infer<typeof linkSchema>>;

async function allLinks(): Promise<readonly Link[]> {
  return z.array(linkSchema).parse(JSON.parse(await run(['ip', '-json', 'link', 'show'])));
}

/** The first N that no other lab has and whose 10.77.N.0/24 this machine does not use otherwise. */
export async function freeIndex(taken: ReadonlySet<number>): Promise<number> {
  const routes = await run(['ip', '-4', 'route', 'show', 'table', 'all']);
  const names = new Set((await allLinks()).map(link => link.ifname));
  for (let index = 0; index < 255; index++) {
    const used = new RegExp(`(^|\\s)10\\.77\\.${index}\\.`).test(routes);
    if (!used && !taken.has(index) && !names.has(bridgeOf(index))) return index;
  }
  throw new HomelabError('HL_REFUSED', `All of ${labsSubnet} is in use on this machine`, {
    hint: 'take a lab away: npm run lab -- down --name NAME',
  });
}

/** Makes bridge and firewall; what is there already stays. */
export async function createNetwork(index: number): Promise<void> {
  const bridge = bridgeOf(index);
  if (!(await allLinks()).some(link => link.ifname === bridge)) {
    // An address of its own: otherwise it changes with the machines that join, and their ARP entries for the gateway go stale.
    const mac = `02:4c:41:42:00:${index.toString(16).padStart(2, '0')}`;
    await run([
      'ip',
      'link',
      'add',
      'name',
      bridge,
      'address',
      mac,
      'type',
      'bridge',
      'stp_state',
      '0',
      'forward_delay',
      '0',
    ]);
  }
  await run(['ip', 'address', 'replace', `${gatewayOf(index)}/24`, 'dev', bridge]);
  await run(['ip', 'link', 'set', bridge, 'up']);
  await run(['nft', '--file', '-'], { stdin: firewall(index) });
  await openForwarding(index);
}

/**
 * Outgoing traffic is masqueraded. Traffic to pods and services that a machine could not place itself must not leave the
 * lab: something outside may answer. Neither may it reach another lab, whose pods have the same addresses. Machines are
 * told so, else a pod that connects before kube-proxy has its rules waits 30 s for nothing; pods' own addresses mean
 * nothing here and get no answer.
 * Packets from machine to machine cross the bridge only; where br_netfilter shows them to this table, both interfaces are the bridge.
 */
export function firewall(index: number): string {
  const [table, bridge] = [tableOf(index), bridgeOf(index)];
  return `table ip ${table} {}
delete table ip ${table}
table ip ${table} {
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "${bridge}" oifname != "${bridge}" ip daddr { ${podSubnet}, ${serviceSubnet}, ${labsSubnet} } jump inside
  }
  chain inside {
    ip saddr 10.77.${index}.0/24 reject with icmp admin-prohibited
    drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    iifname "${bridge}" oifname != "${bridge}" masquerade
  }
}
`;
}

export async function removeNetwork(index: number): Promise<void> {
  const bridge = bridgeOf(index);
  const all = await allLinks();
  for (const cable of all.filter(link => link.master === bridge)) await output(['ip', 'link', 'delete', cable.ifname]);
  if (all.some(link => link.ifname === bridge)) await run(['ip', 'link', 'delete', bridge]);
  await closeForwarding(index);
  await run(['nft', '--file', '-'], { stdin: `table ip ${tableOf(index)} {}\ndelete table ip ${tableOf(index)}\n` });
}

/** Where Docker or a firewall tool has iptables drop what is forwarded, our bridge needs a door. */
async function openForwarding(index: number): Promise<void> {
  const { code, stdout } = await output(['nft', 'list', 'chain', 'ip', 'filter', 'FORWARD']);
  if (code !== 0 || !stdout.includes('policy drop')) return;
  await closeForwarding(index);
  for (const rule of doors(index)) await run(['iptables', '--wait', '--insert', 'FORWARD', ...rule]);
}

async function closeForwarding(index: number): Promise<void> {
  const { code, stdout } = await output(['nft', 'list', 'chain', 'ip', 'filter', 'FORWARD']);
  if (code !== 0 || !stdout.includes(`"${bridgeOf(index)}"`)) return;
  for (const rule of doors(index)) {
    for (let gone = false; !gone; )
      gone = (await output(['iptables', '--wait', '--delete', 'FORWARD', ...rule])).code !== 0;
  }
}

function doors(index: number): readonly (readonly string[])[] {
  const bridge = bridgeOf(index);
  return [
    ['--in-interface', bridge, '--jump', 'ACCEPT'],
    ['--out-interface', bridge, '--jump', 'ACCEPT'],
  ];
}

/** Our end of a machine's cable, as nspawn names it. Machines' names are short, so it is never cut to the kernel's 15 characters. */
export const cableOf = (machine: string): string => `vb-${machine}`;

export async function hasCable(machine: string): Promise<boolean> {
  return (await allLinks()).some(link => link.ifname === cableOf(machine));
}

export async function setCable(machine: string, state: 'up' | 'down'): Promise<void> {
  await run(['ip', 'link', 'set', cableOf(machine), state]);
}

/** What systemd-networkd reads in the machine; `match` tells its end of the cable from what else it may have. */
export function guestNetwork(index: number, address: string, match: string): string {
  return `[Match]
${match}

[Network]
Address=${address}/24
Gateway=${gatewayOf(index)}
# As ifupdown, Debian's own default: a cable that is out for a moment costs no address and no route.
IgnoreCarrierLoss=yes
LinkLocalAddressing=no
IPv6AcceptRA=no
`;
}
