import { loadAll } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { intend, planFrom } from '../../src/engine/plan.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import { phases } from '../../src/phases/index.ts';
import { init } from '../../src/transitions/init.ts';
import { configFunction } from '../../src/transitions/kubeadm.ts';
import { renderInit, renderJoin, tokenPlace } from '../../src/transitions/kubeadm-config.ts';
import { dash } from '../dash.ts';
import { afterInit, bareWorld, caHash, cluster, everything, host, untouched, withMembership } from '../sample.ts';

const of = (over: Partial<Cluster['kubernetes']>) => ({
  cluster: { ...cluster, kubernetes: { ...cluster.kubernetes, ...over } },
  bundle: undefined,
});
const versions = [
  ['v1beta4', 'v1.31.1'],
  ['v1beta3', 'v1.30.4'],
] as const;
const golden = (name: string) => `../golden/kubeadm/${name}.yaml`;
const tainted = {
  ...host('k8s-worker1'),
  taints: [
    { key: 'dedicated', value: 'database', effect: 'NoSchedule' as const },
    { key: 'flaky', value: undefined, effect: 'PreferNoSchedule' as const },
  ],
};

describe.each(versions)('kubeadm’s documents as %s, for %s', (api, version) => {
  it('for init', async () => {
    await expect(renderInit(of({ version }), host('k8s-cp'))).toMatchFileSnapshot(golden(`init-${api}`));
  });

  it('for join', async () => {
    await expect(renderJoin(of({ version }), tainted, caHash)).toMatchFileSnapshot(golden(`join-${api}`));
  });

  it('end discovery between two of kubeadm’s questions, 5 s apart, so that the last answer is what it tells', () => {
    const [, seconds] =
      /(?:discovery|timeout): (\d+)s$/m.exec(renderJoin(of({ version }), host('k8s-worker1'), caHash)) ?? [];
    expect(Number(seconds) % 5).toBeGreaterThan(1);
  });
});

describe('kubeadm’s documents', () => {
  it('leave a machine alone without taints, and keep kubeadm’s own where workers are', () => {
    const registration = (hosts: Cluster['hosts']) => {
      const [first] = loadAll(renderInit({ cluster: { ...cluster, hosts }, bundle: undefined }, host('k8s-cp')));
      return Reflect.get(Object(first), 'nodeRegistration');
    };
    expect(registration([host('k8s-cp')])).toMatchObject({ taints: [] });
    expect(registration(cluster.hosts)).not.toHaveProperty('taints');
  });

  it('leave kube-proxy out where the cluster has none', () => {
    const documents = renderInit(of({ kubeProxy: false }), host('k8s-cp'));
    expect(documents).toContain('addon/kube-proxy');
    expect(documents).not.toContain('KubeProxyConfiguration');
  });

  it('take the user’s own keys for kubelet and kube-proxy over ours', () => {
    const documents = loadAll(
      renderInit(
        of({ kubeletConfig: { maxPods: 150, cgroupDriver: 'cgroupfs' }, proxyConfig: { mode: 'nftables' } }),
        host('k8s-cp'),
      ),
    );
    expect(documents).toContainEqual(
      expect.objectContaining({ kind: 'KubeletConfiguration', maxPods: 150, cgroupDriver: 'cgroupfs' }),
    );
    expect(documents).toContainEqual(expect.objectContaining({ kind: 'KubeProxyConfiguration', mode: 'nftables' }));
  });

  it('name the endpoint once where it is the control plane’s own address', () => {
    const [, clusterConfiguration] = loadAll(renderInit(of({ endpoint: undefined }), host('k8s-cp')));
    expect(clusterConfiguration).toMatchObject({
      controlPlaneEndpoint: '192.168.0.10:6443',
      apiServer: { certSANs: ['192.168.0.10', 'k8s-cp'] },
    });
  });

  it('name every control plane and what the inventory adds in the API server’s certificate, each once', () => {
    const second = { ...host('k8s-cp'), name: 'k8s-cp2', address: '192.168.0.20' };
    const goal = of({ certSANs: ['k8s.example.org', 'k8s-cp'] });
    const [, document] = loadAll(
      renderInit({ ...goal, cluster: { ...goal.cluster, hosts: [...cluster.hosts, second] } }, host('k8s-cp')),
    );
    expect(document).toMatchObject({
      apiServer: {
        certSANs: ['k8s-api.home.arpa', 'k8s-cp', '192.168.0.10', 'k8s-cp2', '192.168.0.20', 'k8s.example.org'],
      },
    });
  });

  it('do not make the API server verify certificates that kubelets sign themselves', () => {
    const documents = renderInit(of({ kubeletConfig: { serverTLSBootstrap: false } }), host('k8s-cp'));
    expect(documents).toContain('serverTLSBootstrap: false');
    expect(documents).not.toContain('kubelet-certificate-authority');
    const world = bareWorld(of({ kubeletConfig: { serverTLSBootstrap: false } }));
    const steps = planFrom(intend(world, phases, everything), untouched(world)).steps;
    expect(steps.filter(step => /serving|approve/.test(step.action.script) || step.id.includes('approve'))).toEqual([]);
  });

  it('say versions as text, which YAML would otherwise read as numbers', () => {
    expect(loadAll(renderInit(of({ version: 'v1.30.0' }), host('k8s-cp')))[1]).toMatchObject({
      kubernetesVersion: 'v1.30.0',
    });
  });

  it('get the token from the machine’s shell, exactly once', () => {
    const documents = renderJoin(of({}), host('k8s-worker1'), caHash);
    expect(documents.split(tokenPlace)).toHaveLength(2);
    const said = dash(`set -eu\nJOIN_TOKEN=abcdef.0123456789abcdef\n${configFunction(documents)}config`);
    expect(said).toMatchObject({ code: 0, stdout: documents.replace(tokenPlace, 'abcdef.0123456789abcdef') });
  });
});

