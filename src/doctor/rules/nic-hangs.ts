import { word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith } from '../snapshot.ts';
import { isNamed, lines, nodeGone } from './adapters.ts';
import { clockOf, entityOf, on, recent, seenOn, timeOn } from './on-machine.ts';

function logRule(
  row: Pick<Rule, 'id' | 'symptom' | 'cause' | 'cure' | 'sources'> & {
    readonly pattern: RegExp;
    readonly drivers: RegExp | undefined;
    readonly what: string;
    readonly commands: (machine: MachineLook, nic: string) => readonly string[];
  },
): Rule {
  const { pattern, drivers, what, commands, ...rule } = row;
  return {
    ...rule,
    layer: 'machine',
    needs: ['machine.kernelLog', 'machine.nics', 'machine.clock', 'machine.identity'],
    explains: [{ rule: 'nic-flapping', by: 'machine' }, ...nodeGone],
    find: snapshot =>
      machinesWith(snapshot, 'kernelLog').flatMap(({ machine, value }): readonly Finding[] => {
        const now = timeOn(machine, snapshot);
        const found = machine.facts.identity?.container ? [] : recent(value, pattern, 3600, now);
        const [first] = found;
        if (!first) return [];
        const last = found.at(-1) ?? first;
        const [, one, other] = pattern.exec(last.text) ?? [];
        const nics = machine.facts.nics ?? [];
        const nic = nics.find(each => isNamed(last.text, each)) ?? nics.find(({ driver }) => drivers?.test(driver));
        const driver = nic?.driver ?? one ?? other ?? '';
        if (drivers && driver !== '' && !drivers.test(driver)) return [];
        const isNow = (now - Date.parse(last.at)) / 1000 < 600;
        return [
          {
            says: `${nic?.name ?? 'an adapter'} of ${machine.name}${driver ? ` (${driver})` : ''} ${what}: ${found.length} times since ${clockOf(first.at, snapshot)}`,
            severity: isNow ? 'error' : 'warning',
            certainty: 'certain',
            about: [entityOf(machine)],
            since: first.at,
            evidence: [
              seenOn(machine, last.text, "journalctl -k -g 'Hardware Unit Hang|NETDEV WATCHDOG|rtl_rxtx_empty_cond'"),
            ],
            cure: commands(machine, nic?.name ?? 'eth0'),
          },
        ];
      }),
  };
}

export const intelHang = logRule({
  id: 'nic-intel-hang',
  symptom:
    'A machine with an Intel adapter is off the network for seconds to minutes; the kernel says "Detected Hardware Unit Hang".',
  cause:
    'The adapter (e1000e, often I219) stops sending, most often with Energy Efficient Ethernet or segmentation offload on.',
  cure: 'EEE off, then segmentation offload off, then deeper sleep states of the processor off; else another adapter.',
  sources: ['siderolabs/talos#10200', 'siderolabs/talos#8935', 'siutsin/otaru#2637'],
  pattern: lines.intelHang,
  drivers: /^(e1000e?|igb|igc)$/,
  what: 'hangs',
  commands: (machine, nic) => [
    on(machine, `sudo ethtool --set-eee ${word(nic)} eee off`),
    on(machine, `sudo ethtool -K ${word(nic)} tso off gso off   # if it goes on`),
    `to last: homelab bootstrap --only nic-power/${machine.name}; segmentation of e1000e with nicPower: {remedies: [segmentation-off]} in the inventory`,
  ],
});

export const nicStall = logRule({
  id: 'nic-stalls',
  symptom: 'A machine is off the network now and then; the kernel says "NETDEV WATCHDOG … transmit queue timed out".',
  cause:
    'The adapter stops sending and is reset: on Realtek’s r8169 mostly its power saving (ASPM) or checksum offload.',
  cure: 'Power saving of that device off, EEE off, checksum offload off; else another adapter or driver.',
  sources: ['home-assistant/operating-system#5019', 'openwrt/openwrt#13248'],
  pattern: lines.stall,
  drivers: undefined,
  what: 'stalls',
  commands: (machine, nic) => [
    on(machine, `for f in ${word(`/sys/class/net/${nic}`)}/device/link/*aspm; do echo 0 | sudo tee $f; done`),
    on(machine, `sudo ethtool --set-eee ${word(nic)} eee off`),
    on(machine, `sudo ethtool -K ${word(nic)} tx off   # if it goes on`),
    `to last: homelab bootstrap --only nic-power/${machine.name}; segmentation of e1000e with nicPower: {remedies: [segmentation-off]} in the inventory`,
  ],
});
