// Whose clock a look goes by.
import { describe, expect, it } from 'vitest';
import { clockOf } from '../../src/cli/look.ts';
import type { MachineLook } from '../../src/doctor/snapshot.ts';

const machine = (name: string, offsetMs: number): MachineLook => ({
  name,
  address: '',
  role: 'control-plane',
  facts: { clock: { offsetMs, uncertaintyMs: 200, synchronized: true, service: 'chrony' } },
  missed: {},
});

describe("a computer whose clock is wrong judges by the API server's", () => {
  const machines = [machine('n1', 3_600_000), machine('n2', -50)];

  it('where the machine that was asked told its time', () => {
    expect(clockOf('n1', machines)).toBe(3_600_000);
  });

  it('unless the difference is no more than the look is sure of', () => {
    expect(clockOf('n2', machines)).toBe(0);
  });

  it('and by its own where nobody knows', () => {
    expect(clockOf('this computer', machines)).toBe(0);
  });
});
