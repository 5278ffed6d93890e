// Links: down, or coming and going.

import type { MachineNic } from '../machine-facts.ts';
import { word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, type Snapshot } from '../snapshot.ts';
import { adapters, isNamed, isUsed, lines, nodeGone } from './adapters.ts';
import { hypervisorCure } from './hypervisor.ts';
import { addressOf, clockOf, entityOf, nodeNamed, on, readyOf, recent, seenOn, span, timeOn } from './on-machine.ts';

function downOn(snapshot: Snapshot) {
  return machinesWith(snapshot, 'nics').flatMap(({ machine, value }) => {
    const node = nodeNamed(snapshot, machine.name);
    const known = [machine.address, node ? addressOf(node) : ''];
    return adapters(machine, value)
      .filter(nic => nic.carrier === false && isUsed(machine, nic))
      .map(nic => ({
        nic,
        machine,
        isMain:
          nic.addresses.some(each => known.includes(each.split('/')[0] ?? '')) ||
          (machine.facts.routing?.defaults ?? []).every(({ dev }) => dev === nic.name),
      }));
  });
}

function downFinding({ nic, machine, isMain }: ReturnType<typeof downOn>[number]): Finding {
  return {
    says: `${nic.name} of ${machine.name} (${nic.addresses.join(', ') || 'its default route'}) has no link`,
    severity: isMain ? 'error' : 'warning',
    certainty: 'certain',
    about: [entityOf(machine)],
    evidence: [
      seenOn(
        machine,
        `${nic.name}: carrier 0, operstate ${nic.operstate}`,
        `cat ${word(`/sys/class/net/${nic.name}/carrier`)}`,
      ),
    ],
    cure: [
      `look at the cable of ${machine.name} and its switch port`,
      on(machine, `sudo ip link set ${word(nic.name)} up`),
    ],
  };
}

const downRow = {
  layer: 'machine',
  cure: 'Look at cable and switch port.',
  sources: ['kernel docs: ABI/testing/sysfs-class-net, carrier'],
  needs: ['machine.nics', 'machine.routing', 'api.nodes'],
} as const;

export const nicDown: Rule = {
  ...downRow,
  id: 'nic-down',
  symptom: 'A node is NotReady, and its machine is reached by another of its networks only.',
  cause: 'The adapter with the node’s address has no link: cable, switch port, or the other end is off.',
  explains: nodeGone,
  find: snapshot =>
    downOn(snapshot)
      .filter(({ isMain }) => isMain)
      .map(downFinding),
};

export const secondNicDown: Rule = {
  ...downRow,
  id: 'second-nic-down',
  symptom: 'What goes over a second network (storage, backups) hangs.',
  cause: 'A further adapter has an address and no link.',
  explains: [],
  find: snapshot =>
    downOn(snapshot)
      .filter(({ isMain }) => !isMain)
      .map(downFinding),
};

/** A switch that restarts is two of them; more a day has a reason. */
const manyADay = 8;
/** After a loss so lately the next one is to be expected. */
const goesOnSeconds = 90;

interface Flapping {
  readonly nic: MachineNic;
  readonly certainty: Finding['certainty'];
  readonly isNow: boolean;
  readonly since?: string;
  readonly says: string;
  readonly line?: string;
}

function flappingOf(snapshot: Snapshot, machine: MachineLook, nic: MachineNic): Flapping | undefined {
  const { kernelLog, journal, identity } = machine.facts;
  const now = timeOn(machine, snapshot);
  // Kernel and networkd tell of the same loss: they are not added up.
  const [downs = []] = [kernelLog, journal?.['systemd-networkd']]
    .map(log => recent(log, lines.down, 3600, now).filter(({ text }) => isNamed(text, nic)))
    .toSorted((one, other) => other.length - one.length);
  const [first] = downs;
  const times = { ...(first ? { since: first.at, line: first.text } : {}) };
  if (nic.carrierChangesNow > 0)
    return {
      nic,
      isNow: true,
      certainty: 'certain',
      ...times,
      says: `lost or got its link ${nic.carrierChangesNow} times while doctor looked (${nic.carrierChanges} times since boot)`,
    };
  if (downs.length >= 3 && first) {
    const isNow = recent(downs, lines.down, goesOnSeconds, now).length > 0;
    return {
      nic,
      isNow,
      // That it did is certain; what is broken later has likelier causes.
      certainty: isNow ? 'certain' : 'likely',
      ...times,
      says: `lost its link ${downs.length} times since ${clockOf(first.at, snapshot)}`,
    };
  }
  // Of a container the counter begins with its adapter, not with the host's boot.
  const upSeconds = identity && !identity.container ? (now - Date.parse(identity.bootedAt)) / 1000 : 0;
  const days = Math.max(1, Number.isNaN(upSeconds) ? 1 : upSeconds / 86_400);
  if (identity && nic.carrierChanges / days > manyADay)
    return {
      nic,
      isNow: false,
      certainty: 'likely',
      says: `changed its link ${nic.carrierChanges} times${days > 1 ? ` in the ${span(upSeconds)} since boot` : ' since it is there'}, and has one now`,
    };
  return undefined;
}

export const nicFlapping: Rule = {
  id: 'nic-flapping',
  layer: 'machine',
  symptom: 'A node is NotReady for a minute and Ready again, with the same boot id: it never was off.',
  cause:
    'Its link comes and goes: power saving of the adapter or (for a guest) of its host, a bad cable, a switch port.',
  cure: 'Switch power saving off (EEE, Wi-Fi, USB; for a guest on its host), then cable and port.',
  sources: [
    'kubernetes docs: concepts/architecture/nodes, node heartbeats',
    'siderolabs/talos#10200',
    'kernel docs: ABI/testing/sysfs-class-net, carrier_changes',
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
  explains: nodeGone,
  find: snapshot =>
    machinesWith(snapshot, 'nics').flatMap(({ machine, value }) =>
      adapters(machine, value).flatMap((nic): readonly Finding[] => {
        const found = flappingOf(snapshot, machine, nic);
        if (!found || nic.carrier === false) return [];
        const bootId = machine.facts.identity?.bootId;
        const node = nodeNamed(snapshot, machine.name);
        const isSameBoot = bootId !== '' && node?.status.nodeInfo.bootID === bootId;
        const below = hypervisorCure(snapshot, machine);
        const isAway = node !== undefined && readyOf(node)?.status !== 'True';
        return [
          {
            says: `the link of ${machine.name} flaps: ${nic.name} ${found.says}${isAway && isSameBoot ? '; the machine was never off (same boot id)' : ''}`,
            severity: found.isNow ? 'error' : 'warning',
            certainty: found.certainty,
            ...(found.certainty === 'certain'
              ? {}
              : {
                  settledBy: on(
                    machine,
                    `cat ${word(`/sys/class/net/${nic.name}/carrier_changes`)}   # twice, some minutes apart`,
                  ),
                }),
            about: [entityOf(machine)],
            ...(found.since ? { since: found.since } : {}),
            evidence: [
              seenOn(
                machine,
                `${nic.name} (${nic.driver}): carrier_changes ${nic.carrierChanges}`,
                `cat ${word(`/sys/class/net/${nic.name}/carrier_changes`)}`,
              ),
              ...(found.line
                ? [seenOn(machine, found.line, "journalctl -g 'link is down|lost carrier' --since -1h")]
                : []),
            ],
            cure: [
              ...(below.length > 0 ? below : [on(machine, `sudo ethtool --set-eee ${word(nic.name)} eee off`)]),
              `look at the cable of ${machine.name} and its switch port (green Ethernet off there, too)`,
            ],
          },
        ];
      }),
    ),
};
