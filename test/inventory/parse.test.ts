import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clusterOf, exampleFile, fixturesDir, issuesOf, minimal, parse } from './helpers.ts';

const withTop = (text: string) => minimal.replace('hosts:', `${text}\nhosts:`);
const withHost = (text: string) => minimal.replace('address: 192.168.0.11}', `address: 192.168.0.11, ${text}}`);

describe('a valid inventory', () => {
  test('that says little gets the profile and the defaults', () => {
    expect(clusterOf(minimal)).toMatchObject({
      name: 'homelab',
      timeZone: 'UTC',
      kubernetes: {
        version: 'v1.31.13',
        endpoint: undefined,
        podSubnet: '10.244.0.0/16',
        serviceSubnet: '10.96.0.0/12',
        kubeProxy: true,
        repository: {
          url: 'https://pkgs.k8s.io/core:/stable:/v1.31/deb/',
          suite: '/',
          components: [],
          key: { kind: 'url', url: 'https://pkgs.k8s.io/core:/stable:/v1.31/deb/Release.key' },
        },
      },
      containerd: { version: '2.1.5', package: 'containerd.io', config: {} },
      network: { provider: 'basic' },
    });
  });

  test('the shipped example is one, with the first user’s machines', () => {
    const cluster = clusterOf(readFileSync(exampleFile, 'utf8'));
    expect(cluster.timeZone).toBe('Asia/Seoul');
    expect(cluster.hosts.map(host => [host.name, host.role, host.address])).toEqual([
      ['k8s-cp', 'control-plane', '192.168.0.10'],
      ['k8s-worker1', 'worker', '192.168.0.11'],
      ['k8s-worker2', 'worker', '192.168.0.12'],
      ['k8s-worker3', 'worker', '192.168.0.13'],
    ]);
    expect(cluster.hosts[0]?.ssh).toMatchObject({ user: 'admin', identityFile: '/home/me/.ssh/id_ed25519' });
  });

  test('may name versions outside the profile; the repository follows the version', () => {
    const cluster = clusterOf(withTop('kubernetes: {version: "v1.34.2"}\ncontainerd: {version: "2.2.0"}'));
    expect(cluster.kubernetes.version).toBe('v1.34.2');
    expect(cluster.kubernetes.repository.url).toBe('https://pkgs.k8s.io/core:/stable:/v1.34/deb/');
    expect(cluster.containerd.version).toBe('2.2.0');
  });

  test('needs no profile when it names both versions', () => {
    const text = withTop('kubernetes: {version: "v1.26.0"}\ncontainerd: {version: "2.0.0"}').replace(/profile.*\n/, '');
    expect(clusterOf(text)).toMatchObject({ kubernetes: { version: 'v1.26.0' }, containerd: { version: '2.0.0' } });
  });

  test('takes containerd.io from Docker, another package from the machine’s repositories', () => {
    expect(clusterOf(minimal).containerd.repository).toMatchObject({
      url: 'https://download.docker.com/linux/{os}',
      suite: '{codename}',
      components: ['stable'],
    });
    expect(clusterOf(withTop('containerd: {package: containerd}')).containerd.repository).toBeUndefined();
  });

  test('may bring its own repositories: key from a file, an address, or none', () => {
    const repository = (key: string) =>
      clusterOf(
        withTop(
          `kubernetes: {repository: {url: "file:/srv/deb", suite: trixie, components: [main], pin: [kubeadm], key: ${key}}}`,
        ),
      ).kubernetes.repository;
    expect(repository('public.asc')).toEqual({
      url: 'file:/srv/deb',
      suite: 'trixie',
      components: ['main'],
      pin: ['kubeadm'],
      key: { kind: 'text', text: readFileSync(`${fixturesDir}/public.asc`, 'utf8') },
    });
    expect(repository('"https://mirror/key"').key).toEqual({ kind: 'url', url: 'https://mirror/key' });
    expect(repository('none').key).toEqual({ kind: 'none' });
  });

  test('a host’s ssh overrides the default field by field', () => {
    const text = withTop(`ssh: {user: admin, port: 22, knownHosts: known, sudo: {password: "\${env:SUDO}"}}`).replace(
      '192.168.0.11}',
      `192.168.0.11, ssh: {port: 2222, proxyJump: "me@bastion:22", sudo: {password: "\${file:~/sudo}"}}}`,
    );
    const [first, second] = clusterOf(text).hosts;
    expect(first?.ssh).toMatchObject({ user: 'admin', port: 22, sudoPassword: { kind: 'env', name: 'SUDO' } });
    expect(second?.ssh).toEqual({
      user: 'admin',
      port: 2222,
      identityFile: undefined,
      knownHosts: '/inventory/known',
      hostKey: undefined,
      proxyJump: 'me@bastion:22',
      sudoPassword: { kind: 'file', path: '/home/me/sudo' },
    });
  });

  test('takes taints as kubectl writes them and as mappings', () => {
    const taints = clusterOf(
      withHost(
        'taints: ["a=b:NoSchedule", "c:NoExecute", "d=:NoExecute", {key: x.io/e, value: f, effect: PreferNoSchedule}]',
      ),
    ).hosts[1]?.taints;
    expect(taints).toEqual([
      { key: 'a', value: 'b', effect: 'NoSchedule' },
      { key: 'c', value: undefined, effect: 'NoExecute' },
      { key: 'd', value: '', effect: 'NoExecute' },
      { key: 'x.io/e', value: 'f', effect: 'PreferNoSchedule' },
    ]);
  });

  test('passes free configuration through as it is', () => {
    const config = '{maxPods: 150, deep: {list: [1, "1.30", null, {on: yes}], 한글: 값}, constructor: {a: 1}}';
    expect(clusterOf(withTop(`kubernetes: {kubeletConfig: ${config}}`)).kubernetes.kubeletConfig).toEqual({
      maxPods: 150,
      deep: { list: [1, '1.30', null, { on: 'yes' }], 한글: '값' },
      constructor: { a: 1 },
    });
  });

  test('may use anchors, a byte order mark, CRLF and Korean comments', () => {
    const text = `\u{feff}# 우리 집 클러스터\n${withTop('ssh: &ssh {user: admin}').replace('192.168.0.11}', '192.168.0.11, ssh: *ssh}')}`;
    expect(clusterOf(text.replaceAll('\n', '\r\n')).hosts[1]?.ssh.user).toBe('admin');
  });

  test('with a network of its own may go without kube-proxy', () => {
    const cluster = clusterOf(withTop('network: {provider: external}\nkubernetes: {kubeProxy: false}'));
    expect(cluster).toMatchObject({ network: { provider: 'external' }, kubernetes: { kubeProxy: false } });
  });

  test('may have one machine or a hundred, as long as the pod subnet has room', () => {
    const hosts = (count: number) =>
      Array.from({ length: count }, (_, index) => `  - {name: w${index}, role: worker, address: 192.168.1.${index}}\n`);
    expect(clusterOf(minimal.replace(/ {2}- \{name: k8s-worker1.*\n/, '')).hosts).toHaveLength(1);
    expect(clusterOf(minimal + hosts(100).join('')).hosts).toHaveLength(102);
  });

  test('has the names and addresses that were written, in their order', async () => {
    const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/).filter(value => value !== 'localhost');
    const address = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 }))
      .map(([c, d]) => `172.31.${c}.${d}`);
    const machines = fc
      .tuple(
        fc.uniqueArray(name, { minLength: 1, maxLength: 20 }),
        fc.uniqueArray(address, { minLength: 20, maxLength: 20 }),
      )
      .map(([names, addresses]) => names.map((each, index) => ({ name: each, address: addresses[index] ?? '' })));
    await fc.assert(
      fc.property(machines, hosts => {
        const lines = hosts.map(
          (host, index) =>
            `  - {name: ${JSON.stringify(host.name)}, role: ${index === 0 ? 'control-plane' : 'worker'}, address: ${host.address}}\n`,
        );
        const cluster = clusterOf(`${minimal.slice(0, minimal.indexOf('hosts:'))}hosts:\n${lines.join('')}`);
        expect(cluster.hosts.map(host => ({ name: host.name, address: host.address }))).toEqual(hosts);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});

describe('issues', () => {
  test('come all at once and in the order of the file', () => {
    const issues = issuesOf(
      minimal.replace('name: homelab', 'name: H\ntimezone: UTC').replace('192.168.0.11', '192.168.0.1111'),
    );
    expect(issues.map(issue => [issue.line, issue.column, issue.path])).toEqual([
      [3, 7, 'name'],
      [4, 1, 'timezone'],
      [8, 48, 'hosts[1].address'],
    ]);
  });

  test('name the file as it was given', () => {
    const parsed = parse('', { file: 'lab/a.yaml' });
    expect(parsed).toMatchObject({ ok: false, issues: [{ file: 'lab/a.yaml', line: 1, column: 1 }] });
  });
});
