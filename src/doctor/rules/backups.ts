import type { Finding, Rule } from '../rule.ts';
import { machinesWith } from '../snapshot.ts';
import { clockOf, entityOf, on, seenOn, span, timeOn } from './on-machine.ts';

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
            ...(unit
              ? [
                  seenOn(
                    machine,
                    `homelab-backup: ${unit.result}${unit.since ? ` at ${clockOf(unit.since, snapshot)}` : ''}`,
                    'systemctl status homelab-backup',
                  ),
                ]
              : []),
          ],
          cure: [
            'homelab backup   # one now, brought here',
            on(machine, 'sudo journalctl -u homelab-backup -n 30'),
            on(machine, 'systemctl list-timers homelab-backup.timer'),
          ],
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
    const newest =
      all
        .map(({ value }) => value.lastBackupAt)
        .sort()
        .at(-1) ?? '';
    return [
      {
        says: `no backups are made by themselves${newest === '' ? '' : `; the newest one made by hand is of ${newest.slice(0, 10)}`}`,
        severity: 'note',
        certainty: 'certain',
        about: [entityOf(first.machine)],
        evidence: [
          seenOn(first.machine, 'homelab-backup.timer is not there', 'systemctl list-timers homelab-backup.timer'),
        ],
        cure: [
          'backup: {recipient: backup.crt, schedule: "03:00"}   # in the inventory, and the key; then: homelab bootstrap',
        ],
      },
    ];
  },
};
