// Where the killed drill kills: every kind of step at three moments, machine and moment by seed.
import { expect, test } from 'vitest';
import { delayMs, killCases, stepFor } from './drill/kill-cases.ts';

const planned = [
  'containerd/k8s-cp/package',
  'containerd/k8s-worker1/package',
  'containerd/k8s-worker2/package',
  'control-plane/k8s-cp/init',
];

test('each kind of step is killed at both boundaries and inside, once whatever the number of machines', () => {
  expect(killCases(planned).map(({ name }) => name)).toEqual([
    'started containerd/package',
    'inside containerd/package',
    'finished containerd/package',
    'proving containerd',
    'started control-plane/init',
    'inside control-plane/init',
    'finished control-plane/init',
    'proving control-plane',
  ]);
  expect(killCases(planned, 'inside control').map(({ name }) => name)).toEqual(['inside control-plane/init']);
  expect(
    killCases([...planned, 'control-plane/k8s-cp/init-gone'], '(started|inside) control-plane/init$'),
  ).toHaveLength(2);
});

test('the machine is drawn among those that have the step, the same for the same seed', () => {
  const [each] = killCases(planned);
  if (each === undefined) throw new Error('no case');
  const drawn = Array.from({ length: 40 }, (_, seed) => stepFor(each, planned, seed));
  expect(new Set(drawn)).toEqual(new Set(planned.slice(0, 3)));
  expect(stepFor(each, planned, 7)).toBe(stepFor(each, planned.toReversed(), 7));
  expect(stepFor(each, ['control-plane/k8s-cp/init'], 7)).toBeUndefined();
});

test('a phase is killed while it is proven where it has steps, somewhere within the time that its proofs took', () => {
  const [proving] = killCases(planned, 'proving control-plane');
  if (proving === undefined) throw new Error('no case');
  expect(stepFor(proving, planned, 7)).toBe('control-plane');
  expect(stepFor(proving, planned.slice(0, 3), 7)).toBeUndefined();
  const delays = Array.from({ length: 40 }, (_, seed) => delayMs(proving, 9_000, seed));
  expect(Math.max(...delays)).toBeGreaterThan(6_000);
  expect(Math.max(...delays)).toBeLessThan(9_000);
});

test('inside is within the time that the step took', () => {
  const inside = killCases(planned, 'inside')[0];
  const started = killCases(planned, 'started')[0];
  if (inside === undefined || started === undefined) throw new Error('no case');
  for (const seed of Array.from({ length: 40 }, (_, index) => index)) {
    expect(delayMs(inside, 400, seed)).toBeLessThan(400);
    expect(delayMs(inside, 9_000, seed)).toBeLessThan(1_500);
    expect(delayMs(started, 9_000, seed)).toBe(0);
  }
});
