import { expect, it } from 'vitest';
import { tellingTimeLeft } from '../../src/cli/time-left.ts';
import type { EventBody } from '../../src/model/events.ts';

const stages = [
  { id: 'cp', kind: 'control-plane' },
  { id: 'w1', kind: 'worker' },
  { id: 'w2', kind: 'worker' },
  { id: 'w3', kind: 'worker' },
] as const;

function toldAfter(ended: readonly (readonly [string, 'changed' | 'unchanged' | 'failed', number])[]) {
  const told: string[] = [];
  const bus = tellingTimeLeft(
    { emit: (body: EventBody) => void (body.type === 'note' && told.push(body.text)), close: async () => undefined },
    stages,
  );
  for (const [phase, outcome, durationMs] of ended) bus.emit({ type: 'phase-finished', phase, outcome, durationMs });
  return told;
}

it('tells what is left by the machines of the same kind that are done', () => {
  expect(
    toldAfter([
      ['software', 'changed', 99_000],
      ['cp', 'changed', 120_000],
      ['w1', 'changed', 30_000],
      ['w2', 'changed', 50_000],
      ['w3', 'changed', 30_000],
    ]),
  ).toEqual(['1 of 4 done', '2 of 4 done, about 1m 00s left', '3 of 4 done, about 40s left']);
});

it('reckons with nothing that was done before, and not with what failed', () => {
  expect(
    toldAfter([
      ['cp', 'unchanged', 3_000],
      ['w1', 'changed', 30_000],
      ['w2', 'failed', 600_000],
    ]),
  ).toEqual(['2 of 4 done, about 1m 00s left']);
});
