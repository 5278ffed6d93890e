// The units that a cluster lives on, or that get in its way; and whether their processes move at all.
import { type Look, linesOf, systemdTime } from './look.ts';

/** These are told of even where they are not installed. */
const essential = [
  'kubelet',
  'containerd',
  'ssh',
  'systemd-timesyncd',
  'chrony',
  'iscsid',
  'multipathd',
  'homelab-backup',
];

const others = [
  ...['crio', 'docker', 'systemd-networkd', 'NetworkManager', 'systemd-resolved', 'homelab-network'],
  ...['ntp', 'ntpsec', 'openntpd', 'open-vm-tools', 'qemu-guest-agent'],
  ...['iscsid.socket', 'open-iscsi', 'multipathd.socket'],
  ...['ufw', 'firewalld', 'nftables', 'netfilter-persistent', 'homelab-backup.timer'],
  ...['unattended-upgrades', 'apt-daily-upgrade.timer', 'tlp', 'powertop', 'tuned', 'power-profiles-daemon'],
];

const properties = 'Id,LoadState,ActiveState,SubState,Result,UnitFileState,StateChangeTimestamp,NRestarts,MainPID';

export const units: Look = {
  id: 'units',
  lane: 'daemons',
  facts: ['units'],
  script: () => `said=$(TZ=UTC timeout 10 systemctl show -p ${properties} ${[...essential, ...others]
    .map(name => (name.includes('.') ? name : `${name}.service`))
    .join(' ')})
printf '%s\\n' "$said"
# A process that was stopped by a signal is there and does nothing.
for pid in $(printf '%s\\n' "$said" | sed -n 's/^MainPID=\\([1-9][0-9]*\\)$/\\1/p'); do
  [ -r "/proc/$pid/stat" ] || continue
  read -r stat < "/proc/$pid/stat" || continue
  stat=\${stat##*) }
  case \${stat%% *} in T | t) printf '\\nfrozen=%s\\n' "$pid" ;; esac
done
`,
  parse(output) {
    const frozen = new Set([...output.matchAll(/^frozen=(\d+)$/gm)].map(([, pid]) => Number(pid)));
    const blocks = output.split('\n\n').map(
      block =>
        new Map(
          linesOf(block).map(line => {
            const at = line.indexOf('=');
            return [line.slice(0, at), line.slice(at + 1)] as const;
          }),
        ),
    );
    const found = blocks.flatMap(block => {
      const get = (name: string) => block.get(name) ?? '';
      const name = get('Id').replace(/\.service$/, '');
      if (name === '' || (get('LoadState') === 'not-found' && !essential.includes(name))) return [];
      const pid = Number(get('MainPID'));
      return [
        [
          name,
          {
            load: get('LoadState'),
            active: get('ActiveState'),
            sub: get('SubState'),
            result: get('Result'),
            enabled: get('UnitFileState'),
            since: systemdTime(get('StateChangeTimestamp')),
            restarts: Number(get('NRestarts')),
            pid,
            frozen: frozen.has(pid),
          },
        ] as const,
      ];
    });
    if (found.length === 0) throw new Error('systemctl named no unit');
    return { units: Object.fromEntries(found) };
  },
};
