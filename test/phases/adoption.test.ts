// A cluster that homelab did not build: whatever state its machines are in, it gets notes, refusals and safe steps only.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intend, planFrom, resourcesOf, type States } from '../../src/engine/plan.ts';
import type { Json } from '../../src/model/cluster.ts';
import type { Plan, Resource } from '../../src/model/plan.ts';
import type { World } from '../../src/model/world.ts';
import { builtByKey } from '../../src/model/world.ts';
import { phases } from '../../src/phases/index.ts';
import { cluster, convergedWorld, everything, goal, host, inOrder, untouched, withFacts } from '../sample.ts';

const external = { ...goal, cluster: { ...cluster, network: { provider: 'external' as const } } };

/** All of it set up by somebody else. */
function foreign(world: World): World {
  return cluster.hosts.reduce(
    (now, { name }) => withFacts(now, name, { isPrepared: false, containerd: cluster.containerd.version }),
    world,
  );
}

const planOf = (world: World, observed: States = inOrder(world)): Plan =>
  planFrom(intend(world, phases, everything), observed);
const notesOf = (plan: Plan, name: string) => plan.notes.flatMap(each => (each.host === name ? [each.text] : []));

/** What a machine answers, made a state by the resource itself. */
function stateOf(world: World, name: string, key: string, output: string): Json {
  return resourceOf(world, name, key).parse(output);
}

function resourceOf(world: World, name: string, key: string): Resource {
  const found = resourcesOf(intend(world, phases, everything))
    .get(name)
    ?.find(each => each.key === key);
  if (!found) throw new Error(`${name} is not asked for ${key}`);
  return found;
}

function withState(observed: States, name: string, key: string, state: Json): States {
  return new Map([...observed, [name, new Map([...(observed.get(name) ?? []), [key, state]])]]);
}

/** What only a restart, or a machine without its swap, would mend. */
function worst({ key, desired }: Resource): Json {
  if (key.startsWith('unit:')) return { load: 'loaded', active: true, enabled: true, stale: true };
  return key === 'swap' ? { active: ['/swap.img'], fstab: [], units: [] } : desired;
}

