import { describe, expect, it } from 'vitest';
import { apiFragment } from '../../src/engine/api.ts';
import { clockFragment, factFragments } from '../../src/engine/facts.ts';
import { fenceFragment, freeFence } from '../../src/engine/fence.ts';
import { refusedCode, refusedMark } from '../../src/engine/fence-script.ts';
import type { Fragment } from '../../src/engine/frames.ts';
import { createMachine, type Machine, type MachineOptions } from '../../src/engine/machine.ts';
import { intend, resourcesOf } from '../../src/engine/plan.ts';
import { digestOfWants } from '../../src/engine/proof-record.ts';
import { questionsOf } from '../../src/engine/questions.ts';
import { apply } from '../../src/engine/run.ts';
import { createVault } from '../../src/engine/vault.ts';
import type { Host, Json } from '../../src/model/cluster.ts';
import { HomelabError } from '../../src/model/errors.ts';
import type { Probe, Resource, Step } from '../../src/model/plan.ts';
import type { ExecOptions, ExecResult, Remote } from '../../src/model/ports.ts';
import { pauseImage } from '../../src/model/versions.ts';
import type { World } from '../../src/model/world.ts';
import { phases } from '../../src/phases/index.ts';
import { defineResource } from '../../src/resources/resource.ts';
import { dash } from '../dash.ts';
import { eventsOf, failureOf, machinesOf, stillClock, testRun } from '../run-context.ts';
import { caPem, cluster, convergedWorld, everything, goal, host, nodeObject } from '../sample.ts';
import { plainStation } from '../stations.ts';

const vault = createVault({ env: {}, readFile: async () => '', learn: () => undefined });
const signal = new AbortController().signal;
const options = {
  vault,
  clock: stillClock,
  onCommand: () => undefined,
  onNote: () => undefined,
  run: 'me',
  who: 'me@here',
};
const ok = (stdout: string): ExecResult => ({ code: 0, stdout, stderr: '', durationMs: 0 });

/** Answers whole scripts. */
class Answering implements Remote {
  readonly host = 'k8s-worker1';
  readonly asked: { readonly script: string; readonly timeoutMs: number }[] = [];
  readonly uploads: string[] = [];
  readonly #answer: (script: string) => ExecResult;

  constructor(answer: (script: string) => ExecResult) {
    this.#answer = answer;
  }

  async exec(script: string, { timeoutMs }: ExecOptions): Promise<ExecResult> {
    this.asked.push({ script, timeoutMs });
    return this.#answer(script);
  }

  async upload(localPath: string, remotePath: string): Promise<void> {
    this.uploads.push(`${localPath} → ${remotePath}`);
  }

  async close(): Promise<void> {}
}

/** Runs them for real. */
const real = () => new Answering(script => ({ ...dash(script), durationMs: 0 }));

function step(script: string, more: Partial<Step['action']> = {}): Step {
  return {
    id: 'phase/k8s-worker1/step',
    phase: 'phase',
    host: 'k8s-worker1',
    title: 'Do it',
    why: 'it is not done',
    risk: 'safe',
    deadlineMs: 1000,
    stage: 'main',
    settles: [],
    action: { script, timeoutMs: 2000, ...more },
  };
}

/** A machine that this run has claimed. */
async function held(remote: Remote, more: Partial<MachineOptions> = {}): Promise<Machine> {
  const machine = createMachine(plainStation(remote), [], { ...options, ...more });
  await machine.claim({ facts: { bootId: 'this' }, fence: freeFence }, false, signal);
  return machine;
}

