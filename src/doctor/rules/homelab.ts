// What homelab itself left or does: runs, claims, backups; and a cluster that differs from its inventory.
import semver from 'semver';
import type { Finding, Rule } from '../rule.ts';
import { machinesWith, objects, type Snapshot } from '../snapshot.ts';
import { addressOf, clockOf, entityOf, list, nodeNamed, on, seenOn, span, timeOn } from './on-machine.ts';

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
      .map(({ machine, value }): Finding => ({
        says: `homelab is at work on ${machine.name} (${value.claim}): what is seen there may be half done`,
        severity: 'note',
        certainty: 'likely',
        settledBy: 'homelab doctor again, after that run',
        about: [entityOf(machine)],
        evidence: [seenOn(machine, value.claim, record)],
        cure: ['wait for its end, then: homelab doctor'],
      })),
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
      .map(({ machine, value }): Finding => ({
        says: `a run of homelab (${value.claim}) ended without letting go of ${machine.name}; the next one takes over`,
        severity: 'note',
        certainty: 'certain',
        about: [entityOf(machine)],
        evidence: [seenOn(machine, value.claim, record)],
        cure: ['run the same command again: it goes on where that one ended'],
      })),
};

export const stepUnfinished: Rule = {
  id: 'step-unfinished',
  layer: 'machine',
  symptom: 'A machine is neither bare nor a member: its kubelet ends again and again, or it is missing among the nodes.',
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
      .map(({ machine, value }): Finding => ({
        says: `${value.begun} was begun on ${machine.name} and did not come to its end`,
        severity: 'warning',
        certainty: 'certain',
        about: [entityOf(machine)],
        evidence: [seenOn(machine, `/var/lib/homelab/begun: ${value.begun}`, 'sudo cat /var/lib/homelab/begun')],
        cure: [value.begun === 'restore' ? 'homelab restore FILE   # goes on' : 'homelab bootstrap   # goes on', `homelab reset ${machine.name}   # or takes it back`],
      })),
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
    const newest = snapshot.openRuns.toSorted((one, other) => Date.parse(one.startedAt) - Date.parse(other.startedAt)).at(-1);
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

const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** The longest time between two backups, seconds: of 'Mon,Thu 03:00 Asia/Seoul' four days. */
export function longestGap(schedule: string): number {
  const [, text = ''] = /^((?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,. -]*)+)/i.exec(schedule.trim()) ?? [];
  const days = dayNames.flatMap((name, index) => (text.toLowerCase().includes(name) ? [index] : []));
  const gaps = days.map((each, index) => ((days[index + 1] ?? (days[0] ?? 0) + 7) - each) * 86_400);
  return gaps.length > 0 ? Math.max(...gaps) : 86_400;
}

/** A machine that was off makes it once it is on; one that is busy takes its time. */
const backupGraceSeconds = 6 * 3600;

export const backupOld: Rule = {
  id: 'backup-old',
  layer: 'platform',
  symptom: 'The newest backup is older than the schedule has it.',
  cause: 'The timer does not run, or what it starts fails.',
  cure: 'Make one now, and read why the last one failed.',
  sources: ['README: Backup and restore'],
  needs: ['machine.homelab', 'machine.units', 'machine.journal', 'machine.clock'],
  explains: [],
  find: snapshot =>
    machinesWith(snapshot, 'homelab').flatMap(({ machine, value }): readonly Finding[] => {
      const { backupSchedule, lastBackupAt } = value;
      if (backupSchedule === '') return [];
      const unit = machine.facts.units?.['homelab-backup'];
      const timer = machine.facts.units?.['homelab-backup.timer'];
      const now = timeOn(machine, snapshot);
      const hasFailed = unit !== undefined && unit.result !== 'success' && unit.result !== '';
      const age = (now - Date.parse(lastBackupAt)) / 1000;
      const waiting = (now - Date.parse(timer?.since ?? '')) / 1000;
      const limit = longestGap(backupSchedule) + backupGraceSeconds;
      const isLate = lastBackupAt === '' ? waiting > limit : age > limit;
      if (!hasFailed && !isLate) return [];
      const words = machine.facts.journal?.['homelab-backup']?.findLast(({ text }) => !/systemd\[/.test(text))?.text;
      const last = lastBackupAt === '' ? 'none was ever made' : `the newest is ${span(age)} old`;
      return [
        {
          says: hasFailed
            ? `the last backup on ${machine.name} failed${words ? `: ${words}` : ` (${unit.result})`}; ${last}`
            : `backups of ${machine.name} are to be made at ${backupSchedule}, and ${last}`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, last, 'ls -l /var/backups/homelab'),
            ...(unit ? [seenOn(machine, `homelab-backup: ${unit.result}${unit.since ? ` at ${clockOf(unit.since, snapshot)}` : ''}`, 'systemctl status homelab-backup')] : []),
          ],
          cure: ['homelab backup   # one now, brought here', on(machine, 'sudo journalctl -u homelab-backup -n 30'), on(machine, 'systemctl list-timers homelab-backup.timer')],
        },
      ];
    }),
};

