// A machine with a kernel, clock and network cards of its own: QEMU over a disk made from the base. Everything here is about a single one.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import process from 'node:process';
import { execa } from 'execa';
import { HomelabError } from '../../src/model/errors.ts';
import type { Carrier } from './carrier.ts';
import { readText, writeFiles } from './files.ts';
import { consoleFile, type GuestKeys, guestFiles, mountDisk, recordFile, supervisor } from './guest.ts';
import { bridgeOf, cableOf, guestNetwork, hasCable } from './network.ts';
import { kill } from './processes.ts';
import { bootFiles, ensureQemuBase } from './qemu-base.ts';
import { type Card, hasKvm, qemuArgv } from './qemu-hardware.ts';
import { agentAnswers, agentExec, monitor } from './qemu-socket.ts';
import { output, run, until } from './run.ts';
import { type GuestState, guestPath, type LabState } from './state.ts';

/** Emulated, a boot takes a minute on an idle computer, and five on a busy one. */
const bootMs = 900_000;
const diskSize = '12G';

export const qemu: Carrier = {
  ensureBase: ensureQemuBase,
  prepareDisk,
  start,
  end,
  dismantle: async () => {},
  exec: (lab, guest, argv, options) => agentExec(agentSocket(lab, guest), argv, options),
  running: supervisor,
  isFrozen: async (lab, guest) => {
    const status = await monitor(monitorSocket(lab, guest), { execute: 'query-status' });
    return (status as { readonly status: string }).status === 'paused';
  },
  setFrozen: async (lab, guest, frozen) => {
    await monitor(monitorSocket(lab, guest), { execute: frozen ? 'stop' : 'cont' });
  },
  setCable: (lab, guest, state) => setCard(lab, guest, 'uplink', state),
  reboot,
  bootMs,
  answerMs: 60_000,
};

const agentSocket = (lab: LabState, guest: GuestState): string => guestPath(lab.name, guest.name, 'agent');
const monitorSocket = (lab: LabState, guest: GuestState): string => guestPath(lab.name, guest.name, 'monitor');
const diskFile = (lab: LabState, guest: GuestState): string => guestPath(lab.name, guest.name, 'disk.img');

/** Plugs the cable of a card in or out, as its driver sees it. */
export async function setCard(lab: LabState, guest: GuestState, card: Card, state: 'up' | 'down'): Promise<void> {
  await monitor(monitorSocket(lab, guest), { execute: 'set_link', arguments: { name: card, up: state === 'up' } });
}

/** A filesystem made of the base and what tells this machine from the others. The base stays as it is. */
async function prepareDisk(lab: LabState, guest: GuestState, keys: GuestKeys): Promise<void> {
  const disk = diskFile(lab, guest);
  if (existsSync(disk)) return;
  const folders = ['upper', 'work', 'root'].map(name => guestPath(lab.name, guest.name, name));
  for (const folder of folders) await mkdir(folder, { recursive: true });
  await mountDisk(lab, guest);
  const root = guestPath(lab.name, guest.name, 'root');
  await writeFiles(root, [
    ...(await guestFiles(lab, guest, keys)),
    {
      path: '/etc/systemd/network/10-lab.network',
      content: guestNetwork(lab.index, guest.address, 'Driver=virtio_net'),
    },
    { path: '/etc/systemd/network/20-lab.network', content: otherCards },
  ]);
  await run(['truncate', '-s', diskSize, `${disk}.new`]);
  await run(['mkfs.ext4', '-q', '-F', '-L', 'root', '-d', root, `${disk}.new`]);
  await run(['umount', root]);
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
  await rename(`${disk}.new`, disk);
}

/** On, without an address: nobody is at the other end. */
const otherCards = `[Match]
Driver=e1000e vmxnet3 cdc_ether

[Link]
RequiredForOnline=no

[Network]
LinkLocalAddressing=no
IPv6AcceptRA=no
`;

async function start(lab: LabState, guest: GuestState): Promise<void> {
  if ((await supervisor(lab, guest)) !== undefined) return;
  await end(lab, guest);
  const tap = cableOf(guest.machine);
  await run(['ip', 'tuntap', 'add', 'dev', tap, 'mode', 'tap']);
  await run(['ip', 'link', 'set', 'dev', tap, 'master', bridgeOf(lab.index), 'up']);
  const console = consoleFile(lab, guest);
  const argv = qemuArgv({
    tap,
    index: lab.index,
    host: lab.guests.findIndex(({ name }) => name === guest.name),
    name: guest.name,
    disk: diskFile(lab, guest),
    boot: await bootFiles(lab.base),
    bundle: lab.bundle,
    console,
    monitor: monitorSocket(lab, guest),
    agent: agentSocket(lab, guest),
    kvm: await hasKvm(),
  });
  const record = recordFile(lab, guest);
  // The record is QEMU's own: exec keeps the process.
  const script = 'set -eu; exec >"$2" 2>&1; cat /proc/$$/stat >"$1.new"; mv "$1.new" "$1"; shift 2; exec "$@"';
  const child = execa('sh', ['-c', script, 'sh', record, `${console}.qemu`, ...argv], {
    stdio: 'ignore',
    detached: true,
    cleanup: false,
    reject: false,
    extendEnv: false,
    env: { PATH: process.env['PATH'] },
  });
  child.unref();
  await until(() => answersMonitor(lab, guest), { timeoutMs: 30_000, what: `${guest.name} to start` });
}

async function answersMonitor(lab: LabState, guest: GuestState): Promise<boolean> {
  const recorded = (await readText(recordFile(lab, guest))) !== undefined;
  if (recorded && (await supervisor(lab, guest)) === undefined) {
    throw new HomelabError('HL_STEP_FAILED', `${guest.name} did not start`, {
      hint: `look at ${consoleFile(lab, guest)}.qemu`,
      context: { host: guest.name, stderr: await readFile(`${consoleFile(lab, guest)}.qemu`, 'utf8') },
    });
  }
  return monitor(monitorSocket(lab, guest), { execute: 'query-status' }).then(
    () => true,
    () => false,
  );
}

/** As a power cut: at once. */
async function end(lab: LabState, guest: GuestState): Promise<void> {
  const record = await supervisor(lab, guest);
  if (record !== undefined) {
    await kill(record);
    await until(async () => (await supervisor(lab, guest)) === undefined, {
      timeoutMs: 20_000,
      everyMs: 20,
      what: `${guest.name} to end`,
    });
  }
  if (await hasCable(guest.machine)) await output(['ip', 'link', 'delete', cableOf(guest.machine)]);
  for (const file of [recordFile(lab, guest), monitorSocket(lab, guest), agentSocket(lab, guest)])
    await rm(file, { force: true });
}

async function reboot(lab: LabState, guest: GuestState): Promise<void> {
  const bootId = async (): Promise<string | undefined> => {
    const argv = ['cat', '/proc/sys/kernel/random/boot_id'] as const;
    if (!(await agentAnswers(agentSocket(lab, guest)))) return undefined;
    return (await agentExec(agentSocket(lab, guest), [...argv], { timeoutMs: 10_000 })).stdout;
  };
  const before = await bootId();
  // The agent may be gone before it can tell how that ended.
  await agentExec(agentSocket(lab, guest), ['systemctl', 'reboot']).catch(() => undefined);
  await until(
    async () => {
      const now = await bootId().catch(() => undefined);
      return now !== undefined && now !== before;
    },
    { timeoutMs: bootMs, everyMs: 1000, what: `${guest.name} to reboot`, hint: `look at ${consoleFile(lab, guest)}` },
  );
}
