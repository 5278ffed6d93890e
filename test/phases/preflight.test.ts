// Each check judged both ways, on what real machines said: test/fixtures/preflight holds every fragment's answer on a bare lab machine
// and on the same one with everything broken.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { noAdapter } from '../../src/engine/adapters.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import type { Probe } from '../../src/model/plan.ts';
import type { Facts, World } from '../../src/model/world.ts';
import { preflight } from '../../src/phases/preflight/index.ts';
import { dash, type Said } from '../dash.ts';
import { bareWorld, cluster, convergedWorld, host, root, sampleBundle, withFacts, withMembership } from '../sample.ts';

type Answers = Readonly<Record<string, Said>>;
const recorded = (name: string): Answers =>
  JSON.parse(readFileSync(join(root, 'test/fixtures/preflight', `${name}.json`), 'utf8')) as Answers;
const healthy = recorded('healthy');
const broken = recorded('broken');

/** The sample with the eviction thresholds that the lab's inventory has: its guests' disk is their host's. */
const labLike: Cluster = {
  ...cluster,
  kubernetes: {
    ...cluster.kubernetes,
    kubeletConfig: { evictionHard: { 'nodefs.available': '1Gi', 'imagefs.available': '1Gi' } },
  },
};
const world = bareWorld({ cluster: labLike, bundle: undefined });

function probe(id: string, at = 'k8s-cp', of: World = world): Probe {
  const found = preflight.probes(of).find(each => each.id === id && each.host === at);
  if (!found) throw new Error(`${at} has no check ${id}`);
  return found;
}

function read(id: string, at?: string, of?: World): Extract<Probe, { readonly kind: 'read' }> {
  const found = probe(id, at, of);
  if (found.kind !== 'read') throw new Error(`${id} is ${found.kind}`);
  return found;
}

function known(id: string, of: World, at = 'k8s-worker1') {
  const found = probe(id, at, of);
  if (found.kind !== 'known') throw new Error(`${id} is ${found.kind}`);
  return found;
}

const judged = (id: string, said: Said | undefined, at?: string, of?: World) =>
  read(id, at, of).judge(said ?? { code: 1, stdout: '', stderr: 'not recorded' });
const saying = (stdout: string): Said => ({ code: 0, stdout, stderr: '' });

const readIds = preflight
  .probes(world)
  .filter(each => each.kind === 'read' && each.host === 'k8s-cp')
  .map(each => each.id)
  // The lab has no way to its registry; the sample's repositories are others than the lab's. Both have tests of their own.
  .filter(id => !['images', 'containerd-repository', 'kubernetes-repository'].includes(id));

describe('a bare machine of the lab', () => {
  it.each(readIds)('passes %s', id => {
    expect(judged(id, healthy[id])).toMatchObject({ ok: true });
  });
});

describe('a machine of the lab with everything broken', () => {
  it('is told each failed check with its value and what to type', async () => {
    const lines = readIds.flatMap(id => {
      const { ok, observed, hint } = judged(id, broken[id]);
      return ok
        ? []
        : [`${id}: ${observed.replace(/pid \d+/g, 'pid N')}\n  ${hint?.replace(/status \d+/g, 'status N')}\n`];
    });
    await expect(lines.join('')).toMatchFileSnapshot('../golden/preflight/broken.txt');
  });

  it('fails every check that was broken there', () => {
    const fine = readIds.filter(id => judged(id, broken[id]).ok);
    expect(fine).toEqual(['cpu', 'memory', 'resolv-conf']);
  });

  it('shows why a check could not be made, and how to see it', () => {
    expect(judged('ports', { code: 127, stdout: '', stderr: 'sh: 1: ss: not found\n' })).toEqual({
      ok: false,
      observed: 'sh: 1: ss: not found',
      hint: 'see why it says so: sudo ss -ltnp, on k8s-cp',
    });
  });
});

describe('too small a machine', () => {
  it('is one with less than kubeadm wants of a control plane', () => {
    expect(judged('cpu', saying('1\n'))).toMatchObject({
      ok: false,
      observed: '1',
      hint: expect.stringContaining('2 proc'),
    });
    expect(judged('memory', saying('1699\n'))).toMatchObject({ ok: false, observed: '1699 MiB' });
    expect(judged('memory', saying('1700\n'))).toMatchObject({ ok: true });
  });

  it('is not asked about of workers', () => {
    const asked = preflight.probes(world).filter(({ id }) => id === 'cpu' || id === 'memory');
    expect(new Set(asked.map(each => each.host))).toEqual(new Set(['k8s-cp']));
  });
});

