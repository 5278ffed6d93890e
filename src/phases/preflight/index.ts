// What must hold of a machine before anything on it changes: one ordered list of groups of checks.
import type { Phase } from '../../model/plan.ts';
import { factsOf, reachedHosts } from '../../model/world.ts';
import { phaseNames } from '../names.ts';
import { apt } from './apt.ts';
import type { Checks } from './check.ts';
import { disk } from './disk.ts';
import { hardware } from './hardware.ts';
import { identity } from './identity.ts';
import { leftovers } from './leftovers.ts';
import { network } from './network.ts';
import { nodeToNode } from './node-to-node.ts';
import { ports } from './ports.ts';
import { sources } from './sources.ts';
import { time } from './time.ts';

const ofEveryMachine: readonly Checks[] = [disk];
const ofNewcomers: readonly Checks[] = [identity, hardware, disk, ports, time, network, leftovers, apt, sources];

export const preflight: Phase = {
  ...phaseNames.preflight,
  gate: true,
  wants: () => [],
  probes: world => [
    ...reachedHosts(world).flatMap(host =>
      (factsOf(world, host).membership.state === 'absent' ? ofNewcomers : ofEveryMachine).flatMap(checks =>
        checks(world, host),
      ),
    ),
    ...nodeToNode(world),
  ],
};