describe('a step on a machine', () => {
  it('stops at the first command that fails, and tells its exit code and stderr', async () => {
    const machine = await held(real());
    const failure = await failureOf(machine.run(step('echo trouble >&2; false; echo more >&2'), signal));
    expect(failure).toMatchObject({
      code: 'HL_STEP_FAILED',
      message: 'Do it on k8s-worker1 failed: exit 1',
      context: { host: 'k8s-worker1', step: 'phase/k8s-worker1/step', exitStatus: 1, stderr: 'trouble\n' },
    });
  });

  it('says what a known failure means, with what was found in it', async () => {
    const explain = [{ pattern: /port (\d+) is taken/, message: 'port $1 has somebody', hint: 'ss -ltnp sport = $1' }];
    const machine = await held(real());
    const failure = await failureOf(machine.run(step('echo "port 6443 is taken" >&2; exit 1', { explain }), signal));
    expect(failure).toMatchObject({
      message: 'Do it on k8s-worker1 failed: port 6443 has somebody',
      hint: 'ss -ltnp sport = 6443',
    });
  });

  it('that its deadline ended says so', async () => {
    const machine = await held(new Answering(() => ({ ...ok(''), code: 124, durationMs: 2000 })));
    expect(await failureOf(machine.run(step(':'), signal))).toMatchObject({
      code: 'HL_STEP_TIMEOUT',
      message: 'Do it on k8s-worker1 failed: it did not end within 2 s',
    });
  });

  it.each([124, 137])('that ended by itself with exit %i is no deadline: something in it was killed', async code => {
    const machine = await held(new Answering(() => ({ ...ok(''), code, durationMs: 300 })));
    expect(await failureOf(machine.run(step(':'), signal))).toMatchObject({
      code: 'HL_STEP_FAILED',
      message: `Do it on k8s-worker1 failed: exit ${code}`,
    });
  });

  it('shows stdout where stderr is empty', async () => {
    const machine = await held(real());
    const failure = await failureOf(machine.run(step('echo "only here"; exit 1'), signal));
    expect(failure).toMatchObject({ context: { stderr: 'only here\n' } });
  });

  it('gets its secrets as shell variables, exactly, and never in the clear', async () => {
    const secret = `it's $HOME "한글" \\n`;
    const remote = real();
    const learned: string[] = [];
    const machine = await held(remote, {
      vault: createVault({ env: { PASSWORD: secret }, readFile: async () => '', learn: text => learned.push(text) }),
    });
    const script = `[ "$SECRET" = "$(printf '%s' ${JSON.stringify('x')})" ] || printf '%s' "$SECRET" >&2; exit 1`;
    const secrets = { SECRET: { kind: 'env', name: 'PASSWORD' } } as const;
    const failure = await failureOf(machine.run(step(script, { secrets }), signal));
    expect(failure).toMatchObject({ context: { stderr: secret } });
    expect(remote.asked[0]?.script).not.toContain(secret);
    // The redactor knows it before anybody could print it.
    expect(learned).toEqual([secret]);
  });

  it('reads what is secret with the secret at hand, and without saying it', async () => {
    const remote = real();
    const vault = createVault({ env: { PASSWORD: "it's secret" }, readFile: async () => '', learn: () => undefined });
    const machine = createMachine(plainStation(remote), [], { ...options, vault });
    const resource = defineResource<string>({
      key: 'x',
      name: 'x',
      title: 'x',
      secrets: { SECRET: { kind: 'env', name: 'PASSWORD' } },
      read: `[ "$SECRET" = "it's secret" ] && echo same\n`,
      parse: output => output.trim(),
      blank: '',
      desired: 'same',
      differences: () => [],
      act: () => ({ action: { script: ':', timeoutMs: 1 } }),
    });
    expect(await machine.read([resource], signal)).toEqual(new Map([['x', 'same']]));
    expect(remote.asked[0]?.script.split(resource.read)[0]).not.toContain("it's secret");
  });

  it('uploads before it runs, and each upload counts as a command', async () => {
    const remote = new Answering(() => ok(''));
    const machine = await held(remote);
    const before = machine.commands();
    const upload = { localPath: '/a.deb', remotePath: '/var/cache/homelab/a.deb', sha256: 'a', bytes: 1 };
    await machine.run(step(':', { uploads: [upload] }), signal);
    expect(remote.uploads).toEqual(['/a.deb → /var/cache/homelab/a.deb']);
    expect(machine.commands() - before).toBe(2);
  });

  it('sends nothing to a machine that another run has taken over', async () => {
    const remote = new Answering(() => ok(''));
    remote.upload = async () => {
      throw new HomelabError('HL_STEP_FAILED', 'copying failed', {
        context: { exitStatus: refusedCode, stderr: `${refusedMark} taken anna@laptop: homelab bootstrap\n` },
      });
    };
    const machine = await held(remote);
    const upload = { localPath: '/a.deb', remotePath: '/var/cache/homelab/a.deb', sha256: 'a', bytes: 1 };
    expect(await failureOf(machine.run(step(':', { uploads: [upload] }), signal))).toMatchObject({
      code: 'HL_FENCE',
      message: expect.stringContaining('it was taken over (anna@laptop: homelab bootstrap)'),
    });
    expect(remote.asked).toEqual([]);
  });
});