describe('room on disks', () => {
  // size, available, inodes, free inodes: as `df` says them, one line a place
  const df = (free: number, freeInodes = 900_000) => saying(`100000000000 ${free} 1000000 ${freeInodes}\n`.repeat(3));
  const byDefault = bareWorld({ cluster, bundle: undefined });

  it("is the kubelet's own thresholds and what is about to come", () => {
    expect(judged('disk', df(18e9), 'k8s-cp', byDefault)).toMatchObject({ ok: true });
    expect(judged('disk', df(16e9), 'k8s-cp', byDefault)).toMatchObject({
      ok: false,
      observed: '/var/lib/containerd 14.9 GiB free, needs 16.0 GiB',
    });
    expect(judged('inodes', df(18e9, 80_000), 'k8s-cp', byDefault)).toMatchObject({
      ok: false,
      observed: '/var/lib/containerd 80000 free, needs 110000',
    });
  });

  it('is less where the machine is a member: images and etcd are there', () => {
    expect(judged('disk', df(16e9), 'k8s-cp', convergedWorld())).toMatchObject({ ok: true });
    expect(judged('disk', df(14e9), 'k8s-cp', convergedWorld())).toMatchObject({ ok: false });
  });

  it('has no limit of files where the filesystem has none', () => {
    expect(judged('inodes', saying('100000000000 90000000000 0 0\n'.repeat(3)), 'k8s-cp')).toMatchObject({ ok: true });
  });
});

describe('ports', () => {
  const line = (port: number, owner: string) =>
    `LISTEN 0      4096         *:${port}            *:*    users:(("${owner}",pid=77,fd=9))\n`;

  it('of a control plane are no business of a worker', () => {
    expect(judged('ports', saying(line(6443, 'nginx')), 'k8s-worker1')).toMatchObject({ ok: true });
    expect(judged('ports', saying(line(6443, 'nginx')), 'k8s-cp')).toMatchObject({ ok: false });
  });

  it('may be a kubelet’s that has no cluster: it is stopped before kubeadm runs', () => {
    expect(judged('ports', saying(line(10250, 'kubelet')))).toMatchObject({ ok: true });
  });
});

describe('ports that our own listener has', () => {
  it('are free: it was left by a run that was killed, and goes away by itself', () => {
    const line = 'LISTEN 0 4096 192.168.0.10:6443 0.0.0.0:* users:(("systemd-socket-",pid=77,fd=3))\n';
    expect(judged('ports', saying(`${line}ours 77\n`))).toMatchObject({ ok: true });
    expect(judged('ports', saying(`${line}ours 0\n`))).toMatchObject({ ok: false });
  });
});

describe('name servers', () => {
  it.each([
    ['/etc/resolv.conf\nmissing\n', '/etc/resolv.conf is missing'],
    ['/run/systemd/resolve/resolv.conf\n', 'no nameserver in /run/systemd/resolve/resolv.conf'],
  ])('%j: there is none', (output, observed) => {
    expect(judged('resolv-conf', saying(output))).toMatchObject({ ok: false, observed });
    expect(judged('dns-loop', saying(output))).toMatchObject({ ok: true });
  });

  it('are read from the file that the inventory gives the kubelet', () => {
    const own = {
      ...labLike,
      kubernetes: { ...labLike.kubernetes, kubeletConfig: { resolvConf: '/etc/own servers' } },
    };
    expect(read('dns-loop', 'k8s-cp', bareWorld({ cluster: own, bundle: undefined })).script).toContain(
      "file='/etc/own servers'",
    );
  });
});

