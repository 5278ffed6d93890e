// Real Debian machines on this one: made, broken, mended and taken away again. Tests and the lab command use nothing else.
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HomelabError } from '../../src/model/errors.ts';
import type { Carrier } from './carrier.ts';
import { plannedGroups } from './cgroups.ts';
import { hostBootId, readText, stateRoot } from './files.ts';
import { consoleFile, type ExecOptions, mountsUnder, nspawn } from './guest.ts';
import { raiseHostSettings, restoreHostSettings } from './host-settings.ts';
import { renderInventory } from './inventory.ts';
import { withLock } from './lock.ts';
import { addressOf, createNetwork, freeIndex, machineOf, removeNetwork } from './network.ts';
import { missing, requireAll } from './prerequisites.ts';
import { qemu, setCard } from './qemu.ts';
import type { Card } from './qemu-hardware.ts';
import { type Log, type Output, output, run, until } from './run.ts';
import {
  checkName,
  type GuestState,
  guestPath,
  type LabState,
  labFolder,
  labNames,
  readState,
  writeState,
} from './state.ts';

export interface LabHost {
  readonly name: string;
  readonly role: 'control-plane' | 'worker';
  readonly address: string;
}

export interface MachineStatus extends LabHost {
  readonly running: boolean;
  readonly frozen: boolean;
  readonly ssh: boolean;
  /** Undefined while it is off or frozen. */
  readonly bootId: string | undefined;
}