describe('reading a machine', () => {
  const resource = (read: string): Resource => ({
    kind: 'resource',
    key: 'thing',
    name: 'thing',
    title: 'Thing',
    read,
    parse: text => text,
    blank: '',
    desired: '',
    change: () => undefined,
  });

  it('says which resource could not be read, with the command to try', async () => {
    const machine = createMachine(plainStation(real()), [], options);
    expect(await failureOf(machine.read([resource('echo no >&2; exit 3')], signal))).toMatchObject({
      code: 'HL_OBSERVE',
      message: 'thing could not be read on k8s-worker1',
      context: { host: 'k8s-worker1', exitStatus: 3, stderr: 'no\n', command: 'echo no >&2; exit 3' },
    });
  });

  it('says that the machine did not finish answering', async () => {
    const machine = createMachine(plainStation(new Answering(() => ({ ...ok(''), code: 124 }))), [], options);
    expect(await failureOf(machine.read([resource('true')], signal))).toMatchObject({
      code: 'HL_OBSERVE',
      message: 'k8s-worker1 did not finish answering within 120 s',
    });
  });

  it('asks nothing where nothing is wanted', async () => {
    const machine = createMachine(plainStation(real()), [], options);
    expect([...(await machine.read([], signal)), ...(await machine.prove([], signal))]).toEqual([]);
    expect(machine.commands()).toBe(0);
  });
});

describe('the evidence of a machine', () => {
  const look = (id: string, script: string, timeoutMs = 1000): Extract<Probe, { readonly kind: 'read' }> => ({
    kind: 'read',
    id,
    host: 'k8s-worker1',
    title: id,
    expected: 'yes',
    reproduce: script,
    script,
    timeoutMs,
    judge: ({ code, stdout }) => ({ ok: code === 0 && stdout === 'yes\n', observed: stdout }),
  });

  it('of probes with the same id is each its own', async () => {
    const machine = createMachine(plainStation(real()), [], options);
    const evidence = await machine.prove(
      [look('a', 'echo yes'), look('a', 'echo no'), look('b', 'echo yes; exit 1')],
      signal,
    );
    expect(evidence.map(({ ok: isOk, observed }) => [isOk, observed])).toEqual([
      [true, 'yes\n'],
      [false, 'no\n'],
      [false, 'yes\n'],
    ]);
    expect(machine.commands()).toBe(1);
  });

  it('has time for all probes, which run one after the other', async () => {
    const remote = new Answering(() => ok(''));
    await createMachine(plainStation(remote), [], options).prove(
      [look('a', ':', 150_000), look('b', ':', 150_000)],
      signal,
    );
    expect(remote.asked[0]?.timeoutMs).toBeGreaterThanOrEqual(300_000);
  });

  it('that did not come back is a failure, not a success', async () => {
    const machine = createMachine(plainStation(new Answering(() => ok(''))), [], options);
    expect(await machine.prove([look('a', 'echo yes')], signal)).toMatchObject([{ ok: false, observed: 'no answer' }]);
  });
});