describe('routes', () => {
  const routes = (...list: readonly object[]) => saying(JSON.stringify(list));

  it.each([
    [{ dst: '10.244.9.0/24', gateway: '192.168.0.1', dev: 'eno1' }, 'podSubnet'],
    [{ dst: '10.100.1.1', dev: 'wg0' }, 'serviceSubnet'],
    [{ dst: '10.0.0.0/8', dev: 'eno1', scope: 'link' }, 'podSubnet'],
  ])('%j goes into a subnet', (route, name) => {
    expect(judged('subnets', routes(route))).toMatchObject({
      ok: false,
      hint: expect.stringContaining(`kubernetes.${name}`),
    });
  });

  it.each([
    [{ dst: 'default', gateway: '192.168.0.1', dev: 'eno1' }],
    [{ dst: '192.168.0.0/24', dev: 'eno1' }],
    [{ dst: '0.0.0.0/1', gateway: '10.8.0.1', dev: 'tun0' }],
    [{ dst: '10.0.0.0/8', gateway: '192.168.0.254', dev: 'eno1' }],
    // Told as a leftover, not twice.
    [{ dst: '10.244.0.0/24', dev: 'cni0' }],
  ])('%j does not matter', route => {
    expect(judged('subnets', routes(route))).toMatchObject({ ok: true });
  });
});

const canUnshare = spawnSync('unshare', ['-n', 'nft', 'list', 'ruleset']).status === 0;
const hasIptables = spawnSync('sh', ['-c', 'command -v iptables']).status === 0;

describe.skipIf(!canUnshare || !hasIptables)(
  'a firewall, in a network namespace of its own (root, nft and iptables)',
  () => {
    const { script } = read('firewall', 'k8s-worker1');
    const look = (setUp: string) => {
      const said = dash(`set -eu\n${setUp}\n${script}`, { by: ['unshare', '-n'] });
      return judged('firewall', said, 'k8s-worker1');
    };
    const chain = (hook: string) =>
      `nft add chain inet filter ${hook} '{ type filter hook ${hook} priority 0; policy drop; }'`;

    it('is none', () => {
      expect(look(':')).toEqual({ ok: true, observed: 'no firewall' });
    });

    it('of nft that drops is told with the rules that open it, and they do', () => {
      const closed = `nft add table inet filter; ${chain('input')}; ${chain('forward')}`;
      const { ok, observed, hint = '' } = look(closed);
      expect([ok, observed]).toEqual([false, 'input drops by default, forward drops by default']);
      const rules = hint.slice(0, hint.indexOf(';')).replaceAll('sudo ', '');
      expect(rules).toContain("ip saddr '{ 192.168.0.10, 192.168.0.12, 192.168.0.13, 10.244.0.0/16 }' accept");
      expect(look(`${closed}; ${rules}`)).toMatchObject({ ok: true });
    });

    it('that docker leaves drops what is forwarded', () => {
      const closed = 'iptables -P FORWARD DROP';
      const { ok, observed, hint = '' } = look(closed);
      expect([ok, observed]).toEqual([false, 'forward drops by default']);
      expect(look(`${closed}; ${hint.slice(0, hint.indexOf(';')).replaceAll('sudo ', '')}`)).toMatchObject({
        ok: true,
      });
    });

    it.each([
      ['ufw', 'sudo ufw allow from 192.168.0.10 && '],
      ['firewalld', 'sudo firewall-cmd --permanent --zone=trusted --add-source=192.168.0.10 '],
    ])('called %s is opened with its own words', (name, hint) => {
      expect(judged('firewall', saying(`${name}\n`), 'k8s-worker1')).toMatchObject({
        ok: false,
        observed: name,
        hint: expect.stringContaining(hint),
      });
      expect(judged('firewall', saying(`${name}\nknown\n`), 'k8s-worker1')).toMatchObject({ ok: true });
    });
  },
);

describe('scripts that need nothing of a cluster', () => {
  it.each(['cpu', 'memory', 'disk', 'inodes', 'ports', 'subnets', 'cni-config', 'kubeadm-folders', 'dpkg'])(
    '%s is answered by this machine and judged',
    id => {
      const { script, judge } = read(id);
      const said = dash(`set -eu\n${script}`, { timeoutMs: 15_000 });
      expect([said.code, said.stderr]).toEqual([0, '']);
      expect(judge(said).observed).not.toBe('');
    },
  );
});

const isRoot = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0;