describe('the join token', () => {
  it('is a reference wherever it stands: no plan and no script has a value', () => {
    const plan = planFrom(intend(bareWorld(), phases, everything), untouched(bareWorld()));
    const users = plan.steps.filter(step => step.action.script.includes('JOIN_TOKEN'));
    expect(users.map(step => step.id)).toEqual([
      'control-plane/k8s-cp/init',
      'workers/k8s-cp/join-token',
      'workers/k8s-worker1/join',
      'workers/k8s-worker2/join',
      'workers/k8s-worker3/join',
    ]);
    for (const step of users) {
      expect(step.action.secrets).toEqual({ JOIN_TOKEN: { kind: 'run', name: 'join-token' } });
    }
    expect(JSON.stringify(plan)).not.toMatch(/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/);
    // In diffs there is only its place.
    const diffs = plan.steps.map(step => step.diff ?? '').join('\n');
    expect(diffs).toContain(`token: '${tokenPlace}'`);
  });

  it('is never an argument of a command', () => {
    const plan = planFrom(intend(afterInit(), phases, everything), untouched(afterInit()));
    for (const { action } of plan.steps) {
      // Every use is inside a here document, a printf of the shell itself, or an assignment.
      for (const line of action.script.split('\n').filter(each => each.includes('JOIN_TOKEN'))) {
        expect(line).toMatch(
          /^(documents=|id=| {2}token-secret: |kubectl .* delete secret .*"bootstrap-token-\$\{JOIN_TOKEN%%\.\*\}")/,
        );
      }
    }
  });

  it('is deleted in a run whose init failed and left no API server to ask', () => {
    const plan = planFrom(intend(bareWorld(), phases, everything), untouched(bareWorld()));
    const gone = plan.steps.find(step => step.id === 'control-plane/k8s-cp/join-token-gone');
    expect(gone?.stage).toBe('after');
    const script = gone?.action.script.replaceAll('/etc/kubernetes/', '/nowhere/') ?? 'exit 1';
    expect(dash(`set -eu\nJOIN_TOKEN=abcdef.0123456789abcdef\n${script}`)).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});

describe('init', () => {
  it('is a step on a bare machine, nothing on our control plane, a refusal in between', () => {
    const at = (world: Parameters<typeof init>[0]) => init(world, host('k8s-cp')).change;
    expect(at(bareWorld())).toMatchObject({ why: 'this machine belongs to no cluster', risk: 'safe' });
    expect(at(afterInit())).toBeUndefined();
    expect(
      at(withMembership(bareWorld(), 'k8s-cp', { state: 'partial', why: 'half', hint: 'look there' })),
    ).toMatchObject({
      refuse: 'half',
    });
  });

  it.each([
    ['[ERROR Port-6443]: Port 6443 is in use', 'which Kubernetes needs, is taken'],
    ['[ERROR FileAvailable--etc-kubernetes-manifests-etcd.yaml]: already exists', 'an earlier kubeadm run'],
    ['[ERROR ImagePull]: failed to pull image registry.k8s.io/pause:3.10', 'an image could not be pulled'],
    [
      '[ERROR NumCPU]: the number of available CPUs 1 is less than the required 2',
      'kubeadm’s own preflight'.replace('’', "'"),
    ],
  ])('explains %s', (stderr, message) => {
    const { change } = init(bareWorld(), host('k8s-cp'));
    if (!change || 'refuse' in change) throw new Error('a bare machine is initialised');
    expect(change.action.explain?.find(each => each.pattern.test(stderr))?.message).toContain(message);
  });
});
