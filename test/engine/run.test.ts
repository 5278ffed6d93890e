import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/engine/machine.ts';
import { rehearse } from '../../src/engine/rehearsal.ts';
import { apply, plan, preflight, type RunContext, verify } from '../../src/engine/run.ts';
import type { Json } from '../../src/model/cluster.ts';
import { HomelabError, PhaseFailed } from '../../src/model/errors.ts';
import type { Evidence, Phase, Probe, Resource, Risk } from '../../src/model/plan.ts';
import type { Clock } from '../../src/model/ports.ts';
import { eventsOf, failureOf, machinesOf, testRun } from '../run-context.ts';
import { cluster, goal, host } from '../sample.ts';

const one = { cluster: { ...cluster, hosts: [host('k8s-cp')] }, bundle: undefined };

/** A switch that is off and wants to be on. */
function onSwitch(name: string, risk: Risk = 'safe'): Resource {
  return {
    kind: 'resource',
    key: `switch:${name}`,
    name,
    title: `Switch ${name} on`,
    read: 'true',
    parse: text => text,
    blank: 'off',
    desired: 'on',
    change: observed =>
      observed === 'on' ? undefined : { why: `it is ${observed}`, risk, action: { script: ':', timeoutMs: 1000 } },
  };
}

function lookAt(id: string, at = 'k8s-cp'): Probe {
  return {
    kind: 'read',
    id,
    host: at,
    title: `the ${id} shines`,
    expected: 'light',
    reproduce: `look at the ${id}`,
    script: 'true',
    timeoutMs: 1000,
    judge: ({ stdout }) => ({ ok: stdout === 'light', observed: stdout }),
  };
}

function phase(id: string, resources: readonly Resource[], probes: readonly Probe[] = []): Phase {
  return { id, title: `Phase ${id}`, summary: '', wants: () => resources, probes: () => probes };
}

/** The rehearsal's machine of k8s-cp, with some of its answers otherwise. */
function machine(over: (real: Machine) => Partial<Machine>): ReadonlyMap<string, Machine> {
  const [real] = rehearse(one, []);
  if (!real) throw new Error('one host, one machine');
  return machinesOf([{ ...real, ...over(real) }]);
}

const dark = (probe: Probe): Evidence => ({
  id: probe.id,
  host: probe.host,
  title: probe.title,
  expected: probe.expected,
  reproduce: probe.reproduce,
  ok: false,
  observed: 'dark',
});