describe.skipIf(!isRoot)('package tools, in a mount namespace of their own (root)', () => {
  const look = (id: string, setUp: string) => {
    const { script, judge } = read(id);
    const own = `dir=$(mktemp -d /tmp/homelab-preflight.XXXXXX); trap 'umount /var/lib/dpkg; rm -rf "$dir"' EXIT
mkdir "$dir/dpkg" "$dir/dpkg/info" "$dir/dpkg/updates" "$dir/dpkg/triggers"
cp /var/lib/dpkg/status "$dir/dpkg/"; mount --bind "$dir/dpkg" /var/lib/dpkg; cd "$dir"`;
    // A dpkg that is at work on this computer, in a lab's guest for example, is none of this.
    return judge(
      dash(`set -eu\n${own}\n${setUp}\npgrep() { return 1; }\n( set -eu\n${script})\n`, { by: ['unshare', '-m'] }),
    );
  };
  /** As a package whose scripts fail leaves itself. */
  const brokenNamed = (name: string) => `mkdir -p deb/DEBIAN
printf 'Package: ${name}\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.com>\\nDescription: x\\n' >deb/DEBIAN/control
printf '#!/bin/sh\\nexit 1\\n' | tee deb/DEBIAN/preinst >deb/DEBIAN/postrm
chmod 755 deb/DEBIAN/p*
dpkg-deb --build deb x.deb >/dev/null; dpkg --install x.deb >/dev/null 2>&1 || true`;

  it('have no broken package', () => {
    expect(look('dpkg', ':')).toMatchObject({ ok: true, observed: 'none' });
  });

  it('have one that must be installed again, and what to type', () => {
    expect(look('dpkg', brokenNamed('homelab-broken'))).toEqual({
      ok: false,
      observed: 'homelab-broken',
      hint: expect.stringContaining('sudo apt-get install --reinstall homelab-broken;'),
    });
  });

  it.each(['kubernetes-cni', 'ebtables'])(
    'have %s, which our own install will mend: a machine rebooted in the middle of it',
    name => {
      expect(look('dpkg', brokenNamed(name))).toMatchObject({ ok: true });
    },
  );

  it.each([
    [
      'homelab-lonely',
      { ok: false, observed: 'homelab-lonely: unmet dependencies', hint: 'sudo apt-get --fix-broken install' },
    ],
    // An install of ours that was cut off: it goes on from there.
    ['kubernetes-cni', { ok: true, observed: 'in order' }],
  ])('have %s unpacked without what it needs', (name, verdict) => {
    const unpacked = `mkdir -p deb/DEBIAN
printf 'Package: ${name}\\nVersion: 1\\nArchitecture: all\\nDepends: libnothing\\nMaintainer: x <x@example.com>\\nDescription: x\\n' >deb/DEBIAN/control
dpkg-deb --build deb x.deb >/dev/null; dpkg --unpack x.deb >/dev/null 2>&1`;
    expect(look('apt', unpacked)).toEqual(verdict);
  });

  it('were interrupted: what installs next mends it', () => {
    expect(look('apt', 'touch "$dir/dpkg/updates/0001"')).toMatchObject({ ok: true });
  });

  it('read their sources, unless a line of them is nonsense', () => {
    const line = (text: string) =>
      `mkdir sources; echo '${text}' >sources/broken.list; mount --bind sources /etc/apt/sources.list.d`;
    const told = look('apt', line('deb nonsense'));
    expect(told).toMatchObject({ ok: false, hint: expect.stringContaining('/etc/apt/sources.list.d/broken.list;') });
    expect(told.observed).toContain('Malformed entry 1');
    expect(look('apt', line('# nothing'))).toMatchObject({ ok: true });
  });
});