export interface WaitLimit {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A lab that is up. Hosts are named as in the inventory: k8s-cp, k8s-worker1 … */
export interface Lab {
  readonly name: string;
  readonly dir: string;
  readonly inventoryPath: string;
  readonly hosts: readonly LabHost[];
  /** The folder that the machines see as /srv/homelab-lab, when there is one. */
  readonly bundle: string | undefined;
  /** Runs a program in the machine as root, over no network: works while ssh does not. Any exit code resolves. */
  exec(host: string, argv: readonly [string, ...string[]], options?: ExecOptions): Promise<Output>;
  /** argv of an ssh that reaches the machine with the lab's key and pinned host key; a command may follow. */
  sshArgv(host: string, user?: 'admin' | 'pw'): readonly [string, ...string[]];
  /** Resolves once sshd answers a command. */
  waitReachable(host: string, limit?: WaitLimit): Promise<void>;
  isReachable(host: string): Promise<boolean>;
  bootId(host: string): Promise<string>;
  /** The machine's process 1, by its id here: its files are under /proc/ID/root, its processes below it. */
  init(host: string): Promise<number>;
  status(): Promise<readonly MachineStatus[]>;
  cutLink(host: string): Promise<void>;
  restoreLink(host: string): Promise<void>;
  /** A tidy reboot. Resolves when the new boot has begun; waitReachable tells when it is usable. */
  reboot(host: string): Promise<void>;
  /** The plug is pulled: everything in the machine ends at once, and it stays off. */
  powerCut(host: string): Promise<void>;
  /** Switches on a machine that is off; otherwise nothing. */
  powerOn(host: string): Promise<void>;
  freeze(host: string): Promise<void>;
  thaw(host: string): Promise<void>;
  /** Ends every sshd of the machine; systemd starts the listening one again, connections are lost. */
  killSsh(host: string): Promise<void>;
  down(): Promise<void>;
}

export interface LabUpOptions {
  readonly name: string;
  /** Default 4: one control plane, three workers. With `qemu` 1. */
  readonly machines?: number;
  /** Machines with a kernel, clock and network cards of their own; slow where nothing helps QEMU. */
  readonly qemu?: boolean | undefined;
  readonly log: Log;
  /** The first user's network and what stands on it, as layers of the inventory. */
  readonly cilium?: boolean | undefined;
  /** One folder of this machine is /srv/shared of all of them. */
  readonly shared?: boolean | undefined;
  /** Folder that the machines see as /srv/homelab-lab. */
  readonly bundle?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The lock that all labs share: for what belongs to the machine and not to a lab. */
const shared = 'the labs of this machine';

const carrierOf = (lab: { readonly qemu: boolean }): Carrier => (lab.qemu ? qemu : nspawn);

/** Why there can be no lab here; undefined: there can. Tests skip themselves by name with it. */
export async function labSupported(qemu = false): Promise<string | undefined> {
  const found = await missing({ machines: 1, images: false, qemu });
  return found.length === 0 ? undefined : `no lab here: ${found.map(one => one.what).join(', ')}`;
}

/** Makes the machines, or completes what is there; resolves when sshd of each answers a command. */
export async function labUp(options: LabUpOptions): Promise<Lab> {
  const { log, signal } = options;
  const name = checkName(options.name);
  const before = await readState(name);
  const qemu = before?.qemu ?? options.qemu ?? false;
  const carrier = carrierOf({ qemu });
  const machines = options.machines ?? before?.guests.length ?? (qemu ? 1 : 4);
  checkMachines(machines, before);
  if (options.cilium && before?.cilium === false) {
    throw new HomelabError('HL_REFUSED', `Lab ${name} was made for the network basic`, {
      hint: `npm run lab -- down --name ${name}, or another --name`,
    });
  }
  await requireAll({ machines, images: options.bundle !== undefined && before === undefined, qemu });
  return withLock(`lab ${name}`, { log, signal }, async () => {
    const base = await carrier.ensureBase({ log, signal });
    const state = await withLock(shared, { log, signal }, () => reserve({ ...options, machines, base, qemu }));
    const keys = await makeKeys(state);
    await createNetwork(state.index);
    await Promise.all(
      state.guests.map(async guest => {
        await carrier.prepareDisk(state, guest, await hostKeys(guest, state, keys));
        await carrier.start(state, guest);
      }),
    );
    const lab = open(state, log);
    await Promise.all(state.guests.map(guest => lab.waitReachable(guest.name, { signal })));
    await writeFile(lab.inventoryPath, renderInventory(state));
    return lab;
  });
}

/** The lab of that name, if there is one. Makes and starts nothing. */
export async function labOpen(name: string, log: Log = () => undefined): Promise<Lab | undefined> {
  const state = await readState(checkName(name));
  return state === undefined ? undefined : open(state, log);
}

/** Plugs the cable of one card of a QEMU machine in or out. */
export async function setCardOf(lab: Lab, host: string, card: Card, state: 'up' | 'down'): Promise<void> {
  const found = await readState(lab.name);
  const guest = found?.guests.find(({ name }) => name === host);
  if (found?.qemu !== true || guest === undefined) throw new Error(`lab ${lab.name} has no QEMU machine ${host}`);
  await setCard(found, guest, card, state);
}

/** Takes away all that a lab of this name has made, also when `up` got half-way; says whether there was any. */
export async function labDown(name: string, options: { readonly log: Log }): Promise<boolean> {
  checkName(name);
  return withLock(`lab ${name}`, options, async () => {
    const folder = labFolder(name);
    const state = await readState(name);
    const there = (await labNames()).includes(name);
    if (state !== undefined) {
      const carrier = carrierOf(state);
      await Promise.all(state.guests.map(guest => carrier.end(state, guest)));
      for (const guest of state.guests) await carrier.dismantle(state, guest);
      await removeNetwork(state.index);
    }
    for (const point of (await mountsUnder(folder)).toReversed()) await run(['umount', point]);
    await withLock(shared, options, async () => {
      // Never through a mount: the base is shared.
      await run(['rm', '--recursive', '--force', '--one-file-system', folder]);
      if ((await labNames()).length === 0) await restoreHostSettings();
    });
    return there;
  });
}

function checkMachines(machines: number, before: LabState | undefined): void {
  if (!Number.isInteger(machines) || machines < 1 || machines > 200) {
    throw new HomelabError('HL_USAGE', `A lab of ${machines} machines cannot be made`, { hint: 'use 1 to 200' });
  }
  if (before !== undefined && before.guests.length !== machines) {
    throw new HomelabError('HL_REFUSED', `Lab ${before.name} has ${before.guests.length} machines, not ${machines}`, {
      hint: `npm run lab -- down --name ${before.name}, or another --name`,
    });
  }
}

/** Under the shared lock: a number nobody else has, written down before anything is made of it. */
async function reserve(
  options: LabUpOptions & { readonly machines: number; readonly base: string; readonly qemu: boolean },
): Promise<LabState> {
  const { name, machines, base, qemu } = options;
  const bootId = await hostBootId();
  await mkdir(stateRoot(), { recursive: true });
  await raiseHostSettings();
  const before = await readState(name);
  const others = await Promise.all((await labNames()).filter(other => other !== name).map(readState));
  const index = before?.index ?? (await freeIndex(new Set(others.flatMap(other => other?.index ?? []))));
  const guests: GuestState[] = [];
  for (let host = 0; host < machines; host++) {
    const guest = host === 0 ? 'k8s-cp' : `k8s-worker${host}`;
    const known = before?.bootId === bootId ? before.guests[host]?.groups : undefined;
    guests.push({
      name: guest,
      role: host === 0 ? 'control-plane' : 'worker',
      address: addressOf(index, host),
      machine: machineOf(index, host),
      groups: qemu ? [] : [...(known ?? (await plannedGroups(name, guest)))],
    });
  }
  const bundle = bundleFor(options, before?.bootId === bootId ? before : undefined);
  // Disks that exist belong to the base that they were made over.
  const cilium = before?.cilium ?? options.cilium ?? false;
  const state: LabState = {
    name,
    index,
    bootId,
    base: before?.base ?? base,
    bundle,
    qemu,
    cilium,
    guests,
    shared: before?.shared ?? options.shared ?? false,
  };
  await writeState(state);
  return state;
}

/** Machines that are on keep what they see as /srv/homelab-lab. */
function bundleFor({ bundle, log }: LabUpOptions, running: LabState | undefined): string | null {
  if (running === undefined || (running.bundle !== null && !existsSync(running.bundle))) return bundle ?? null;
  if (bundle !== undefined && bundle !== running.bundle) {
    log(`/srv/homelab-lab stays ${running.bundle ?? 'empty'} in the machines of lab ${running.name} until down and up`);
  }
  return running.bundle;
}

interface UserKey {
  readonly publicKey: string;
}

/** The key that logs in, and known_hosts with every machine's own key. */
async function makeKeys(state: LabState): Promise<UserKey> {
  const folder = labFolder(state.name);
  const publicKey = await makeKey(path.join(folder, 'id_ed25519'), `homelab-lab-${state.name}`);
  const lines = await Promise.all(
    state.guests.map(async guest => {
      await mkdir(guestPath(state.name, guest.name), { recursive: true });
      const key = await makeKey(guestPath(state.name, guest.name, 'host_key'), guest.name);
      return `${guest.address} ${key.split(' ').slice(0, 2).join(' ')}\n`;
    }),
  );
  await writeFile(path.join(folder, 'known_hosts'), lines.join(''));
  return { publicKey };
}

/** Makes a key pair unless it is there; the public key's line. */
async function makeKey(file: string, comment: string): Promise<string> {
  const there = await readText(`${file}.pub`);
  if (there !== undefined) return there;
  // What a killed ssh-keygen leaves would make it ask.
  await rm(file, { force: true });
  await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file]);
  return (await readText(`${file}.pub`)) ?? '';
}

