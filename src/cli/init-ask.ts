// What `homelab init` is not told by flags it asks: the machines, how to log in, whose keys to trust, who is a control plane.

import type { FirstMachine } from '../inventory/first-machine.ts';
import { checkUser } from '../inventory/names.ts';
import { findMachines } from '../io/find-machines.ts';
import { HomelabError } from '../model/errors.ts';
import { oneLine } from '../render/text.ts';
import type { Asking } from './asking.ts';
import { named, suggestedControlPlanes, type Unnamed, withRoles } from './init-choices.ts';
import { type InitOptions, type NamedMachine, pathFromHere, readMachine, said } from './init-flags.ts';
import { type Looked, lookAtMachines, type Way } from './init-look.ts';
import type { Io } from './session.ts';

export async function machinesOf(
  { host = [], scan = [] }: InitOptions,
  io: Io,
  asks: Asking | undefined,
  signal: AbortSignal,
): Promise<readonly NamedMachine[]> {
  const found = await scanned(scan, io, signal);
  if (!asks && host.length === 0 && found.length === 0) {
    throw new HomelabError('HL_USAGE', `no machine was found in ${scan.join(', ')}`, {
      hint: 'name them: --host NAME=ADDRESS, once for each machine',
    });
  }
  if (found.length > 0 && !asks) {
    throw new HomelabError('HL_USAGE', 'init takes no machine that nobody named', {
      context: {
        details: found.map(
          ({ name, address, port }) =>
            `--host ${name === undefined ? '' : `${name}=`}${address}${port === undefined ? '' : `:${port}`}`,
        ),
      },
      hint: 'type it again with those of the lines above that you mean, and --yes instead of --scan',
    });
  }
  const chosen = found.length === 0 || !asks ? [] : await choose(found, asks);
  const machines = [...host, ...chosen];
  if (!asks) return machines;
  if (machines.length === 0)
    io.stderr.write('Machines, one by one: NAME=ADDRESS, or an address alone; Enter ends the list.\n');
  while (machines.length === 0 || (host.length === 0 && chosen.length === 0)) {
    const isFirst = machines.length === 0;
    const answer = await asks.text(isFirst ? 'The control plane' : 'Another machine', '', text => {
      if (text === '') return isFirst ? 'one machine is needed, for example k8s-cp=192.168.0.10' : undefined;
      const read = readMachine(text);
      if (typeof read === 'string') return read;
      return machines.some(({ address }) => address === read.address) ? `${read.address} is in the list` : undefined;
    });
    const read = answer === '' ? '' : readMachine(answer);
    if (typeof read === 'string') break;
    machines.push(isFirst ? { ...read, role: read.role ?? 'control-plane' } : read);
  }
  return machines;
}

async function scanned(sources: readonly string[], io: Io, signal: AbortSignal): Promise<readonly NamedMachine[]> {
  const { HOME: home = '' } = io.env;
  const found: NamedMachine[] = [];
  for (const source of sources) {
    io.stderr.write(`looking for machines in ${source} ...\n`);
    const { found: here, remarks } = await findMachines(source, { home }, signal);
    for (const remark of remarks) io.stderr.write(`  ${oneLine(remark)}\n`);
    if (here.length === 0) io.stderr.write('  nobody found\n');
    for (const { name, address, port } of here)
      if (!found.some(each => each.address === address && (each.port ?? 22) === port))
        found.push({ ...asMachine(name, address), port: port === 22 ? undefined : port });
  }
  return found;
}

/** What ssh calls it is a name only if a machine may be called so. */
function asMachine(name: string | undefined, address: string): NamedMachine {
  const read = name === undefined ? '' : readMachine(`${name}=${address}`);
  return { name: typeof read === 'string' ? undefined : read.name, address, port: undefined, role: undefined };
}

async function choose(found: readonly NamedMachine[], asks: Asking): Promise<readonly NamedMachine[]> {
  const idOf = ({ address, port }: NamedMachine) => `${address}:${port ?? 22}`;
  const chosen = await asks.choose(
    'Which of them become the cluster?',
    found.map(each => ({
      name: [each.name, idOf(each)].filter(Boolean).join('  '),
      value: idOf(each),
      checked: false,
    })),
    list => (list.length > 0 ? undefined : 'at least one (the space bar chooses)'),
  );
  return found.filter(each => chosen.includes(idOf(each)));
}