describe('where packages come from', () => {
  const dir = mkdtempSync(join(tmpdir(), 'homelab-sources-'));
  const at = (url: string, suite: string): World => {
    const repository = { url, suite, components: ['main'], pin: [], key: { kind: 'none' as const } };
    return bareWorld({
      cluster: { ...cluster, kubernetes: { ...cluster.kubernetes, repository } },
      bundle: undefined,
    });
  };
  const look = (of: World) => {
    const { script, judge } = read('kubernetes-repository', 'k8s-cp', of);
    return judge(dash(`set -eu\n${script}`));
  };

  it('is a repository that is there, flat or with suites', () => {
    spawnSync('sh', ['-c', 'mkdir -p dists/bookworm && touch InRelease dists/bookworm/Release'], { cwd: dir });
    try {
      expect(look(at(`file:${dir}`, './'))).toMatchObject({ ok: true });
      expect(look(at(`file://${dir}`, '{codename}'))).toMatchObject({ ok: true });
      expect(look(at(`file:${dir}/none/`, '/'))).toMatchObject({
        ok: false,
        observed: `no answer from file:${dir}/none/`,
      });
      expect(look(at(`file:${dir}`, 'trixie'))).toEqual({
        ok: false,
        observed: `no answer from file:${dir}/dists/trixie/`,
        hint: expect.stringContaining('kubeadm, kubelet, kubectl: give them with --bundle DIR'),
      });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('is the bundle, without a question, for every package and image that it has', () => {
    const bundle = sampleBundle();
    const images = ['kube-controller-manager', 'kube-scheduler', 'kube-proxy'].map(
      name => `${name}:${cluster.kubernetes.version}`,
    );
    const entries = [...images, 'etcd:3.5.15-0', 'coredns/coredns:v1.11.3'].map(name => ({
      ...(bundle.entries[0] as (typeof bundle.entries)[number]),
      kind: 'image' as const,
      name: `registry.k8s.io/${name}`,
    }));
    const whole = bareWorld({ cluster, bundle: { ...bundle, entries: [...bundle.entries, ...entries] } });
    for (const id of ['kubernetes-repository', 'containerd-repository'])
      expect(known(id, whole)).toMatchObject({ ok: true, observed: 'in the bundle' });
    expect(known('images', whole)).toMatchObject({ ok: true, observed: 'all in the bundle' });
    expect(known('images', whole, 'k8s-cp')).toMatchObject({ ok: true });
  });

  it('is the registry for images that the bundle lacks, and those are named when it does not answer', () => {
    const half = bareWorld({ cluster, bundle: sampleBundle() });
    expect(judged('images', saying('reached\n'), 'k8s-worker1', half)).toMatchObject({ ok: true });
    expect(judged('images', saying(''), 'k8s-worker1', half)).toMatchObject({
      ok: false,
      observed: `registry.k8s.io does not answer, and the bundle lacks registry.k8s.io/kube-proxy:${cluster.kubernetes.version}, registry.k8s.io/coredns/coredns`,
    });
    const there = `registry.k8s.io/kube-proxy:${cluster.kubernetes.version}\nregistry.k8s.io/coredns/coredns:v1.11.3\n`;
    expect(judged('images', saying(there), 'k8s-worker1', half)).toMatchObject({ ok: true, observed: 'all there' });
  });

  it('is none where the installer’s disc is still asked', () => {
    expect(
      judged('apt-sources', saying('missing socat\nno cdrom:\nyes http://deb.debian.org/debian/dists/bookworm\n')),
    ).toMatchObject({
      ok: false,
      hint: expect.stringContaining("sed -i '/^deb cdrom:"),
    });
  });
});

describe('clones', () => {
  const twin = (facts: Partial<Facts>): World =>
    withFacts(withFacts(world, 'k8s-worker1', facts), 'k8s-worker2', facts);

  it.each([
    ['hostname', { hostname: 'debian' }, 'sudo hostnamectl set-hostname k8s-worker2'],
    ['machine-id', { machineId: 'd1e5' }, 'sudo systemd-machine-id-setup'],
    ['product-uuid', { productUuid: '4c4c', virtualization: 'vmware' }, 'in its hypervisor'],
  ])('have the same %s; the later one is told', (id, facts, hint) => {
    const both = twin(facts);
    expect(known(id, both, 'k8s-worker1').ok).toBe(true);
    expect(known(id, both, 'k8s-worker2')).toMatchObject({
      ok: false,
      observed: expect.stringContaining('the same as k8s-worker1'),
      hint: expect.stringContaining(hint),
    });
  });

  it('of a member are told wherever they stand', () => {
    const both = withMembership(twin({ machineId: 'd1e5' }), 'k8s-worker2', {
      state: 'joined',
      role: 'worker',
      caHash: 'x',
    });
    expect(known('machine-id', both, 'k8s-worker1').ok).toBe(false);
  });

  it('share the MAC address of the card that has their address', () => {
    const nics = (of: string) => [
      { name: 'eno1', mac: '02:00:00:00:00:01', mtu: 1500, addresses: [`${host(of).address}/24`], ...noAdapter },
    ];
    const both = withFacts(withFacts(world, 'k8s-worker1', { nics: nics('k8s-worker1') }), 'k8s-worker2', {
      nics: nics('k8s-worker2'),
    });
    expect(known('mac', both, 'k8s-worker2')).toMatchObject({ ok: false });
    expect(known('mac', world, 'k8s-worker2')).toMatchObject({ ok: true });
  });

  it('on cheap boards share a UUID that nobody can change; that stops nothing', () => {
    expect(known('product-uuid', twin({ productUuid: '03000200' }), 'k8s-worker2')).toMatchObject({
      ok: true,
      observed: expect.stringContaining("board's maker"),
    });
  });

  it('are not made of machines without any: an empty machine-id is told, an unknown UUID is nobody’s', () => {
    expect(known('machine-id', withFacts(world, 'k8s-worker1', { machineId: '' }))).toMatchObject({
      ok: false,
      observed: 'none',
    });
    expect(known('product-uuid', twin({ productUuid: 'unknown', virtualization: 'kvm' }), 'k8s-worker2').ok).toBe(true);
  });
});

describe('what the machine is', () => {
  const is = (facts: Partial<Facts>, of = world) => withFacts(of, 'k8s-worker1', facts);
  const debian = (versionId: string) => ({
    os: { id: 'debian', versionId, codename: 'x', pretty: `Debian ${versionId}` },
  });
  const ubuntu = (versionId: string) => ({
    os: { id: 'ubuntu', versionId, codename: 'x', pretty: `Ubuntu ${versionId}` },
  });

  it.each([
    ['os', debian('11'), false],
    ['os', debian('12'), true],
    ['os', debian(''), true],
    ['os', ubuntu('20.04'), false],
    ['os', ubuntu('22.04'), true],
    ['kernel', { kernel: '4.18.0-553.el8' }, false],
    ['kernel', { kernel: '6.1.0-41-amd64' }, true],
    ['cgroup', { cgroup: 1 as const }, true],
    ['time', { clockOffsetMs: 301_000 }, false],
    ['time', { clockOffsetMs: -299_000 }, true],
    ['pod-links', { nics: [{ name: 'flannel.1', mac: '', mtu: 1450, addresses: [], ...noAdapter }] }, false],
    [
      'pod-links',
      { nics: [{ name: 'docker0', mac: '', mtu: 1500, addresses: ['172.17.0.1/16'], ...noAdapter }] },
      true,
    ],
  ])('%s of %j: %s', (id, facts, ok) => {
    expect(known(id, is(facts)).ok).toBe(ok);
  });

  it('has cgroup v1, which Kubernetes refuses from 1.35 on', () => {
    const later = { ...cluster, kubernetes: { ...cluster.kubernetes, version: 'v1.35.0' } };
    const found = known('cgroup', is({ cgroup: 1 }, bareWorld({ cluster: later, bundle: undefined })));
    expect(found).toMatchObject({
      ok: false,
      observed: 'cgroup v1',
      hint: expect.stringContaining('unified_cgroup_hierarchy'),
    });
  });

  it("is a container: its clock and its UUID are its host's and not asked", () => {
    const inside = preflight.probes(is({ container: true, virtualization: 'systemd-nspawn' }));
    const ids = inside.filter(each => each.host === 'k8s-worker1').map(each => each.id);
    expect(ids.filter(id => ['time', 'product-uuid'].includes(id))).toEqual([]);
  });
});

describe('machines among each other', () => {
  /** Every path answers this; 'sum' stands for the bytes that arrived whole. */
  const ran = async (of: World, answer: (to: string, port: string) => string) => {
    const sent: string[] = [];
    const stopped: string[] = [];
    const active = preflight.probes(of).find(each => each.kind === 'active');
    if (active?.kind !== 'active') throw new Error('nobody asks anybody');
    const evidence = await active.run({
      signal: new AbortController().signal,
      async exec(at, script) {
        const ok = (stdout: string) => ({ code: 0, stdout, stderr: '' });
        if (/^systemctl stop \S+ .*\n$/.test(script)) stopped.push(at);
        if (script.includes('systemd-run')) return ok(at === 'k8s-cp' ? '2379\n2380\n6443\n10250\n' : '10250\n');
        const paths = [...script.matchAll(/^send (\S+) (\d+) (\d+) &$/gm)];
        sent.push(...paths.map(([, to, port, count]) => `${at} ${to}:${port}${count === '0' ? ' open' : ''}`));
        const sum = '8a39d2abd3999ab73c34db2476849cddf303ce389b35826850f9a700589b4a90';
        return ok(
          paths.map(([, to = '', port = '']) => `${to}:${port} ${answer(to, port).replace('sum', sum)}\n`).join(''),
        );
      },
    });
    return { evidence, sent, stopped };
  };

  it('send to each other on the ports that others will use, and stop listening afterwards', async () => {
    const { evidence, sent, stopped } = await ran(world, () => 'sum');
    expect(evidence.map(({ host: at, ok }) => [at, ok])).toEqual(world.cluster.hosts.map(each => [each.name, true]));
    expect(sent.filter(line => line.startsWith('k8s-worker1'))).toEqual([
      'k8s-worker1 192.168.0.10:10250',
      'k8s-worker1 192.168.0.10:6443',
      'k8s-worker1 192.168.0.12:10250',
      'k8s-worker1 192.168.0.13:10250',
    ]);
    expect(stopped).toEqual(world.cluster.hosts.map(each => each.name));
  });

  it.each([
    ['silent', 'k8s-worker2:10250 silent', 'let 192.168.0.11 in: on k8s-worker2 TCP 10250'],
    ['refuses', 'k8s-worker2:10250 refuses', 'on k8s-worker2 TCP 10250'],
    ['open', 'k8s-worker2:10250 large packets get lost', 'ping -M do -s 1472 192.168.0.12'],
  ])('%s: told with the machine and what to type', async (answer, observed, hint) => {
    const { evidence } = await ran(world, to => (to === '192.168.0.12' ? answer : 'sum'));
    expect(evidence.find(each => each.host === 'k8s-worker1')).toMatchObject({
      ok: false,
      observed,
      hint: expect.stringContaining(hint),
    });
  });

  it('ask members by their own services, and only where a newcomer is concerned', async () => {
    const joining = withMembership(convergedWorld(), 'k8s-worker3', { state: 'absent' });
    const { evidence, sent } = await ran(joining, (to, port) => (to === '192.168.0.13' ? 'sum' : port && 'open'));
    expect(evidence.filter(({ ok }) => !ok)).toEqual([]);
    expect(sent.toSorted()).toEqual([
      'k8s-cp 192.168.0.13:10250',
      'k8s-worker1 192.168.0.13:10250',
      'k8s-worker2 192.168.0.13:10250',
      'k8s-worker3 192.168.0.10:10250 open',
      'k8s-worker3 192.168.0.10:6443 open',
      'k8s-worker3 192.168.0.11:10250 open',
      'k8s-worker3 192.168.0.12:10250 open',
    ]);
  });

  it('are those of the run alone when one joins, and without those that are left out', async () => {
    const two = withMembership(withMembership(convergedWorld(), 'k8s-worker2', { state: 'absent' }), 'k8s-worker3', {
      state: 'absent',
    });
    const joining: World = { ...two, about: { kind: 'join', hosts: [host('k8s-worker3')] } };
    const { sent } = await ran(joining, (to, port) => (to === '192.168.0.13' ? 'sum' : port && 'open'));
    expect(sent.filter(line => line.includes('192.168.0.12'))).toEqual([]);
    const without: World = { ...world, facts: new Map([...world.facts].filter(([name]) => name !== 'k8s-worker2')) };
    expect((await ran(without, () => 'sum')).evidence.map(each => each.host)).toEqual([
      'k8s-cp',
      'k8s-worker1',
      'k8s-worker3',
    ]);
  });

  it('of a hundred are asked by the control plane and in a ring, not all by all', async () => {
    const [cp, worker] = [host('k8s-cp'), host('k8s-worker1')];
    const hosts = [
      cp,
      ...Array.from({ length: 99 }, (_, at) => ({ ...worker, name: `w${at}`, address: `192.168.1.${at + 1}` })),
    ];
    const { sent } = await ran(bareWorld({ cluster: { ...cluster, hosts }, bundle: undefined }), () => 'sum');
    expect(sent.filter(line => line.startsWith('k8s-cp '))).toHaveLength(99);
    expect(sent.length).toBeLessThan(700);
  });

  it('are none where there is one', () => {
    const alone = bareWorld({ cluster: { ...cluster, hosts: [host('k8s-cp')] }, bundle: undefined });
    expect(preflight.probes(alone).filter(({ kind }) => kind === 'active')).toEqual([]);
  });
});

describe('members', () => {
  it('are asked for their disks alone, and nothing is sent between them', () => {
    expect(new Set(preflight.probes(convergedWorld()).map(each => each.id))).toEqual(new Set(['disk', 'inodes']));
  });
});