describe('bootstrap', () => {
  it('stops when what is observed is not what was predicted', async () => {
    // The step says that it is done, and the switch stands somewhere else.
    const machines = machine(real => ({
      read: async (resources, signal) => {
        const states = await real.read(resources, signal);
        return new Map([...states].map(([key, state]): [string, Json] => [key, state === 'on' ? 'half' : state]));
      },
    }));
    const run = testRun(one, { machines, phases: [phase('light', [onSwitch('lamp')])] });
    const failure = await failureOf(apply(run));
    expect(failure).toMatchObject({
      code: 'HL_PREDICTION',
      exitCode: 7,
      context: { details: ['k8s-cp switch:lamp: predicted "on", observed "half"'] },
    });
    expect(eventsOf(run, 'prediction')[0]?.differences).toHaveLength(1);
    expect(eventsOf(run, 'phase-finished').map(event => event.outcome)).toEqual(['failed']);
  });

  it('stops when a machine did not become what a transition promised', async () => {
    const machines = new Map(
      [...testRun().machines].map(([name, real]): [string, Machine] => [
        name,
        {
          ...real,
          async run(step, signal) {
            // k8s-worker2 says that it joined and did not.
            if (step.id !== 'workers/k8s-worker2/join') await real.run(step, signal);
          },
        },
      ]),
    );
    const failure = await failureOf(apply(testRun(goal, { machines })));
    expect(failure).toMatchObject({ code: 'HL_PREDICTION', exitCode: 7 });
    if (!(failure instanceof HomelabError)) throw failure;
    expect(failure.context.details).toContain('k8s-worker2: predicted joined, observed absent');
  });

  it('stops when a step is wanted again as soon as it is done', async () => {
    const never: Resource = {
      ...onSwitch('lamp'),
      change: () => ({ why: 'somebody switches it off', risk: 'safe', action: { script: ':', timeoutMs: 1 } }),
    };
    const failure = await failureOf(apply(testRun(one, { phases: [phase('light', [never])] })));
    expect(failure).toMatchObject({
      code: 'HL_PREDICTION',
      exitCode: 7,
      context: { details: ['light/k8s-cp/lamp: somebody switches it off'] },
    });
  });

  it('stops at evidence that fails, with every piece that failed and how to see it', async () => {
    const machines = machine(() => ({ prove: async probes => probes.map(dark) }));
    const phases = [
      phase('light', [onSwitch('lamp')], [lookAt('lamp'), lookAt('window')]),
      phase('next', [onSwitch('x')]),
    ];
    const run = testRun(one, { machines, phases });
    const failure = await failureOf(apply(run));
    expect(failure).toMatchObject({ code: 'HL_VERIFY', exitCode: 7 });
    if (!(failure instanceof HomelabError)) throw failure;
    expect(failure.context.details).toEqual([
      'k8s-cp: the lamp shines: expected light, observed dark; see: look at the lamp',
      'k8s-cp: the window shines: expected light, observed dark; see: look at the window',
    ]);
    // The next phase did not begin.
    expect(eventsOf(run, 'phase-started').map(event => event.phase)).toEqual(['light']);
  });

  it('proves what was in order already before it changes what comes later', async () => {
    const log: string[] = [];
    const machines = machine(real => ({
      async run(step, signal) {
        log.push(step.id);
        await real.run(step, signal);
      },
      prove: async probes => {
        log.push(...probes.map(probe => `proof ${probe.id}`));
        return probes.map(probe => ({ ...dark(probe), ok: true }));
      },
    }));
    const phases = [phase('first', [], [lookAt('ground')]), phase('second', [onSwitch('lamp')], [lookAt('lamp')])];
    await apply(testRun(one, { machines, phases }));
    expect(log).toEqual(['proof ground', 'second/k8s-cp/lamp', 'proof lamp']);
  });

  it('refuses a disruptive step that nobody approved, before it runs', async () => {
    const ran: string[] = [];
    const machines = machine(real => ({
      async run(step, signal) {
        ran.push(step.id);
        await real.run(step, signal);
      },
    }));
    // Only seen once the first phase is done.
    const hidden: Phase = {
      ...phase('second', []),
      wants: () => (ran.length > 0 ? [onSwitch('breaker', 'disruptive')] : []),
    };
    const run = testRun(one, {
      machines,
      phases: [phase('first', [onSwitch('lamp')]), hidden],
      isApproved: step => step.id === 'first/k8s-cp/lamp',
    });
    expect(await failureOf(apply(run))).toMatchObject({
      code: 'HL_REFUSED',
      exitCode: 5,
      context: { step: 'second/k8s-cp/breaker' },
    });
    expect(ran).toEqual(['first/k8s-cp/lamp']);
  });

  it('goes on with a safe step that only became visible on the way', async () => {
    let done = 0;
    const machines = machine(real => ({
      async run(step, signal) {
        done += 1;
        await real.run(step, signal);
      },
    }));
    const hidden: Phase = { ...phase('second', []), wants: () => (done > 0 ? [onSwitch('extra')] : []) };
    const run = testRun(one, {
      machines,
      phases: [phase('first', [onSwitch('lamp')]), hidden],
      isApproved: () => false,
    });
    expect((await apply(run)).steps).toBe(2);
  });

  it('changes nothing when the approval throws', async () => {
    const run = testRun(one, {
      phases: [phase('light', [onSwitch('lamp')])],
      approve: async () => {
        throw new HomelabError('HL_CANCELLED', 'not approved');
      },
    });
    expect(await failureOf(apply(run))).toMatchObject({ code: 'HL_CANCELLED' });
    expect(eventsOf(run, 'step-started')).toEqual([]);
  });

  it('changes nothing where anything is refused, and tells all of it', async () => {
    const refused: Phase = {
      ...phase('second', []),
      wants: () => ['a', 'b'].map(id => ({ kind: 'refusal' as const, id, reason: `no ${id}`, hint: `get ${id}` })),
    };
    const run = testRun(one, { phases: [phase('first', [onSwitch('lamp')]), refused] });
    expect(await failureOf(apply(run))).toMatchObject({
      code: 'HL_REFUSED',
      context: { details: ['k8s-cp: no a [second/k8s-cp/a]\n  get a', 'k8s-cp: no b [second/k8s-cp/b]\n  get b'] },
    });
    expect(eventsOf(run, 'step-started')).toEqual([]);
  });

  it('goes to the end of what it began after the first Ctrl-C, and says that it was interrupted', async () => {
    const stop = new AbortController();
    const machines = machine(real => ({
      async run(step, signal) {
        await real.run(step, signal);
        stop.abort();
      },
    }));
    const run = testRun(one, {
      machines,
      stop: stop.signal,
      phases: [phase('first', [onSwitch('lamp'), onSwitch('other')]), phase('second', [onSwitch('third')])],
    });
    expect(await failureOf(apply(run))).toMatchObject({ code: 'HL_CANCELLED', exitCode: 130 });
    expect(eventsOf(run, 'step-finished').map(event => [event.id, event.outcome])).toEqual([
      ['first/k8s-cp/lamp', 'done'],
      ['first/k8s-cp/other', 'skipped'],
    ]);
  });

  it('tells all machines that could not be read, not the first', async () => {
    const machines = new Map(
      [...testRun().machines].map(([name, real]): [string, Machine] => [
        name,
        {
          ...real,
          observe: async signal => {
            if (name === 'k8s-cp') return real.observe(signal);
            throw new HomelabError('HL_SSH_LOST', `${name} is gone`);
          },
        },
      ]),
    );
    const failure = await failureOf(apply(testRun(goal, { machines })));
    if (!(failure instanceof PhaseFailed)) throw failure;
    expect(failure.errors.map(error => error.message)).toEqual([
      'k8s-worker1 is gone',
      'k8s-worker2 is gone',
      'k8s-worker3 is gone',
    ]);
  });

  it.each([
    ['one worker', ['k8s-worker1']],
    ['every worker', ['k8s-worker1', 'k8s-worker2', 'k8s-worker3']],
  ])('makes the cluster without %s whose join is left out, and makes no token for nobody', async (_, left) => {
    const machines = machinesOf(rehearse(goal, []));
    const isChosen: RunContext['isChosen'] = ({ id }, { name }) => id !== 'workers' || !left.includes(name);
    const run = testRun(goal, { machines, isChosen });
    await apply(run);
    const steps = eventsOf(run, 'step-started').map(({ id }) => id);
    expect(steps.includes('workers/k8s-cp/join-token')).toBe(left.length < 3);
    expect(steps.filter(id => left.some(name => id === `network/${name}/routes`))).toEqual([]);
    const proven = eventsOf(run, 'evidence').map(({ phase, evidence }) => `${phase} ${evidence.id} ${evidence.host}`);
    for (const name of left)
      expect(proven.filter(each => /^(kubelet-certificates|network) /.test(each) && each.includes(name))).toEqual([]);
    expect(proven).toContain('kubelet-certificates reached-k8s-cp k8s-cp');
    // Again the same, and then with the join.
    expect(await plan(testRun(goal, { machines, isChosen }))).toMatchObject({ steps: [], refusals: [] });
    const then = await plan(testRun(goal, { machines }));
    expect(then.refusals).toEqual([]);
    expect(then.steps.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['workers/k8s-cp/join-token', 'workers/k8s-worker1/join', 'network/k8s-worker1/routes']),
    );
  });
});