export const backupNone: Rule = {
  id: 'backup-none',
  layer: 'platform',
  symptom: 'Nothing; after the loss of the control plane there is no cluster any more.',
  cause: 'No control plane makes backups by a schedule.',
  cure: 'Give the inventory a recipient and a schedule.',
  sources: ['README: Backup and restore'],
  needs: ['machine.homelab'],
  explains: [],
  find(snapshot) {
    const all = machinesWith(snapshot, 'homelab').filter(({ machine }) => machine.role === 'control-plane');
    const controlPlanes = snapshot.machines.filter(({ role }) => role === 'control-plane');
    const [first] = all;
    if (!first || all.length < controlPlanes.length || all.some(({ value }) => value.backupSchedule !== '')) return [];
    const newest = all.map(({ value }) => value.lastBackupAt).sort().at(-1) ?? '';
    return [
      {
        says: `no backups are made by themselves${newest === '' ? '' : `; the newest one made by hand is of ${newest.slice(0, 10)}`}`,
        severity: 'note',
        certainty: 'certain',
        about: [entityOf(first.machine)],
        evidence: [seenOn(first.machine, 'homelab-backup.timer is not there', 'systemctl list-timers homelab-backup.timer')],
        cure: ['backup: {recipient: backup.crt, key: "${file:backup.key}", schedule: "03:00"}   # in the inventory, then: homelab bootstrap'],
      },
    ];
  },
};

type Host = NonNullable<Snapshot['declared']>['hosts'][number];

/** Nodes are known, and there is something to compare with. */
function declaredHosts(snapshot: Snapshot): readonly Host[] {
  return snapshot.lists.nodes.state === 'seen' ? (snapshot.declared?.hosts ?? []) : [];
}

const inventory = (says: string) => ({ says, from: 'inventory', again: 'homelab validate' });
const cluster = (says: string) => ({ says, from: 'API server', again: 'kubectl get nodes -o wide' });
const drift = { layer: 'platform', sources: ['design: the inventory says what is wanted'], needs: ['api.nodes'] } as const;

export const hostMissing: Rule = {
  ...drift,
  id: 'host-missing',
  symptom: 'A machine of the inventory is not among the nodes.',
  cause: 'It never joined, or somebody took it out of the cluster.',
  cure: 'Let it join, or take it out of the inventory.',
  explains: [],
  find: snapshot =>
    declaredHosts(snapshot)
      .filter(({ name }) => nodeNamed(snapshot, name) === undefined)
      .map(({ name, role }): Finding => ({
        says: `${name} stands in the inventory as ${role} and is no node of the cluster`,
        severity: 'warning',
        certainty: 'certain',
        about: [entityOf({ name })],
        evidence: [cluster(`no node ${name}`), inventory(`${name}: ${role}`)],
        cure: [`homelab join-node ${name}`, `homelab remove-node ${name}   # or out of the inventory`],
      })),
};

