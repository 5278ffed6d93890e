// One screen: what was reached is told, what was not is a line.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readStatus, statusOf } from '../../src/cli/status.ts';
import { answersIn } from '../../src/doctor/looks/script.ts';
import { factFragments } from '../../src/engine/facts.ts';
import { HomelabError } from '../../src/model/errors.ts';
import { type ClusterStatus, isWell } from '../../src/model/status.ts';
import { noColor } from '../../src/render/color.ts';
import { asciiMarks } from '../../src/render/marks.ts';
import { formatStatus } from '../../src/render/status.ts';
import { freePort, type Sshd, startSshd, withoutSshd } from '../io/sshd.ts';
import { blankFacts, caPem, cluster, convergedWorld, host, root } from '../sample.ts';
import { runCli } from './run-cli.ts';

const world = convergedWorld();
type Results = Parameters<typeof statusOf>[2];
type Seen = Extract<Results[number], { readonly status: 'fulfilled' }>['value'];
const nowMs = Date.parse('2026-11-22T21:00:00Z');
const show = (status: ClusterStatus) => formatStatus(status, { color: noColor, marks: asciiMarks, nowMs });

const seen = (name: string, over: Partial<Seen> = {}, nodes = world.nodes): Results[number] => ({
  status: 'fulfilled',
  value: {
    reading: {
      facts: { ...(world.facts.get(name) ?? blankFacts(host(name))), containerd: '2.1.5' },
      fence: {
        fence: { serial: 0, run: '-', seq: 0, until: 0, session: 'unknown', working: false, who: '-' },
        isHeld: false,
        works: [],
      },
      nodes: name === 'k8s-cp' ? nodes : 'unknown',
      live: name === 'k8s-cp' ? world.live : 'unknown',
      servingRequests: [],
      proofs: { 'backup-last': '2026-11-22T03:00:00Z k8s-cp /var/backups/homelab/x.backup' },
      etcd: 'unknown',
      workloads: 'unknown',
    },
    parts: { kubelet: { ok: true, says: 'ok' }, containerd: { ok: true, says: 'ok' } },
    certificates: [],
    ...over,
  },
});
const lost: Results[number] = {
  status: 'rejected',
  reason: new HomelabError('HL_SSH_CONNECT', 'k8s-worker3 (192.168.0.13 port 22) did not answer'),
};
const names = cluster.hosts.map(({ name }) => name);
const statusWith = (over: Readonly<Record<string, Results[number]>>) =>
  statusOf(
    cluster,
    cluster.hosts,
    names.map(name => over[name] ?? seen(name)),
    undefined,
  );

describe('one answer of a machine', () => {
  const fixture = (path: string) => readFileSync(join(root, 'test/fixtures', path), 'utf8');
  const said: Readonly<Record<string, string>> = {
    clock: '1795290608500',
    'clock-end': '1795290608500',
    hostname: 'k8s-cp',
    identity: 'a\nb',
    boot: 'c',
    os: 'debian\n12\nbookworm\nDebian GNU/Linux 12 (bookworm)',
    kernel: '6.1.0',
    arch: 'amd64',
    virt: 'none\nnone',
    cgroup: 'cgroup2fs',
    nics: '[]\n\n[]',
    membership: `pki/ca.crt\nadmin.conf\nkubelet.conf\nmanifests/kube-apiserver.yaml\nkubelet-config\n\n${caPem}`,
    versions: 'v1.31.1\nKubernetes v1.31.1\ncontainerd x v2.1.5 y',
    'time-service': 'none',
    api: 'silent',
    // Recorded on a control plane of the lab.
    health: answersIn(fixture('doctor/looks/control-plane.txt')).get('health')?.output ?? '',
    certificates: fixture('certificates/after.txt'),
  };
  // What a machine is asked besides says nothing here.
  const silent = Object.fromEntries(factFragments.map(({ id }) => [id, '']));
  const frames = (over: Readonly<Record<string, string>> = {}) =>
    new Map(
      Object.entries({ ...silent, ...said, ...over }).map(([id, stdout]) => [id, { code: 0, stdout, stderr: '' }]),
    );

  it('has the parts that answer and the certificate that ends first, and no CA', () => {
    const value = readStatus(host('k8s-cp'), frames(), 0, 0);
    expect(Object.keys(value.parts).sort()).toEqual([
      'apiserver',
      'containerd',
      'controller-manager',
      'etcd',
      'kubelet',
      'scheduler',
    ]);
    const status = statusOf(cluster, [host('k8s-cp')], [{ status: 'fulfilled', value }], undefined);
    expect(status.nodes).toBeUndefined();
    expect(status.certificate).toMatchObject({ host: 'k8s-cp', path: expect.not.stringContaining('ca.crt') });
    const ends = value.certificates.filter(({ path }) => !path.includes('ca.crt')).map(({ endsAt }) => endsAt ?? '9');
    expect(status.certificate?.endsAt).toBe(ends.sort()[0]);
  });

  it('asks a bare machine for neither', () => {
    const value = readStatus(host('k8s-cp'), frames({ membership: '' }), 0, 0);
    expect([value.parts, value.certificates]).toEqual([{}, []]);
  });
});

