// What homelab itself left on a machine: a claim, a step that was begun, backups.
import { backupFolder, backupLastKey } from '../../model/backup.ts';
import { isHeld, noFence } from '../../model/fence.ts';
import { iso, type Look, linesOf } from './look.ts';

export const homelab: Look = {
  id: 'homelab',
  lane: 'quick',
  facts: ['homelab'],
  // The record is src/engine/fence-script.ts's: its times are seconds of uptime, `since` is when the connection's process began.
  script: () => `if read -r _ run _ until pid since who 2>/dev/null < /run/homelab/record && [ "$run" != - ]; then
  read -r now _ < /proc/uptime
  session=unknown
  if [ "$pid" != 0 ]; then
    session=gone
    stat=
    ! read -r stat 2>/dev/null < "/proc/$pid/stat" || stat=\${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    if [ "$#" -gt 19 ] && shift 19 && [ "$1" = "$since" ]; then session=alive; fi
  fi
  echo "claim $until \${now%.*} $session $who"
fi
! read -r begun _ 2>/dev/null < /var/lib/homelab/begun || echo "begun $begun"
stat -c 'backup %Y' /var/lib/homelab/${backupLastKey} ${backupFolder}/*.backup 2>/dev/null | sort -n -k 2 | tail -n 1
sed -n 's/^OnCalendar=/schedule /p' /etc/systemd/system/homelab-backup.timer 2>/dev/null || true
echo whole
`,
  parse(output) {
    const lines = linesOf(output);
    if (lines.at(-1) !== 'whole') throw new Error('the answer is cut off');
    const get = (name: string) => lines.find(line => line.startsWith(`${name} `))?.slice(name.length + 1) ?? '';
    const [, until, now, session, who = ''] = /^(\d+) (\d+) (alive|gone|unknown) (.*)$/.exec(get('claim')) ?? [];
    const held = isHeld(
      { ...noFence, run: 'some', until: Number(until), session: session === 'gone' ? 'gone' : 'unknown' },
      Number(now),
    );
    const backup = get('backup');
    return {
      homelab: {
        claim: who,
        claimState: until === undefined ? 'free' : held ? 'held' : 'lapsed',
        begun: get('begun'),
        lastBackupAt: backup === '' ? '' : iso(Number(backup) * 1000),
        backupSchedule: get('schedule'),
      },
    };
  },
};
