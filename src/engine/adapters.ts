// What is below a machine's links, and what may put it to sleep.
import { nicClassOf, type PowerDaemon, powerDaemons } from '../model/nic.ts';
import { command } from '../model/shell.ts';
import type { Facts, Nic } from '../model/world.ts';
import type { Fragment } from './frames.ts';

/** Nothing is asked where no link has a device: containers say nothing. */
export const adaptersFragment: Fragment = {
  id: 'adapters',
  script: `some=
for path in /sys/class/net/*; do
  [ -e "$path/device" ] || continue
  some=yes wifi=no driver=
  [ ! -e "$path/device/driver" ] || driver=$(readlink -f "$path/device/driver")
  if [ -e "$path/wireless" ] || [ -e "$path/phy80211" ]; then wifi=yes; fi
  link=$(udevadm info -q property -p "$path" 2>/dev/null | sed -n 's/^ID_NET_LINK_FILE=//p')
  printf 'nic\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "\${path##*/}" "$(readlink -f "$path/device")" "\${driver##*/}" "$wifi" "$link"
done
[ -n "$some" ] || exit 0
printf 'systemd\\t%s\\n' "$(udevadm --version)"
for name in sys_vendor product_name; do
  ! read -r value 2>/dev/null < "/sys/class/dmi/id/$name" || printf '%s\\t%s\\n' "$name" "$value"
done
systemctl list-unit-files --no-legend --no-pager ${command(...powerDaemons.map(name => `${name}.service`))} | awk '$2 != "masked" {sub(/[.]service$/, "", $1); print "daemon\\t" $1}'`,
};

type Adapter = Pick<Nic, 'class' | 'driver' | 'linkFile'>;

export interface Adapters {
  readonly byName: ReadonlyMap<string, Adapter>;
  readonly power: Facts['power'];
}

export const noAdapter: Adapter = { class: 'virtual', driver: '', linkFile: '' };

export function parseAdapters(output: string): Adapters {
  const byName = new Map<string, Adapter>();
  const said = new Map<string, string>();
  const daemons: PowerDaemon[] = [];
  for (const line of output.split('\n').filter(Boolean)) {
    const [kind = '', ...fields] = line.split('\t');
    const [first = '', device = '', driver = '', wifi = '', linkFile = ''] = fields;
    const daemon = powerDaemons.find(name => name === first);
    if (kind === 'nic') {
      byName.set(first, { class: nicClassOf({ device, driver, isWifi: wifi === 'yes' }), driver, linkFile });
    } else if (kind === 'daemon' && daemon) daemons.push(daemon);
    else if (['systemd', 'sys_vendor', 'product_name'].includes(kind)) said.set(kind, first.trim());
    else throw new Error(`unexpected answer about adapters: ${line}`);
  }
  return {
    byName,
    power: {
      systemd: Number.parseInt(said.get('systemd') ?? '0', 10),
      vendor: said.get('sys_vendor') ?? '',
      product: said.get('product_name') ?? '',
      daemons,
    },
  };
}
