// homelab init: machines named or found, looked at, and written down as an inventory that is valid from its first byte on.
import { type FirstInventory, renderFirstInventory } from '../inventory/first-inventory.ts';
import { lookOf, remarksOn } from '../inventory/first-machine.ts';
import { problemsOf } from '../inventory/load.ts';
import { checkLabelName, checkTimeZone } from '../inventory/names.ts';
import { usualProfile } from '../inventory/profiles.ts';
import { isThere, writeNew } from '../io/new-file.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import { paletteFor } from '../render/color.ts';
import { marksFor } from '../render/marks.ts';
import { count } from '../render/text.ts';
import { type Asking, askPerson } from './asking.ts';
import { lookOrTrust, machinesOf, namesOf, problemOf, rolesOf, wayOf } from './init-ask.ts';
import { subnetsFor, usualEndpoint } from './init-choices.ts';
import type { InitOptions } from './init-flags.ts';
import { machinesText, nextCommands, nextText } from './init-tell.ts';
import type { Io } from './session.ts';
import { onInterrupt } from './signals.ts';

export async function runInit(options: InitOptions, io: Io, asking: Asking = askPerson): Promise<number> {
  const asks = answersOf(options, io, asking);
  const replace = await mayReplace(options, asks);
  const interruption = onInterrupt(text => void io.stderr.write(`${text}\n`));
  try {
    const name =
      options.name ?? (await asks?.text('Name of the cluster', 'homelab', problemOf(checkLabelName))) ?? 'homelab';
    const machines = await machinesOf(options, io, asks, interruption.stop);
    const way = await wayOf(options, io, asks);
    const timeZone =
      options.timeZone ?? (await asks?.text('Time zone', zoneHere(), problemOf(checkTimeZone))) ?? zoneHere();
    const looked = await lookOrTrust(machines, way, options, io, asks, interruption.stop);
    const found = await rolesOf(await namesOf(looked, asks), asks);
    const style = { color: await paletteFor(io.stderr, io.env), marks: marksFor(io.env) };
    io.stderr.write(machinesText(found, looked, style));
    const text = renderFirstInventory({
      name,
      timeZone,
      profile: options.profile ?? usualProfile,
      endpoint: options.endpoint ?? usualEndpoint(name),
      ...way,
      subnets: subnetsFor(found),
      machines: found,
    });
    return await write(text, { name, machines: found }, { ...options, force: replace }, io);
  } finally {
    interruption.release();
  }
}

/** Who answers; undefined where nobody needs to. Throws HL_USAGE with all that is missing where nobody can. */
function answersOf(
  { host = [], scan = [], yes, output }: InitOptions,
  { env, stdin, stdout }: Io,
  asking: Asking,
): Asking | undefined {
  if (yes && host.length > 0) return undefined;
  const isThereAPerson = Boolean(stdin.isTTY && stdout.isTTY) && !env['CI'] && output !== 'json';
  if (isThereAPerson && !yes) return asking;
  // What is found can still be named.
  if (scan.length > 0) return undefined;
  const missing = [
    ...(host.length > 0 ? [] : ['--host NAME=ADDRESS, once for each machine']),
    ...(yes ? [] : ['--yes']),
  ];
  throw new HomelabError('HL_USAGE', `init asks, and nobody is there to answer; missing: ${missing.join('; ')}`, {
    hint: 'homelab init --yes --user admin --host k8s-cp=192.168.0.10,control-plane --host k8s-worker1=192.168.0.11',
  });
}

/** Never over a file that nobody gave up. */
async function mayReplace({ out, force }: InitOptions, asks: Asking | undefined): Promise<boolean> {
  if (force || !(await isThere(out))) return force ?? false;
  if (await asks?.confirm(`${out} is there already. Take its place? It is kept as ${out}.before`)) return true;
  throw new HomelabError('HL_USAGE', `${out} is there already, and init writes over nothing`, {
    hint: `another file: homelab init --out inventory/mine.yaml; or in its place (it is kept as ${out}.before): homelab init --force`,
  });
}

async function write(
  text: string,
  { name, machines }: Pick<FirstInventory, 'name' | 'machines'>,
  { out, force, output }: InitOptions,
  io: Io,
): Promise<number> {
  const problems = problemsOf(text, out);
  if (problems.length > 0) {
    throw new HomelabError('HL_INVENTORY', 'these machines make no valid inventory; nothing was written', {
      context: { details: problems },
      hint: 'correct what the lines name, and type homelab init again',
    });
  }
  const kept = await writeNew(out, text, { replace: force ?? false });
  const next = nextCommands(out, machines);
  if (output === 'json') {
    const rows = machines.map(machine => ({ ...machine, remarks: remarksOn(machine) }));
    io.stdout.write(
      `${JSON.stringify({ inventory: out, cluster: name, hosts: rows, next: next.map(([line]) => line) })}\n`,
    );
    return exitCodes.ok;
  }
  const unseen = machines.filter(machine => !lookOf(machine)).length;
  io.stdout.write(
    `\n${out} is written: cluster ${name}, ${count(machines.length, 'machine')}${unseen > 0 ? `, ${unseen} not reached` : ''}\n` +
      (kept === undefined ? '' : `what was there is ${kept}\n`) +
      `\nNext:\n${nextText(next)}`,
  );
  return exitCodes.ok;
}

function zoneHere(): string {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  return checkTimeZone(timeZone) === undefined ? timeZone : 'UTC';
}
