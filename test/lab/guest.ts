// One machine of the lab: its disk, its processes, its end. Everything here is about a single guest and needs root.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { execa } from 'execa';
import { HomelabError } from '../../src/model/errors.ts';
import { dataFolders, ensureBase, initPath } from './base.ts';
import type { Carrier } from './carrier.ts';
import { createGroups, groupsOf, isFrozen, membersOf, removeGroups, setFrozen } from './cgroups.ts';
import { users } from './debian-root.ts';
import { type GuestFile, hostBootId, readText, writeFiles } from './files.ts';
import { bridgeOf, cableOf, guestNetwork, hasCable, setCable } from './network.ts';
import { alive, findInit, kill, type ProcessRecord, parseStat, signalKill } from './processes.ts';
import { type Output, output, run, until } from './run.ts';
import { type GuestState, guestPath, type LabState, labFolder } from './state.ts';

/** Enters the control groups given before `--`, then becomes the program after it: its children are the guest's too. */
const enter = 'set -eu; while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"';
/**
 * The machine's power supply: writes down which process it is, then boots the machine, and again whenever nspawn says
 * that it rebooted (133: with --keep-unit it leaves that to its caller). The last boot's link may still be on its way out.
 */
const power = `set -eu
exec >>"$2" 2>&1
cat /proc/$$/stat >"$1.new"
mv "$1.new" "$1"
cable=$3
shift 3
while :; do
  ip link delete "$cable" 2>/dev/null || :
  code=0
  sh -c '${enter}' sh "$@" || code=$?
  [ "$code" = 133 ] || exit "$code"
done`;

/** The lab's usual carrier: systemd-nspawn. */
export const nspawn: Carrier = {
  ensureBase,
  prepareDisk,
  start,
  end,
  dismantle,
  exec,
  running: init,
  isFrozen: (_lab, guest) => isFrozen(guest.groups),
  setFrozen: (_lab, guest, frozen) => setFrozen(guest.groups, frozen),
  setCable: (_lab, guest, state) => setCable(guest.machine, state),
  reboot,
  bootMs: 60_000,
  answerMs: 5_000,
};

export interface GuestKeys {
  /** The host's private and public key. */
  readonly hostKey: string;
  readonly hostKeyPublic: string;
  readonly authorized: string;
}

/** Makes the guest's disk, once: an overlay over the base, with what tells this machine from the others. */
async function prepareDisk(lab: LabState, guest: GuestState, keys: GuestKeys): Promise<void> {
  const done = guestPath(lab.name, guest.name, 'prepared');
  for (const name of ['upper', 'work', 'root', ...dataFolders.map(dataName)]) {
    await mkdir(guestPath(lab.name, guest.name, name), { recursive: true });
  }
  await mountDisk(lab, guest);
  if ((await readText(done)) !== undefined) return;
  await writeFiles(guestPath(lab.name, guest.name, 'root'), [
    ...(await guestFiles(lab, guest, keys)),
    {
      path: '/etc/systemd/network/10-lab.network',
      content: guestNetwork(lab.index, guest.address, 'Name=host0'),
    },
    ...(lab.cilium ? builtInModules() : []),
  ]);
  await writeFile(done, '');
}

/** What the kernel has without modules: Cilium believes nothing else where there is no /proc/modules. */
function builtInModules(): readonly GuestFile[] {
  if (existsSync('/proc/modules')) return [];
  const tables = ['ip', 'ip6'].flatMap(family =>
    ['_tables', 'table_nat', 'table_mangle', 'table_raw', 'table_filter'].map(name => `${family}${name}`),
  );
  const content = [...tables, 'xt_socket'].map(name => `kernel/net/netfilter/${name}.ko\n`).join('');
  return [{ path: `/usr/lib/modules/${release()}/modules.builtin`, content }];
}

/** What tells this machine from the others, but for its network. */
export async function guestFiles(lab: LabState, guest: GuestState, keys: GuestKeys): Promise<readonly GuestFile[]> {
  return [
    { path: '/etc/machine-id', content: `${randomUUID().replaceAll('-', '')}\n`, mode: 0o444 },
    { path: '/etc/hostname', content: `${guest.name}\n` },
    {
      path: '/etc/hosts',
      content: `127.0.0.1 localhost\n127.0.1.1 ${guest.name}\n::1 localhost ip6-localhost ip6-loopback\n`,
    },
    { path: '/etc/resolv.conf', content: await resolvConf() },
    { path: '/etc/apt/sources.list', content: aptSource(lab) },
    { path: '/etc/ssh/ssh_host_ed25519_key', content: keys.hostKey, mode: 0o600 },
    { path: '/etc/ssh/ssh_host_ed25519_key.pub', content: keys.hostKeyPublic },
    ...Object.entries(users).map(([name, owner]) => authorized(name, owner, keys.authorized)),
  ];
}