describe('an adopted cluster', () => {
  const world = foreign(convergedWorld(external));

  it('is said to be one, once', () => {
    const said = planOf(world).notes.filter(({ text }) => text.includes('did not build this cluster'));
    expect(said.map(({ host: at }) => at)).toEqual(['k8s-cp']);
  });

  it('gets no step that disturbs a machine, in whatever state everything is', async () => {
    const list = [...resourcesOf(intend(world, phases, everything))].flatMap(([name, resources]) =>
      resources.map(resource => [name, resource] as const),
    );
    await fc.assert(
      fc.property(fc.infiniteStream(fc.nat(2)), dice => {
        const states = new Map<string, Map<string, Json>>();
        for (const [name, resource] of list) {
          const mine = states.get(name) ?? new Map<string, Json>();
          states.set(name, mine);
          mine.set(resource.key, [resource.desired, resource.blank, worst(resource)][dice.next().value] ?? null);
        }
        const plan = planOf(world, states);
        expect(plan.steps.filter(({ risk }) => risk !== 'safe')).toEqual([]);
        expect(plan.refusals).toEqual([]);
      }),
      { seed: 4, numRuns: 100 },
    );
  });

  it('keeps a runtime and a kubelet that run with what they read before: that is told', () => {
    const stale = { load: 'loaded', active: true, enabled: true, stale: true };
    const observed = ['containerd', 'kubelet'].reduce<States>(
      (now, unit) => withState(now, 'k8s-worker1', `unit:${unit}.service`, stale),
      inOrder(world),
    );
    const plan = planOf(world, observed);
    expect(plan.steps).toEqual([]);
    const left = notesOf(plan, 'k8s-worker1').filter(text => text.startsWith('left as it is'));
    expect(left).toHaveLength(2);
    // The same on machines of ours is a step.
    const ours = convergedWorld(external);
    expect(planOf(ours, withState(inOrder(ours), 'k8s-worker1', 'unit:kubelet.service', stale)).steps).toMatchObject([
      { id: 'workers/k8s-worker1/kubelet', risk: 'disruptive' },
    ]);
  });

  it('keeps its versions: they are told, and no package moves', () => {
    const plan = planOf(withFacts(world, 'k8s-worker1', { containerd: '1.7.24', kubelet: '1.30.4' }));
    expect(plan.refusals).toEqual([]);
    expect(plan.steps).toEqual([]);
    expect(notesOf(plan, 'k8s-worker1')).toEqual(
      expect.arrayContaining([
        expect.stringContaining('runs containerd 1.7.24'),
        expect.stringContaining('runs Kubernetes v1.30.4'),
      ]),
    );
  });

  it('keeps its way to the API server: no name is entered in /etc/hosts', () => {
    const keys = (of: World) =>
      resourcesOf(intend(of, phases, everything))
        .get('k8s-worker1')
        ?.map(({ key }) => key);
    expect(keys(world)).not.toContain('block:/etc/hosts');
    expect(keys(convergedWorld(external))).toContain('block:/etc/hosts');
    // Its own repositories stand under other names: a second source with another key would break apt.
    expect(keys(world)?.filter(key => /apt\/(sources|keyrings)/.test(key))).toEqual([]);
  });

  it('with another pod network refuses to be given ours', () => {
    const basic = foreign(convergedWorld());
    const state = stateOf(basic, 'k8s-worker1', 'other-cni', '10-flannel.conflist\n');
    const plan = planOf(basic, withState(inOrder(basic), 'k8s-worker1', 'other-cni', state));
    expect(plan.refusals).toMatchObject([
      { id: 'network/k8s-worker1/other-network', hint: expect.stringContaining('external') },
    ]);
    expect(planOf(basic).refusals).toEqual([]);
  });

  it.each([
    [
      'a runtime without systemd cgroups',
      '  SystemdCgroup = false\n  sandbox = "registry.k8s.io/pause:3.10"\n',
      /cgroup driver/,
    ],
    ['an old sandbox image', '  SystemdCgroup = true\n  sandbox_image = "registry.k8s.io/pause:3.8"\n', /pause:3\.8/],
    [
      'a runtime that does what is needed',
      "  SystemdCgroup = true\n  sandbox = 'registry.k8s.io/pause:3.10'\n",
      /what is needed/,
    ],
  ])('%s is told', (_, dump, told) => {
    const state = stateOf(world, 'k8s-worker1', 'containerd-settings', dump);
    const plan = planOf(world, withState(inOrder(world), 'k8s-worker1', 'containerd-settings', state));
    expect(notesOf(plan, 'k8s-worker1')).toContainEqual(expect.stringMatching(told));
    expect(plan.steps).toEqual([]);
  });

  it('is told what of it was made by hand', () => {
    const output = `unit docker.service
docker /etc/docker/daemon.json
kubelet /etc/default/kubelet --node-ip=1.2.3.4 --v=4
flag --network-plugin=cni
flag --container-runtime-endpoint=unix:///run/containerd/containerd.sock
manifest kube-apiserver.yaml
argument advertise-address
argument audit-log-path
argument oidc-issuer-url
manifest kube-vip.yaml
argument manager
manifest etcd.yaml
argument quota-backend-bytes
config
apiServer:
  extraArgs: [{name: audit-log-path, value: /var/log/audit.log}]
etcd: {local: {dataDir: /var/lib/etcd}}
`;
    expect(stateOf(world, 'k8s-cp', 'hand-made', output)).toEqual([
      '/etc/kubernetes/manifests/kube-vip.yaml is a static pod that kubeadm did not make',
      expect.stringContaining('kube-apiserver was edited by hand (--oidc-issuer-url)'),
      expect.stringContaining('etcd was edited by hand (--quota-backend-bytes)'),
      'docker.service runs beside containerd',
      'left from the days of docker: /etc/docker/daemon.json, --network-plugin=cni',
      'kubelet has flags of its own in /etc/default/kubelet: --node-ip=1.2.3.4 --v=4',
    ]);
    // v1beta3 has its extra arguments as a mapping; without an answer of the API server nothing is called foreign.
    const old = output.replace(
      '[{name: audit-log-path, value: /var/log/audit.log}]',
      '{audit-log-path: x, oidc-issuer-url: y}',
    );
    expect(JSON.stringify(stateOf(world, 'k8s-cp', 'hand-made', old))).not.toContain('oidc');
    expect(
      JSON.stringify(stateOf(world, 'k8s-cp', 'hand-made', output.replace(/config\n[\s\S]*/, 'config\n'))),
    ).not.toContain('by hand');
  });
});

