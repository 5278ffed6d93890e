// The engine under bad luck, in virtual time: SCHEDULES of them from SEED on (npm run drill -- simulation runs more).
import { describe, expect, it } from 'vitest';
import { schedule } from './schedule.ts';

const first = Number(process.env['SEED'] ?? 1);
const count = Number(process.env['SCHEDULES'] ?? 2_000);

describe('a run that is killed, stopped, cut off, repeated or out of power', () => {
  it(`leaves machines that plain runs put in order, and never changes what it does not hold (${count} schedules)`, async () => {
    const failed: unknown[] = [];
    const ends = new Map<string, number>();
    let reruns = 0;
    for (let seed = first; seed < first + count; seed += 1) {
      const outcome = await schedule(seed);
      if (outcome.broken.length > 0) failed.push(outcome);
      reruns = Math.max(reruns, outcome.reruns);
      for (const end of outcome.ends) ends.set(end, (ends.get(end) ?? 0) + 1);
    }
    process.stdout.write(
      `${count} schedules from seed ${first}: ${[...ends].map(([end, times]) => `${end} ${times}`).join(', ')}; at most ${reruns} plain runs; ${failed.length} lost or differing\n`,
    );
    expect(failed.slice(0, 3)).toEqual([]);
  }, 1_800_000);

  it('is the same run when its seed is the same', async () => {
    expect(await schedule(7)).toEqual(await schedule(7));
  });
});