/** What a mirror is to a real machine: Debian's packages are installed from the bundle. Mirrors far away make runs flaky. */
function aptSource(lab: LabState): string {
  if (lab.bundle === null) return '# Empty on purpose: made without a bundle.\n';
  return 'deb [signed-by=/srv/homelab-lab/apt/key.asc] file:/srv/homelab-lab/apt bookworm main\n';
}

function authorized(user: string, owner: number, content: string): GuestFile {
  return { path: `/home/${user}/.ssh/authorized_keys`, content, mode: 0o600, owner };
}

const dataName = (folder: string): string => path.basename(folder);

/** Shows the base with what this machine has written over it. */
export async function mountDisk(lab: LabState, guest: GuestState): Promise<void> {
  const root = guestPath(lab.name, guest.name, 'root');
  if ((await mountsUnder(root)).includes(root)) return;
  const upper = guestPath(lab.name, guest.name, 'upper');
  const work = guestPath(lab.name, guest.name, 'work');
  await run([
    'mount',
    '-t',
    'overlay',
    '-o',
    `lowerdir=${lab.base},upperdir=${upper},workdir=${work}`,
    'homelab-lab',
    root,
  ]);
}

/** Mount points at or below a folder, deepest last. */
export async function mountsUnder(folder: string): Promise<readonly string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  const points = text.split('\n').flatMap(line => line.split(' ')[4] ?? []);
  return points.filter(point => point === folder || point.startsWith(`${folder}/`));
}

/** The host's own, except where it points at the host's loopback, which a guest cannot reach. */
async function resolvConf(): Promise<string> {
  for (const file of ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']) {
    const lines = ((await readText(file)) ?? '').split('\n');
    const useful = lines.filter(line => /^(nameserver (?!127\.|::1)|search |options )/.test(line));
    if (useful.some(line => line.startsWith('nameserver'))) return `${useful.join('\n')}\n`;
  }
  return '';
}

const sharedFolder = (lab: LabState): string => path.join(labFolder(lab.name), 'shared');

/** Switches the machine on; a machine that is on stays as it is. Returns before it has booted. */
async function start(lab: LabState, guest: GuestState): Promise<void> {
  if ((await supervisor(lab, guest)) !== undefined) return;
  await end(lab, guest);
  await mountDisk(lab, guest);
  await createGroups(guest.groups);
  if (lab.shared) await mkdir(sharedFolder(lab), { recursive: true });
  const argv = [recordFile(lab, guest), consoleFile(lab, guest), cableOf(guest.machine), ...guest.groups, '--'];
  // No pipe to us and a session of its own: the machine does not notice when we end, and Ctrl-C does not reach it.
  const child = execa('sh', ['-c', power, 'sh', ...argv, ...nspawnArgv(lab, guest)], {
    stdio: 'ignore',
    detached: true,
    cleanup: false,
    reject: false,
    // It outlives us: what our caller's environment holds is not for it.
    extendEnv: false,
    env: {
      PATH: process.env['PATH'],
      SYSTEMD_SECCOMP: '0',
      SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'yes',
      SYSTEMD_NSPAWN_LOCK: '0',
    },
  });
  child.unref();
  await until(() => started(lab, guest), { timeoutMs: 20_000, everyMs: 30, what: `${guest.name} to start` });
}

async function started(lab: LabState, guest: GuestState): Promise<boolean> {
  if ((await init(lab, guest)) !== undefined) return true;
  if ((await readText(recordFile(lab, guest))) === undefined || (await supervisor(lab, guest)) !== undefined)
    return false;
  throw new HomelabError('HL_STEP_FAILED', `${guest.name} did not start`, {
    hint: `look at ${consoleFile(lab, guest)}`,
    context: { host: guest.name, stderr: (await readText(consoleFile(lab, guest))) ?? '' },
  });
}

function nspawnArgv(lab: LabState, guest: GuestState): readonly [string, ...string[]] {
  return [
    'systemd-nspawn',
    '--quiet',
    // This machine's process 1 need not be systemd: no machined, no scope. https://www.freedesktop.org/software/systemd/man/systemd-nspawn.html
    '--register=no',
    '--keep-unit',
    '--capability=all',
    '--bind=/dev/kmsg',
    '--kill-signal=SIGRTMIN+3',
    '--console=read-only',
    '--resolv-conf=off',
    '--timezone=off',
    '--link-journal=no',
    `--network-bridge=${bridgeOf(lab.index)}`,
    `--machine=${guest.machine}`,
    `--hostname=${guest.name}`,
    `--directory=${guestPath(lab.name, guest.name, 'root')}`,
    ...dataFolders.map(folder => `--bind=${guestPath(lab.name, guest.name, dataName(folder))}:/${folder}`),
    ...(lab.bundle === null ? [] : [`--bind-ro=${lab.bundle}:/srv/homelab-lab`]),
    ...(lab.shared ? [`--bind=${sharedFolder(lab)}:/srv/shared`] : []),
    '--',
    initPath,
  ];
}