describe('an API server that starts anew after a change', () => {
  /** A member; after its step nobody says so many times which nodes there are. */
  const silent = (times: number) => {
    let left = 0;
    return machine(real => ({
      async run(step, signal) {
        await real.run(step, signal);
        left = times;
      },
      async observe(signal) {
        const reading = await real.observe(signal);
        const membership = { state: 'joined', role: 'control-plane', caHash: 'a' } as const;
        const facts = { ...reading.facts, membership };
        left -= 1;
        return { ...reading, facts, nodes: left >= 0 ? 'unknown' : [] };
      },
    }));
  };
  const careful: Phase = {
    ...phase('light', []),
    wants: ({ nodes }) => [
      onSwitch('lamp'),
      ...(nodes === 'unknown' ? [{ kind: 'refusal', id: 'silent', reason: 'nobody says', hint: '' } as const] : []),
    ],
  };
  const run = (times: number) => {
    let time = 0;
    const clock: Clock = {
      now: () => time,
      sleep: async ms => {
        time += ms;
      },
    };
    return apply(testRun(one, { machines: silent(times), phases: [careful], clock }));
  };

  it('is given a moment to answer again', async () => {
    expect(await run(3)).toMatchObject({ steps: 1 });
  });

  it('that stays away is said, not waited for without an end', async () => {
    expect(await failureOf(run(1_000))).toMatchObject({ code: 'HL_REFUSED' });
  });
});

describe('plan', () => {
  it('says steps, refusals and notes, and changes nothing', async () => {
    const run = testRun();
    const found = await plan(run);
    expect(found.steps.length).toBeGreaterThan(50);
    expect(eventsOf(run, 'plan')[0]?.steps.map(step => step.id)).toEqual(found.steps.map(step => step.id));
    expect(eventsOf(run, 'step-started')).toEqual([]);
    expect(await plan(testRun(goal, { machines: run.machines }))).toMatchObject({
      steps: { length: found.steps.length },
    });
  });
});

