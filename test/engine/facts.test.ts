import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { apiFragment } from '../../src/engine/api.ts';
import {
  caHashOf,
  clockFragment,
  factFragments,
  factsAmong,
  kubeadmAtWork,
  parseReading,
} from '../../src/engine/facts.ts';
import { freeFence } from '../../src/engine/fence.ts';
import { type Frame, joinFragments, splitFrames } from '../../src/engine/frames.ts';
import { HomelabError } from '../../src/model/errors.ts';
import { sh } from '../../src/model/shell.ts';
import type { NodeFacts } from '../../src/model/world.ts';
import { dash } from '../dash.ts';
import { caHash, caPem, nodeObject } from '../sample.ts';

const address = (name: string, local: string, prefixlen: number) =>
  `{"ifindex":2,"ifname":"${name}","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1500,"operstate":"UP","addr_info":[{"family":"inet","local":"${local}","prefixlen":${prefixlen},"broadcast":"192.168.0.255","scope":"global","label":"${name}","valid_life_time":4294967295,"preferred_life_time":4294967295}]}`;
const loopback =
  '{"ifindex":1,"ifname":"lo","mtu":65536,"addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"}]}';
const link = (name: string, mac: string) =>
  `{"ifindex":2,"ifname":"${name}","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1500,"qdisc":"pfifo_fast","operstate":"UP","linkmode":"DEFAULT","group":"default","txqlen":1000,"link_type":"ether","address":"${mac}","broadcast":"ff:ff:ff:ff:ff:ff"}`;
const loopbackLink =
  '{"ifindex":1,"ifname":"lo","mtu":65536,"link_type":"loopback","address":"00:00:00:00:00:00","broadcast":"00:00:00:00:00:00"}';
const nics = (addresses: readonly string[], links: readonly string[]) =>
  `[${addresses.join(',')}]\n\n[${links.join(',')}]\n`;

const metal: Readonly<Record<string, string>> = {
  clock: '1795290608500\n',
  'clock-end': '1795290608500\n',
  hostname: 'k8s-worker1\n',
  boot: '5d9e2c4a-1f0b-4c1e-9b53-2f6f5f0d8f11\n',
  os: 'debian\n12\nbookworm\nDebian GNU/Linux 12 (bookworm)\n',
  identity: '3f1c2b7e9a5d4c8fb6e0d1a2c3b4e5f6\n4C4C4544-0051-3210-8036-B7C04F4E4D32\n',
  kernel: '6.1.0-41-amd64\n',
  arch: 'amd64\n',
  virt: 'none\nnone\n',
  cgroup: 'cgroup2fs\n',
  nics: nics([loopback, address('eno1', '192.168.0.11', 24)], [loopbackLink, link('eno1', 'a8:a1:59:01:02:03')]),
  adapters: `nic\teno1\t/sys/devices/pci0000:00/0000:00:1f.6\te1000e\tno\t/usr/lib/systemd/network/99-default.link
systemd\t252
sys_vendor\tLENOVO
product_name\t30AJS0
daemon\ttlp
`,
  membership: '',
  versions: 'absent\nabsent\nabsent\n',
  'time-service': 'none\n',
};

const worker = {
  ...metal,
  membership: `pki/ca.crt\nkubelet.conf\nkubelet-config\n\n${caPem}`,
  versions: 'v1.31.13\nKubernetes v1.31.13\ncontainerd github.com/containerd/containerd/v2 v2.1.5 fcd43222d6b0\n',
};
const controlPlane = {
  ...worker,
  hostname: 'k8s-cp\n',
  membership: `pki/ca.crt\npki/ca.key\nadmin.conf\nkubelet.conf\nmanifests/kube-apiserver.yaml\nmanifests/etcd.yaml\nkubelet-config\netcd-member\n\n${caPem}`,
};