async function hostKeys(guest: GuestState, state: LabState, user: UserKey) {
  const file = guestPath(state.name, guest.name, 'host_key');
  return {
    hostKey: (await readText(file)) ?? '',
    hostKeyPublic: (await readText(`${file}.pub`)) ?? '',
    authorized: user.publicKey,
  };
}

function open(state: LabState, log: Log): Lab {
  const dir = labFolder(state.name);
  const carrier = carrierOf(state);
  const guestOf = (host: string): GuestState => {
    const guest = state.guests.find(one => one.name === host);
    if (guest !== undefined) return guest;
    throw new HomelabError('HL_USAGE', `Lab ${state.name} has no machine ${host}`, {
      hint: `its machines: ${state.guests.map(one => one.name).join(', ')}`,
    });
  };
  const sshArgv = (host: string, user: 'admin' | 'pw' = 'admin'): readonly [string, ...string[]] => [
    'ssh',
    ...['-F', '/dev/null', '-i', path.join(dir, 'id_ed25519'), '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
    ...['-o', `UserKnownHostsFile=${path.join(dir, 'known_hosts')}`, '-o', 'GlobalKnownHostsFile=/dev/null'],
    ...['-o', 'StrictHostKeyChecking=yes', '-o', `ConnectTimeout=${carrier.answerMs / 2500}`, '-o', 'LogLevel=ERROR'],
    `${user}@${guestOf(host).address}`,
  ];
  const isReachable = async (host: string): Promise<boolean> => {
    const argv = [...sshArgv(host), 'true'] as const;
    return (
      (await output([...argv] as [string, ...string[]], { timeoutMs: carrier.answerMs }).catch(() => ({ code: 1 })))
        .code === 0
    );
  };
  const lab: Lab = {
    name: state.name,
    dir,
    inventoryPath: path.join(dir, 'inventory.yaml'),
    hosts: state.guests.map(({ name, role, address }) => ({ name, role, address })),
    bundle: state.bundle ?? undefined,
    sshArgv,
    isReachable,
    exec: (host, argv, options) => carrier.exec(state, guestOf(host), argv, options),
    waitReachable: async (host, limit = {}) => {
      await until(() => isReachable(host), {
        timeoutMs: limit.timeoutMs ?? carrier.bootMs,
        what: `sshd of ${host} to answer`,
        // sshd counts those who have not logged in yet: it turns new ones away when there are ten.
        everyMs: carrier.answerMs / 50,
        signal: limit.signal,
        hint: `look at ${consoleFile(state, guestOf(host))}`,
      });
    },
    bootId: async host => {
      const { stdout } = await carrier.exec(state, guestOf(host), ['cat', '/proc/sys/kernel/random/boot_id']);
      return stdout.trim();
    },
    init: async host => {
      const first = await carrier.running(state, guestOf(host));
      if (first !== undefined) return first.pid;
      throw new HomelabError('HL_REFUSED', `${host} is off`, {
        hint: `npm run lab -- power-on ${host} --name ${state.name}`,
      });
    },
    status: () => Promise.all(state.guests.map(guest => statusOf(lab, state, guest))),
    cutLink: host => carrier.setCable(state, guestOf(host), 'down'),
    restoreLink: host => carrier.setCable(state, guestOf(host), 'up'),
    reboot: host => carrier.reboot(state, guestOf(host)),
    powerCut: host => carrier.end(state, guestOf(host)),
    powerOn: host => carrier.start(state, guestOf(host)),
    freeze: host => carrier.setFrozen(state, guestOf(host), true),
    thaw: host => carrier.setFrozen(state, guestOf(host), false),
    killSsh: async host => {
      await carrier.exec(state, guestOf(host), ['pkill', '-KILL', '-x', 'sshd']);
    },
    down: async () => {
      await labDown(state.name, { log });
    },
  };
  return lab;
}

async function statusOf(lab: Lab, state: LabState, guest: GuestState): Promise<MachineStatus> {
  const { name, role, address } = guest;
  const carrier = carrierOf(state);
  const running = (await carrier.running(state, guest)) !== undefined;
  const frozen = running && (await carrier.isFrozen(state, guest));
  const ssh = running && !frozen && (await lab.isReachable(name));
  const bootId = running && !frozen ? await lab.bootId(name).catch(() => undefined) : undefined;
  return { name, role, address, running, frozen, ssh, bootId };
}
