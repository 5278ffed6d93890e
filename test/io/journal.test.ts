import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEventBus } from '../../src/engine/events.ts';
import { createJournal, type JournalOptions, stateDir } from '../../src/io/journal.ts';
import type { EventSink, RunEvent } from '../../src/model/events.ts';

const disk = vi.hoisted(() => ({ full: false }));
vi.mock('node:fs', async original => {
  const fs = await original<typeof import('node:fs')>();
  return {
    ...fs,
    appendFileSync(...args: Parameters<typeof fs.appendFileSync>) {
      if (disk.full) throw new Error('ENOSPC: no space left on device, write');
      fs.appendFileSync(...args);
    },
  };
});

const startedAt = Date.UTC(2026, 10, 21, 19, 50, 8);
const note: RunEvent = { time: '2026-11-21T19:50:08.000Z', type: 'note', text: 'héllo\nworld' };

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'homelab-journal-'));
});
afterEach(() => {
  disk.full = false;
  rmSync(dir, { recursive: true, force: true });
});

describe('the state directory', () => {
  it('is where XDG says, or under the home directory', () => {
    expect(stateDir({ XDG_STATE_HOME: '/var/state', HOME: '/home/admin' })).toBe('/var/state/homelab');
    expect(stateDir({ HOME: '/home/admin' })).toBe('/home/admin/.local/state/homelab');
    expect(stateDir({ XDG_STATE_HOME: '', HOME: '/home/admin' })).toBe('/home/admin/.local/state/homelab');
    expect(stateDir({})).toBe(join(homedir(), '.local/state/homelab'));
  });

  it('is not a relative one', () => {
    expect(stateDir({ XDG_STATE_HOME: 'state', HOME: '/home/admin' })).toBe('/home/admin/.local/state/homelab');
  });
});

describe('the journal', () => {
  it('has a line for every event, before the next thing happens', async () => {
    const journal = createJournal(options());
    expect(journal.path).toBe(join(dir, 'homelab/runs/2026-11-21T19-50-08Z-4f2a9c.jsonl'));
    expect(existsSync(journal.path)).toBe(false);
    journal.handle(note);
    expect(readFileSync(journal.path, 'utf8')).toBe(`${JSON.stringify(note)}\n`);
    journal.handle(note);
    await journal.close();
    const lines = readFileSync(journal.path, 'utf8').trimEnd().split('\n');
    expect(lines.map(line => JSON.parse(line))).toEqual([note, note]);
  });

  it('is private, also in a directory that was not', () => {
    mkdirSync(join(dir, 'homelab/runs'), { recursive: true, mode: 0o755 });
    chmodSync(join(dir, 'homelab/runs'), 0o755);
    const journal = createJournal(options());
    journal.handle(note);
    expect(statSync(journal.path).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'homelab/runs')).mode & 0o777).toBe(0o700);
  });

  it('stays inside its directory, whatever the names are', () => {
    const journal = createJournal({ stateDir: dir, cluster: '../../etc', run: '../x', startedAt });
    expect(journal.path.startsWith(`${dir}/`)).toBe(true);
    expect(journal.path.split('/')).not.toContain('..');
  });

  it('closes without having been written', async () => {
    await expect(createJournal({ stateDir: dir, cluster: 'a', run: 'b', startedAt }).close()).resolves.toBeUndefined();
  });

  it.each([
    ['its directory cannot be made', 'ENOTDIR', () => writeFileSync(join(dir, 'homelab'), '')],
    ['the file is there already', 'EEXIST', () => createJournal(options()).handle(note)],
    [
      'the disk is full',
      'ENOSPC',
      () => {
        disk.full = true;
      },
    ],
  ])('costs the run one note when %s', async (_name, code, prepare) => {
    prepare();
    const seen: string[] = [];
    const reader: EventSink = {
      handle(event) {
        if (event.type === 'note') seen.push(event.text);
      },
      async close() {},
    };
    const journal = createJournal(options());
    const bus = createEventBus({ clock: { now: () => startedAt }, redact: text => text, sinks: [journal, reader] });
    bus.emit({ type: 'note', text: 'one' });
    bus.emit({ type: 'note', text: 'two' });
    await bus.close();
    expect(seen).toEqual([
      'one',
      expect.stringContaining(`the journal ${journal.path} failed and is off for the rest of this run: ${code}`),
      'two',
    ]);
  });
});

function options(): JournalOptions {
  return { stateDir: dir, cluster: 'homelab', run: '4f2a9c', startedAt };
}
