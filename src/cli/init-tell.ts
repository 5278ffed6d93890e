// What `homelab init` shows: every machine as it was seen, and what to type next.
import { membersAmong } from '../inventory/first-inventory.ts';
import { describeMachine, type FirstMachine, lookOf, remarksOn } from '../inventory/first-machine.ts';
import { HomelabError } from '../model/errors.ts';
import { command } from '../model/shell.ts';
import { cureOf } from '../phases/preflight/leftovers.ts';
import type { Style } from '../render/summary.ts';
import { oneLine } from '../render/text.ts';
import type { Looked } from './init-look.ts';
import { usualInventory } from './options.ts';

export function machinesText(
  machines: readonly FirstMachine[],
  looked: readonly Looked[],
  { color, marks }: Style,
): string {
  const hints = new Set<string>();
  const lines = machines.flatMap(machine => {
    const seen = lookOf(machine);
    const error = looked.find(
      ({ machine: { address, port } }) => address === machine.address && port === machine.port,
    )?.seen;
    if (error instanceof HomelabError && error.hint) hints.add(error.hint);
    const title = `${color.bold(machine.name)}  ${machine.address}  ${machine.role}`;
    return [
      `${seen ? color.green(marks.ok) : color.red(marks.failed)} ${title}`,
      ...(seen ? describeMachine(seen) : ['unseen' in machine.seen ? machine.seen.unseen : '']).map(
        line => `    ${oneLine(line)}`,
      ),
      ...[...remarksOn(machine), ...(seen?.others.slice(0, 1) ?? []).map(otherKubernetes)].map(
        remark => `    ${color.yellow(`! ${oneLine(remark)}`)}`,
      ),
    ];
  });
  const cures = hints.size > 0 ? ['', 'To reach them:', ...[...hints].map(hint => `  ${oneLine(hint)}`)] : [];
  return `\n${[...lines, ...cures].join('\n')}\n`;
}

function otherKubernetes(unit: string): string {
  return `runs ${unit}: ${cureOf(unit)} removes it with all that runs on it`;
}

export type Next = readonly [line: string, why: string];

export function nextCommands(out: string, machines: readonly FirstMachine[]): readonly Next[] {
  const which = out === usualInventory ? '' : ` ${command('-i', out)}`;
  const described = `${out.replace(/\.ya?ml$/, '')}-found.yaml`;
  if (membersAmong(machines).length > 0)
    return [
      [`homelab plan --describe${which} --out ${command(described)}`, 'the inventory of the cluster that is there'],
      [`homelab plan ${command('-i', described)}`, 'what homelab would change on it'],
      [`homelab doctor${which}`, 'what is broken on it, and why'],
    ];
  return [
    [`homelab validate --machines${which}`, 'every check; changes nothing'],
    [`homelab plan${which}`, 'what would change; changes nothing'],
    [`homelab bootstrap${which}`, 'asks, then does it'],
  ];
}

export function nextText(next: readonly Next[]): string {
  const width = Math.max(...next.map(([line]) => line.length));
  return next.map(([line, why]) => `  ${line.padEnd(width)}  ${why}\n`).join('');
}