describe('whose a machine is', () => {
  const bare = foreign(convergedWorld(external));
  const adopted = (world: World) =>
    notesOf(planOf(world, untouchedBut(world)), 'k8s-cp').some(text => text.includes('did not build'));
  const untouchedBut = (world: World) => untouched(world);

  it('is said by the cluster’s own ConfigMap, also where somebody rewrote containerd’s config', () => {
    expect(adopted(bare)).toBe(true);
    expect(adopted({ ...bare, proofs: { network: 'a digest' } })).toBe(true);
    expect(adopted({ ...bare, proofs: { [builtByKey]: 'homelab' } })).toBe(false);
  });

  it('is said by its own containerd config while no API server answers', () => {
    const silent: World = { ...bare, nodes: 'unknown', live: 'unknown' };
    expect(adopted(silent)).toBe(true);
    expect(adopted(withFacts(silent, 'k8s-cp', { isPrepared: true }))).toBe(false);
  });

  it('is no question for a machine that is about to join: it gets all that a new machine gets', () => {
    const joining = withFacts(bare, 'k8s-worker3', { membership: { state: 'absent' } });
    const keys = resourcesOf(intend(joining, phases, everything))
      .get('k8s-worker3')
      ?.map(({ key }) => key);
    expect(keys).toEqual(expect.arrayContaining(['file:/etc/containerd/config.toml', 'block:/etc/hosts']));
    expect(host('k8s-worker3').role).toBe('worker');
  });
});

describe('a running cluster', () => {
  const world = foreign(convergedWorld(external));
  const live = world.live;
  if (live === 'unknown') throw new Error('the sample is alive');
  const refusals = (of: World) => planOf(of).refusals.map(({ id, hint }) => `${id}: ${hint}`);

  it('that was given no endpoint is reached by its first control plane’s address', () => {
    const by = (endpoint: string | undefined): World => ({
      ...world,
      cluster: { ...external.cluster, kubernetes: { ...cluster.kubernetes, endpoint } },
      live: { ...live, endpoint: '' },
    });
    expect(refusals(by(undefined))).toEqual([]);
    expect(refusals(by('k8s-api.home.arpa'))).toEqual([
      'control-plane/k8s-cp/endpoint: write kubernetes.endpoint: "192.168.0.10" into the inventory',
    ]);
  });

  it('that was given no pod subnet leaves it to its network', () => {
    expect(refusals({ ...world, live: { ...live, podSubnet: '' } })).toEqual([]);
    expect(refusals({ ...world, live: { ...live, podSubnet: `${live.podSubnet},fd00::/56` } })).toEqual([]);
  });

  it('that knows a machine by another name says so', () => {
    const nodes = world.nodes === 'unknown' ? [] : world.nodes;
    const renamed = nodes.map(node => (node.name === 'k8s-worker1' ? { ...node, name: 'old-nas' } : node));
    expect(refusals({ ...world, nodes: renamed })).toEqual([
      'connect/k8s-worker1/node-name: write name: old-nas into the inventory; a node keeps the name it joined with',
    ]);
  });
});
