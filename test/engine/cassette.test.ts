// The real path without machines: what two lab machines answered to a bootstrap, played back command by command.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { apply } from '../../src/engine/run.ts';
import type { Cassette } from '../../src/io/cassette.ts';
import { replay } from '../cassette.ts';
import { eventsOf, testRun } from '../run-context.ts';

const read = (): Cassette =>
  JSON.parse(readFileSync(new URL('../fixtures/cassettes/bootstrap.json', import.meta.url), 'utf8')) as Cassette;

/** The recording with one answer otherwise. */
function withAnswer(host: string, asked: string, answer: (stdout: string) => string): Cassette {
  const cassette = read();
  const exchanges = cassette.exchanges[host] ?? [];
  const at = exchanges.findIndex(each => 'script' in each && each.script.includes(asked));
  const found = exchanges[at];
  if (found === undefined || 'upload' in found) throw new Error(`nobody asked ${host} for ${asked}`);
  const changed = exchanges.with(at, { ...found, stdout: answer(found.stdout) });
  return { ...cassette, exchanges: { ...cassette.exchanges, [host]: changed } };
}

// A change of what machines are asked needs a new recording: npm run cassette (on a machine that can carry the lab).
describe('a recorded bootstrap of two bare machines', () => {
  it('is asked for again word by word, as predicted and proven', async () => {
    const cassette = read();
    const { machines, left } = replay(cassette);
    const run = testRun(cassette.goal, { machines, rehearsal: undefined });
    const { steps, predictionErrors } = await apply(run);
    expect(predictionErrors).toBe(0);
    expect(steps).toBeGreaterThan(30);
    expect(eventsOf(run, 'evidence').filter(({ evidence }) => !evidence.ok)).toEqual([]);
    expect(left()).toEqual({ 'k8s-cp': 0, 'k8s-worker1': 0 });
  });

  it('stops where a machine answers otherwise than it did', async () => {
    const cassette = withAnswer('k8s-worker1', 'ctr version', stdout => stdout.replaceAll('2.1.5', '1.7.27'));
    const { machines } = replay(cassette);
    const run = testRun(cassette.goal, { machines, rehearsal: undefined });
    await expect(apply(run)).rejects.toMatchObject({ code: 'HL_VERIFY' });
    expect(eventsOf(run, 'step-started').some(({ id }) => id.startsWith('control-plane/'))).toBe(false);
  });

  it('has no secret on it', () => {
    const text = JSON.stringify(read());
    expect(text).not.toMatch(/PRIVATE KEY-----\\n(?!\[redacted\])[A-Za-z0-9+/]{20}/);
    expect(text).not.toMatch(/token: '?[a-z0-9]{6}\.[a-z0-9]{16}/);
  });
});