// What a machine of a converged cluster says to the fragments that a run sends, each by its own text.
function answersOf(at: Host, world: World): ReadonlyMap<string, string> {
  const intents = intend(world, phases, everything);
  const facts = world.facts.get(at.name);
  if (!facts || world.nodes === 'unknown' || world.live === 'unknown') throw new Error('the sample is converged');
  const isControlPlane = at.role === 'control-plane';
  const files = isControlPlane
    ? 'pki/ca.crt\npki/ca.key\nadmin.conf\nkubelet.conf\nmanifests/kube-apiserver.yaml\nmanifests/etcd.yaml\nkubelet-config\netcd-member\n'
    : 'pki/ca.crt\nkubelet.conf\nkubelet-config\n';
  const said: Readonly<Record<string, string>> = {
    clock: '0\n',
    'clock-end': '0\n',
    hostname: `${at.name}\n`,
    boot: `${facts.bootId}\n`,
    os: `${facts.os.id}\n${facts.os.versionId}\n${facts.os.codename}\n${facts.os.pretty}\n`,
    kernel: `${facts.kernel}\n`,
    arch: 'amd64\n',
    virt: 'none\nnone\n',
    cgroup: 'cgroup2fs\n',
    nics: `[{"ifname":"eno1","addr_info":[{"local":"${at.address}","prefixlen":24}]}]\n\n[{"ifname":"eno1","mtu":1500,"address":"02:00:00:00:00:01","link_type":"ether"}]\n`,
    adapters:
      'nic\teno1\t/sys/devices/pci0000:00/0000:00:1f.6\te1000e\tno\t/usr/lib/systemd/network/99-default.link\nsystemd\t252\n',
    membership: `${files}\n${caPem}`,
    versions: `v${facts.kubeadm}\nKubernetes v${facts.kubelet}\ncontainerd ${facts.containerd}\nprepared\n`,
  };
  const configuration = {
    kubernetesVersion: cluster.kubernetes.version,
    controlPlaneEndpoint: `${cluster.kubernetes.endpoint}:6443`,
    networking: { podSubnet: cluster.kubernetes.podSubnet, serviceSubnet: cluster.kubernetes.serviceSubnet },
    apiServer: { certSANs: world.live.certSANs, extraArgs: listed(world.live.args['kube-apiserver']) },
    controllerManager: { extraArgs: listed(world.live.args['kube-controller-manager']) },
    scheduler: { extraArgs: listed(world.live.args['kube-scheduler']) },
    etcd: { local: { extraArgs: listed(world.live.args['etcd']) } },
  };
  const proofs = Object.fromEntries(phases.map(phase => [phase.id, digestOfWants(phase, intents)]));
  const objects = [
    {
      kind: 'ConfigMap',
      metadata: { name: 'kubeadm-config' },
      data: { ClusterConfiguration: JSON.stringify(configuration) },
    },
    { kind: 'ConfigMap', metadata: { name: 'kubelet-config' }, data: { kubelet: 'serverTLSBootstrap: true' } },
    { kind: 'ConfigMap', metadata: { name: 'homelab' }, data: proofs },
  ];
  const list = JSON.stringify({ kind: 'List', items: [...world.nodes.map(nodeObject), ...objects] });
  return new Map([
    ...[...factFragments, clockFragment].map(({ id, script }): [string, string] => [
      script,
      said[id] ?? `no answer to ${id}`,
    ]),
    [apiFragment().script, `answers\n${list}\n`],
    [fenceFragment.script, '4 - 0 0 unknown 1000 -\n'],
    ...(resourcesOf(intents).get(at.name) ?? []).map((each): [string, string] => [each.read, printed(each)]),
    ...phases
      .flatMap(phase => phase.probes(world))
      .flatMap((probe): readonly [string, string][] =>
        probe.kind === 'read' && probe.host === at.name ? [[probe.script, proofOf(probe.id, probe.expected)]] : [],
      ),
  ]);
}

/** What a machine prints about a resource that is in order. */
function printed({ key, desired }: Resource): string {
  const kind = key.slice(0, Math.max(key.indexOf(':'), 0)) || key;
  const fields: readonly (readonly [string, Json])[] =
    typeof desired === 'object' && desired !== null && !Array.isArray(desired) ? Object.entries(desired) : [];
  const field = (name: string) => fields.find(([each]) => each === name)?.[1];
  switch (kind) {
    case 'file':
      return desired === true
        ? 'yes\n'
        : `plain ${field('mode')} ${field('owner')}\n${Buffer.from(String(field('content'))).toString('base64')}`;
    case 'packages':
      return fields
        .map(([name, state]) => {
          const { version, held } = state as { readonly version: string; readonly held: boolean };
          return `${name} ${version === 'installed' ? '1' : version}-1 ${held ? 'hold' : 'install'} installed\n`;
        })
        .join('');
    case 'sysctl':
    case 'nic-power':
      return fields.map(([name, value]) => `${name}=${value}\n`).join('');
    case 'modules':
      return fields.map(([name]) => `${name} yes\n`).join('');
    case 'routes':
      return fields.map(([subnet, via]) => `${subnet} ${via}\n`).join('');
    case 'unit':
      return 'LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nstarted=1000\n';
    case 'permissions':
      return fields.map(([name, state]) => `${state} ${name}\n`).join('');
    case 'encryption-key':
    case 'block':
      return String(desired);
    case 'no-timer':
      return 'absent\n';
    case 'swap':
    case 'images':
    case 'bootstrap-tokens':
    case 'old-registries':
      return '';
    default:
      throw new Error(`the converged machine does not know what it would say about ${key}`);
  }
}

/** Arguments as v1beta4 has them. */
function listed(args: Readonly<Record<string, string>> = {}): readonly object[] {
  return Object.entries(args).map(([name, value]) => ({ name, value }));
}