describe('bootstrap of two phases', () => {
  it('stops at the end when the later one undid the earlier one', async () => {
    const machines = machine(real => {
      const off = new Set<string>();
      return {
        run: async (step, signal) => {
          await real.run(step, signal);
          if (step.id.startsWith('second/')) off.add('switch:lamp');
        },
        read: async (resources, signal) =>
          new Map([...(await real.read(resources, signal))].map(([key, state]) => [key, off.has(key) ? 'off' : state])),
      };
    });
    const run = testRun(one, {
      phases: [phase('first', [onSwitch('lamp')]), phase('second', [onSwitch('fan')])],
      machines,
    });
    expect(await failureOf(apply(run))).toMatchObject({
      code: 'HL_PREDICTION',
      message: 'the run was done and still wants 1 step',
      context: { details: ['first/k8s-cp/lamp: it is off'] },
    });
  });
});

describe('verify', () => {
  it('passes on a converged cluster and runs the active proofs too', async () => {
    const first = testRun();
    await apply(first);
    const run = testRun(goal, { machines: first.machines });
    expect(await verify(run)).toEqual({ steps: 0, predictionErrors: 0 });
    expect(eventsOf(run, 'evidence').map(event => event.evidence.id)).toContain('dns-from-k8s-worker3');
    expect(eventsOf(run, 'step-started')).toEqual([]);
  });

  it('exits 7 with what differs, and mends nothing', async () => {
    const run = testRun(one, { phases: [phase('light', [onSwitch('lamp')])] });
    expect(await failureOf(verify(run))).toMatchObject({
      code: 'HL_VERIFY',
      exitCode: 7,
      context: { details: ['light/k8s-cp/lamp: it is off'] },
    });
    expect(eventsOf(run, 'step-started')).toEqual([]);
  });

  it('exits 7 at failing evidence and still gathers the evidence of the later phases', async () => {
    const machines = machine(() => ({
      prove: async probes => probes.map(probe => ({ ...dark(probe), ok: probe.id === 'b' })),
    }));
    const run = testRun(one, {
      machines,
      phases: [phase('first', [], [lookAt('a')]), phase('second', [], [lookAt('b')])],
    });
    expect(await failureOf(verify(run))).toMatchObject({ code: 'HL_VERIFY', exitCode: 7 });
    expect(eventsOf(run, 'phase-finished').map(({ phase: id, outcome }) => [id, outcome])).toEqual([
      ['first', 'failed'],
      ['second', 'unchanged'],
    ]);
  });

  it('tells all that failed: what differs first, then the proofs of every phase', async () => {
    const machines = machine(() => ({ prove: async probes => probes.map(dark) }));
    const run = testRun(one, {
      machines,
      phases: [phase('first', [onSwitch('lamp')], [lookAt('a')]), phase('second', [], [lookAt('b')])],
    });
    const failure = await failureOf(verify(run));
    if (!(failure instanceof PhaseFailed)) throw failure;
    expect(failure.errors.map(error => error.context.details)).toEqual([
      ['first/k8s-cp/lamp: it is off'],
      [expect.stringContaining('a')],
      [expect.stringContaining('b')],
    ]);
  });

  it('proves nothing of a machine that was not chosen', async () => {
    const run = testRun(goal, {
      phases: [phase('light', [], [lookAt('a'), { ...lookAt('b'), about: 'k8s-worker1' }])],
      isChosen: (_, { name }) => name === 'k8s-worker1',
    });
    await verify(run);
    expect(eventsOf(run, 'evidence').map(event => event.evidence.id)).toEqual(['b']);
  });

  it('turns an active proof that throws into failing evidence', async () => {
    const broken: Probe = {
      kind: 'active',
      id: 'storm',
      host: 'k8s-cp',
      title: 'the light survives a storm',
      expected: 'light',
      reproduce: 'wait for a storm',
      timeoutMs: 1000,
      pieces: [],
      run: async () => {
        throw new Error('no storm today');
      },
    };
    const run = testRun(one, { phases: [phase('light', [], [broken])], rehearsal: undefined });
    expect(await failureOf(verify(run))).toMatchObject({ code: 'HL_VERIFY' });
    expect(eventsOf(run, 'evidence').map(event => event.evidence)).toEqual([
      expect.objectContaining({ id: 'storm', ok: false, observed: 'no storm today' }),
    ]);
  });
});

