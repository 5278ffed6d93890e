import { describe, expect, it } from 'vitest';
import type { Want } from '../../src/model/plan.ts';
import type { World } from '../../src/model/world.ts';
import { upgradeCheck } from '../../src/phases/upgrade-check/index.ts';
import { bundledVersions, hopsBefore, repositoryOf, runningVersions } from '../../src/upgrade/running.ts';
import { bareWorld, cluster, host, sampleBundle, withFacts } from '../sample.ts';
import { upgradeWorld } from '../upgrade-sample.ts';

const gib = 1024 ** 3;

function told(world: World, name: string, hops = ['v1.32.0']) {
  const wants = upgradeCheck(hops).wants(world, host(name));
  const of = (kind: Want['kind']) => wants.filter(want => want.kind === kind);
  return { notes: of('note').map(want => ('text' in want ? want.text : '')), refusals: of('refusal') };
}

const said = (world: World, name = 'k8s-cp', hops = ['v1.32.0']) => {
  const { notes, refusals } = told(world, name, hops);
  return [...notes, ...refusals.map(each => JSON.stringify(each))].join('\n');
};

describe('the check before an upgrade', () => {
  it('has nothing to say of a cluster that is in order, and shows what it looked at', () => {
    const world = upgradeWorld('v1.32.0');
    for (const { name } of cluster.hosts) expect(told(world, name)).toEqual({ notes: [], refusals: [] });
    const probes = upgradeCheck(['v1.32.0']).probes(world);
    const ids = (name: string) => probes.filter(probe => probe.host === name).map(({ id }) => id);
    expect(ids('k8s-cp')).toEqual([
      'way',
      'containerd',
      'cgroup',
      'kernel',
      'os',
      'brings',
      'settings',
      'removed-apis',
      'kubelet-config',
      'manifests',
      'certificates',
      'room',
      'packages-v1.32.0',
      'images',
    ]);
    expect(ids('k8s-worker1')).toEqual([
      'way',
      'containerd',
      'cgroup',
      'kernel',
      'os',
      'settings',
      'kubelet-config',
      'room',
      'packages-v1.32.0',
      'images',
    ]);
  });

  it('shows what runs and where it goes', () => {
    const probes = upgradeCheck(['v1.32.0', 'v1.33.0']).probes(upgradeWorld('v1.33.0'));
    expect(probes.filter(({ id }) => id === 'way').map(probe => 'observed' in probe && probe.observed)).toEqual([
      'API server v1.31.13, kubelet v1.31.13 → v1.32.0 → v1.33.0',
      ...Array.from({ length: 3 }, () => 'kubelet v1.31.13 → v1.32.0 → v1.33.0'),
    ]);
  });

  it('is silent where all is done, and in a rehearsal, where nothing was read', () => {
    const world = upgradeWorld('v1.31.13');
    expect(upgradeCheck([]).probes(world)).toEqual([]);
    expect(upgradeCheck(['v1.31.13']).probes(world)).toEqual([]);
    expect(upgradeCheck(['v1.32.0']).probes(bareWorld())).toEqual([]);
    expect(upgradeCheck(['v1.32.0']).wants(bareWorld(), host('k8s-cp'))).toEqual([]);
  });

  it('refuses what does not run with the version, and notes what nobody tested', () => {
    const world = upgradeWorld('v1.35.0');
    expect(told(withFacts(world, 'k8s-worker1', { cgroup: 1 }), 'k8s-worker1', ['v1.35.0']).refusals).toMatchObject([
      { id: 'cgroup' },
    ]);
    expect(told(withFacts(world, 'k8s-worker1', { containerd: '2.0.0' }), 'k8s-worker1').notes).toMatchObject([
      /2\.0\.1/,
    ]);
    expect(told(withFacts(world, 'k8s-worker1', { kernel: '4.15.0-1' }), 'k8s-worker1').notes).toMatchObject([
      /kernel 4\.15/,
    ]);
    const old = { id: 'debian', versionId: '10', codename: 'buster', pretty: 'Debian 10' };
    expect(told(withFacts(world, 'k8s-worker1', { os: old }), 'k8s-worker1').notes).toMatchObject([/Debian 10/]);
  });

  it.each([
    [
      'in its own file',
      upgradeWorld('v1.33.0', 'k8s-worker1', { kubeletConfig: { featureGates: { AppArmor: true } } }),
      'k8s-worker1',
      /config\.yaml has AppArmor, gone in 1\.33/,
    ],
    [
      'in a flag of the kubelet',
      upgradeWorld('v1.33.0', 'k8s-worker1', {
        kubeletFlags: [{ file: '/etc/default/kubelet', flag: '--feature-gates=AppArmor=true' }],
      }),
      'k8s-worker1',
      /\/etc\/default\/kubelet has AppArmor/,
    ],
    [
      'which is a flag of the kubelet',
      upgradeWorld('v1.33.0', 'k8s-worker1', {
        kubeletFlags: [{ file: '/etc/default/kubelet', flag: '--iptables-drop-bit=15' }],
      }),
      'k8s-worker1',
      /--iptables-drop-bit, gone in 1\.31/,
    ],
    [
      "in the kubelets' ConfigMap",
      upgradeWorld(
        'v1.33.0',
        '',
        {},
        {
          cluster: {
            kubeletConfig: { featureGates: { AppArmor: true } },
            proxyGates: {},
            kubeadmGates: {},
            requestedApis: [],
            askedApis: [],
            writtenApis: [],
          },
        },
      ),
      'k8s-cp',
      /ConfigMap kubelet-config has AppArmor.*edit configmap kubelet-config/,
    ],
    [
      "in kube-proxy's",
      upgradeWorld(
        'v1.33.0',
        '',
        {},
        {
          cluster: {
            kubeletConfig: 'unknown',
            proxyGates: { AppArmor: true },
            kubeadmGates: {},
            requestedApis: [],
            askedApis: [],
            writtenApis: [],
          },
        },
      ),
      'k8s-cp',
      /ConfigMap kube-proxy has AppArmor/,
    ],
    [
      "among kubeadm's own",
      upgradeWorld(
        'v1.33.0',
        '',
        {},
        {
          cluster: {
            kubeletConfig: 'unknown',
            proxyGates: {},
            kubeadmGates: { EtcdLearnerMode: true },
            requestedApis: [],
            askedApis: [],
            writtenApis: [],
          },
        },
      ),
      'k8s-cp',
      /EtcdLearnerMode, gone in 1\.33/,
    ],
  ])('refuses a setting that is gone %s', (_, world, name, pattern) => {
    expect(told(world, name, ['v1.32.0', 'v1.33.0']).refusals).toMatchObject([{ id: 'settings' }]);
    expect(said(world, name, ['v1.32.0', 'v1.33.0'])).toMatch(pattern);
  });

  it("refuses a setting that is gone in the control plane's arguments", () => {
    const world = upgradeWorld('v1.33.0');
    if (world.live === 'unknown') throw new Error('the sample is alive');
    const args = {
      ...world.live.args,
      'kube-apiserver': { 'cloud-provider': 'external', 'feature-gates': 'AppArmor=true' },
    };
    expect(said({ ...world, live: { ...world.live, args } }, 'k8s-cp', ['v1.33.0'])).toMatch(
      /ClusterConfiguration, kube-apiserver has --cloud-provider, gone in 1\.33, AppArmor, gone in 1\.33/,
    );
  });

  it('takes no offence at the flag that kubeadm removes itself', () => {
    expect(told(upgradeWorld('v1.35.0'), 'k8s-worker1', ['v1.35.0']).refusals).toEqual([]);
  });

  it('notes APIs that end, with who uses them and what to type', () => {
    const requestedApis = [
      { group: 'flowcontrol.apiserver.k8s.io', version: 'v1beta3', resource: 'flowschemas', removedRelease: '1.32' },
    ];
    const writtenApis = [
      { object: 'flowschemas probes', api: 'flowcontrol.apiserver.k8s.io/v1beta3', manager: 'helm' },
    ];
    const ofCluster = {
      kubeletConfig: 'unknown',
      proxyGates: {},
      kubeadmGates: {},
      requestedApis,
      askedApis: [],
      writtenApis,
    } as const;
    const world = upgradeWorld('v1.32.0', '', {}, { cluster: ofCluster });
    expect(told(world, 'k8s-cp').notes).toEqual([
      expect.stringMatching(
        /flowschemas of .*v1beta3 is gone in Kubernetes 1\.32 \(asked for .*; written by helm \(flowschemas probes\)\).*kubectl convert -f FILE --output-version flowcontrol\.apiserver\.k8s\.io\/v1$/,
      ),
    ]);
    expect(told(world, 'k8s-cp').refusals).toEqual([]);
    expect(told(world, 'k8s-worker1').notes).toEqual([]);
  });

  it('notes what kubeadm would write over, and where it would stay', () => {
    expect(
      said(
        upgradeWorld('v1.32.0', 'k8s-worker2', {
          kubeletConfig: { clusterDNS: ['10.96.0.10'], rotateCertificates: true, maxPods: 200 },
        }),
        'k8s-worker2',
      ),
    ).toMatch(/maxPods 200 → not set; .*edit configmap kubelet-config/);
    const rewritten = [{ manifest: 'kube-apiserver', out: ['- --v=4'], in: [] }];
    expect(said(upgradeWorld('v1.32.0', '', {}, { rewritten }))).toMatch(
      /kube-apiserver\.yaml .*--v 4 → not set; .*edit configmap kubeadm-config/,
    );
    const manifests = {
      etcd: {
        image: 'registry.k8s.io/etcd:3.5.15-0',
        flags: { 'listen-metrics-urls': 'http://0.0.0.0:2381', 'quota-backend-bytes': '8' },
      },
    };
    expect(said(upgradeWorld('v1.32.0', '', {}, { manifests }))).toMatch(
      /etcd\.yaml .*--quota-backend-bytes 8 → not set/,
    );
  });

  it('refuses certificates that have ended, and notes a CA that ends soon', () => {
    const at = (name: string, endsMs: number) => upgradeWorld('v1.32.0', '', {}, { certificates: [{ name, endsMs }] });
    expect(said(at('pki/apiserver.crt', Date.UTC(2026, 4, 1)))).toMatch(
      /apiserver\.crt 2026-05-01.*homelab certs renew/,
    );
    expect(said(at('pki/ca.crt', Date.UTC(2026, 7, 1)))).toMatch(
      /pki\/ca\.crt ends 2026-08-01 and no upgrade renews a CA/,
    );
    // Its own kubelet renews it.
    expect(said(at('kubelet.conf', Date.UTC(2026, 4, 1)))).toBe('');
  });

  it('refuses a disk without room, with what may be deleted there', () => {
    const disks = [{ path: '/var/lib/containerd', device: 'sdb', freeBytes: 15 * gib, totalBytes: 100 * gib }];
    expect(said(upgradeWorld('v1.32.0', 'k8s-worker1', { disks }), 'k8s-worker1')).toMatch(
      /no room.*15\.0 GiB free, needs 15\.5 GiB/,
    );
    // The kubelet of this machine needs less of it.
    const kubeletConfig = {
      clusterDNS: ['10.96.0.10'],
      rotateCertificates: true,
      evictionHard: { 'imagefs.available': '1Gi' },
    };
    expect(said(upgradeWorld('v1.32.0', 'k8s-worker1', { disks, kubeletConfig }), 'k8s-worker1')).not.toMatch(
      /no room/,
    );
    const tight = [{ path: '/etc/kubernetes', device: 'sda', freeBytes: gib / 8, totalBytes: 100 * gib }];
    expect(said(upgradeWorld('v1.32.0', 'k8s-cp', { disks: tight }, { leftoverBytes: gib }))).toMatch(
      /kubeadm-backup-\* \(1\.0 GiB from earlier upgrades\)/,
    );
  });

  it('notes a node that is not Ready, once', () => {
    const world = upgradeWorld('v1.32.0');
    if (world.nodes === 'unknown') throw new Error('the sample has nodes');
    const nodes = world.nodes.map(node => (node.name === 'k8s-worker3' ? { ...node, ready: false } : node));
    expect(told({ ...world, nodes }, 'k8s-cp').notes).toMatchObject([/k8s-worker3 is not Ready/]);
    expect(told({ ...world, nodes }, 'k8s-worker1').notes).toEqual([]);
  });
});

