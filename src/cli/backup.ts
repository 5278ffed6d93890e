// homelab backup: made on a control plane, encrypted there, brought here, checked here.
import { basename, join, resolve } from 'node:path';
import type { Machine } from '../engine/machine.ts';
import { type Archive, requireKey, tryOpen } from '../io/archive.ts';
import { keepNewest, receiveArchive, writableFolder } from '../io/archive-folder.ts';
import { stateDir } from '../io/journal.ts';
import { archivePattern, backupFolder } from '../model/backup.ts';
import type { Backup, Cluster } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import { command, printing, sh } from '../model/shell.ts';
import { outputMode } from '../render/choose.ts';
import { backupScript } from '../transitions/backup.ts';
import { nothingApproved } from './commands.ts';
import { type Io, type RunOptions, runSession, type Session } from './session.ts';
import { everything } from './target.ts';

export interface BackupOptions extends RunOptions {
  /** Folder on this computer. */
  readonly out?: string;
  /** Bring the newest that is there; make none. */
  readonly fetch?: boolean;
}

const makeTimeoutMs = 1_800_000;

export async function runBackup(options: BackupOptions, io: Io): Promise<number> {
  let folder = '';
  const aim = everything(options);
  return runSession(
    'ask',
    options,
    io,
    nothingApproved,
    async session => {
      const path = await bringBackup(session, folder, options.fetch);
      if (outputMode({ ...io, output: options.output }) !== 'json') io.stdout.write(`${path}\n`);
    },
    async inventory => {
      const target = await aim(inventory);
      sectionOf(target.cluster);
      // Before anything is asked of a machine.
      folder = await backupsOf(target.cluster, io, options.out);
      return { ...target, phases: [] };
    },
  );
}

/** Where backups come to on this computer; it can be written. */
export function backupsOf({ name }: Cluster, io: Io, out?: string): Promise<string> {
  return writableFolder(resolve(out ?? join(stateDir(io.env), name, 'backups')));
}

/** Made now, or with `fetch` the newest that is there; brought here and checked here. Resolves with its path. */
export async function bringBackup(session: Session, folder: string, fetch = false): Promise<string> {
  const { cluster } = session.goal;
  const backup = sectionOf(cluster);
  const found = fetch ? await newest(session) : await make(session, backup);
  const archive = await receiveArchive(join(folder, basename(found.path)), piecesOf(found, session));
  const opened = await checkOpens(archive, backup, session);
  const removed = await keepNewest(folder, archivePattern(cluster.name), backup.keep);
  const { snapshot, made, host } = archive.manifest;
  session.bus.emit({
    type: 'note',
    text: `${archive.path}: ${inWords(archive.bytes)}, made ${made} on ${host}, etcd revision ${snapshot.revision}, ${snapshot.totalKey} keys; ${opened}${removed > 0 ? `; ${removed} older ones removed` : ''}`,
  });
  return archive.path;
}

/** Throws HL_INVENTORY with what to type where the inventory says nothing about backups. */
export function sectionOf({ backup }: Cluster): Backup {
  if (backup) return backup;
  throw new HomelabError('HL_INVENTORY', 'the inventory does not say for whom backups are encrypted', {
    hint: "openssl req -x509 -newkey rsa:4096 -nodes -days 36500 -subj /CN=backup -keyout backup.key -out backup.crt; keep backup.key where the cluster's machines are not, and write backup: {recipient: backup.crt} into the inventory",
  });
}

interface Found {
  readonly machine: Machine;
  readonly path: string;
}

// The first control plane whose etcd is healthy; what the others said is told when none is.
async function make({ goal: { cluster }, machines, abort }: Session, backup: Backup): Promise<Found> {
  const said: string[] = [];
  for (const host of cluster.hosts.filter(({ role }) => role === 'control-plane')) {
    const machine = machines.get(host.name);
    if (!machine) continue;
    const script = backupScript({
      cluster: cluster.name,
      host,
      backup,
      printRecipient: printing(backup.recipient),
      printInventory: printing(backup.inventory),
    });
    const { code, stdout, stderr } = await machine.exec(`set -eu\n${script}`, makeTimeoutMs, abort);
    if (code === 0) return { machine, path: stdout.trim() };
    said.push(`${host.name}: ${stderr.trim().split('\n').slice(-3).join(' · ') || `exit ${code}`}`);
  }
  throw new HomelabError('HL_STEP_FAILED', 'no control plane could make a backup', {
    context: { details: said },
    hint: 'mend what it says above (homelab verify --only control-plane shows more), then run the same command again',
  });
}

/** The newest archive of all control planes. */
async function newest({ goal: { cluster }, machines, abort }: Session): Promise<Found> {
  const pattern = archivePattern(cluster.name);
  const found: (Found & { readonly name: string })[] = [];
  for (const machine of machines.values()) {
    const { stdout } = await machine.exec(`ls ${backupFolder} 2>/dev/null || true`, 30_000, abort);
    const names = stdout.split('\n').filter(name => pattern.test(name));
    found.push(...names.map(name => ({ machine, name, path: `${backupFolder}/${name}` })));
  }
  const last = found.toSorted((a, b) => a.name.localeCompare(b.name)).at(-1);
  if (last) return last;
  throw new HomelabError('HL_REFUSED', `no control plane has a backup in ${backupFolder}`, {
    hint: 'make one now: homelab backup; or let control planes make them: backup.schedule in the inventory',
  });
}

// As text: four bytes for three, far below what a command may print.
const pieceMiB = 16;

async function* piecesOf({ machine, path }: Found, { abort }: Session): AsyncGenerator<Buffer> {
  for (let at = 0; ; at += pieceMiB) {
    const script = `dd ${sh(`if=${path}`)} bs=1M ${command(`skip=${at}`, `count=${pieceMiB}`)} status=none | base64 -w0`;
    const { code, stdout, stderr } = await machine.exec(script, 600_000, abort);
    if (code !== 0 || stderr !== '') {
      throw new HomelabError('HL_STEP_FAILED', `${path} of ${machine.host} could not be fetched`, {
        context: { host: machine.host, stderr },
        hint: 'it lies there all the same; bring it with: homelab backup --fetch',
      });
    }
    const piece = Buffer.from(stdout, 'base64');
    yield piece;
    if (piece.length < pieceMiB * 1024 * 1024) return;
  }
}

async function checkOpens(archive: Archive, backup: Backup, { resolveSecret, stop }: Session): Promise<string> {
  if (backup.key === undefined) return 'whole; not opened, because the inventory has no backup.key';
  const key = await resolveSecret(backup.key).catch(() => undefined);
  if (key === undefined) return 'whole; not opened, because backup.key is not at hand';
  requireKey(key, archive);
  return (await tryOpen(archive, key, stop)) === 'opened'
    ? 'opened with backup.key and whole'
    : 'whole and for backup.key; not opened, because this computer has no OpenSSL 3';
}

function inWords(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