describe('gates', () => {
  const gate = (id: string, probes: readonly Probe[]): Phase => ({ ...phase(id, [], probes), gate: true });
  const refusing: Phase = {
    ...phase('late', [onSwitch('lamp')]),
    wants: () => [{ kind: 'refusal', id: 'no', reason: 'it must not', hint: 'do not' }, onSwitch('lamp')],
  };
  const hinted: Probe = { ...lookAt('fuse'), hint: 'sudo mend the fuse' };
  const darkness = () =>
    machine(() => ({ prove: async probes => probes.map(each => ({ ...dark(each), hint: each.hint })) }));

  it('are told with every refusal and every failed check at once, before anybody is asked and anything changes', async () => {
    let asked = 0;
    const run = testRun(one, {
      machines: darkness(),
      phases: [gate('door', [lookAt('a')]), gate('hall', [hinted]), refusing],
      approve: async () => {
        asked += 1;
      },
    });
    const failure = await failureOf(apply(run));
    if (!(failure instanceof PhaseFailed)) throw failure;
    expect(failure.errors.map(error => [error.code, error.exitCode, error.context.details])).toEqual([
      ['HL_REFUSED', 5, ['k8s-cp: it must not [late/k8s-cp/no]\n  do not']],
      ['HL_PREFLIGHT', 5, ['k8s-cp: the a shines: expected light, observed dark; see: look at the a']],
      [
        'HL_PREFLIGHT',
        5,
        ['k8s-cp: the fuse shines: expected light, observed dark; see: look at the fuse\n  sudo mend the fuse'],
      ],
    ]);
    expect(asked).toBe(0);
    expect(eventsOf(run, 'step-started')).toEqual([]);
    expect(eventsOf(run, 'phase-finished').map(({ phase: id, outcome }) => [id, outcome])).toEqual([
      ['door', 'failed'],
      ['hall', 'failed'],
    ]);
  });

  it('are proven once, together with everything else, where nothing is to be done', async () => {
    const asked: (readonly string[])[] = [];
    const machines = machine(() => ({
      prove: async probes => {
        if (probes.length > 0) asked.push(probes.map(({ id }) => id));
        return probes.map(each => ({ ...dark(each), ok: true }));
      },
    }));
    await apply(testRun(one, { machines, phases: [gate('door', [lookAt('a')]), phase('room', [], [lookAt('b')])] }));
    expect(asked).toEqual([['a', 'b']]);
  });

  it('are all that `validate --machines` proves; nothing of the plan is done', async () => {
    const phases = [gate('door', [lookAt('a')]), phase('room', [onSwitch('lamp')], [lookAt('b')])];
    const run = testRun(one, { phases });
    await preflight(run);
    expect(eventsOf(run, 'evidence').map(event => event.evidence.id)).toEqual(['a']);
    expect(eventsOf(run, 'step-started')).toEqual([]);
    expect(await failureOf(preflight(testRun(one, { machines: darkness(), phases })))).toMatchObject({
      code: 'HL_PREFLIGHT',
      exitCode: 5,
    });
  });
});

describe('a rehearsal', () => {
  it('strikes where --fault says and nowhere else', async () => {
    const machines = machinesOf(rehearse(goal, [{ host: 'k8s-worker2', step: 'workers/join' }]));
    const run = testRun(goal, { machines });
    const failure = await failureOf(apply(run));
    if (!(failure instanceof PhaseFailed)) throw failure;
    expect(failure.errors.map(error => error.context.step)).toEqual(['workers/k8s-worker2/join']);
    const joins = eventsOf(run, 'step-finished').filter(event => event.id.endsWith('/join'));
    expect(Object.fromEntries(joins.map(event => [event.host, event.outcome]))).toEqual({
      'k8s-worker1': 'done',
      'k8s-worker2': 'failed',
      'k8s-worker3': 'done',
    });
    // The token is deleted all the same.
    expect(eventsOf(run, 'step-finished').find(event => event.id === 'workers/k8s-cp/join-token-gone')?.outcome).toBe(
      'done',
    );
    // Without the fault the same machines go on from there.
    const rest = testRun(goal, { machines: machinesOf([...machines.values()].map(each => each)) });
    expect(await failureOf(apply(rest))).toBeInstanceOf(PhaseFailed);
  });

  it('lets evidence fail where --fault names it', async () => {
    const rehearsal = [{ host: 'k8s-worker1', step: 'dns-from-k8s-worker1' }];
    const failure = await failureOf(
      apply(testRun(goal, { rehearsal, machines: machinesOf(rehearse(goal, rehearsal)) })),
    );
    expect(failure).toMatchObject({ code: 'HL_VERIFY' });
  });
});
