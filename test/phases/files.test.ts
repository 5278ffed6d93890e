// The files that machines get, as they lie there.
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { intend } from '../../src/engine/plan.ts';
import { pauseImage } from '../../src/model/versions.ts';
import type { World } from '../../src/model/world.ts';
import { merge, renderContainerdConfig } from '../../src/phases/containerd-config.ts';
import { phases } from '../../src/phases/index.ts';
import { bareWorld, cluster, convergedWorld, everything, host, withFacts } from '../sample.ts';

function contentOf(path: string, name = 'k8s-worker1', world: World = convergedWorld()): string {
  for (const { host: at, wants } of intend(world, phases, everything)) {
    for (const want of wants) {
      if (at.name !== name || want.kind !== 'resource' || want.key !== `file:${path}`) continue;
      const { desired } = want;
      if (typeof desired === 'object' && desired !== null && 'content' in desired)
        return String(Object.entries(desired).find(([key]) => key === 'content')?.[1]);
    }
  }
  throw new Error(`${name} gets no ${path}`);
}

const extra = {
  plugins: {
    'io.containerd.cri.v1.runtime': {
      restrict_oom_score_adj: true,
      containerd: { runtimes: { runc: { options: { BinaryName: '/usr/bin/crun' } } } },
    },
  },
  metrics: { address: '127.0.0.1:1338' },
};

describe('containerd’s config', () => {
  it.each(['2.0.0', '2.1.5', '2.3.0'])('for %s', async version => {
    const text = renderContainerdConfig(version, pauseImage('v1.31.13'), extra);
    await expect(text).toMatchFileSnapshot(`../golden/containerd/config-${version}.toml`);
    // The user's keys are there, over ours, beside ours.
    expect(parse(text)).toMatchObject({
      metrics: { address: '127.0.0.1:1338' },
      plugins: {
        'io.containerd.cri.v1.runtime': {
          restrict_oom_score_adj: true,
          cni: { conf_dir: '/etc/cni/net.d' },
          containerd: {
            runtimes: {
              runc: {
                runtime_type: 'io.containerd.runc.v2',
                options: { SystemdCgroup: true, BinaryName: '/usr/bin/crun' },
              },
            },
          },
        },
      },
    });
  });

  it('is the same text every time', () => {
    expect(renderContainerdConfig('2.1.5', 'p', extra)).toBe(renderContainerdConfig('2.1.5', 'p', extra));
  });

  it('merges objects key by key and replaces everything else', () => {
    expect(merge({ a: { b: 1, c: [1] }, d: 1 }, { a: { c: [2] }, d: { e: null } })).toEqual({
      a: { b: 1, c: [2] },
      d: { e: null },
    });
  });

  it('pins the sandbox image that kubeadm of that version expects', () => {
    expect(['v1.30.4', 'v1.31.13', 'v1.34.0', 'v1.36.0'].map(pauseImage)).toEqual(
      ['3.9', '3.10', '3.10.1', '3.10.2'].map(tag => `registry.k8s.io/pause:${tag}`),
    );
  });
});

describe('the pod network’s files', () => {
  it('are a unit with a route to every other machine', async () => {
    const text = contentOf('/etc/systemd/system/homelab-network.service');
    await expect(text).toMatchFileSnapshot('../golden/network/homelab-network.service');
    expect(text.match(/^ExecStart=.* route replace /gm)).toHaveLength(3);
    expect(text).not.toContain('10.244.1.0/24');
  });

  it('are a CNI configuration with the machine’s own pod subnet', async () => {
    const text = contentOf('/etc/cni/net.d/10-homelab.conflist');
    await expect(text).toMatchFileSnapshot('../golden/network/10-homelab.conflist');
    expect(JSON.parse(text)).toMatchObject({ plugins: [{ ipam: { ranges: [[{ subnet: '10.244.1.0/24' }]] } }, {}] });
  });

  it('route to nobody in a cluster of one', () => {
    const alone = { cluster: { ...cluster, hosts: [host('k8s-cp')] }, bundle: undefined };
    const text = contentOf('/etc/systemd/system/homelab-network.service', 'k8s-cp', convergedWorld(alone));
    expect(text).not.toContain('route replace');
  });
});

describe('apt’s files', () => {
  it('are a source signed by its own key', async () => {
    await expect(contentOf('/etc/apt/sources.list.d/homelab-kubernetes.sources')).toMatchFileSnapshot(
      '../golden/apt/homelab-kubernetes.sources',
    );
    await expect(contentOf('/etc/apt/sources.list.d/homelab-containerd.sources')).toMatchFileSnapshot(
      '../golden/apt/homelab-containerd.sources',
    );
  });

  it('say the machine’s own distribution where the address depends on it', () => {
    const os = { id: 'ubuntu', versionId: '24.04', codename: 'noble', pretty: 'Ubuntu 24.04 LTS' };
    const text = contentOf(
      '/etc/apt/sources.list.d/homelab-containerd.sources',
      'k8s-worker1',
      withFacts(bareWorld(), 'k8s-worker1', { os }),
    );
    expect(text).toContain('/ubuntu');
    expect(text).toContain('Suites: noble');
  });

  it('pin away what nobody asked for', async () => {
    const repository = {
      url: 'https://mirror.home.arpa/debian',
      suite: 'testing',
      components: ['main'],
      pin: ['containerd'],
      key: { kind: 'none' as const },
    };
    const world = bareWorld({
      cluster: { ...cluster, containerd: { ...cluster.containerd, repository } },
      bundle: undefined,
    });
    await expect(contentOf('/etc/apt/preferences.d/homelab-containerd', 'k8s-worker1', world)).toMatchFileSnapshot(
      '../golden/apt/preferences-containerd',
    );
    expect(contentOf('/etc/apt/sources.list.d/homelab-containerd.sources', 'k8s-worker1', world)).toContain(
      'Trusted: yes',
    );
  });
});

describe('the endpoint’s name', () => {
  const wantsBlock = (endpoint: string | undefined) => {
    const world = bareWorld({
      cluster: { ...cluster, kubernetes: { ...cluster.kubernetes, endpoint } },
      bundle: undefined,
    });
    return intend(world, phases, everything).some(({ wants }) =>
      wants.some(want => want.kind === 'resource' && want.key === 'block:/etc/hosts'),
    );
  };

  it('stands in /etc/hosts, an address does not', () => {
    expect([wantsBlock('k8s-api.home.arpa'), wantsBlock('192.168.0.250'), wantsBlock(undefined)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('a machine that is a container', () => {
  const world = withFacts(bareWorld(), 'k8s-worker1', { container: true, virtualization: 'systemd-nspawn' });
  const keys = intend(world, phases, everything)
    .filter(({ host: at, phase }) => at.name === 'k8s-worker1' && phase.id === 'host-base')
    .flatMap(({ wants }) => wants.map(want => (want.kind === 'resource' ? want.key : want.kind)));

  it('is left alone where its host decides, and says so', () => {
    expect(keys).toContain('note');
    expect(keys.filter(key => /swap|modules|sysctl:kubernetes|timesyncd/.test(key))).toEqual([]);
    expect(keys).toContain('sysctl:network');
  });
});