describe('packages and images of an upgrade', () => {
  const probe = (world: World, name: string, id: string, hops = ['v1.32.0']) => {
    const found = upgradeCheck(hops)
      .probes(world)
      .find(each => each.host === name && each.id === id);
    if (!found) throw new Error(`no ${id} of ${name}`);
    return found;
  };
  const with132 = (world: World): World => ({
    ...world,
    bundle: sampleBundle({ ...cluster, kubernetes: { ...cluster.kubernetes, version: 'v1.32.0' } }),
  });

  it('may be in the bundle', () => {
    expect(probe(with132(upgradeWorld('v1.32.0')), 'k8s-worker1', 'packages-v1.32.0')).toMatchObject({
      kind: 'known',
      observed: 'in the bundle',
    });
    expect(
      probe(with132(upgradeWorld('v1.33.0')), 'k8s-worker1', 'packages-v1.33.0', ['v1.32.0', 'v1.33.0']),
    ).toMatchObject({ kind: 'read' });
    const arm = withFacts(with132(upgradeWorld('v1.32.0')), 'k8s-worker1', { arch: 'arm64' });
    expect(probe(arm, 'k8s-worker1', 'packages-v1.32.0').kind).toBe('read');
  });

  it('are looked for in the repository of their own minor, and the versions there are told', () => {
    const found = probe(upgradeWorld('v1.33.0'), 'k8s-worker1', 'packages-v1.32.0', ['v1.32.0', 'v1.33.0']);
    if (found.kind !== 'read') throw new Error('it is to be looked for');
    expect(found.script).toContain('/v1.32/deb/');
    const judge = (stdout: string) => found.judge({ code: 0, stdout, stderr: '' });
    const all = (version: string) => ['kubeadm', 'kubelet', 'kubectl'].map(name => `${name} ${version}`).join('\n');
    expect(judge(`reached\n${all('1.32.1-1.1')}\n${all('1.32.0-1.1')}`).ok).toBe(true);
    expect(judge(`reached\n${all('1.32.1-1.1')}`)).toMatchObject({
      ok: false,
      observed: expect.stringContaining('1.32.1-1.1'),
    });
    expect(judge('')).toMatchObject({ ok: false, hint: expect.stringContaining('--bundle DIR') });
  });

  it('may be on the machine already, exact ones and those that must only be new enough', () => {
    const images = ['kube-proxy:v1.32.0', 'pause:3.10', 'coredns/coredns:v1.12.0'].map(
      name => `registry.k8s.io/${name}`,
    );
    const world = (over: readonly string[]) => upgradeWorld('v1.32.0', 'k8s-worker1', { images: over });
    expect(probe(world(images), 'k8s-worker1', 'images')).toMatchObject({ kind: 'known', observed: 'all there' });
    for (const image of images)
      expect(probe(world(images.filter(each => each !== image)), 'k8s-worker1', 'images').kind, image).toBe('read');
    const old = images.map(image => image.replace('v1.12.0', 'v1.11.1'));
    expect(probe(world(old), 'k8s-worker1', 'images').kind).toBe('read');
  });

  it('need the registry where they are missing, unless it has a mirror', () => {
    const found = probe(upgradeWorld('v1.32.0'), 'k8s-cp', 'images');
    if (found.kind !== 'read') throw new Error('it is to be asked');
    expect(found.judge({ code: 0, stdout: 'reached\n', stderr: '' }).ok).toBe(true);
    expect(found.judge({ code: 0, stdout: '', stderr: '' })).toMatchObject({
      ok: false,
      observed: expect.stringContaining('kube-apiserver:v1.32.0'),
    });
    const world = upgradeWorld('v1.32.0');
    const registries = [
      { host: 'registry.k8s.io', mirrors: ['https://mirror.test'], ca: undefined, credentials: undefined },
    ];
    const mirrored = {
      ...world,
      cluster: { ...world.cluster, containerd: { ...world.cluster.containerd, registries } },
    };
    expect(probe(mirrored, 'k8s-cp', 'images')).toMatchObject({ kind: 'known', ok: true });
  });
});

