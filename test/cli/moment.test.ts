// What --since takes.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { momentOf } from '../../src/cli/moment.ts';
import type { Io } from '../../src/cli/session.ts';
import { scratch } from '../resources/rig.ts';
import { inventoryPath } from '../sample.ts';

const run = (id: string, purpose: string, ended: string, simulated = false) => ({
  id,
  lines: [
    { type: 'run-started', time: '2026-11-22T10:00:00.000Z', run: id, command: 'homelab x', purpose, simulated },
    { type: 'run-finished', time: ended, outcome: 'ok' },
  ],
});

function since(text: string, runs: readonly ReturnType<typeof run>[]): Promise<number> {
  const state = scratch();
  const folder = join(state, 'homelab/homelab/runs');
  mkdirSync(folder, { recursive: true });
  for (const [index, { id, lines }] of runs.entries()) {
    const file = join(folder, `2026-11-22T1${index}-00-00Z-${id}.jsonl`);
    writeFileSync(file, lines.map(line => `${JSON.stringify(line)}\n`).join(''));
  }
  const io = { env: { XDG_STATE_HOME: state } } as unknown as Io;
  return momentOf(text, { inventory: inventoryPath }, io);
}

describe('--since', () => {
  const runs = [
    run('aa', 'change', '2026-11-22T10:05:00.000Z'),
    run('bb', 'change', '2026-11-22T11:05:00.000Z'),
    run('cc', 'look', '2026-11-22T12:05:00.000Z'),
    run('dd', 'change', '2026-11-22T13:05:00.000Z', true),
  ];

  it('takes a time, and the name of a run', async () => {
    expect(await since('2026-11-22T10:00Z', [])).toBe(Date.parse('2026-11-22T10:00Z'));
    expect(await since('aa', runs)).toBe(Date.parse('2026-11-22T10:05Z'));
  });

  it('takes last for the newest run that was to change something: no look, no rehearsal', async () => {
    expect(await since('last', runs)).toBe(Date.parse('2026-11-22T11:05Z'));
  });

  it('says what there is to choose from', async () => {
    await expect(since('zz', runs)).rejects.toMatchObject({ code: 'HL_USAGE', hint: expect.stringContaining('bb') });
    await expect(since('last', [])).rejects.toMatchObject({ code: 'HL_USAGE' });
  });
});
