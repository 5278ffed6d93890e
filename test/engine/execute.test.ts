import { describe, expect, it } from 'vitest';
import { execute } from '../../src/engine/execute.ts';
import type { Machine } from '../../src/engine/machine.ts';
import { HomelabError, PhaseFailed } from '../../src/model/errors.ts';
import type { Step } from '../../src/model/plan.ts';
import { eventsOf, failureOf, type TestRun, testRun } from '../run-context.ts';

function step(host: string, name: string, stage: Step['stage'] = 'main'): Step {
  return {
    id: `phase/${host}/${name}`,
    phase: 'phase',
    host,
    title: `Do ${name}`,
    why: 'it is not done',
    risk: 'safe',
    deadlineMs: 1000,
    stage,
    settles: [],
    action: { script: ':', timeoutMs: 1000 },
  };
}

/** Machines whose steps do what `act` does; everything else about them is a mistake. */
function machines(hosts: readonly string[], act: (step: Step, signal: AbortSignal) => Promise<void>) {
  const never = async () => {
    throw new Error('execute only runs steps');
  };
  return new Map(
    hosts.map((host): [string, Machine] => [
      host,
      {
        host,
        commands: () => 0,
        observe: never,
        read: never,
        claim: never,
        wait: never,
        release: never,
        prove: never,
        exec: never,
        close: never,
        run: act,
      },
    ]),
  );
}

function failing(name: string) {
  return new HomelabError('HL_STEP_FAILED', `${name} failed: exit 1`);
}

const hosts = ['a', 'b', 'c'];
const outcomes = (run: TestRun) =>
  Object.fromEntries(eventsOf(run, 'step-finished').map(event => [event.id.replace('phase/', ''), event.outcome]));

