import type { Finding, Rule } from '../rule.ts';
import { machinesWith } from '../snapshot.ts';
import { backupNone, backupOld } from './backups.ts';
import { addressDiffers, hostMissing, nodeUndeclared, roleDiffers, versionDiffers } from './drift.ts';
import { entityOf, seenOn, span } from './on-machine.ts';

const record = 'sudo cat /run/homelab/record';

export const atWork: Rule = {
  id: 'homelab-at-work',
  layer: 'machine',
  symptom: 'A kubelet is stopped, a node cordoned, a version another one, all of a sudden.',
  cause: 'A run of homelab is changing this machine at this moment.',
  cure: 'Wait for its end, then ask again.',
  sources: ['docs/adr/0012'],
  needs: ['machine.homelab'],
  explains: ['kubelet-stopped', 'containerd-stopped', 'node-cordoned'].map(rule => ({ rule, by: 'machine' })),
  find: snapshot =>
    machinesWith(snapshot, 'homelab')
      .filter(({ value }) => value.claimState === 'held')
      .map(
        ({ machine, value }): Finding => ({
          says: `homelab is at work on ${machine.name} (${value.claim}): what is seen there may be half done`,
          severity: 'note',
          certainty: 'likely',
          settledBy: 'homelab doctor again, after that run',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, value.claim, record)],
          cure: ['wait for its end, then: homelab doctor'],
        }),
      ),
};

export const claimLapsed: Rule = {
  id: 'claim-lapsed',
  layer: 'platform',
  symptom: 'A run was killed, or its computer went to sleep, while it held a machine.',
  cause: 'It never let go; its claim is void by itself, and the next run takes over.',
  cure: 'Run the same command again: it goes on.',
  sources: ['docs/adr/0012'],
  needs: ['machine.homelab'],
  explains: [],
  find: snapshot =>
    machinesWith(snapshot, 'homelab')
      .filter(({ value }) => value.claimState === 'lapsed')
      .map(
        ({ machine, value }): Finding => ({
          says: `a run of homelab (${value.claim}) ended without letting go of ${machine.name}; the next one takes over`,
          severity: 'note',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, value.claim, record)],
          cure: ['run the same command again: it goes on where that one ended'],
        }),
      ),
};

export const stepUnfinished: Rule = {
  id: 'step-unfinished',
  layer: 'machine',
  symptom:
    'A machine is neither bare nor a member: its kubelet ends again and again, or it is missing among the nodes.',
  cause: 'kubeadm was begun there by homelab and did not come to its end: a kill, a power cut, a failure.',
  cure: 'homelab bootstrap goes on with it, homelab reset takes it back.',
  sources: ['docs/adr/0012'],
  needs: ['machine.homelab'],
  explains: [
    { rule: 'kubelet-crashes', by: 'machine' },
    { rule: 'host-missing', by: 'machine' },
  ],
  find: snapshot =>
    machinesWith(snapshot, 'homelab')
      .filter(({ value }) => value.begun !== '' && value.claimState !== 'held')
      .map(
        ({ machine, value }): Finding => ({
          says: `${value.begun} was begun on ${machine.name} and did not come to its end`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, `/var/lib/homelab/begun: ${value.begun}`, 'sudo cat /var/lib/homelab/begun')],
          cure: [
            value.begun === 'restore' ? 'homelab restore FILE   # goes on' : 'homelab bootstrap   # goes on',
            `homelab reset ${machine.name}   # or takes it back`,
          ],
        }),
      ),
};

export const runInterrupted: Rule = {
  id: 'run-interrupted',
  layer: 'platform',
  symptom: 'A command of homelab was cut off.',
  cause: 'It was killed or lost its machines before its end, and was not run again.',
  cure: 'Run it again: it goes on where it was.',
  sources: ['docs/adr/0012'],
  needs: [],
  explains: [],
  find(snapshot) {
    const newest = snapshot.openRuns
      .toSorted((one, other) => Date.parse(one.startedAt) - Date.parse(other.startedAt))
      .at(-1);
    if (!newest) return [];
    const age = (snapshot.at - Date.parse(newest.startedAt)) / 1000;
    return [
      {
        says: `homelab ${newest.command}, begun ${span(age)} ago, did not come to its end: ${newest.says}`,
        severity: age > 7 * 86_400 ? 'note' : 'warning',
        certainty: 'certain',
        about: [`object:run ${newest.run}`],
        since: newest.startedAt,
        evidence: [{ says: newest.says, from: 'the journal of this computer', again: `homelab report ${newest.run}` }],
        cure: [`homelab ${newest.command}   # goes on where it was`],
      },
    ];
  },
};

/** Stand before what they explain: the machines' own rules. */
export const homelabFirst: readonly Rule[] = [atWork, stepUnfinished];
export const homelabRules: readonly Rule[] = [
  runInterrupted,
  claimLapsed,
  hostMissing,
  roleDiffers,
  addressDiffers,
  versionDiffers,
  nodeUndeclared,
  backupOld,
  backupNone,
];