describe('the screen', () => {
  it('of a cluster that is well', () => {
    const certificate = {
      host: 'k8s-cp',
      path: '/etc/kubernetes/pki/apiserver.crt',
      subject: '',
      signer: '',
      endsAt: '2027-11-22T00:00:00.000Z',
      daysLeft: 365,
      renewedBy: '',
      state: 'ok',
    } as const;
    const ca = { ...certificate, path: '/etc/kubernetes/pki/ca.crt', endsAt: '2026-12-01T00:00:00.000Z', daysLeft: 8 };
    const status = statusWith({ 'k8s-cp': seen('k8s-cp', { certificates: [ca, certificate] }) });
    expect(isWell(status)).toBe(true);
    const text = show(status);
    expect(text).toContain('homelab  Kubernetes v1.31.13, k8s-api.home.arpa:6443\n+ 4 of 4 nodes Ready\n');
    expect(text).toMatch(/\nk8s-worker1 +worker +Ready +v1\.31\.13 +v2\.1\.5 +kubelet, containerd ok\n/);
    expect(text).toContain('the next ends 2027-11-22, in 365 days (apiserver.crt, k8s-cp)');
    expect(text).toContain('2026-11-22T03:00:00Z on k8s-cp, 18 h ago');
    expect(text.split('\n').length).toBeLessThan(20);
  });

  it('has a machine that does not answer as a line', () => {
    const text = show(statusWith({ 'k8s-worker3': lost }));
    expect(text).toContain('x 4 of 4 nodes Ready, 1 of 4 machines not reached');
    expect(text).toMatch(/\nk8s-worker3 .* did not answer\n/);
  });

  it('names the node that is not Ready, the cordon, and the part that is not well', () => {
    const nodes =
      world.nodes === 'unknown'
        ? []
        : world.nodes.map(node =>
            node.name === 'k8s-worker1' ? { ...node, ready: false, unschedulable: true } : node,
          );
    const parts = { kubelet: { ok: true, says: 'ok' }, etcd: { ok: false, says: 'timed out' } };
    const status = statusWith({ 'k8s-cp': seen('k8s-cp', { parts }, nodes) });
    expect(isWell(status)).toBe(false);
    const text = show(status);
    expect(text).toContain('x 3 of 4 nodes Ready');
    expect(text).toMatch(/k8s-worker1 +worker +NotReady, cordoned/);
    expect(text).toMatch(/k8s-cp .* etcd: timed out/);
  });

  it('says when no API server answers, and is not well', () => {
    const status = statusWith({ 'k8s-cp': seen('k8s-cp', {}, 'unknown') });
    expect(isWell(status)).toBe(false);
    expect(show(status)).toContain('x no API server answers');
  });

  it('keeps what machines say of themselves on its line', () => {
    const parts = { kubelet: { ok: false, says: 'a\nb\u001b[2J' } };
    expect(show(statusWith({ 'k8s-cp': seen('k8s-cp', { parts }) }))).toContain('kubelet: a b\\x1b[2J\n');
  });
});

// Loopback addresses are nobody's in an inventory.
const own = Object.values(networkInterfaces())
  .flatMap(each => each ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
const without = withoutSshd ?? (own === undefined ? 'this computer has no address but loopback' : undefined);

describe.skipIf(without)(`homelab status over SSH${without ? ` (${without})` : ''}`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'homelab-status-'));
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd({ settings: [`ListenAddress ${own}`] });
  });
  afterAll(async () => {
    await sshd?.stop();
    rmSync(dir, { recursive: true });
  });
  const inventory = async (worker: number) => {
    const path = join(dir, `${worker}.yaml`);
    const known = join(dir, 'known_hosts');
    mkdirSync(dir, { recursive: true });
    writeFileSync(known, `[${own}]:${sshd.port} ${sshd.hostKey('ed25519')}\n`);
    const ssh = (port: number) =>
      `ssh: {user: root, port: ${port}, identityFile: ${sshd.identityFile}, knownHosts: ${known}}`;
    writeFileSync(
      path,
      `apiVersion: homelab/v1\nkind: Cluster\nname: homelab\nprofile: "1.31"\nhosts:\n  - {name: k8s-cp, role: control-plane, address: ${own}, ${ssh(sshd.port)}}\n${
        worker === 0
          ? ''
          : `  - {name: k8s-worker1, role: worker, address: 192.0.2.250, ssh: {user: root, port: ${worker}, proxyJump: 'root@127.0.0.1:${worker}'}}\n`
      }`,
    );
    return path;
  };

  it('tells of a machine that is bare yet', async () => {
    const { code, stdout } = await runCli(['status', '-i', await inventory(0)]);
    expect(stdout).toContain('no cluster yet: homelab bootstrap');
    expect(stdout).toMatch(/k8s-cp +control-plane +\? .* no member/);
    expect(code).toBe(7);
  });

  it('exits 4 where one is not reached, and tells of the others; programs get JSON', async () => {
    const { code, stdout } = await runCli(['status', '--output', 'json', '-i', await inventory(await freePort())]);
    expect(code).toBe(4);
    const { machines } = JSON.parse(stdout) as ClusterStatus;
    expect(machines.map(({ name, unreached }) => [name, unreached === undefined])).toEqual([
      ['k8s-cp', true],
      ['k8s-worker1', false],
    ]);
  });
});
