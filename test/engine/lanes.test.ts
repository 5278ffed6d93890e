// Side by side, and never silently not at all.
import { describe, expect, it } from 'vitest';
import { inLanes } from '../../src/engine/lanes.ts';

describe('lanes', () => {
  it('give every result in its place, however many there are', async () => {
    for (const width of [1, 2, 9]) {
      const results = await inLanes([1, 2, 3], width, async each => {
        if (each === 2) throw new Error('two');
        return each * 10;
      });
      expect(results.map(each => (each.status === 'fulfilled' ? each.value : 'failed'))).toEqual([10, 'failed', 30]);
    }
  });

  it.each([0, -1, Number.NaN])('of %s would do nothing, and that is refused', async width => {
    await expect(inLanes([1], width, async each => each)).rejects.toThrow(RangeError);
    await expect(inLanes([], width, async each => each)).resolves.toEqual([]);
  });
});
