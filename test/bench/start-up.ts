// How long a person waits for --help, against node doing nothing.
import { type Measurement, pairedRatio, seconds } from './measurement.ts';
import type { Row } from './row.ts';
import { homelab, node, timed } from './timed.ts';

const most = 2;

export const startUp: Row = {
  id: 'start-up',
  title: 'homelab --help and homelab plan --help against node -e 0',
  missing: async () => undefined,
  async run({ runs = 15, signal }) {
    const found: Measurement[] = [];
    for (const args of [['--help'], ['plan', '--help']]) {
      const ours: number[] = [];
      const nothing: number[] = [];
      // The first pair fills the disk cache and is not counted.
      for (let run = -1; run < runs; run++) {
        const a = await timed([node, homelab, ...args], { signal });
        const b = await timed([node, '-e', '0'], { signal });
        if (run < 0) continue;
        ours.push(a.wallMs);
        nothing.push(b.wallMs);
      }
      const name = `homelab ${args.join(' ')}`;
      found.push(
        { ...pairedRatio(`${name} / node -e 0`, ours, nothing), budget: { atMost: most } },
        seconds(name, ours),
        seconds('node -e 0', nothing),
      );
    }
    return found;
  },
};
