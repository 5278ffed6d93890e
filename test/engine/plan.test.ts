import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noAdapter } from '../../src/engine/adapters.ts';
import {
  compareMembership,
  compareStates,
  type Intent,
  intend,
  planFrom,
  planned,
  resourcesOf,
  type States,
} from '../../src/engine/plan.ts';
import { apply } from '../../src/engine/run.ts';
import type { Json } from '../../src/model/cluster.ts';
import type { Plan, Refusal } from '../../src/model/plan.ts';
import { type World, withMember } from '../../src/model/world.ts';
import { phases } from '../../src/phases/index.ts';
import { arbitraryGoal, hostsOf } from '../arbitrary-goal.ts';
import { eventsOf, testRun } from '../run-context.ts';
import {
  after,
  afterInit,
  bareWorld,
  caHash,
  cluster,
  convergedWorld,
  everything,
  goal,
  host,
  inOrder,
  sampleBundle,
  untouched,
  withFacts,
  withMembership,
} from '../sample.ts';

function planOf(world: World, states: States): Plan {
  return planFrom(intend(world, phases, everything), states);
}

const ids = (plan: Plan): readonly string[] => plan.steps.map(step => step.id);

/** The states with one otherwise. */
function with_(states: States, name: string, key: string, state: Json): States {
  const mine = states.get(name);
  if (!mine?.has(key)) throw new Error(`${name} has no ${key}`);
  return new Map([...states, [name, new Map([...mine, [key, state]])]]);
}

function stateOf(states: States, name: string, key: string): Json {
  const state = states.get(name)?.get(key);
  if (state === undefined) throw new Error(`${name} has no ${key}`);
  return state;
}

describe('the plan of bare machines', () => {
  const plan = planOf(bareWorld(), untouched(bareWorld()));

  it('is this list', async () => {
    await expect(`${ids(plan).join('\n')}\n`).toMatchFileSnapshot('../golden/plans/bare.txt');
  });

  it('refuses nothing and disturbs nobody', () => {
    expect(plan.refusals).toEqual([]);
    expect(plan.steps.filter(step => step.risk !== 'safe')).toEqual([]);
  });

  it('is the same every time', () => {
    const again = planOf(bareWorld(), untouched(bareWorld()));
    expect(JSON.stringify(again)).toBe(JSON.stringify(plan));
  });

  it('gives every step a reason, a title that does not name the host, and a deadline', () => {
    for (const step of plan.steps) {
      expect(step.why, step.id).not.toBe('');
      expect(step.title, step.id).not.toContain(step.host);
      expect(step.deadlineMs, step.id).toBeGreaterThan(0);
    }
  });

  it('is settled by doing it: nothing is left in the world it predicts', () => {
    const then = after(plan, bareWorld(), untouched(bareWorld()));
    expect(ids(planOf(then.world, then.states))).toEqual([]);
  });

  it('shows people neither scripts nor secrets', () => {
    const [first] = plan.steps;
    expect(first && Object.keys(planned(first)).sort()).toEqual(
      ['deadlineMs', 'diff', 'host', 'id', 'phase', 'risk', 'title', 'why'].sort(),
    );
  });

  it('works for 100 machines', () => {
    const many = { cluster: { ...cluster, hosts: hostsOf(100, 0) }, bundle: undefined };
    const big = planOf(bareWorld(many), untouched(bareWorld(many)));
    expect(big.refusals).toEqual([]);
    expect(ids(big).filter(id => id.endsWith('/join'))).toHaveLength(99);
    expect(new Set(ids(big)).size).toBe(big.steps.length);
  });
});

