import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Frame } from '../../src/engine/frames.ts';
import { questionsOf } from '../../src/engine/questions.ts';
import { parseUpgrade } from '../../src/engine/upgrade-facts.ts';
import type { UpgradeFacts } from '../../src/model/upgrade-facts.ts';
import { upgradeCheck } from '../../src/phases/upgrade-check/index.ts';
import { goal, host } from '../sample.ts';
import { upgradeWorld } from '../upgrade-sample.ts';

// What machines of the lab said, a real kubeadm v1.31.1 among them; edited: flags of three static pods, two of the kubelet's settings and
// its own file of flags were changed by hand, a FlowSchema was written by v1beta3, and an old copy of etcd lay there.
function framesOf(name: string): Map<string, Frame> {
  const url = new URL(`../fixtures/upgrade/${name}.json`, import.meta.url);
  return new Map(Object.entries(JSON.parse(readFileSync(url, 'utf8')) as Record<string, Frame>));
}

function read(name: string, without: readonly string[] = []): UpgradeFacts {
  const frames = framesOf(name);
  for (const id of without) frames.set(id, { code: 0, stdout: '', stderr: '' });
  const facts = parseUpgrade(frames);
  if (!facts) throw new Error('it was asked');
  return facts;
}

const ofControlPlane = (name: string, without?: readonly string[]) => {
  const { controlPlane } = read(name, without);
  if (!controlPlane) throw new Error('it is a control plane');
  return controlPlane;
};

describe('what an upgrade asks', () => {
  it('is asked for an upgrade only, on every machine', () => {
    const ids = (of: typeof goal, name: string) => questionsOf(of, host(name)).map(({ id }) => id);
    const upgrade = { ...goal, upgrade: { parallel: 1, drainSeconds: 300 } };
    expect(ids(goal, 'k8s-worker1')).toEqual([]);
    expect(ids(goal, 'k8s-cp')).toEqual(['api']);
    expect(ids(upgrade, 'k8s-worker1')).toEqual([
      'upgrade-kubelet',
      'upgrade-flags',
      'upgrade-disks',
      'upgrade-images',
    ]);
    expect(ids(upgrade, 'k8s-cp')).toEqual(
      expect.arrayContaining(['api', 'upgrade-kubelet', 'upgrade-rewritten', 'upgrade-config']),
    );
    expect(parseUpgrade(new Map())).toBeUndefined();
  });
});

describe('what a worker says', () => {
  const facts = read('worker');

  it('is its kubelet, its disks and its images', () => {
    expect(facts.controlPlane).toBeUndefined();
    expect(facts.clockMs).toBeGreaterThan(Date.UTC(2026, 0, 1));
    expect(facts.kubeletConfig).toMatchObject({
      kind: 'KubeletConfiguration',
      evictionHard: { 'memory.available': '100Mi' },
    });
    expect(facts.kubeletFlags).toContainEqual({
      file: '/var/lib/kubelet/kubeadm-flags.env',
      flag: '--pod-infra-container-image=registry.k8s.io/pause:3.10',
    });
    expect(facts.disks.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['/', '/var/lib/containerd', '/var/lib/kubelet']),
    );
    expect(facts.disks.every(({ freeBytes, totalBytes }) => freeBytes > 0 && freeBytes < totalBytes)).toBe(true);
    expect(facts.images).toContain('registry.k8s.io/kube-proxy:v1.31.1');
  });
});