const clusterConfiguration = `apiServer: {}
apiVersion: kubeadm.k8s.io/v1beta4
clusterName: homelab
controlPlaneEndpoint: k8s-api.home.arpa:6443
kind: ClusterConfiguration
kubernetesVersion: v1.31.13
networking:
  dnsDomain: cluster.local
  podSubnet: 10.244.0.0/16
  serviceSubnet: 10.96.0.0/12
`;
const objects: readonly object[] = [
  { kind: 'ConfigMap', metadata: { name: 'kubeadm-config' }, data: { ClusterConfiguration: clusterConfiguration } },
  { kind: 'ConfigMap', metadata: { name: 'kubelet-config' }, data: { kubelet: 'maxPods: 110\n' } },
];
const sampleNodes: readonly NodeFacts[] = [
  {
    name: 'k8s-cp',
    address: '192.168.0.10',
    podCidr: '10.244.0.0/24',
    ready: true,
    kubeletVersion: '1.31.13',
    unschedulable: false,
    cordonedByUs: false,
    isControlPlane: true,
    allocatable: { milliCpu: 1900, memoryMiB: 3819, diskGiB: 37 },
  },
  {
    name: 'k8s-worker1',
    address: '192.168.0.11',
    podCidr: 'unknown',
    ready: false,
    kubeletVersion: '1.31.13',
    unschedulable: true,
    cordonedByUs: true,
    isControlPlane: false,
  },
];
const apiAnswer = (found: readonly object[] = objects) =>
  `answers\n${JSON.stringify({ kind: 'List', items: [...sampleNodes.map(nodeObject), ...found] }, null, 4)}\n`;

function read(answers: Readonly<Record<string, string | Frame>>, sentMs = 0, receivedMs = 0) {
  const frames = new Map(
    Object.entries(answers).map(([id, answer]): [string, Frame] => [
      id,
      typeof answer === 'string' ? { code: 0, stdout: answer, stderr: '' } : answer,
    ]),
  );
  return parseReading('k8s-worker1', 'me', frames, sentMs, receivedMs);
}

describe('reading a machine', () => {
  it('understands Debian 12 on metal', () => {
    expect(read(metal)).toEqual({
      facts: {
        host: 'k8s-worker1',
        hostname: 'k8s-worker1',
        machineId: '3f1c2b7e9a5d4c8fb6e0d1a2c3b4e5f6',
        productUuid: '4c4c4544-0051-3210-8036-b7c04f4e4d32',
        bootId: '5d9e2c4a-1f0b-4c1e-9b53-2f6f5f0d8f11',
        clockOffsetMs: 1795290608500,
        os: { id: 'debian', versionId: '12', codename: 'bookworm', pretty: 'Debian GNU/Linux 12 (bookworm)' },
        kernel: '6.1.0-41-amd64',
        arch: 'amd64',
        virtualization: 'none',
        container: false,
        cgroup: 2,
        nics: [
          {
            name: 'eno1',
            mac: 'a8:a1:59:01:02:03',
            mtu: 1500,
            addresses: ['192.168.0.11/24'],
            class: 'wired',
            driver: 'e1000e',
            linkFile: '/usr/lib/systemd/network/99-default.link',
          },
        ],
        membership: { state: 'absent' },
        kubeadm: 'absent',
        kubelet: 'absent',
        containerd: 'absent',
        isPrepared: false,
        timeService: 'none',
        power: { systemd: 252, vendor: 'LENOVO', product: '30AJS0', daemons: ['tlp'] },
      },
      fence: freeFence,
      nodes: 'unknown',
      live: 'unknown',
      servingRequests: [],
      proofs: {},
      etcd: 'unknown',
      workloads: 'unknown',
    });
  });

  it.each([
    ['a VMware guest', 'vmware\nnone\n', 'vmware', false],
    ['an nspawn guest', 'systemd-nspawn\nsystemd-nspawn\n', 'systemd-nspawn', true],
    ['an LXC container', 'lxc\nlxc\n', 'lxc', true],
  ])('knows whether %s is a container', (_, virt, virtualization, container) => {
    expect(read({ ...metal, virt }).facts).toMatchObject({ virtualization, container });
  });

  it('knows cgroup v1', () => {
    expect(read({ ...metal, cgroup: 'tmpfs\n' }).facts.cgroup).toBe(1);
  });

  it('understands a testing release without a version', () => {
    expect(read({ ...metal, os: 'debian\n\ntrixie\nDebian GNU/Linux trixie/sid\n' }).facts.os).toEqual({
      id: 'debian',
      versionId: '',
      codename: 'trixie',
      pretty: 'Debian GNU/Linux trixie/sid',
    });
  });

  it.each([
    ['[]', '[]\n\n'],
    ['[{},{}], as older iproute2 says it', '[{},{}]\n\n'],
    ['[ ] with a space', '[ ]\n\n'],
  ])('keeps a card that has IPv6 only: %s', (_, none) => {
    const text = `${none}[${loopbackLink},${link('eno1', 'a8:a1:59:01:02:03')}]\n`;
    expect(read({ ...metal, nics: text }).facts.nics).toEqual([
      expect.objectContaining({ name: 'eno1', mac: 'a8:a1:59:01:02:03', mtu: 1500, addresses: [] }),
    ]);
  });

  it('keeps all addresses of a card, and the cards apart', () => {
    const second =
      '{"ifname":"eno2","addr_info":[{"local":"10.0.0.1","prefixlen":8},{"local":"10.0.0.2","prefixlen":32}]}';
    const text = nics(
      [loopback, address('eno1', '192.168.0.11', 24), second],
      [loopbackLink, link('eno1', 'a8:a1:59:01:02:03'), link('eno2', 'a8:a1:59:01:02:04')],
    );
    expect(read({ ...metal, nics: text }).facts.nics.map(nic => nic.addresses)).toEqual([
      ['192.168.0.11/24'],
      ['10.0.0.1/8', '10.0.0.2/32'],
    ]);
  });

  it('compares the machine’s clock with the middle of the round trip', () => {
    expect(read({ ...metal, clock: '10230\n', 'clock-end': '10270\n' }, 10_000, 10_100).facts.clockOffsetMs).toBe(200);
  });

  it('is not misled by an API server that makes the reading take long', () => {
    // Asked at 0, the machine's clock read at 5 and again at 40005, the answer here at 40010: the clocks agree.
    const waited = { ...controlPlane, clock: '5\n', 'clock-end': '40005\n', api: apiAnswer() };
    expect(read(waited, 0, 40_010).facts.clockOffsetMs).toBe(0);
  });

  it('says what did not answer, with what the machine said', () => {
    const attempt = () => read({ ...metal, arch: { code: 127, stdout: '', stderr: 'dpkg: not found\n' } });
    expect(attempt).toThrow(HomelabError);
    expect(attempt).toThrow('k8s-worker1 did not answer what it is (arch)');
    const { boot, ...withoutBoot } = metal;
    expect(boot).toBeDefined();
    expect(() => read(withoutBoot)).toThrow('(boot)');
  });
});