describe('the plan of a converged cluster', () => {
  it('is empty', () => {
    const plan = planOf(convergedWorld(), inOrder(convergedWorld()));
    expect(plan).toEqual({ steps: [], refusals: [], notes: [] });
  });

  it('joins the one machine that is missing and nothing else', () => {
    const world = withMembership(convergedWorld(), 'k8s-worker2', { state: 'absent' });
    expect(ids(planOf(world, inOrder(world)))).toEqual([
      'workers/k8s-cp/join-token',
      'workers/k8s-cp/join-token-gone',
      'workers/k8s-worker2/join',
      'kubelet-certificates/k8s-cp/approve',
    ]);
  });

  it('restarts a unit whose file is about to change, and says that it disturbs a member', () => {
    const states = with_(inOrder(convergedWorld()), 'k8s-worker1', 'file:/etc/containerd/config.toml', {
      mode: '644',
      owner: 'root:root',
      content: 'version = 2\n',
    });
    const plan = planOf(convergedWorld(), states);
    expect(plan.steps.map(({ id, why, risk }) => [id, why, risk])).toEqual([
      ['containerd/k8s-worker1/config', '/etc/containerd/config.toml differs', 'disruptive'],
      ['containerd/k8s-worker1/service', 'containerd.service must read its new files', 'disruptive'],
    ]);
  });

  it('does not change the containerd of a running cluster', () => {
    const world = convergedWorld();
    const other = withFacts(world, 'k8s-worker1', { containerd: '1.7.27' });
    const plan = planOf(other, untouched(other));
    expect(plan.refusals).toContainEqual(
      expect.objectContaining({
        id: 'containerd/k8s-worker1/version',
        host: 'k8s-worker1',
        hint: expect.stringContaining('1.7.27'),
      }),
    );
    expect(ids(plan).filter(id => id.startsWith('containerd/k8s-worker1'))).toEqual([]);
  });

  it('leaves the time service that a machine has', () => {
    const world = bareWorld();
    const chrony = withFacts(world, 'k8s-worker1', { timeService: 'chrony' });
    const planned = ids(planOf(chrony, untouched(chrony)));
    expect(planned).toContain('host-base/k8s-worker2/time-sync-package');
    expect(planned).not.toContain('host-base/k8s-worker1/time-sync-package');
  });

  it('makes a token when only a worker is chosen, and none when the chosen one has joined', () => {
    const world = afterInit();
    const only = (name: string) => (phase: { readonly id: string }, host: { readonly name: string }) =>
      phase.id === 'workers' && host.name === name;
    const chosen = (of: World, name: string) => {
      const intents = intend(of, phases, only(name));
      return ids(planFrom(intents, untouched(of)));
    };
    expect(chosen(world, 'k8s-worker1')).toEqual([
      'workers/k8s-cp/join-token',
      'workers/k8s-cp/join-token-gone',
      'workers/k8s-worker1/images',
      'workers/k8s-worker1/join',
    ]);
    const joined = withMember(world, host('k8s-worker1'), caHash);
    expect(chosen(joined, 'k8s-worker1').filter(id => id.includes('token'))).toEqual([]);
  });

  it('restarts a unit whose package is about to change', () => {
    const key = `packages:${cluster.containerd.package}`;
    const states = with_(inOrder(convergedWorld()), 'k8s-worker1', key, {
      [cluster.containerd.package]: { version: '1.7.1', held: true },
    });
    expect(ids(planOf(convergedWorld(), states))).toEqual([
      'containerd/k8s-worker1/package',
      'containerd/k8s-worker1/service',
    ]);
  });

  it('does not restart a unit on another machine', () => {
    const states = with_(inOrder(convergedWorld()), 'k8s-worker1', 'file:/etc/containerd/config.toml', 'absent');
    expect(planOf(convergedWorld(), states).steps.map(step => step.host)).toEqual(['k8s-worker1', 'k8s-worker1']);
  });
});

describe('a transition', () => {
  it('settles the unit that it starts, which therefore is no step of its own', () => {
    const plan = planOf(bareWorld(), untouched(bareWorld()));
    expect(ids(plan)).not.toContain('control-plane/k8s-cp/kubelet');
    const init = plan.steps.find(step => step.id === 'control-plane/k8s-cp/init');
    expect(init?.settles).toEqual([
      {
        key: 'permissions:kubeadm-files',
        state: { '/var/lib/kubelet/config.yaml': '600 root:root', '/etc/kubernetes/admin.conf': '600 root:root' },
      },
      { key: 'unit:kubelet.service', state: stateOf(inOrder(bareWorld()), 'k8s-cp', 'unit:kubelet.service') },
    ]);
  });

  it('that is done leaves its unit to itself', () => {
    const world = convergedWorld();
    const stopped = { load: 'loaded', active: false, enabled: true, stale: false };
    const states = with_(inOrder(world), 'k8s-worker3', 'unit:kubelet.service', stopped);
    expect(ids(planOf(world, states))).toEqual(['workers/k8s-worker3/kubelet']);
  });

  it('of one phase is what the next phase plans from', () => {
    // The network of a bare cluster is planned with the subnets that the joins will bring.
    const plan = planOf(bareWorld(), untouched(bareWorld()));
    const cni = plan.steps.find(step => step.id === 'network/k8s-worker1/cni-config');
    expect(cni?.diff).toContain('pod-subnet-of-k8s-worker1');
  });
});