export async function wayOf(options: InitOptions, { env }: Io, asks: Asking | undefined): Promise<Way> {
  const user =
    options.user ??
    (await asks?.text(
      'Login name on the machines (needs sudo, or is root)',
      env['USER'] ?? 'root',
      problemOf(checkUser),
    ));
  const file =
    options.identityFile ??
    (await asks?.text('Private key file (Enter alone: the agent, and what ~/.ssh/config says)', '')) ??
    '';
  return {
    user,
    identityFile: file === '' ? undefined : pathFromHere(file, env['HOME'] ?? ''),
    sudoPassword: options.sudoPassword,
    out: options.out,
  };
}

export async function lookOrTrust(
  machines: readonly NamedMachine[],
  way: Way,
  { trustNewHostKeys }: InitOptions,
  io: Io,
  asks: Asking | undefined,
  signal: AbortSignal,
): Promise<readonly Looked[]> {
  io.stderr.write(`looking at ${machines.length === 1 ? '1 machine' : `${machines.length} machines`} ...\n`);
  const shown = new Map<string, string>();
  const looked = await lookAtMachines(machines, way, trustNewHostKeys ? 'all' : new Map(), shown, io, signal);
  if (!asks || shown.size === 0) return looked;
  io.stderr.write(
    `\nHost keys that this computer does not know. Each machine's console has its own:\n  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n${[...shown].map(([machine, key]) => `  ${oneLine(machine)}\n    ${key}`).join('\n')}\n`,
  );
  if (!(await asks.confirm('Are these their keys? They are saved in known_hosts'))) return looked;
  const unknown = looked.filter(({ seen }) => seen instanceof HomelabError && seen.code === 'HL_SSH_HOST_KEY_UNKNOWN');
  const again = await lookAtMachines(
    unknown.map(({ machine }) => machine),
    way,
    shown,
    new Map(),
    io,
    signal,
  );
  return looked.map(each => again.find(({ machine }) => machine === each.machine) ?? each);
}

export async function namesOf(looked: readonly Looked[], asks: Asking | undefined): Promise<readonly Unnamed[]> {
  const all: Unnamed[] = [];
  for (const [index, machine] of named(looked).entries()) {
    if (machine.name !== undefined) {
      all.push(machine);
      continue;
    }
    const { address } = machine;
    const answer = await asks?.text(`${address} was not reached; what is it called?`, '', text => {
      const read = readMachine(`${text}=${address}`);
      return typeof read === 'string' ? read : undefined;
    });
    const given = looked[index];
    if (answer === undefined || !given)
      throw new HomelabError('HL_USAGE', `${address} was not reached, and has no name yet`, {
        context: { details: given?.seen instanceof HomelabError ? [given.seen.message] : [] },
        hint: `give it one: --host NAME=${address}`,
      });
    all.push(
      ...named([{ ...given, machine: { ...given.machine, name: answer } }]).filter(each => each.name !== undefined),
    );
  }
  return all;
}

export async function rolesOf(
  machines: readonly Unnamed[],
  asks: Asking | undefined,
): Promise<readonly FirstMachine[]> {
  const suggested = suggestedControlPlanes(machines);
  if (!asks || machines.length === 1 || machines.every(({ role }) => role !== undefined))
    return withRoles(machines, suggested);
  const chosen = await asks.choose(
    'Control planes (one, or three)',
    machines.map(({ name, address }) => ({
      name: `${name}  ${address}`,
      value: name,
      checked: suggested.includes(name),
    })),
    list => (list.length > 0 ? undefined : 'a cluster needs one (the space bar chooses)'),
  );
  return withRoles(machines, chosen);
}

export function problemOf(
  check: (value: string) => Parameters<typeof said>[0] | undefined,
): (answer: string) => string | undefined {
  return answer => {
    const problem = check(answer);
    return problem && said(problem);
  };
}
