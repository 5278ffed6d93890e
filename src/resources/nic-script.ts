// Rows of the table as sh: functions that read and set, which live settings and the script for the boot share.
import type { NicClass, NicPower } from '../model/nic.ts';
import { command, sh } from '../model/shell.ts';
import { type Knob, knobs } from './nic-knobs.ts';

/** What of an adapter decides which rows are its own; a machine has the rest. */
export interface Adapter {
  readonly name: string;
  readonly class: NicClass;
  readonly driver: string;
}

/** Rows of one adapter, or of the machine, whatever the level; remedies only where they are asked for. */
export function knobsOf(adapter: Adapter | 'machine', { remedies }: NicPower): readonly Knob[] {
  return knobs.filter(({ of, drivers, from }) => {
    if (typeof from === 'object' && !remedies.includes(from.remedy)) return false;
    if (adapter === 'machine' || of === 'machine') return adapter === of;
    return of.includes(adapter.class) && (drivers?.includes(adapter.driver) ?? true);
  });
}

/** Does this level, or a remedy, want it? Looking only wants nothing. */
export function isWanted({ from }: Knob, { level }: NicPower): boolean {
  return typeof from === 'object' ? level > 0 : level >= from;
}

export function isWithout(value: string): boolean {
  return value.startsWith('n/a: ');
}

export function isUnknown(value: string): boolean {
  return value.startsWith('unknown: ');
}

/** sh: read_ID and set_ID of each row. */
export function functionsOf(rows: readonly Knob[], without: 'set' | 'nothing' = 'nothing'): string {
  return rows
    .map(
      ({ id, read, set }) =>
        `${nameOf('read', id)}() {\n${indented(read)}}\n${without === 'set' ? '' : `${nameOf('set', id)}() {\n${indented(set)}}\n`}`,
    )
    .join('');
}

// sh: what the functions go by.
function placeOf(adapter: Adapter | 'machine', rows: readonly Knob[]): string {
  if (adapter === 'machine') return '';
  const path = sh(`/sys/class/net/${adapter.name}/device`);
  const device = rows.some(({ read }) => /[$]\{?device/.test(read)) ? `device=$(readlink -f ${path} || true)\n` : '';
  return `nic=${sh(adapter.name)}\n${device}`;
}

/** sh: ID=VALUE, one line a row. */
export function readScript(adapter: Adapter | 'machine', rows: readonly Knob[]): string {
  return `${placeOf(adapter, rows)}${functionsOf(rows, 'set')}${rows
    .map(({ id }) => `printf '%s=%s\\n' ${sh(id)} "$(${nameOf('read', id)})"\n`)
    .join('')}`;
}

/** sh: sets these rows and reads each back. */
export function setScript(adapter: Adapter | 'machine', rows: readonly Knob[]): string {
  return `${placeOf(adapter, rows)}${functionsOf(rows)}${rows
    .map(
      ({ id, wanted, title }) => `${nameOf('set', id)}
now=$(${nameOf('read', id)})
[ "$now" = ${sh(wanted)} ] || { printf 'homelab: %s is still %s\\n' ${sh(title)} "$now" >&2; exit 65; }
`,
    )
    .join('')}`;
}

/** The script that udev and systemd run for one adapter at boot: as the live settings, with a line of JSON a knob. */
export function tuneScript(adapters: readonly Adapter[], power: NicPower, isLeftOut: (knob: Knob) => boolean): string {
  const atBoot = (of: Adapter | 'machine') =>
    knobsOf(of, power).filter(knob => isWanted(knob, power) && !knob.lasts && !isLeftOut(knob));
  const own = adapters.map(adapter => ({ adapter, rows: atBoot(adapter) }));
  const machine = atBoot('machine');
  const all = [...new Set([...own.flatMap(({ rows }) => rows), ...machine])];
  const line = ({ id, wanted }: Knob) => command('tune', id, id.replaceAll('-', '_'), wanted);
  return `#!/bin/sh
# Written by homelab: keeps an adapter awake after a boot, or when it is plugged in. homelab plan --only nic-power says why.
set -eu
nic=$1
device=$(readlink -f "/sys/class/net/$nic/device")
failed=0
${functionsOf(all)}# knob, its functions, what it should be: read, skip what is right, set, read again
tune() {
  before=$("read_$2") after=$before status=ok
  case $before in
    "$3") ;;
    'n/a: '*) status=n/a ;;
    'unknown: '*) status=unknown ;;
    *)
      said=$("set_$2" 2>&1) || true
      after=$("read_$2") status=changed
      if [ "$after" != "$3" ]; then
        case "$after $said" in
          'n/a: '* | *'not supported'*) status=n/a ;;
          *) status=failed failed=1 ;;
        esac
      fi
      ;;
  esac
  printf '{"if":"%s","knob":"%s","before":"%s","after":"%s","status":"%s"}\\n' "$nic" "$1" "$(plain "$before")" "$(plain "$after")" "$status"
}
plain() { printf '%s' "$1" | tr -d '\\042\\134' | tr '\\n\\t' '  '; }
case $nic in
${own.map(({ adapter, rows }) => `  ${sh(adapter.name)})\n${rows.map(row => `    ${line(row)}\n`).join('')}    ;;\n`).join('')}  *) echo "homelab does not know $nic: homelab bootstrap --only nic-power" >&2 ;;
esac
${machine.map(row => `${line(row)}\n`).join('')}exit "$failed"
`;
}

function nameOf(verb: 'read' | 'set', id: string): string {
  return `${verb}_${id.replaceAll('-', '_')}`;
}

function indented(body: string): string {
  return body.replace(/^(?=.)/gm, '  ');
}
