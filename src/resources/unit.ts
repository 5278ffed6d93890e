// A systemd unit: enabled, running, and started after everything it reads was last changed.
import type { Resource, Risk } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

export interface UnitOptions {
  /** With its suffix: 'containerd.service'. */
  readonly unit: string;
  readonly name: string;
  readonly title?: string;
  /** Paths that the running process has read: a change after its start makes it stale. */
  readonly reads?: readonly string[];
  /** Paths whose text it has read: only a write makes it stale, not a chmod. */
  readonly texts?: readonly string[];
  /** Keys of resources that make it stale when they change in the same run. */
  readonly inputs?: readonly string[];
  /** What restarting a running one means. */
  readonly restartRisk?: Risk;
}

type UnitState = {
  readonly load: string;
  readonly active: boolean;
  readonly enabled: boolean;
  readonly stale: boolean;
};

export function unit({
  unit: id,
  name,
  title,
  reads = [],
  texts = [],
  inputs = [],
  restartRisk = 'safe',
}: UnitOptions): Resource {
  return defineResource<UnitState>({
    key: `unit:${id}`,
    name,
    title: title ?? `Run ${id}`,
    inputs,
    read: readScript(id, reads, texts),
    parse: parseUnit,
    blank: { load: 'not-found', active: false, enabled: false, stale: false },
    desired: { load: 'loaded', active: true, enabled: true, stale: false },
    differences: (observed, stale) => [
      ...(observed.active ? [] : [`${id} is not running`]),
      ...(observed.enabled ? [] : [`${id} does not start at boot`]),
      ...(observed.active && (observed.stale || stale.length > 0)
        ? [observed.stale ? `${id} runs with what it read before its files changed` : `${id} must read its new files`]
        : []),
    ],
    act: observed => ({
      risk: observed.active ? restartRisk : 'safe',
      action: {
        script: `systemctl daemon-reload
${command('systemctl', 'enable', '--quiet', id)}
${command('systemctl', 'restart', id)} && ${command('systemctl', 'is-active', '--quiet', id)} || {
  ${command('journalctl', '--no-pager', '-n', '15', '-o', 'cat', '-u', id)} >&2
  exit 1
}
`,
        timeoutMs: 120_000,
      },
    }),
  });
}

// InactiveExitTimestamp is when the start began: whatever changed later was not read.
function readScript(id: string, reads: readonly string[], texts: readonly string[]): string {
  const properties = 'LoadState,ActiveState,UnitFileState,NeedDaemonReload,InactiveExitTimestamp';
  return `state=$(systemctl show --timestamp=us+utc -p ${properties} ${sh(id)})
printf '%s\\n' "$state"
started=$(printf '%s\\n' "$state" | sed -n 's/^InactiveExitTimestamp=//p')
[ -n "$started" ] || started='1970-01-01 UTC'
printf 'started=%s\\n' "$(date -u -d "$started" +%s%6N)"
${changeTimes('%.6Z', reads)}${changeTimes('%.6Y', texts)}`;
}

function changeTimes(format: string, paths: readonly string[]): string {
  if (paths.length === 0) return '';
  return `${command('stat', '-c', `changed=${format}`, '--', ...paths)} 2>/dev/null | tr -d .\n`;
}

function parseUnit(output: string): UnitState {
  const values = output
    .trim()
    .split('\n')
    .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const);
  const one = (key: string) => values.find(([found]) => found === key)?.[1] ?? '';
  if (one('LoadState') === '') throw new Error('systemctl show gave no LoadState');
  const started = Number(one('started'));
  const active = one('ActiveState') === 'active';
  return {
    load: one('LoadState'),
    active,
    enabled: ['enabled', 'enabled-runtime', 'static', 'alias', 'indirect'].includes(one('UnitFileState')),
    stale:
      active &&
      (one('NeedDaemonReload') === 'yes' ||
        values.some(([key, value]) => key === 'changed' && Number(value) > started)),
  };
}
