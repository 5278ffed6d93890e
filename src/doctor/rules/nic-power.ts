import { word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { machinesWith } from '../snapshot.ts';
import { adapters, isUsed } from './adapters.ts';
import { nicDown, nicFlapping, secondNicDown } from './nic.ts';
import { intelHang, nicStall } from './nic-hangs.ts';
import { entityOf, on, seenOn } from './on-machine.ts';
import { mtuTooLarge, tunnelChecksums } from './tunnels.ts';

/** With Energy Efficient Ethernet these are known to lose their link or hang. */
const badWithEee = /^(e1000e|igb|igc|r8169|r8168|r8125|r8152|atlantic)$/;

export const nicPowerSaving: Rule = {
  id: 'nic-power-saving',
  layer: 'machine',
  symptom: 'Links that flap or adapters that hang when there is little to do.',
  cause: 'The adapter saves power: Energy Efficient Ethernet, Wi-Fi power save, or USB autosuspend.',
  cure: 'Switch it off on machines that are always on.',
  sources: [
    'kernel docs: ABI/testing/sysfs-devices-power',
    'ethtool(8) --set-eee',
    'iw docs: power_save',
    'siderolabs/talos#10200',
  ],
  needs: [
    'machine.nics',
    'machine.routing',
    'machine.identity',
    'machine.kernelLog',
    'machine.journal',
    'machine.clock',
    'api.nodes',
  ],
  explains: ['nic-intel-hang', 'nic-stalls', 'nic-flapping'].map(rule => ({ rule, by: 'machine' })),
  find(snapshot) {
    const trouble = [intelHang, nicStall, nicFlapping].flatMap(rule =>
      rule.find(snapshot).map(({ about: [first] }) => first),
    );
    return machinesWith(snapshot, 'nics').flatMap(({ machine, value }) =>
      adapters(machine, value)
        .filter(nic => isUsed(machine, nic))
        .flatMap((nic): readonly Finding[] => {
          const { name, driver } = nic;
          const usb = word(`/sys/class/net/${name}/device/../power/control`);
          const knobs = [
            ...(nic.eee === 'on'
              ? [
                  {
                    what: 'Energy Efficient Ethernet',
                    again: `sudo ethtool --show-eee ${word(name)}`,
                    // The link goes down for some seconds: not done unasked.
                    cure: `sudo ethtool --set-eee ${word(name)} eee off`,
                    weight: badWithEee.test(driver) ? ('warning' as const) : ('note' as const),
                  },
                ]
              : []),
            ...(nic.wifi && nic.powerSave === 'on'
              ? [
                  {
                    what: 'Wi-Fi power save',
                    again: `iw dev ${word(name)} get power_save`,
                    cure: `sudo iw dev ${word(name)} set power_save off`,
                    fix: {
                      script: `iw dev ${word(name)} set power_save off\n`,
                      undo: `iw dev ${word(name)} set power_save on\n`,
                    },
                    weight: 'warning' as const,
                  },
                ]
              : []),
            ...(nic.bus === 'usb' && nic.powerControl === 'auto'
              ? [
                  {
                    what: 'USB autosuspend',
                    again: `cat ${usb}`,
                    cure: `echo on | sudo tee ${usb}`,
                    fix: { script: `echo on > ${usb}\n`, undo: `echo auto > ${usb}\n` },
                    weight: 'warning' as const,
                  },
                ]
              : []),
          ];
          return knobs.map(
            (knob): Finding => ({
              says: `${name} of ${machine.name} (${driver}) saves power: ${knob.what} is on`,
              severity: knob.weight,
              // That it is on is certain; that the link suffers from it is not.
              ...(trouble.includes(entityOf(machine))
                ? {
                    certainty: 'likely',
                    settledBy: `switch it off, and see for a day whether the link of ${machine.name} stays`,
                  }
                : { certainty: 'certain' }),
              about: [entityOf(machine)],
              evidence: [seenOn(machine, `${knob.what}: on`, knob.again)],
              cure: [on(machine, knob.cure), `to last: homelab bootstrap --only nic-power/${machine.name}`],
              ...(knob.fix
                ? { fix: { machine: machine.name, title: `Switch ${knob.what} of ${name} off`, ...knob.fix } }
                : {}),
            }),
          );
        }),
    );
  },
};

export const nicRules: readonly Rule[] = [
  nicPowerSaving,
  intelHang,
  nicStall,
  nicDown,
  secondNicDown,
  nicFlapping,
  tunnelChecksums,
  mtuTooLarge,
];