describe('where a machine stands', () => {
  const membership = (text: string) => read({ ...metal, membership: text }).facts.membership;

  it('knows a joined worker by its CA', () => {
    expect(membership(worker.membership)).toEqual({ state: 'joined', role: 'worker', caHash });
    expect(caHashOf(caPem)).toBe(caHash);
  });

  it('knows a control plane', () => {
    expect(membership(controlPlane.membership)).toEqual({ state: 'joined', role: 'control-plane', caHash });
  });

  it('finds the CA in a file that has comments before it', () => {
    expect(membership(worker.membership.replace('-----BEGIN', '# our CA\n-----BEGIN'))).toMatchObject({ caHash });
  });

  it.each([
    [
      'an init that ended before the kubelet was configured',
      'pki/ca.crt\npki/ca.key\n',
      'admin.conf, kubelet.conf, manifests/kube-apiserver.yaml, kubelet-config',
    ],
    [
      'an init that ended before etcd',
      'pki/ca.crt\npki/ca.key\nadmin.conf\nkubelet.conf\n',
      'manifests/kube-apiserver.yaml, kubelet-config',
    ],
    ['a join that ended at the TLS bootstrap', 'pki/ca.crt\nbootstrap-kubelet.conf\nkubelet-config\n', 'kubelet.conf'],
  ])('calls %s half done and names what is missing', (_, files, missing) => {
    expect(membership(`${files}\n${caPem}`)).toMatchObject({ state: 'partial', why: expect.stringContaining(missing) });
  });

  it('waits for a kubeadm that is still at work instead of resetting it', () => {
    expect(membership('pki/ca.crt\nkubeadm-runs\n')).toMatchObject({
      state: 'partial',
      why: expect.stringContaining('still at work'),
      hint: expect.stringContaining('wait until'),
    });
  });

  it.each([
    ['kubeadm config images list --kubernetes-version v1.31.1', false],
    ['kubeadm config print init-defaults', false],
    ['kubeadm upgrade plan', false],
    ['bash -c kubeadm init', false],
    ['kubeadm init --config /dev/stdin', true],
    ['/usr/bin/kubeadm --v=5 join 192.168.0.10:6443', true],
    ['kubeadm reset', true],
    ['kubeadm upgrade apply v1.31.13', true],
  ])('tells a kubeadm that changes the machine by its command line: %s', (command, changes) => {
    // pgrep -f matches as grep -E does; the processes of this machine are not the test's.
    expect(dash(`printf '%s\\n' ${sh(command)} | grep -E ${sh(kubeadmAtWork)}`).code === 0).toBe(changes);
  });

  it('calls a join whose token file is still there half done', () => {
    expect(membership(`pki/ca.crt\nkubelet.conf\nbootstrap-kubelet.conf\nkubelet-config\n\n${caPem}`)).toMatchObject({
      state: 'partial',
      why: expect.stringContaining('bootstrap-kubelet.conf'),
    });
  });

  it('calls a reset that left etcd’s data half done', () => {
    expect(membership('etcd-member\n')).toMatchObject({ state: 'partial' });
  });

  it('knows what homelab itself began there, where it is half done', () => {
    const begun = 'begun init 0123456789abcdef\n';
    expect(membership(`etcd-member\n${begun}`)).toMatchObject({
      state: 'partial',
      begun: { step: 'init', digest: '0123456789abcdef' },
    });
    expect(membership(begun)).toEqual({ state: 'absent' });
  });

  it('calls a control plane’s join half done whose node is not marked, where homelab began it', () => {
    const files = `pki/ca.crt\nadmin.conf\nkubelet.conf\nmanifests/kube-apiserver.yaml\nmanifests/etcd.yaml\nkubelet-config\n`;
    const [first, second] = sampleNodes;
    if (!first || !second) throw new Error('there are two nodes');
    const told = (note: string, isControlPlane: boolean, name = 'k8s-worker1') => {
      const reading = read({ ...worker, membership: `${files}${note}\n${caPem}` });
      return factsAmong(reading, [first, { ...second, name, isControlPlane }]).membership;
    };
    expect(told('begun join 0123456789abcdef\n', false)).toMatchObject({
      state: 'partial',
      why: 'kubeadm join did not finish: the node is not marked as a control plane',
      hint: expect.stringContaining('homelab reset k8s-worker1'),
    });
    const whole = { state: 'joined', role: 'control-plane' };
    expect(told('begun join 0123456789abcdef\n', true)).toMatchObject(whole);
    // Taken off by hand, or a node that has not registered yet: nothing that says that kubeadm was cut off.
    expect(told('', false)).toMatchObject(whole);
    expect(told('begun join 0123456789abcdef\n', false, 'another')).toMatchObject(whole);
  });

  it('begins nothing beside a kubeadm that is still at work, whatever homelab began before', () => {
    expect(membership('pki/ca.crt\nkubeadm-runs\nbegun init 0123456789abcdef\n')).not.toHaveProperty('begun.step');
  });
});

