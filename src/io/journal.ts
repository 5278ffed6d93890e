// The run's events as a file for people: one JSON line each, on disk before the next thing happens. Nothing reads it to decide anything.
import { appendFileSync, chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import type { EventSink } from '../model/events.ts';

export interface Journal extends EventSink {
  /** Where the lines go. */
  readonly path: string;
}

export interface JournalOptions {
  readonly stateDir: string;
  readonly cluster: string;
  readonly run: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** $XDG_STATE_HOME/homelab, or ~/.local/state/homelab. The XDG specification says to ignore a relative path. */
export function stateDir(env: Readonly<Record<string, string | undefined>>): string {
  const xdg = env['XDG_STATE_HOME'];
  const base = xdg && isAbsolute(xdg) ? xdg : join(env['HOME'] || homedir(), '.local', 'state');
  return join(base, 'homelab');
}

/**
 * The file is made at the first event. Disk full or no permission: `handle` throws, and the event bus turns that into one
 * note and goes on without the journal.
 */
export function createJournal({ stateDir, cluster, run, startedAt }: JournalOptions): Journal {
  // ':' is not allowed in file names everywhere; the time first makes `ls` sort by it.
  const time = new Date(startedAt)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(':', '-');
  const path = join(stateDir, fileName(cluster), 'runs', `${time}-${fileName(run)}.jsonl`);
  let file: number | undefined;
  return {
    name: `the journal ${path}`,
    path,
    handle(event) {
      file ??= openPrivate(path);
      // A write per event, no buffer of ours: what was told survives kill -9.
      appendFileSync(file, `${JSON.stringify(event)}\n`);
    },
    async close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

/** Plans and output of machines are nobody else's business, whatever the umask or an older directory says. */
function openPrivate(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  chmodSync(dirname(path), 0o700);
  return openSync(path, 'ax', 0o600);
}

/** Names come from people; a path separator in one must not lead elsewhere. */
function fileName(name: string): string {
  return name.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '_');
}
