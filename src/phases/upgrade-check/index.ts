// Everything that is to be said before an upgrade moves anything: in the way is a refusal, worth knowing a note, the rest evidence.

import type { Host } from '../../model/cluster.ts';
import type { Phase } from '../../model/plan.ts';
import { controlPlaneOf, reachedHosts, type World } from '../../model/world.ts';
import { apis } from './apis.ts';
import { certificates } from './certificates.ts';
import { edits } from './edits.ts';
import { type Findings, probeOf, subjectOf, wantsOf } from './finding.ts';
import { fit } from './fit.ts';
import { room } from './room.ts';
import { settings } from './settings.ts';
import { software } from './software.ts';

const groups: readonly Findings[] = [fit, settings, apis, edits, certificates, room];

/** `hops`: what upgradePath gives, with their v. */
export function upgradeCheck(hops: readonly string[]): Phase {
  const subjects = (world: World, host: Host) => {
    const subject = subjectOf(world, host, hops);
    return subject ? [subject] : [];
  };
  return {
    id: 'upgrade-check',
    title: 'Check what an upgrade would break',
    summary:
      'runtime, settings, APIs, edits by hand, certificates, room, packages and images of every version on the way',
    gate: true,
    wants: (world, host) =>
      subjects(world, host).flatMap(subject => [
        ...(host === controlPlaneOf(world) ? notReady(world) : []),
        ...groups.flatMap(group => group(subject)).flatMap(wantsOf),
      ]),
    probes: world =>
      reachedHosts(world).flatMap(host =>
        subjects(world, host).flatMap(subject => [
          ...groups.flatMap(group => group(subject)).flatMap(finding => probeOf(host, finding)),
          ...software(subject),
        ]),
      ),
  };
}

// Said, not refused: an upgrade that was cut off leaves such a node, and the same command brings it back.
function notReady({ nodes }: World) {
  return (nodes === 'unknown' ? [] : nodes)
    .filter(({ ready }) => !ready)
    .map(({ name }) => ({ kind: 'note', text: `${name} is not Ready: kubectl describe node ${name}` }) as const);
}