describe('executing the steps of a phase', () => {
  it('keeps the order of a machine and runs machines side by side', async () => {
    const log: string[] = [];
    let open = (): void => undefined;
    const everyoneIsIn = new Promise<void>(resolve => {
      open = resolve;
    });
    const act = async ({ host, title }: Step) => {
      log.push(`${host} ${title}`);
      // The first step of each lane ends only once all three have begun: lanes one after the other would never end.
      if (log.length === 3) open();
      await everyoneIsIn;
    };
    const run = testRun(undefined, { machines: machines(hosts, act) });
    const steps = hosts.flatMap(host => [step(host, 'one'), step(host, 'two')]);
    expect(await execute(steps, run)).toBe(6);
    for (const host of hosts) {
      expect(log.filter(line => line.startsWith(host))).toEqual([`${host} Do one`, `${host} Do two`]);
    }
  });

  it('runs no more lanes at a time than --fork says', async () => {
    let now = 0;
    let most = 0;
    const act = async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise(setImmediate);
      now -= 1;
    };
    const run = testRun(undefined, { machines: machines(hosts, act), fork: 2 });
    await execute(
      hosts.map(host => step(host, 'one')),
      run,
    );
    expect(most).toBe(2);
  });

  it("runs 'before' steps before every lane and 'after' steps after every lane", async () => {
    const log: string[] = [];
    const run = testRun(undefined, {
      machines: machines(hosts, async ({ id }) => {
        await new Promise(setImmediate);
        log.push(id);
      }),
    });
    await execute(
      [step('a', 'clean', 'after'), ...hosts.map(host => step(host, 'one')), step('a', 'mint', 'before')],
      run,
    );
    expect(log[0]).toBe('phase/a/mint');
    expect(log.at(-1)).toBe('phase/a/clean');
    expect(log).toHaveLength(5);
  });

  it('ends the lane of a failure, lets the others finish, and still cleans up', async () => {
    const run = testRun(undefined, {
      machines: machines(hosts, async ({ id }) => {
        if (id === 'phase/b/one') throw failing(id);
      }),
    });
    const steps = [...hosts.flatMap(host => [step(host, 'one'), step(host, 'two')]), step('a', 'clean', 'after')];
    const failure = await failureOf(execute(steps, run));
    expect(failure).toBeInstanceOf(PhaseFailed);
    expect(outcomes(run)).toEqual({
      'a/one': 'done',
      'a/two': 'done',
      'b/one': 'failed',
      'b/two': 'skipped',
      'c/one': 'done',
      'c/two': 'done',
      'a/clean': 'done',
    });
    expect(eventsOf(run, 'step-finished').find(event => event.outcome === 'skipped')?.why).toBe('phase/b/one failed');
  });

  it('goes one machine after the other where that is asked, and to none after one that failed', async () => {
    let now = 0;
    let most = 0;
    const act = async ({ id }: Step) => {
      now += 1;
      most = Math.max(most, now);
      await new Promise(setImmediate);
      now -= 1;
      if (id === 'phase/b/one') throw failing(id);
    };
    const run = testRun(undefined, { machines: machines(hosts, act) });
    const steps = hosts.flatMap(host => [step(host, 'one'), step(host, 'two')]);
    expect(await failureOf(execute(steps, { ...run, oneByOne: true }))).toBeInstanceOf(PhaseFailed);
    expect(most).toBe(1);
    expect(outcomes(run)).toEqual({
      'a/one': 'done',
      'a/two': 'done',
      'b/one': 'failed',
      'b/two': 'skipped',
      'c/one': 'skipped',
      'c/two': 'skipped',
    });
  });

  it('reports every failure with its place, not the first', async () => {
    const run = testRun(undefined, {
      machines: machines(hosts, async ({ id, host }) => {
        if (host !== 'a') throw failing(id);
      }),
    });
    const failure = await failureOf(
      execute(
        hosts.map(host => step(host, 'one')),
        run,
      ),
    );
    if (!(failure instanceof PhaseFailed)) throw failure;
    expect(failure.errors.map(error => [error.context.host, error.context.step])).toEqual([
      ['b', 'phase/b/one'],
      ['c', 'phase/c/one'],
    ]);
    expect(failure.message).toBe('2 of 3 steps failed');
  });

  it("skips all lanes when a 'before' step failed, and still cleans up", async () => {
    const run = testRun(undefined, {
      machines: machines(hosts, async ({ id }) => {
        if (id.endsWith('mint')) throw failing(id);
      }),
    });
    const steps = [step('a', 'mint', 'before'), ...hosts.map(host => step(host, 'one')), step('a', 'clean', 'after')];
    expect(await failureOf(execute(steps, run))).toBeInstanceOf(PhaseFailed);
    expect(outcomes(run)).toEqual({
      'a/mint': 'failed',
      'a/one': 'skipped',
      'b/one': 'skipped',
      'c/one': 'skipped',
      'a/clean': 'done',
    });
  });

  it('cleans up even when the failure is our own bug, and throws the bug', async () => {
    const run = testRun(undefined, {
      machines: machines(hosts, async ({ id }) => {
        if (id === 'phase/b/one') throw new TypeError('a bug');
      }),
    });
    const steps = [...hosts.map(host => step(host, 'one')), step('a', 'clean', 'after')];
    expect(await failureOf(execute(steps, run))).toBeInstanceOf(TypeError);
    expect(outcomes(run)).toMatchObject({ 'b/one': 'failed', 'a/clean': 'done' });
  });

  it('begins nothing new after the first Ctrl-C, in no lane, and still cleans up', async () => {
    const stop = new AbortController();
    const run = testRun(undefined, {
      machines: machines(hosts, async () => stop.abort()),
      stop: stop.signal,
      fork: 1,
    });
    const steps = [...hosts.flatMap(host => [step(host, 'one'), step(host, 'two')]), step('a', 'clean', 'after')];
    expect(await execute(steps, run)).toBe(2);
    expect(outcomes(run)).toEqual({
      'a/one': 'done',
      'a/two': 'skipped',
      'b/one': 'skipped',
      'b/two': 'skipped',
      'c/one': 'skipped',
      'c/two': 'skipped',
      'a/clean': 'done',
    });
  });

  it('begins no lane when the first Ctrl-C struck before', async () => {
    const run = testRun(undefined, { machines: machines(hosts, async () => undefined), stop: AbortSignal.abort() });
    const steps = [step('a', 'mint', 'before'), step('b', 'one'), step('a', 'clean', 'after')];
    await execute(steps, run);
    expect(outcomes(run)).toMatchObject({ 'a/mint': 'skipped', 'b/one': 'skipped', 'a/clean': 'done' });
  });

  it('ends as cancelled after the second Ctrl-C', async () => {
    const abort = new AbortController();
    const run = testRun(undefined, {
      machines: machines(hosts, async (_, signal) => {
        abort.abort();
        if (signal.aborted) throw new HomelabError('HL_CANCELLED', 'left');
      }),
      stop: abort.signal,
      abort: abort.signal,
    });
    expect(await failureOf(execute([step('a', 'one'), step('a', 'two')], run))).toMatchObject({
      code: 'HL_CANCELLED',
      exitCode: 130,
    });
    expect(outcomes(run)).toEqual({ 'a/one': 'failed', 'a/two': 'skipped' });
  });

  it('ends as cancelled, not as our bug, when the second Ctrl-C struck beside a step that was done', async () => {
    const abort = new AbortController();
    const run = testRun(undefined, {
      machines: machines(hosts, async () => abort.abort()),
      stop: abort.signal,
      abort: abort.signal,
    });
    expect(await failureOf(execute([step('a', 'one')], run))).toMatchObject({ code: 'HL_CANCELLED' });
  });

  it('prefers a real failure over the cancellation that came with it', async () => {
    const abort = new AbortController();
    const run = testRun(undefined, {
      machines: machines(hosts, async ({ id, host }) => {
        if (host === 'a') throw failing(id);
        abort.abort();
        throw new HomelabError('HL_CANCELLED', 'left');
      }),
      abort: abort.signal,
    });
    expect(await failureOf(execute([step('a', 'one'), step('b', 'one')], run))).toMatchObject({
      errors: [{ code: 'HL_STEP_FAILED' }],
    });
  });
});
