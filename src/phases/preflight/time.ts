// The clocks agree with each other (that is `connect`'s); here: with the clock of whoever will use the certificates they date.

import { seen } from '../../model/probes.ts';
import { factsOf } from '../../model/world.ts';
import type { Checks } from './check.ts';

/** apt refuses indexes, and kubectl certificates, that begin in the future. */
const furthestMs = 300_000;

export const time: Checks = (world, host) => {
  const { clockOffsetMs, container } = factsOf(world, host);
  // A container's clock is its host's.
  if (container) return [];
  return [
    seen({
      id: 'time',
      host: host.name,
      title: 'tells the time that this computer tells',
      expected: `within ${furthestMs / 60_000} minutes`,
      observed: Math.abs(clockOffsetMs) < 1000 ? `${clockOffsetMs} ms` : `${Math.round(clockOffsetMs / 1000)} s`,
      ok: Math.abs(clockOffsetMs) <= furthestMs,
      reproduce: 'date, here and there',
      hint: `whichever is wrong: sudo timedatectl set-ntp true, or sudo timedatectl set-time '${'YYYY-MM-DD hh:mm:ss'}'`,
    }),
  ];
};
