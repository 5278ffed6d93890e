// The one screen of `homelab status`.
import type { ClusterStatus, MachineStatus } from '../model/status.ts';
import type { Style } from './summary.ts';
import { oneLine } from './text.ts';

export interface StatusStyle extends Style {
  readonly nowMs: number;
}

export function formatStatus(status: ClusterStatus, style: StatusStyle): string {
  const { color } = style;
  const { cluster, running, wanted, endpoint, machines } = status;
  const version =
    running === undefined
      ? `${wanted} wanted`
      : running === wanted
        ? running
        : `${running} (the inventory says ${wanted})`;
  const rows = [head, ...machines.map(machine => rowOf(machine, status))].map(row => row.map(oneLine));
  const widths = head.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)));
  const table = rows.map((row, index) => {
    const line = row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
    const machine = machines[index - 1];
    return machine === undefined ? color.dim(line) : isLineWell(machine, status) ? line : color.red(line);
  });
  const below = [...factsBelow(status, style)].map(([label, text]) => `${color.dim(label.padEnd(14))}${text}`);
  return `${[`${color.bold(oneLine(cluster))}  Kubernetes ${oneLine(version)}, ${oneLine(endpoint)}`, headline(status, style), '', ...table, '', ...below].join('\n')}\n`;
}

const head = ['MACHINE', 'ROLE', 'NODE', 'KUBELET', 'CONTAINERD', 'ON THE MACHINE'];

function rowOf(machine: MachineStatus, status: ClusterStatus): readonly string[] {
  const { name, role, kubelet = '', containerd = '', unreached, membership, parts = {} } = machine;
  const bad = Object.entries(parts).filter(([, { ok }]) => !ok);
  const says =
    unreached !== undefined
      ? // Its name and address stand before it.
        unreached.replace(/^\S+ \(\S+ port \d+\) /, '')
      : bad.length > 0
        ? bad.map(([part, answer]) => `${part}: ${answer.says}`).join('; ')
        : membership === 'joined'
          ? `${Object.keys(parts).join(', ')} ok`
          : membership === 'partial'
            ? 'half made'
            : 'no member';
  const shown = (version: string) => (version === '' || version === 'absent' ? '-' : `v${version}`);
  return [name, role, nodeOf(machine, status), shown(kubelet), shown(containerd), says];
}

function nodeOf({ name }: MachineStatus, { nodes }: ClusterStatus): string {
  if (nodes === undefined) return '?';
  const node = nodes.find(each => each.name === name);
  return node === undefined ? '-' : `${node.ready ? 'Ready' : 'NotReady'}${node.cordoned ? ', cordoned' : ''}`;
}

function isLineWell(machine: MachineStatus, status: ClusterStatus): boolean {
  const node = status.nodes?.find(({ name }) => name === machine.name);
  return (
    machine.unreached === undefined &&
    Object.values(machine.parts ?? {}).every(({ ok }) => ok) &&
    (node?.ready ?? machine.membership === 'absent')
  );
}

function headline({ nodes, machines }: ClusterStatus, { color, marks }: StatusStyle): string {
  const lost = machines.filter(({ unreached }) => unreached !== undefined).length;
  const unreached = lost > 0 ? `, ${lost} of ${machines.length} machines not reached` : '';
  if (nodes === undefined) {
    const reached = machines.filter(machine => machine.unreached === undefined);
    return reached.length > 0 && reached.every(({ membership }) => membership === 'absent')
      ? `${marks.skipped} no cluster yet: homelab bootstrap${unreached}`
      : color.red(`${marks.failed} no API server answers${unreached}`);
  }
  const ready = nodes.filter(each => each.ready).length;
  const text = `${ready} of ${nodes.length} nodes Ready${unreached}`;
  return ready === nodes.length && lost === 0
    ? color.green(`${marks.ok} ${text}`)
    : color.red(`${marks.failed} ${text}`);
}

function factsBelow(
  { certificate, backup, lastRun, nodes, machines }: ClusterStatus,
  { nowMs, color }: StatusStyle,
): readonly (readonly [string, string])[] {
  const foreign =
    nodes?.filter(({ name }) => !machines.some(machine => machine.name === name)).map(({ name }) => name) ?? [];
  const file = certificate?.path.replace(/^.*\//, '') ?? '';
  const ends =
    certificate &&
    `the next ends ${certificate.endsAt.slice(0, 10)}, in ${certificate.daysLeft} days (${oneLine(file)}, ${oneLine(certificate.host)})`;
  return [
    ...(foreign.length > 0
      ? [['not listed', `${foreign.map(oneLine).join(', ')}: nodes that the inventory does not have`] as const]
      : []),
    ...(certificate && ends
      ? [['certificates', certificate.daysLeft > 30 ? ends : color.yellow(`${ends}: homelab certs renew`)] as const]
      : []),
    ...(nodes === undefined
      ? []
      : [
          [
            'backup',
            backup
              ? `${oneLine(backup.made)} on ${oneLine(backup.host)}, ${ago(nowMs - Date.parse(backup.made))}`
              : 'none yet: homelab backup',
          ] as const,
        ]),
    [
      'last run',
      lastRun
        ? `${oneLine(lastRun.command)}, ${lastRun.startedAt.slice(0, 16).replace('T', ' ')} UTC: ${oneLine(lastRun.says)}`
        : 'none of this computer',
    ],
    ['more', 'homelab doctor (what is broken, and why), homelab plan (what would change), homelab certs'],
  ];
}

function ago(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  if (!(hours >= 1)) return 'within the last hour';
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} days ago`;
}
