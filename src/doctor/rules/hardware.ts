// Memory, processor and bus, as the kernel's log tells it: a machine whose hardware counts errors is not to be trusted with data.
import type { Finding, Rule } from '../rule.ts';
import { machinesWith } from '../snapshot.ts';
import { entityOf, on, recent, seenOn, timeOn } from './on-machine.ts';

export const hardwareErrors: Rule = {
  id: 'hardware-errors',
  layer: 'machine',
  symptom: 'A machine stops or starts again by itself, or programs on it end where they never did before.',
  cause: 'The hardware reports errors: memory, the processor, or a card on the bus.',
  cure: 'See which part it is, take it out or replace it; on the machine of a homelab it is memory most of all.',
  sources: ['linux arch/x86/kernel/cpu/mce/core.c, drivers/firmware/efi/cper.c'],
  needs: ['machine.kernelLog', 'machine.identity', 'machine.clock'],
  explains: [],
  find: snapshot =>
    machinesWith(snapshot, 'kernelLog').flatMap(({ machine, value }): readonly Finding[] => {
      // In a container it is its host's log.
      if (machine.facts.identity?.container) return [];
      const lines = recent(value, /\[Hardware Error\]/, 86_400, timeOn(machine, snapshot));
      const last = lines.at(-1);
      if (!last) return [];
      const isCorrected = !lines.some(({ text }) => /uncorrected|fatal/i.test(text));
      return [
        {
          says: `the hardware of ${machine.name} reports errors${isCorrected ? '' : ' that were not corrected'}: the kernel says ${last.text}`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          since: lines[0]?.at ?? last.at,
          evidence: [seenOn(machine, last.text, "journalctl -k -g 'Hardware Error'")],
          cure: [
            on(
              machine,
              'sudo apt-get install -y rasdaemon   # it tells which module of memory, in: sudo ras-mc-ctl --errors',
            ),
            `drain ${machine.name}, and test its memory overnight (memtest86+)`,
          ],
        },
      ];
    }),
};
