import { describe, expect, it } from 'vitest';
import { createEventBus, errorBodies } from '../../src/engine/events.ts';
import { HomelabError, PhaseFailed } from '../../src/model/errors.ts';
import type { EventSink, RunEvent } from '../../src/model/events.ts';
import type { Step } from '../../src/model/plan.ts';

interface Recorder extends EventSink {
  readonly events: RunEvent[];
  closed: boolean;
}

function recorder(): Recorder {
  return {
    events: [],
    closed: false,
    handle(event) {
      this.events.push(event);
    },
    async close() {
      this.closed = true;
    },
  };
}

const clock = { now: () => Date.UTC(2026, 10, 21, 19, 50, 8) };
const redact = (text: string): string => text.replaceAll('hunter22', '[redacted]');

describe('the event bus', () => {
  it('adds the time and hands every event to every sink', () => {
    const sinks = [recorder(), recorder()];
    createEventBus({ clock, redact, sinks }).emit({ type: 'note', text: 'hello' });
    for (const sink of sinks) {
      expect(sink.events).toEqual([{ time: '2026-11-21T19:50:08.000Z', type: 'note', text: 'hello' }]);
    }
  });

  it('redacts every string, however deep, and keeps numbers and booleans', () => {
    const sink = recorder();
    createEventBus({ clock, redact, sinks: [sink] }).emit({
      type: 'error',
      error: {
        message: 'no hunter22',
        details: ['a hunter22', { hunter22: 'x', deep: [['hunter22']] }],
        exitStatus: 1,
        ok: false,
        none: null,
      },
    });
    expect(JSON.stringify(sink.events)).not.toContain('hunter22');
    expect(sink.events[0]).toMatchObject({ error: { message: 'no [redacted]', exitStatus: 1, ok: false, none: null } });
  });

  it('keeps the vocabulary of events, whatever the secrets are', () => {
    const sink = recorder();
    const all = (text: string): string => text.replaceAll(/failed|step-finished/g, '[redacted]');
    createEventBus({ clock, redact: all, sinks: [sink] }).emit({
      type: 'step-finished',
      id: 'a/b/c',
      host: 'b',
      title: 'It failed',
      outcome: 'failed',
      durationMs: 1,
    });
    expect(sink.events[0]).toMatchObject({ type: 'step-finished', outcome: 'failed', title: 'It [redacted]' });
  });

  it('lets no script out of the engine', () => {
    const sink = recorder();
    const step: Step = {
      id: 'a/b/c',
      phase: 'a',
      host: 'b',
      title: 'Do it',
      why: 'it is not done',
      risk: 'safe',
      deadlineMs: 1,
      stage: 'main',
      settles: [],
      action: { script: 'echo from the engine', timeoutMs: 1 },
    };
    const bus = createEventBus({ clock, redact, sinks: [sink] });
    bus.emit({ type: 'plan', steps: [step], refusals: [], notes: [] });
    bus.emit({ type: 'phase-started', phase: 'a', title: 'A', steps: [step] });
    expect(JSON.stringify(sink.events)).not.toMatch(/script|action|stage/);
  });

  it('switches off a sink that throws, tells the others once, and goes on', async () => {
    let calls = 0;
    const broken: EventSink = {
      name: 'the journal',
      handle() {
        calls += 1;
        throw new Error('ENOSPC: no space left on device, hunter22');
      },
      async close() {
        throw new Error('cannot close either');
      },
    };
    const first = recorder();
    const last = recorder();
    const bus = createEventBus({ clock, redact, sinks: [first, broken, last] });
    bus.emit({ type: 'note', text: 'one' });
    bus.emit({ type: 'note', text: 'two' });
    await bus.close();
    expect(calls).toBe(1);
    for (const sink of [first, last]) {
      expect(sink.events.map(event => 'text' in event && event.text)).toEqual([
        'one',
        'the journal failed and is off for the rest of this run: ENOSPC: no space left on device, [redacted]',
        'two',
      ]);
      expect(sink.closed).toBe(true);
    }
  });

  it('survives when every sink throws, and closes them', async () => {
    let closed = 0;
    const broken: EventSink = {
      handle() {
        throw new Error('no');
      },
      async close() {
        closed += 1;
      },
    };
    const bus = createEventBus({ clock, redact, sinks: [broken] });
    bus.emit({ type: 'note', text: 'one' });
    await bus.close();
    bus.emit({ type: 'note', text: 'late' });
    expect(closed).toBe(1);
  });
});

describe('errors as events', () => {
  it('gives one event a failure of a phase', () => {
    const failures = ['a', 'b'].map(
      host => new HomelabError('HL_STEP_FAILED', `Join ${host} failed`, { context: { host } }),
    );
    expect(errorBodies(new PhaseFailed('workers failed', failures))).toEqual([
      { type: 'error', error: { code: 'HL_STEP_FAILED', message: 'Join a failed', host: 'a' } },
      { type: 'error', error: { code: 'HL_STEP_FAILED', message: 'Join b failed', host: 'b' } },
    ]);
  });

  it('calls everything else our bug and keeps the stacks', () => {
    const [body] = errorBodies(new TypeError('x is not a function', { cause: new Error('below') }));
    expect(body?.error).toMatchObject({ code: 'HL_BUG', message: 'x is not a function' });
    expect(JSON.stringify(body)).toMatch(/events\.test\.ts.*caused by: Error: below/s);
    expect(errorBodies('thrown text')).toEqual([{ type: 'error', error: { code: 'HL_BUG', message: 'thrown text' } }]);
  });
});