describe('a control plane', () => {
  it('brings the nodes, and what was decided at init', () => {
    const reading = read({ ...controlPlane, api: apiAnswer() });
    expect(reading.nodes).toEqual(sampleNodes);
    expect(reading.live).toEqual({
      version: 'v1.31.13',
      endpoint: 'k8s-api.home.arpa:6443',
      podSubnet: '10.244.0.0/16',
      serviceSubnet: '10.96.0.0/12',
      certSANs: [],
      args: { 'kube-apiserver': {}, 'kube-controller-manager': {}, 'kube-scheduler': {}, etcd: {} },
      serverTLSBootstrap: false,
    });
    expect(reading.facts.membership.state).toBe('joined');
  });

  it.each([
    ['v1beta4', '  - name: profiling\n    value: "false"'],
    ['v1beta3', '    profiling: "false"'],
  ])('brings the arguments that %s gave its processes, and what its kubelets serve', (_, args) => {
    const configuration = clusterConfiguration.replace(
      'apiServer: {}\n',
      `apiServer:\n  certSANs: [k8s-api.home.arpa]\n  extraArgs:\n${args}\netcd:\n  local:\n    dataDir: /var/lib/etcd\n    extraArgs:\n${args.replaceAll(/^/gm, '  ')}\nscheduler: {}\n`,
    );
    const found = [
      { kind: 'ConfigMap', metadata: { name: 'kubeadm-config' }, data: { ClusterConfiguration: configuration } },
      { kind: 'ConfigMap', metadata: { name: 'kubelet-config' }, data: { kubelet: 'serverTLSBootstrap: true\n' } },
    ];
    expect(read({ ...controlPlane, api: apiAnswer(found) }).live).toMatchObject({
      certSANs: ['k8s-api.home.arpa'],
      args: {
        'kube-apiserver': { profiling: 'false' },
        'kube-controller-manager': {},
        'kube-scheduler': {},
        etcd: { profiling: 'false' },
      },
      serverTLSBootstrap: true,
    });
  });

  it('brings the kubelets’ requests that nobody has answered, and no others', () => {
    const request = (name: string, spec: object, status: object = {}) => ({
      kind: 'CertificateSigningRequest',
      metadata: { name },
      spec: {
        signerName: 'kubernetes.io/kubelet-serving',
        username: 'system:node:k8s-worker1',
        groups: ['system:nodes'],
        usages: ['digital signature', 'server auth'],
        request: readFileSync(new URL('../fixtures/serving-requests/own.pem', import.meta.url)).toString('base64'),
        ...spec,
      },
      status,
    });
    const { servingRequests } = read({
      ...controlPlane,
      api: apiAnswer([
        ...objects,
        request('csr-pending', {}),
        request('csr-client', { signerName: 'kubernetes.io/kube-apiserver-client-kubelet' }),
        request('csr-approved', {}, { conditions: [{ type: 'Approved' }] }),
        request('csr-denied', {}, { conditions: [{ type: 'Denied' }] }),
        request('csr-strange', { request: 'bm90aGluZw==' }),
      ]),
    });
    expect(servingRequests).toEqual([
      {
        name: 'csr-pending',
        username: 'system:node:k8s-worker1',
        groups: ['system:nodes'],
        usages: ['digital signature', 'server auth'],
        asks: {
          subject: ['O=system:nodes', 'CN=system:node:k8s-worker1'],
          alternatives: ['DNS:k8s-worker1', 'IP:192.168.0.11'],
        },
      },
      expect.objectContaining({ name: 'csr-strange', asks: 'unreadable' }),
    ]);
  });

  it('counts an address of a tunnel among its own', () => {
    const links = [
      { ifname: 'tailscale0', mtu: 1280, link_type: 'none' },
      { ifname: 'lo', mtu: 65536, link_type: 'loopback' },
    ];
    const addresses = [
      { ifname: 'tailscale0', addr_info: [{ local: '100.64.0.7', prefixlen: 32 }] },
      { ifname: 'lo', addr_info: [{ local: '127.0.0.1', prefixlen: 8 }] },
    ];
    const { facts } = read({ ...controlPlane, nics: `${JSON.stringify(addresses)}\n${JSON.stringify(links)}` });
    expect(facts.nics).toEqual([
      {
        name: 'tailscale0',
        mac: '',
        mtu: 1280,
        addresses: ['100.64.0.7/32'],
        class: 'virtual',
        driver: '',
        linkFile: '',
      },
    ]);
  });

  it('brings what was proven before', () => {
    const record = { kind: 'ConfigMap', metadata: { name: 'homelab' }, data: { network: 'abc' } };
    expect(read({ ...controlPlane, api: apiAnswer() }).proofs).toEqual({});
    expect(read({ ...controlPlane, api: apiAnswer([...objects, record]) }).proofs).toEqual({ network: 'abc' });
  });

  it.each([
    ['the kubelet’s config', objects.slice(0, 1), 'the cluster has no ConfigMap kubelet-config'],
    ['any object', [], 'the cluster has no ConfigMap kubeadm-config, no ConfigMap kubelet-config'],
  ])('whose init did not come to %s is half done', (_, found, why) => {
    expect(read({ ...controlPlane, api: apiAnswer(found) }).facts.membership).toMatchObject({
      state: 'partial',
      why: `kubeadm init did not finish: ${why}`,
    });
  });

  it.each([
    ['is silent', 'silent\n'],
    ['is not there', 'none\n'],
  ])('whose API server %s stays joined, nodes unknown', (_, api) => {
    const reading = read({ ...controlPlane, api });
    expect(reading).toMatchObject({ nodes: 'unknown', live: 'unknown', facts: { membership: { state: 'joined' } } });
  });

  it.each([
    ['at once', 'answers\n'],
    ['after the nodes', apiAnswer().slice(0, 600)],
  ])('whose API server went away %s stays joined, nodes unknown', (_, stdout) => {
    const lost = { code: 1, stdout, stderr: 'The connection to the server 192.168.0.10:6443 was refused' };
    const reading = read({ ...controlPlane, api: lost });
    expect(reading).toMatchObject({ nodes: 'unknown', live: 'unknown', facts: { membership: { state: 'joined' } } });
  });

  it.each([
    ['stands still', 'inactive', 'running', 1],
    ['was started by nobody on a machine that has trouble elsewhere', 'inactive', 'degraded', 1],
    ['is coming', 'activating', 'starting', 2],
    ['will come with the boot', 'inactive', 'starting', 2],
  ])('waits for an API server only while somebody may start it: its kubelet %s', (_, kubelet, system, asked) => {
    const bin = mkdtempSync(join(tmpdir(), 'homelab-kubectl-'));
    try {
      const fakes = {
        // Answers when it is asked for the second time.
        kubectl: `case "$*" in *readyz*) echo asked >>${bin}/asked; [ "$(wc -l <${bin}/asked)" -ge 2 ] ;; esac`,
        pgrep: 'exit 1',
        systemctl: `case "$1" in is-active) echo ${kubelet} ;; *) echo ${system} ;; esac`,
        sleep: 'exit 0',
      };
      for (const [name, text] of Object.entries(fakes))
        writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      const script = apiFragment().script.replaceAll('/etc/kubernetes/', `${bin}/`).replace('manifests/', '');
      for (const name of ['admin.conf', 'kube-apiserver.yaml']) writeFileSync(join(bin, name), '');
      expect(dash(`set -eu\n${script}`, { bin }).stdout).toBe(asked === 1 ? 'silent\n' : 'answers\n');
    } finally {
      rmSync(bin, { recursive: true });
    }
  });

  it.each([
    ['for a moment only while another one is ready', '192.168.0.12', true],
    ['as long as it takes when none of the others is ready', 'nobody', false],
  ])('waits for an API server that runs and is not ready %s', (_, ready, isShort) => {
    const bin = mkdtempSync(join(tmpdir(), 'homelab-kubectl-'));
    try {
      const fakes = {
        kubectl: `case "$*" in *--server=https://${ready}:6443*) exit 0 ;; *--server=*) exit 1 ;; *) echo asked >>${bin}/asked; exit 1 ;; esac`,
        pgrep: 'exit 0',
        // Every look at the clock is a second.
        date: `echo second >>${bin}/seconds; wc -l <${bin}/seconds`,
        sleep: 'exit 0',
      };
      for (const [name, text] of Object.entries(fakes))
        writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      const { script } = apiFragment(['192.168.0.11', '192.168.0.12']);
      for (const name of ['admin.conf', 'kube-apiserver.yaml']) writeFileSync(join(bin, name), '');
      const here = script.replaceAll('/etc/kubernetes/', `${bin}/`).replace('manifests/', '');
      expect(dash(`set -eu\n${here}`, { bin }).stdout).toBe('silent\n');
      const asked = readFileSync(join(bin, 'asked'), 'utf8').split('\n').length;
      if (isShort) expect(asked).toBeLessThan(6);
      else expect(asked).toBeGreaterThan(40);
    } finally {
      rmSync(bin, { recursive: true });
    }
  });

  it('whose administrator may not look is half done: init was cut off before it gave the right', () => {
    const stderr =
      'Error from server (Forbidden): nodes is forbidden: User "kubernetes-admin" cannot list resource "nodes" in API group "" at the cluster scope\n';
    const reading = read({ ...controlPlane, api: { code: 1, stdout: 'answers\n', stderr } });
    expect(reading.facts.membership).toMatchObject({
      state: 'partial',
      why: 'kubeadm init did not finish: the cluster has no ClusterRoleBinding kubeadm:cluster-admins',
      hint: expect.stringContaining('homelab reset k8s-worker1'),
    });
  });

  it('is half done while what homelab’s init ends with was not done', () => {
    const cutOff = {
      ...controlPlane,
      membership: `super-admin.conf\n${controlPlane.membership}`,
      versions: `${controlPlane.versions}prepared\n`,
      api: apiAnswer(),
    };
    const state = (over: Partial<typeof cutOff>) => read({ ...cutOff, ...over }).facts.membership.state;
    expect(read(cutOff).facts.membership).toMatchObject({
      state: 'partial',
      why: 'kubeadm init did not finish: the cluster has no built-by in ConfigMap homelab',
      hint: expect.stringContaining('homelab reset k8s-worker1'),
    });
    const mark = { kind: 'ConfigMap', metadata: { name: 'homelab' }, data: { 'built-by': 'homelab' } };
    expect(state({ api: apiAnswer([...objects, mark]) })).toBe('joined');
    // What homelab began, it goes on with.
    expect(read({ ...cutOff, membership: `begun init 0a1b\n${cutOff.membership}` }).facts.membership).toMatchObject({
      state: 'partial',
      begun: { step: 'init', digest: '0a1b' },
    });
    // A restored cluster has the mark from before.
    const restoring = { membership: `begun restore 0a1b\n${cutOff.membership}`, api: apiAnswer([...objects, mark]) };
    expect(read({ ...cutOff, ...restoring }).facts.membership).toMatchObject({
      state: 'partial',
      why: 'kubeadm init did not finish: the cluster has no restored-from in ConfigMap homelab',
      begun: { step: 'restore', digest: '0a1b' },
    });
    // Whoever lost the mark later, or used bare kubeadm, has a cluster.
    expect(state({ membership: controlPlane.membership })).toBe('joined');
    expect(state({ versions: controlPlane.versions })).toBe('joined');
    expect(state({ api: 'silent\n' })).toBe('joined');
  });

  it('says with its exit code that kubectl failed', () => {
    const bin = mkdtempSync(join(tmpdir(), 'homelab-kubectl-'));
    try {
      const fake = `#!/bin/sh\ncase "$*" in *readyz*) exit 0 ;; *) exit 1 ;; esac\n`;
      writeFileSync(join(bin, 'kubectl'), fake, { mode: 0o755 });
      const script = apiFragment().script.replaceAll('/etc/kubernetes/', `${bin}/`).replace('manifests/', '');
      for (const name of ['admin.conf', 'kube-apiserver.yaml']) writeFileSync(join(bin, name), '');
      expect(dash(`set -eu\n${script}`, { bin })).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('answers'),
      });
    } finally {
      rmSync(bin, { recursive: true });
    }
  });
});

const isDebian = existsSync('/etc/debian_version') && existsSync('/usr/bin/systemd-detect-virt');

describe.skipIf(!isDebian)('the fragments on this machine, a Debian', () => {
  it('answer what it is', () => {
    const fragments = [...factFragments, apiFragment(), clockFragment];
    const before = Date.now();
    const frames = splitFrames(dash(joinFragments(fragments, '@mark')), fragments, '@mark');
    const { facts } = parseReading('here', 'me', frames, before, Date.now());
    expect(facts).toMatchObject({
      hostname: readFileSync('/proc/sys/kernel/hostname', 'utf8').trim(),
      bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
      arch: process.arch === 'x64' ? 'amd64' : process.arch,
    });
    expect(facts.os.id).toMatch(/^(debian|ubuntu)$/);
    // The same clock: what is left is how long the script ran.
    expect(Math.abs(facts.clockOffsetMs)).toBeLessThan(5000);
    for (const nic of facts.nics) expect(nic.mac).toMatch(/^[0-9a-f:]{17}$/);
  });
});