describe('the plan', () => {
  it('has unique ids and settles itself for any cluster', () => {
    fc.assert(
      fc.property(arbitraryGoal, any => {
        const world = bareWorld(any);
        const states = untouched(world);
        const plan = planOf(world, states);
        expect(plan.refusals).toEqual([]);
        expect(new Set(ids(plan)).size).toBe(plan.steps.length);
        const then = after(plan, world, states);
        expect(ids(planOf(then.world, then.states))).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  it('of any part of the machines being in order asks for the other part only', () => {
    fc.assert(
      fc.property(arbitraryGoal, fc.infiniteStream(fc.boolean()), (any, coins) => {
        const world = convergedWorld(any);
        const [blank, desired] = [untouched(world), inOrder(world)];
        const wanted = resourcesOf(intend(world, phases, everything));
        const mixed = new Map(
          [...desired].map(([name, states]) => [
            name,
            new Map(
              [...states].map(([key, state]) => [
                key,
                coins.next().value ? (blank.get(name)?.get(key) ?? state) : state,
              ]),
            ),
          ]),
        );
        const plan = planOf(world, mixed);
        const changed = plan.steps.map(step => `${step.host} ${step.predicted?.key}`);
        const off = [...wanted].flatMap(([name, resources]) =>
          resources
            .filter(
              ({ key }) => JSON.stringify(mixed.get(name)?.get(key)) !== JSON.stringify(desired.get(name)?.get(key)),
            )
            .map(({ key }) => `${name} ${key}`),
        );
        // Units are restarted for their inputs as well, and a package brings its files anew: what is off is in the plan, and nothing else.
        const follows = / (unit:|permissions:kubelet-unit$)/;
        expect(changed).toEqual(expect.arrayContaining(off));
        expect(changed.filter(each => !off.includes(each) && !follows.test(each))).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  it('stops with our own bug when a resource was not read', () => {
    expect(() => planFrom(intend(bareWorld(), phases, everything), new Map())).toThrow(/without having been read/);
  });
});

describe('a rehearsed bootstrap', () => {
  it('leaves nothing for a second one', async () => {
    const first = testRun();
    const { steps, predictionErrors } = await apply(first);
    expect(predictionErrors).toBe(0);
    expect(steps).toBeGreaterThan(50);
    const second = testRun(goal, { machines: first.machines });
    expect(await apply(second)).toEqual({ steps: 0, predictionErrors: 0 });
    expect(eventsOf(second, 'step-started')).toEqual([]);
    expect(eventsOf(second, 'phase-finished').map(event => event.outcome)).toEqual(phases.map(() => 'unchanged'));
  });

  it('leaves nothing for a second one, for any cluster, stopped after any phase and gone on with', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryGoal, fc.integer({ min: 1, max: phases.length }), async (any, until) => {
        const first = testRun(any, { phases: phases.slice(0, until) });
        await apply(first);
        const rest = testRun(any, { machines: first.machines });
        await apply(rest);
        const last = testRun(any, { machines: first.machines });
        expect(await apply(last)).toEqual({ steps: 0, predictionErrors: 0 });
      }),
      { numRuns: 12 },
    );
  });

  it('asks for no images and debs of a bundle from anywhere else', () => {
    const any = { cluster, bundle: sampleBundle() };
    const plan = planOf(bareWorld(any), untouched(bareWorld(any)));
    const step = plan.steps.find(each => each.id === 'kube-packages/k8s-cp/packages');
    expect(step?.action.uploads?.map(upload => upload.localPath)).toEqual([
      '/bundle/deb-b',
      '/bundle/deb-c',
      '/bundle/deb-d',
    ]);
    expect(ids(plan).filter(id => id.includes('kubernetes-repository'))).toEqual([]);
  });
});

describe('refusals', () => {
  function refusals(world: World): readonly Refusal[] {
    const plan = planOf(world, inOrder(world));
    for (const refusal of plan.refusals) {
      expect(refusal.reason).not.toBe('');
      expect(refusal.hint).not.toBe('');
    }
    return plan.refusals;
  }
  const one = (world: World): Refusal => {
    const [first, ...rest] = refusals(world);
    if (!first || rest.length > 0) throw new Error(`expected one refusal, not ${JSON.stringify([first, ...rest])}`);
    return first;
  };

  it('say that a worker belongs to another cluster, and never touch it', () => {
    const foreign = { state: 'joined', role: 'worker', caHash: 'another' } as const;
    const world = withMembership(convergedWorld(), 'k8s-worker1', foreign);
    expect(one(world)).toMatchObject({
      id: 'workers/k8s-worker1/join',
      host: 'k8s-worker1',
      reason: expect.stringContaining('another cluster'),
      hint: expect.stringContaining('kubeadm reset'),
    });
    expect(ids(planOf(world, inOrder(world)))).toEqual([]);
  });

  it('say that a worker belongs to another cluster when ours is not there yet', () => {
    const world = withMembership(bareWorld(), 'k8s-worker1', { state: 'joined', role: 'worker', caHash: 'another' });
    expect(refusals(world)).toContainEqual(
      expect.objectContaining({ id: 'workers/k8s-worker1/join', reason: expect.stringContaining('another cluster') }),
    );
  });

  it('tell what a half-done join and a half-done init left', () => {
    const partial = {
      state: 'partial',
      why: 'a kubeadm run left pki/ca.crt and did not make kubelet.conf',
      hint: 'look there',
    } as const;
    expect(one(withMembership(convergedWorld(), 'k8s-worker1', partial))).toMatchObject({
      id: 'workers/k8s-worker1/join',
      reason: partial.why,
    });
    expect(one(withMembership(bareWorld(), 'k8s-cp', partial))).toMatchObject({
      id: 'control-plane/k8s-cp/init',
      reason: partial.why,
    });
  });

  it('tell a role that the inventory has otherwise', () => {
    const worker = { state: 'joined', role: 'worker', caHash } as const;
    expect(refusals(withMembership(bareWorld(), 'k8s-cp', worker))).toContainEqual(
      expect.objectContaining({ id: 'control-plane/k8s-cp/init', reason: expect.stringContaining('worker') }),
    );
    expect(one(withMembership(convergedWorld(), 'k8s-worker1', { ...worker, role: 'control-plane' }))).toMatchObject({
      id: 'workers/k8s-worker1/join',
      reason: expect.stringContaining('control plane'),
    });
  });

  it('tell a version that differs, once for its machine, with the line to write', () => {
    expect(one(withFacts(convergedWorld(), 'k8s-worker2', { kubelet: '1.30.4' }))).toMatchObject({
      id: 'kube-packages/k8s-worker2/version',
      hint: expect.stringContaining('version: "v1.30.4"'),
    });
  });

  it.each([
    ['podSubnet', '10.99.0.0/16'],
    ['serviceSubnet', '10.98.0.0/16'],
    ['endpoint', 'elsewhere'],
    ['version', 'v1.30.4'],
  ])('tell that the %s was decided at init', (id, live) => {
    const world = convergedWorld();
    if (world.live === 'unknown') throw new Error('the sample is alive');
    expect(one({ ...world, live: { ...world.live, [id]: live } })).toMatchObject({
      id: `control-plane/k8s-cp/${id}`,
      reason: expect.stringContaining(live),
      hint: expect.stringContaining(`kubernetes.${id}`),
    });
  });

  it('of what was hardened otherwise at init are notes: the cluster runs on as it is', () => {
    const world = convergedWorld();
    if (world.live === 'unknown') throw new Error('the sample is alive');
    const theirs = {
      ...world,
      live: {
        ...world.live,
        certSANs: ['k8s-cp'],
        args: { 'kube-scheduler': { profiling: 'true' } },
        serverTLSBootstrap: false,
      },
    };
    const plan = planOf(theirs, inOrder(theirs));
    expect(plan).toMatchObject({ steps: [], refusals: [] });
    const text = plan.notes.map(note => note.text).join('\n');
    expect(text).toContain('kube-apiserver --audit-policy-file=/etc/kubernetes/homelab/audit-policy.yaml (not set)');
    expect(text).toContain('kube-scheduler --profiling=false (true)');
    expect(text).toContain('made without k8s-api.home.arpa, 192.168.0.10');
    expect(text).toContain('each kubelet signs its own certificate');
    // Without certificates of the CA the API server cannot be asked to verify them.
    expect(text).not.toContain('kubelet-certificate-authority');
    // And nothing of ours is written for a cluster that does not read it.
    const keys = [...(untouched(theirs).get('k8s-cp')?.keys() ?? [])];
    expect(keys.filter(key => key.includes('/etc/kubernetes/homelab'))).toEqual([]);
    const ids_ = phases.flatMap(phase => phase.probes(theirs)).map(probe => probe.id);
    expect(
      ids_.filter(id => ['serving-certificate', 'kubelets-reached', 'encryption', 'audit-log'].includes(id)),
    ).toEqual([]);
  });

  it('tell an operating system that we cannot install on', () => {
    const os = { id: 'fedora', versionId: '41', codename: '', pretty: 'Fedora Linux 41' };
    expect(one(withFacts(bareWorld(), 'k8s-worker1', { os }))).toMatchObject({
      id: 'connect/k8s-worker1/os',
      reason: 'it runs Fedora Linux 41',
    });
  });

  it('tell an address that the machine does not have, and those that it has', () => {
    const nics = [{ name: 'eno1', mac: '', mtu: 1500, addresses: ['10.0.0.9/24'], ...noAdapter }];
    expect(one(withFacts(bareWorld(), 'k8s-worker1', { nics }))).toMatchObject({
      id: 'connect/k8s-worker1/address',
      reason: expect.stringMatching(/192\.168\.0\.11 .*10\.0\.0\.9\/24/),
    });
  });

  it('tell that the API server does not say which pod subnets there are', () => {
    const silent = { ...convergedWorld(), nodes: 'unknown' as const, live: 'unknown' as const };
    expect(refusals(silent).map(refusal => refusal.id)).toEqual(
      cluster.hosts.map(each => `network/${each.name}/pod-subnet`),
    );
  });

  it('do not call workers foreign because their control plane is half done', () => {
    const partial = { state: 'partial', why: 'the cluster has no coredns', hint: 'look there' } as const;
    const world = withMembership(convergedWorld(), 'k8s-cp', partial);
    expect(refusals(world).map(refusal => refusal.id)).toEqual(['control-plane/k8s-cp/init']);
  });
});

describe('prediction against observation', () => {
  const world = convergedWorld();
  const intents: readonly Intent[] = intend(world, phases, everything);
  const states = inOrder(world);

  it('agrees where nothing differs, and says how much was compared', () => {
    const { compared, differences } = compareStates(intents, states, states);
    expect(differences).toEqual([]);
    expect(compared).toBe([...states.values()].reduce((sum, mine) => sum + mine.size, 0));
  });

  it('names a planted difference with both sides', () => {
    const found = with_(states, 'k8s-worker2', 'sysctl:network', { 'net.ipv4.ip_forward': '0' });
    expect(compareStates(intents, states, found).differences).toEqual([
      'k8s-worker2 sysctl:network: predicted {"net.ipv4.ip_forward":"1"}, observed {"net.ipv4.ip_forward":"0"}',
    ]);
  });

  it('shortens what is too long to read', () => {
    const found = with_(states, 'k8s-cp', 'file:/etc/containerd/config.toml', 'x'.repeat(10_000));
    const [difference = ''] = compareStates(intents, states, found).differences;
    expect(difference.length).toBeLessThan(450);
  });

  it('notices a machine that did not become what was predicted', () => {
    const predicted = withMember(afterInit(), host('k8s-worker1'), caHash);
    expect(compareMembership(predicted, predicted).differences).toEqual([]);
    expect(compareMembership(predicted, afterInit()).differences).toEqual([
      'k8s-worker1: predicted joined, observed absent',
    ]);
    const foreign = withMember(afterInit(), host('k8s-worker1'), 'another');
    expect(compareMembership(predicted, foreign).differences).toEqual([
      'k8s-worker1: predicted a worker of our cluster, observed a worker of another',
    ]);
    // Before init nobody knows the CA.
    expect(compareMembership(withMember(afterInit(), host('k8s-worker1'), 'unknown'), foreign).differences).toEqual([]);
  });
});