/** What the machine prints while it boots and stops, all boots of it. */
export const consoleFile = (lab: LabState, guest: GuestState): string => guestPath(lab.name, guest.name, 'console.log');
export const recordFile = (lab: LabState, guest: GuestState): string => guestPath(lab.name, guest.name, 'process');

/** The power supply of a machine that is on. */
export async function supervisor(lab: LabState, guest: GuestState): Promise<ProcessRecord | undefined> {
  if (lab.bootId !== (await hostBootId())) return undefined;
  const record = parseStat((await readText(recordFile(lab, guest))) ?? '');
  return record !== undefined && (await alive(record)) ? record : undefined;
}

/** The machine's process 1; undefined while it is off and for the moment between two boots. */
async function init(lab: LabState, guest: GuestState): Promise<ProcessRecord | undefined> {
  const record = await supervisor(lab, guest);
  return record === undefined ? undefined : findInit(record.pid);
}

/** Ends the machine as a power cut does: at once, with everything in it. */
async function end(lab: LabState, guest: GuestState): Promise<void> {
  if (lab.bootId === (await hostBootId())) {
    const record = await supervisor(lab, guest);
    // The power supply first, so that it boots nothing any more.
    if (record !== undefined) await kill(record);
    await until(() => killMembers(guest), { timeoutMs: 20_000, everyMs: 20, what: `${guest.name} to end` });
    // Its cable would go with its network namespace, which a busy kernel takes apart a minute later.
    if (await hasCable(guest.machine)) await output(['ip', 'link', 'delete', cableOf(guest.machine)]);
    await until(async () => !(await hasCable(guest.machine)), {
      timeoutMs: 10_000,
      everyMs: 30,
      what: `the network of ${guest.name} to go`,
    });
  }
  await rm(recordFile(lab, guest), { force: true });
  await removeLeftovers(guest);
}

/** Control groups have our name: whatever is in there was started by us or by what we started. */
async function killMembers(guest: GuestState): Promise<boolean> {
  // A v1 freezer holds even SIGKILL back.
  if (await isFrozen(guest.groups)) await setFrozen(guest.groups, false);
  const members = await membersOf(guest.groups);
  for (const pid of members) signalKill(pid);
  return members.length === 0;
}

/** What nspawn itself removes when it ends tidily. */
async function removeLeftovers(guest: GuestState): Promise<void> {
  for (const kind of ['propagate', 'unix-export']) {
    const folder = `/run/systemd/nspawn/${kind}/${guest.machine}`;
    for (const point of (await mountsUnder(folder)).toReversed()) await output(['umount', '--lazy', point]);
    await rmdir(folder).catch(() => undefined);
  }
}

/** After `end`: takes groups and mounts away. The folder itself goes with the lab's. */
async function dismantle(lab: LabState, guest: GuestState): Promise<void> {
  await removeGroups(guest.groups);
  for (const point of (await mountsUnder(guestPath(lab.name, guest.name))).toReversed()) await run(['umount', point]);
}

export interface ExecOptions {
  readonly stdin?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Runs a program in the machine as root, without its network. */
async function exec(
  lab: LabState,
  guest: GuestState,
  argv: readonly [string, ...string[]],
  options: ExecOptions = {},
): Promise<Output> {
  const first = await init(lab, guest);
  if (first === undefined) {
    throw new HomelabError('HL_REFUSED', `${guest.name} is off`, {
      hint: `npm run lab -- power-on ${guest.name} --name ${lab.name}`,
    });
  }
  if (await isFrozen(guest.groups)) {
    throw new HomelabError('HL_REFUSED', `${guest.name} is frozen`, {
      hint: `npm run lab -- power-on ${guest.name} --name ${lab.name}`,
    });
  }
  // Dies with nsenter, so a time limit here ends it there.
  const environment = [
    'setpriv',
    '--pdeathsig',
    'KILL',
    'env',
    '-i',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME=/root',
    'LANG=C.UTF-8',
  ];
  const inside = ['nsenter', '--target', String(first.pid), '--all', '--wd', '--', ...environment, ...argv];
  return output(['sh', '-c', enter, 'sh', ...(await groupsOf(first.pid)), '--', ...inside], options);
}

async function reboot(lab: LabState, guest: GuestState): Promise<void> {
  const before = await init(lab, guest);
  await exec(lab, guest, ['systemctl', 'reboot']);
  await until(
    async () => {
      const now = await init(lab, guest);
      return now !== undefined && now.pid !== before?.pid;
    },
    {
      timeoutMs: 120_000,
      what: `${guest.name} to reboot`,
      hint: `look at ${consoleFile(lab, guest)}`,
    },
  );
}
