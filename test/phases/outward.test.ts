// How machines get out: registries and the proxy, as the files that say so.
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../src/model/cluster.ts';
import { controlPlaneTaint, runsEverything } from '../../src/model/cluster.ts';
import type { Phase } from '../../src/model/plan.ts';
import { hostBase } from '../../src/phases/host-base.ts';
import { kubePackages } from '../../src/phases/kube-packages.ts';
import { aptProxy, noProxyOf, proxyOf } from '../../src/phases/proxy.ts';
import { registryFiles } from '../../src/phases/registries.ts';
import { dash } from '../dash.ts';
import { clusterOf, minimal } from '../inventory/helpers.ts';
import { bareWorld, cluster, host } from '../sample.ts';

const contentOf = (desired: unknown) => String(Reflect.get(Object(desired), 'content'));

describe('registries', () => {
  const credentials = { username: 'me', password: { kind: 'env', name: 'X' } } as const;
  const files = registryFiles([
    {
      host: 'docker.io',
      mirrors: ['https://mirror.test:5000', 'http://plain.test/v2/hub'],
      ca: undefined,
      credentials: undefined,
    },
    { host: 'mirror.test:5000', mirrors: [], ca: 'PEM\n', credentials },
    { host: 'plain.test', mirrors: [], ca: undefined, credentials: undefined },
  ]);
  const find = (path: string) => {
    const found = files.find(({ key }) => key === `file:/etc/containerd/certs.d/${path}`);
    if (!found) throw new Error(`no ${path}: ${files.map(({ key }) => key).join(', ')}`);
    return found;
  };

  it('have one file each, and a CA where one is given', () => {
    expect(files.map(({ key }) => key.replace('file:/etc/containerd/certs.d/', ''))).toEqual([
      'docker.io/hosts.toml',
      'mirror.test:5000/ca.crt',
      'mirror.test:5000/hosts.toml',
      'plain.test/hosts.toml',
      'old-registries',
    ]);
    expect(parse(contentOf(find('plain.test/hosts.toml').desired))).toEqual({ server: 'https://plain.test' });
  });

  it('that left the inventory are known by the first line of what was written for them', () => {
    const old = files.find(({ key }) => key === 'old-registries');
    const change = find('plain.test/hosts.toml').change('absent', []);
    const [first = 'nothing'] = change?.diff?.match(/(?<=^\+).+/m) ?? [];
    expect(first).toContain('Written by homelab');
    expect(old?.read).toContain(first);
    expect(old?.parse('plain.test\nold.test\n')).toEqual(['old.test']);
  });

  it('are asked after their mirrors, with the login and CA that stand under a mirror’s own host', () => {
    const change = find('docker.io/hosts.toml').change('absent', []);
    const printed = /^content\(\) \{\n[\s\S]*?\n\}\n/.exec(change?.action.script ?? '')?.[0] ?? '';
    const { stdout, code } = dash(`set -eu\nLOGIN_0='pass:word'\n${printed}content\n`);
    expect(code).toBe(0);
    expect(parse(stdout)).toEqual({
      server: 'https://registry-1.docker.io',
      host: {
        'https://mirror.test:5000': {
          capabilities: ['pull', 'resolve'],
          ca: '/etc/containerd/certs.d/mirror.test:5000/ca.crt',
          header: { Authorization: `Basic ${Buffer.from('me:pass:word').toString('base64')}` },
        },
        'http://plain.test/v2/hub': { capabilities: ['pull', 'resolve'] },
      },
    });
    // containerd asks in the order of the file.
    expect(stdout.indexOf('mirror.test')).toBeLessThan(stdout.indexOf('plain.test'));
    expect(change?.diff).toContain('Authorization = "Basic [redacted]"');
  });
});

describe('the proxy', () => {
  const behind: Cluster = {
    ...cluster,
    proxy: { http: 'http://proxy.test:3128', https: 'http://proxy.test:3129', no: ['.home.arpa', '192.168.0.12/31'] },
  };

  it('is passed by for everything that the cluster is made of', () => {
    expect(noProxyOf(behind)).toEqual([
      'localhost',
      '127.0.0.1',
      '192.168.0.10',
      '192.168.0.11',
      'k8s-api.home.arpa',
      '10.244.0.0/16',
      '10.96.0.0/12',
      '.svc',
      '.cluster.local',
      '.home.arpa',
      '192.168.0.12/31',
    ]);
  });

  it('is written for units and for apt', async () => {
    const unit = proxyOf('containerd.service', 'proxy', behind);
    await expect(contentOf(unit.desired)).toMatchFileSnapshot('../golden/proxy/homelab-proxy.conf');
    await expect(contentOf(aptProxy(behind).desired)).toMatchFileSnapshot('../golden/proxy/90homelab-proxy');
  });

  it('that the inventory has no longer is taken away', () => {
    for (const resource of [proxyOf('kubelet.service', 'proxy', cluster), aptProxy(cluster)]) {
      expect(resource.change(false, [])).toBeUndefined();
      expect(resource.change(true, [])?.action.script).toContain('rm -f');
    }
  });
});

describe('the inventory', () => {
  it('gives registries and proxy', () => {
    const text = `${minimal}proxy: {https: "http://proxy.test:3128"}
containerd:
  registries:
    ghcr.io: {credentials: {username: me, password: "\${env:GHCR_TOKEN}"}}
    registry.k8s.io: {mirrors: ["https://mirror.test:5000"]}
`;
    const { proxy, containerd } = clusterOf(text);
    expect(proxy).toEqual({ http: undefined, https: 'http://proxy.test:3128', no: [] });
    expect(containerd.registries).toEqual([
      {
        host: 'ghcr.io',
        mirrors: [],
        ca: undefined,
        credentials: { username: 'me', password: { kind: 'env', name: 'GHCR_TOKEN' } },
      },
      { host: 'registry.k8s.io', mirrors: ['https://mirror.test:5000'], ca: undefined, credentials: undefined },
    ]);
  });
});

describe('a bundle', () => {
  const entry = (name: string, version = '1') => ({
    kind: 'deb' as const,
    name,
    version,
    arch: 'amd64',
    path: `/bundle/${name}`,
    sha256: 'a'.repeat(64),
    bytes: 1,
  });

  it('has all its added packages installed in one go, and the cluster’s own when their time comes', () => {
    const entries = ['socat', 'libwrap0', 'cri-tools', 'kubeadm', 'containerd.io'].map(name => entry(name));
    const world = bareWorld({ cluster, bundle: { dir: '/bundle', entries } });
    const keys = (phase: Phase) =>
      phase
        .wants(world, host('k8s-cp'))
        .flatMap(want => (want.kind === 'resource' && want.key.startsWith('packages:') ? [want.key] : []));
    expect(keys(hostBase)[0]).toBe('packages:conntrack,ethtool,iptables,socat,ca-certificates,libwrap0');
    expect(keys(kubePackages)).toEqual(['packages:kubeadm,kubelet,kubectl,kubernetes-cni,cri-tools']);
  });
});

describe('a control plane', () => {
  const alone = { ...cluster, hosts: [host('k8s-cp')] };

  it('runs everything where no worker is, unless its inventory says otherwise', () => {
    expect(runsEverything(cluster, host('k8s-cp'))).toBe(false);
    expect(runsEverything(alone, host('k8s-cp'))).toBe(true);
    const kept = { ...host('k8s-cp'), taints: [controlPlaneTaint] };
    expect(runsEverything({ hosts: [kept] }, kept)).toBe(false);
  });
});