export const nodeUndeclared: Rule = {
  ...drift,
  id: 'node-undeclared',
  symptom: 'A node is in the cluster that the inventory does not know.',
  cause: 'Somebody joined it by hand, or it is what is left of a machine under an earlier name.',
  cure: 'Write it into the inventory, or delete the node.',
  explains: [],
  find(snapshot) {
    const hosts = declaredHosts(snapshot);
    if (hosts.length === 0) return [];
    return objects(snapshot, 'nodes')
      .filter(({ metadata }) => !hosts.some(({ name }) => name === metadata.name))
      .map((node): Finding => ({
        says: `${node.metadata.name} is a node of the cluster and not in the inventory: homelab leaves it alone`,
        severity: 'note',
        certainty: 'certain',
        about: [entityOf({ name: node.metadata.name })],
        evidence: [cluster(`node ${node.metadata.name}, ${addressOf(node)}`)],
        cure: [`homelab join-node ${node.metadata.name} --address ${addressOf(node) || 'ADDRESS'}   # takes it into the inventory`, `kubectl delete node ${node.metadata.name}   # when it does not exist any more`],
      }));
  },
};

export const roleDiffers: Rule = {
  ...drift,
  id: 'role-differs',
  symptom: 'A machine has another role than the inventory says.',
  cause: 'The inventory was edited, or the machine was joined as something else.',
  cure: 'Correct the inventory, or remove the machine and join it anew.',
  explains: [],
  find: snapshot =>
    declaredHosts(snapshot).flatMap(({ name, role }): readonly Finding[] => {
      const node = nodeNamed(snapshot, name);
      if (!node) return [];
      const is = 'node-role.kubernetes.io/control-plane' in node.metadata.labels ? 'control-plane' : 'worker';
      if (is === role) return [];
      return [
        {
          says: `${name} is a ${is} in the cluster and a ${role} in the inventory`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf({ name })],
          evidence: [cluster(`${name}: ${is}`), inventory(`${name}: ${role}`)],
          cure: [`role: ${is}   # in the inventory`, `homelab remove-node ${name} && homelab join-node ${name}   # or on the machine`],
        },
      ];
    }),
};

export const addressDiffers: Rule = {
  ...drift,
  id: 'address-differs',
  symptom: 'A node has another address than the inventory.',
  cause: 'The machine joined with another one, or the inventory was edited.',
  cure: 'Correct the inventory; an address of a member is not changed.',
  explains: [],
  find: snapshot =>
    declaredHosts(snapshot).flatMap(({ name, address }): readonly Finding[] => {
      const node = nodeNamed(snapshot, name);
      const is = node ? addressOf(node) : '';
      // A name as address says nothing of it.
      if (is === '' || is === address || !/^[0-9.]+$/.test(address)) return [];
      return [
        {
          says: `${name} is known to the cluster as ${is}, and to the inventory as ${address}`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf({ name })],
          evidence: [cluster(`InternalIP ${is}`), inventory(`address: ${address}`)],
          cure: [`address: ${is}   # in the inventory, if that is right`],
        },
      ];
    }),
};

export const versionDiffers: Rule = {
  ...drift,
  id: 'version-differs',
  symptom: 'The cluster runs another version than the inventory says.',
  cause: 'It was upgraded past homelab, or the inventory was edited instead of upgraded.',
  cure: 'homelab upgrade, or correct the inventory.',
  explains: [],
  find(snapshot) {
    const wanted = semver.coerce(snapshot.declared?.version)?.version;
    const members = declaredHosts(snapshot).flatMap(({ name }) => {
      const is = semver.coerce(nodeNamed(snapshot, name)?.status.nodeInfo.kubeletVersion)?.version;
      return is === undefined ? [] : [{ name, is }];
    });
    const [first] = members;
    // Where machines differ from one another, that is what there is to say.
    if (!first || wanted === undefined || members.some(({ is }) => is !== first.is) || first.is === wanted) return [];
    const isNewer = semver.gt(first.is, wanted);
    return [
      {
        says: `the cluster runs v${first.is}, and the inventory says v${wanted}`,
        severity: 'warning',
        certainty: 'certain',
        about: ['object:inventory'],
        evidence: [cluster(`kubelet v${first.is} on ${list(members.map(({ name }) => name))}`), inventory(`kubernetes.version: v${wanted}`)],
        cure: isNewer ? [`kubernetes: {version: "v${first.is}"}   # in the inventory`] : [`homelab upgrade --to v${wanted}`],
      },
    ];
  },
};

/** Stand before what they explain: the machines' own rules. */
export const homelabFirst: readonly Rule[] = [atWork, stepUnfinished];
export const homelabRules: readonly Rule[] = [runInterrupted, claimLapsed, hostMissing, roleDiffers, addressDiffers, versionDiffers, nodeUndeclared, backupOld, backupNone];