describe('what runs', () => {
  it('is what API servers and kubelets say', () => {
    expect(runningVersions(upgradeWorld('v1.32.0'))).toEqual({
      apiServers: { 'k8s-cp': '1.31.13' },
      kubelets: { 'k8s-cp': '1.31.13', 'k8s-worker1': '1.31.13', 'k8s-worker2': '1.31.13', 'k8s-worker3': '1.31.13' },
    });
    expect(runningVersions(upgradeWorld('v1.32.0', '', {}, { apiServer: 'unknown' })).apiServers).toEqual({});
  });

  it('tells the hops that a machine has before it', () => {
    const hops = ['v1.32.0', 'v1.33.0'];
    expect(hopsBefore(upgradeWorld('v1.33.0', '', {}, { apiServer: '1.32.0' }), 'k8s-worker1', hops)).toEqual(hops);
    // Its API server is ahead of its kubelet.
    expect(hopsBefore(upgradeWorld('v1.33.0', '', {}, { apiServer: '1.32.0' }), 'k8s-cp', hops)).toEqual(hops);
    expect(hopsBefore(upgradeWorld('v1.31.13'), 'k8s-worker1', ['v1.31.13'])).toEqual([]);
    expect(hopsBefore(bareWorld(), 'k8s-cp', hops)).toEqual(hops);
  });

  it('may be told from a bundle, and from a repository of each minor', () => {
    expect(bundledVersions(sampleBundle())).toEqual(['1.31.13']);
    expect(bundledVersions(undefined)).toEqual([]);
    expect(repositoryOf(cluster.kubernetes.repository, '1.32.0').url).toBe(
      'https://pkgs.k8s.io/core:/stable:/v1.32/deb/',
    );
    expect(repositoryOf(cluster.kubernetes.repository, '1.32.0').key).toMatchObject({
      url: expect.stringContaining('/v1.32/'),
    });
    // What the inventory names itself stays: so does what bootstrap wants afterwards.
    const own = { ...cluster.kubernetes.repository, url: 'https://mirror.test/v1.31/deb/' };
    expect(repositoryOf(own, '1.32.0').url).toBe(own.url);
  });
});
