// Clocks: of a machine, and ours.
import { word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, type Snapshot } from '../snapshot.ts';
import { entityOf, median, on, seenOn, span } from './on-machine.ts';

/** Below it nothing of Kubernetes minds; certificates, tokens and etcd do above. */
const offSeconds = 2;
/** From here on tokens and new certificates are refused and logs come in the wrong order. */
const badSeconds = 30;

interface Reading {
  readonly machine: MachineLook;
  /** Against this computer, seconds. */
  readonly offset: number;
  readonly uncertainty: number;
}

/** Containers show their host's clock: one reading for all of a host's. */
function readings(snapshot: Snapshot): readonly Reading[] {
  return machinesWith(snapshot, 'clock').map(({ machine, value }) => ({
    machine,
    offset: value.offsetMs / 1000,
    uncertainty: value.uncertaintyMs / 1000,
  }));
}

interface Agreement {
  readonly middle: number;
  /** Those that agree. */
  readonly near: readonly Reading[];
}

/** Do most of them agree with one another? Then those show what time it is. */
function agreed(all: readonly Reading[]): Agreement | undefined {
  const middle = median(all.map(({ offset }) => offset));
  if (middle === undefined || all.length < 2) return undefined;
  const near = all.filter(({ offset, uncertainty }) => Math.abs(offset - middle) <= offSeconds + uncertainty);
  return near.length * 2 > all.length ? { middle, near } : undefined;
}

export const clockHere: Rule = {
  id: 'clock-here',
  layer: 'machine',
  symptom: 'All machines seem to be off by the same time.',
  cause: 'It is the clock of this computer that is wrong: the machines agree with one another.',
  cure: 'Set the clock of this computer; what it says of ages and certificates here was reckoned by the machines’ time.',
  sources: ['ntp.org docs: clock select algorithm'],
  needs: ['machine.clock'],
  explains: [],
  find(snapshot) {
    const { middle = 0, near = [] } = agreed(readings(snapshot)) ?? {};
    const [first] = near;
    if (!first || Math.abs(middle) <= offSeconds + Math.max(...near.map(each => each.uncertainty))) return [];
    return [
      {
        says: `the clock of this computer is ${span(middle)} ${middle > 0 ? 'behind' : 'ahead'}: ${near.length} machines agree with one another and not with it`,
        severity: 'warning',
        certainty: 'likely',
        settledBy: 'a clock of neither: a phone, or curl -sI https://kubernetes.io | grep -i ^date',
        about: ['object:this computer'],
        evidence: [
          seenOn(first.machine, `${span(first.offset)} ${middle > 0 ? 'ahead of' : 'behind'} this computer`, 'date -u'),
        ],
        cure: ['timedatectl set-ntp true   # on this computer'],
      },
    ];
  },
};

export const clockOff: Rule = {
  id: 'clock-off',
  layer: 'machine',
  symptom: '"certificate is not yet valid", joins and tokens fail, logs are refused as too old or too new.',
  cause: 'The clock of a machine differs from the others’.',
  cure: 'Let it keep time (one source: a time service, or the hypervisor, not both).',
  sources: ['kubernetes/kubernetes#102556', 'etcd docs: op-guide/hardware, clock difference against peers'],
  needs: ['machine.clock', 'machine.identity'],
  explains: [
    'kubelet-certificate-ended',
    'apiserver-certificate-ended',
    'etcd-certificate-ended',
    'control-plane-certificate-ended',
  ].map(rule => ({ rule, by: 'machine' })),
  find(snapshot) {
    const all = readings(snapshot);
    const common = agreed(all)?.middle;
    return all.flatMap(({ machine, offset, uncertainty }): readonly Finding[] => {
      const off = offset - (common ?? 0);
      if (Math.abs(off) <= offSeconds + uncertainty) return [];
      const { synchronized, service } = machine.facts.clock ?? { synchronized: false, service: 'none' };
      const container = machine.facts.identity?.container === true;
      const which = common === undefined ? 'this computer’s' : 'the other machines’';
      const keeper =
        synchronized !== false
          ? ''
          : service === 'none'
            ? '; no time service is enabled there'
            : `; ${service} has not synchronised it`;
      return [
        {
          says: `the clock of ${machine.name} is ${span(off)} ${off > 0 ? 'ahead of' : 'behind'} ${which}${container ? '' : keeper}`,
          severity: Math.abs(off) > badSeconds ? 'error' : 'warning',
          certainty: common === undefined ? (synchronized ? 'possible' : 'likely') : 'certain',
          ...(common === undefined ? { settledBy: 'a third clock: a phone, or date -u on another machine' } : {}),
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, `${span(off)} ${off > 0 ? 'ahead' : 'behind'} (± ${uncertainty.toFixed(1)} s)`, 'date -u'),
            seenOn(
              machine,
              `NTPSynchronized=${synchronized === undefined ? 'unknown' : synchronized ? 'yes' : 'no'}, service: ${service}`,
              'timedatectl',
            ),
          ],
          cure: container
            ? ['set the clock of the computer that this container runs on: it is the same one']
            : [
                on(
                  machine,
                  service === 'none'
                    ? 'sudo apt-get install -y systemd-timesyncd'
                    : `sudo systemctl restart ${word(service)}`,
                ),
                on(machine, 'sudo timedatectl set-ntp true'),
                on(machine, 'sudo systemctl restart kubelet'),
              ],
        },
      ];
    });
  },
};

export const clockUnsynchronised: Rule = {
  id: 'clock-unsynchronised',
  layer: 'machine',
  symptom: 'Nothing keeps a machine’s clock right.',
  cause: 'No time service is enabled: the clock drifts by seconds a week, and far more in a guest whose host sleeps.',
  cure: 'Enable systemd-timesyncd or chrony.',
  sources: ['kubernetes/kubernetes#102556', 'systemd-timesyncd(8)'],
  needs: ['machine.clock', 'machine.identity'],
  explains: [],
  find(snapshot) {
    // It says so itself.
    const off = clockOff.find(snapshot).map(({ about: [entity] }) => entity);
    return machinesWith(snapshot, 'clock').flatMap(
      ({ machine, value: { synchronized, service } }): readonly Finding[] =>
        synchronized !== false ||
        service !== 'none' ||
        machine.facts.identity?.container !== false ||
        off.includes(entityOf(machine))
          ? []
          : [
              {
                says: `nothing keeps the clock of ${machine.name}: no time service is enabled`,
                severity: 'warning',
                certainty: 'certain',
                about: [entityOf(machine)],
                evidence: [seenOn(machine, 'NTPSynchronized=no, no service', 'timedatectl')],
                cure: [
                  on(machine, 'sudo apt-get install -y systemd-timesyncd'),
                  on(machine, 'sudo timedatectl set-ntp true'),
                ],
              },
            ],
    );
  },
};