function proofOf(id: string, expected: string): string {
  const configDump = `SystemdCgroup = true\nsandbox = '${pauseImage(cluster.kubernetes.version)}'`;
  const other: Readonly<Record<string, string>> = {
    'cgroup-driver': configDump,
    'sandbox-image': configDump,
    etcd: '{"health":"true"}',
    disk: '500000000000 400000000000 30000000 29000000\n'.repeat(3),
    inodes: '500000000000 400000000000 30000000 29000000\n'.repeat(3),
    'audit-log': '3 s ago',
    'serving-certificate': 'verified notAfter=Nov 22 03:00:00 2027 GMT',
    certificates: `0\n==> /etc/kubernetes/pki/apiserver.crt <==\n${caPem}`,
    cgroup: 'kubepods-burstable.slice',
    machine: 'boot 5d9e2c4a\naspm-policy=default\nsleep=masked',
    eno1: 'boot 5d9e2c4a carrier changes 1\nruntime-pm=on\nbridge-pm=n/a: no bridge above it\neee=off\nwake-on-lan=g\naspm=l1_aspm',
    'dns-available': 'deployment.apps/coredns condition met',
  };
  return other[id] ?? expected;
}

/** Answers each fragment of a joined script from a map keyed by its text, and refuses what nobody expected. */
function converged(at: Host, world: World, extra: readonly Fragment[] = [], asked: string[] = []): Machine {
  const answers = new Map([...answersOf(at, world), ...extra.map(({ script }) => [script, '1\n'] as const)]);
  const remote: Remote = {
    host: at.name,
    async exec(script) {
      asked.push(script);
      const mark = /printf '\\n%s %s\\n' (\S+) "\$\*"/.exec(script)?.[1];
      const fragments = [...script.matchAll(/\nframe begin (\d+)\n\( set -eu\n([\s\S]*?)\)\nframe end \1 \$\?(?=\n)/g)];
      if (!mark || fragments.length === 0) throw new Error(`${at.name} was asked something of its own: ${script}`);
      const frames = fragments.map(([, index = '', text = '']) => {
        const answer = answers.get(text) ?? answers.get(text.slice(0, -1));
        if (answer === undefined) throw new Error(`${at.name} was asked what nobody expected: ${text}`);
        return `\n${mark} begin ${index}\n${answer}\n${mark} end ${index} 0\n`;
      });
      return ok(frames.join(''));
    },
    async upload(path) {
      throw new Error(`${at.name} was sent ${path}`);
    },
    close: async () => undefined,
  };
  return createMachine(plainStation(remote), [...questionsOf(goal, at), ...extra], options);
}

describe('a bootstrap of a converged cluster', () => {
  const world = convergedWorld();

  it('costs three remote commands a machine and changes nothing', async () => {
    const machines = machinesOf(cluster.hosts.map(at => converged(at, world)));
    const run = testRun(goal, { machines, rehearsal: undefined });
    expect(await apply(run)).toEqual({ steps: 0, predictionErrors: 0 });
    expect([...machines].map(([name, machine]) => [name, machine.commands()])).toEqual(
      cluster.hosts.map(at => [at.name, 3]),
    );
    expect(eventsOf(run, 'plan')[0]).toMatchObject({ steps: [], refusals: [] });
    expect(eventsOf(run, 'evidence').length).toBeGreaterThan(30);
    expect(eventsOf(run, 'evidence').filter(event => !event.evidence.ok)).toEqual([]);
  });

  it('asks what counts before anything changes once, and anything else every time', async () => {
    const asked: string[] = [];
    const extra = [
      { id: 'costly', script: 'echo costly', once: true },
      { id: 'cheap', script: 'echo cheap' },
    ] as const;
    const machine = converged(host('k8s-worker1'), world, extra, asked);
    await machine.observe(signal);
    await machine.observe(signal);
    expect(asked.map(script => ['costly', 'cheap'].filter(word => script.includes(`echo ${word}`)))).toEqual([
      ['costly', 'cheap'],
      ['cheap'],
    ]);
  });

  it('is stopped by a question that nobody expected', async () => {
    const stranger = converged(host('k8s-worker1'), world);
    expect(await failureOf(stranger.exec('reboot', 1000, signal))).toMatchObject({
      message: expect.stringContaining('reboot'),
    });
  });

  it('fails at the one proof that fails', async () => {
    const machines = new Map([...machinesOf(cluster.hosts.map(at => converged(at, world)))]);
    const cp = machines.get('k8s-cp');
    if (!cp) throw new Error('there is a control plane');
    machines.set('k8s-cp', {
      ...cp,
      prove: async (probes, abort) =>
        (await cp.prove(probes, abort)).map(piece =>
          piece.id === 'etcd' ? { ...piece, ok: false, observed: 'health false' } : piece,
        ),
    });
    const failure = await failureOf(apply(testRun(goal, { machines, rehearsal: undefined })));
    if (!(failure instanceof HomelabError)) throw failure;
    expect(failure).toMatchObject({
      code: 'HL_VERIFY',
      context: { details: [expect.stringContaining('etcd itself')] },
    });
  });
});
