// From bare machines to the cluster: what our own part costs beside the remote commands.
import { criticalPathMs, longestMs, parseEvents, remoteCommands } from './critical-path.ts';
import { labMissing } from './lab.ts';
import type { Measurement } from './measurement.ts';
import type { Row } from './row.ts';

const mostPercent = 5;

export const scratch: Row = {
  id: 'from-scratch',
  title: 'four bare machines to a proven cluster, bundle on disk, against the critical path of its remote commands',
  missing: labMissing,
  async run({ log, lab }) {
    const bench = await lab();
    log('from scratch: homelab bootstrap');
    const { stdout, wallMs } = await bench.bootstrap('bundle');
    const commands = remoteCommands(parseEvents(stdout));
    const pathMs = criticalPathMs(commands);
    const value = (what: string, ms: number): Measurement => ({ what, value: ms / 1000, unit: 's', detail: '1 run' });
    return [
      {
        what: 'wall time over the critical path',
        value: (100 * (wallMs - pathMs)) / pathMs,
        unit: '%',
        detail: '1 run',
        budget: { atMost: mostPercent },
      },
      value('homelab bootstrap', wallMs),
      value('critical path of the remote commands', pathMs),
      value("of it kubeadm's own: init", longestMs(commands, 'init')),
      value("of it kubeadm's own: the longest join", longestMs(commands, 'join')),
    ];
  },
};