describe('what a control plane says', () => {
  it('is its version, its manifests, its certificates and what the cluster has', () => {
    const found = ofControlPlane('control-plane');
    expect(found.apiServer).toBe('1.31.1');
    expect(Object.keys(found.manifests)).toEqual([
      'etcd',
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
    ]);
    expect(found.manifests['etcd']).toMatchObject({
      image: 'registry.k8s.io/etcd:3.5.15-0',
      flags: { 'data-dir': '/var/lib/etcd' },
    });
    expect(found.manifests['kube-apiserver']?.flags['authorization-mode']).toBe('Node,RBAC');
    // kubeadm itself would write the same.
    expect(found.rewritten).toEqual([]);
    expect(found.certificates).toHaveLength(13);
    expect(found.certificates.find(({ name }) => name === 'admin.conf')?.endsMs).toBeGreaterThan(Date.UTC(2027, 0, 1));
    expect(found.etcdBytes).toBeGreaterThan(64 * 1024 ** 2);
    expect(found.leftoverBytes).toBe(0);
    expect(found.cluster).toMatchObject({
      kubeletConfig: { kind: 'KubeletConfiguration' },
      proxyGates: {},
      kubeadmGates: {},
      requestedApis: [],
    });
  });

  it('tells edits, and APIs that end', () => {
    const found = ofControlPlane('edited-control-plane');
    expect(found.rewritten).toEqual([
      { manifest: 'kube-apiserver', out: ['- --goaway-chance=0.001'], in: [] },
      { manifest: 'kube-scheduler', out: ['- --profiling=true'], in: ['- --profiling=false'] },
    ]);
    expect(found.leftoverBytes).toBeGreaterThan(64 * 1024 ** 2);
    if (found.cluster === 'unknown') throw new Error('it answered');
    const api = 'flowcontrol.apiserver.k8s.io/v1beta3';
    expect(found.cluster.requestedApis).toEqual([
      { group: 'flowcontrol.apiserver.k8s.io', version: 'v1beta3', resource: 'flowschemas', removedRelease: '1.32' },
    ]);
    expect(found.cluster.askedApis).toEqual([
      { api, resource: 'flowschemas', who: 'kubernetes-admin, kubectl/v1.31.1' },
    ]);
    expect(found.cluster.writtenApis).toContainEqual({ object: 'flowschemas shop', api, manager: 'shop-deploy' });
    expect(read('edited-control-plane').kubeletFlags).toContainEqual({
      file: '/etc/default/kubelet',
      flag: '--feature-gates=AppArmor=true',
    });
  });

  it('is unknown where nothing answers', () => {
    const found = ofControlPlane('control-plane', ['upgrade-version', 'upgrade-config', 'upgrade-rewritten']);
    expect([found.apiServer, found.cluster, found.rewritten]).toEqual(['unknown', 'unknown', 'unknown']);
    expect(read('worker', ['upgrade-kubelet']).kubeletConfig).toBe('unknown');
  });
});

describe('the check of a real cluster', () => {
  // The sample's machines have the recorded control plane's facts.
  const worldOf = (name: string) => {
    const world = upgradeWorld('v1.33.0');
    const live = world.live;
    const { controlPlane } = read(name);
    const facts = new Map(world.upgradeFacts);
    facts.set('k8s-cp', read(name));
    const etcd = controlPlane?.manifests['etcd']?.flags['listen-metrics-urls'] ?? '';
    if (live === 'unknown') throw new Error('the sample is alive');
    return {
      ...world,
      live: { ...live, args: { ...live.args, etcd: { 'listen-metrics-urls': etcd } } },
      upgradeFacts: facts,
    };
  };
  const told = (name: string) => {
    const wants = upgradeCheck(['v1.32.0', 'v1.33.0']).wants(worldOf(name), host('k8s-cp'));
    return wants.map(want => ('text' in want ? want.text : JSON.stringify(want)));
  };

  it('has nothing to say of one that nobody touched', () => {
    expect(told('control-plane')).toEqual([]);
  });

  it('names what was done to the other', () => {
    expect(told('edited-control-plane')).toEqual([
      expect.stringMatching(/settings.*\/etc\/default\/kubelet has AppArmor, gone in 1\.33/),
      expect.stringMatching(
        /flowschemas .*asked for since the API server started by kubernetes-admin, kubectl\/v1\.31\.1; written by shop-deploy \(flowschemas probes\), shop-deploy \(flowschemas shop\)/,
      ),
      expect.stringMatching(
        /config\.yaml differs .*: evictionHard\.memory\.available 200Mi → 100Mi, maxPods 200 → not set;/,
      ),
      expect.stringMatching(/kube-apiserver\.yaml .*: --goaway-chance 0\.001 → not set;/),
      expect.stringMatching(/kube-scheduler\.yaml .*: --profiling true → false;/),
      expect.stringMatching(/etcd\.yaml .*: --quota-backend-bytes 8589934592 → not set;/),
    ]);
  });
});
