// What real machines answered (a lab's, recorded), and what is made of less.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { machineFragments, readMachine } from '../../../src/doctor/gather.ts';
import { looks } from '../../../src/doctor/looks/index.ts';
import { factNames } from '../../../src/doctor/machine-facts.ts';
import { dash } from '../../dash.ts';
import { root } from '../../sample.ts';

const recorded = (name: string) => readFileSync(join(root, 'test/fixtures/doctor/looks', `${name}.txt`), 'utf8');
const controlPlane = recorded('control-plane');
const worker = recorded('worker');
const [beginMs = 0, endMs = 0] = [...worker.matchAll(/^@clock (\d+)$/gm)].map(([, ms]) => Number(ms));
const read = (stdout: string, sentMs = beginMs - 30, receivedMs = endMs + 50) =>
  readMachine(new Map([['doctor', { code: 0, stdout, stderr: '' }]]), sentMs, receivedMs);
const about = { peers: [], endpoint: undefined };

describe('a look at a machine', () => {
  it('fills every fact that a worker and a control plane have', () => {
    for (const output of [controlPlane, worker]) {
      const { facts, missed } = read(output);
      expect(missed).toEqual({});
      // In a container drives are the host's. CDNs and webhooks are asked in a second look.
      expect(factNames.filter(name => !(name in facts))).toEqual(['drives', 'edge', 'webhooks']);
    }
  });

  it('reads what a worker said', () => {
    const { facts } = read(worker);
    expect(facts.identity).toMatchObject({ hostname: 'k8s-worker1', container: true, os: { id: 'debian' } });
    expect(facts.identity?.bootedAt).toMatch(/^2026-11-22T16:23:/);
    expect(facts.units?.['kubelet']).toMatchObject({
      active: 'active',
      enabled: 'enabled',
      frozen: false,
      restarts: 5,
    });
    expect(facts.units?.['kubelet']?.since).toBe('2026-11-22T16:24:23Z');
    expect(facts.units?.['iscsid']?.load).toBe('not-found');
    expect(facts.units).not.toHaveProperty('ufw');
    expect(facts.health).toEqual({ kubelet: { ok: true, says: 'ok' }, containerd: { ok: true, says: 'ok' } });
    expect(facts.listening).toContain(10250);
    expect(facts.nics).toMatchObject([
      { name: 'host0', carrier: true, operstate: 'up', carrierChangesNow: 0, addresses: ['10.77.4.11/24'], bus: '' },
    ]);
    expect(facts.cni?.files).toEqual([{ name: '10-homelab.conflist', types: ['bridge', 'portmap'] }]);
    expect(facts.cni?.links).toEqual([{ name: 'cni0', addresses: ['10.244.2.1/24'], mtu: 1500 }]);
    expect(facts.routing).toEqual({
      defaults: [{ dev: 'host0', via: '10.77.4.1' }],
      mainRule: true,
      networkdKeepsForeign: false,
    });
    expect(facts.filesystems?.map(({ mount }) => mount).sort()).toEqual([
      '/',
      '/var/lib/containerd',
      '/var/lib/etcd',
      '/var/lib/kubelet',
    ]);
    expect(facts.kubelet).toMatchObject({ version: '1.31.1', cgroupDriver: 'systemd', clusterDNS: ['10.96.0.10'] });
    expect(facts.kubelet?.staticPodPath).toBe('/etc/kubernetes/manifests');
    expect(facts.containerd).toMatchObject({ version: '2.1.5', configVersion: 3, systemdCgroup: true, broken: '' });
    expect(facts.packages).toContainEqual({ name: 'kubelet', version: '1.31.1-1.1', held: true });
    expect(facts.packageLog?.map(({ text }) => text)[0]).toMatch(/^Install: containerd:amd64 \(2\.1\.5-1\)/);
    expect(facts.reach).toContainEqual({ to: 'k8s-api.home.arpa', port: 6443, ok: true, says: 'answers' });
    expect(facts.reach?.filter(({ to }) => to === 'k8s-worker2').map(({ port }) => port)).toEqual([0, 22, 10250]);
    expect(facts.sysctl?.['net.ipv4.ip_forward']).toBe('1');
    expect(facts.manifests).toEqual([]);
    expect(facts.homelab).toMatchObject({ claimState: 'free', claim: '' });
    expect(facts.journal?.['kubelet']?.at(-1)?.at).toMatch(/^2026-11-22T16:\d\d:\d\d\.\d{3}Z$/);
  });

  it('reads what a control plane said beyond that', () => {
    const { facts } = read(controlPlane);
    expect(Object.keys(facts.health ?? {}).sort()).toEqual([
      'apiserver',
      'containerd',
      'controller-manager',
      'etcd',
      'kubelet',
      'scheduler',
    ]);
    expect(Object.values(facts.health ?? {}).every(({ ok }) => ok)).toBe(true);
    expect(facts.manifests).toContainEqual({ name: 'kube-apiserver', trouble: '' });
    expect(facts.controlPlane?.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'kube-apiserver running',
      'etcd running',
      'kube-controller-manager running',
      'kube-scheduler running',
    ]);
    expect(facts.certificates?.length).toBe(15);
    expect(facts.certificates).toContainEqual(
      expect.objectContaining({
        path: '/etc/kubernetes/admin.conf',
        subject: 'O=kubeadm:cluster-admins, CN=kubernetes-admin',
        notAfter: '2027-11-22T16:23:48.000Z',
      }),
    );
  });

  it('knows the clock to half of the time that the way took', () => {
    expect(read(worker).facts.clock).toMatchObject({ offsetMs: -10, uncertaintyMs: 40 });
    // Ten minutes slow, whatever the way took.
    expect(read(worker, beginMs + 600_000 - 30, endMs + 600_000 + 50).facts.clock?.offsetMs).toBe(-600_010);
  });

  it('misses what did not come and keeps the rest, wherever the answer was cut off', () => {
    for (let length = 0; length < controlPlane.length; length += 1777) {
      const { facts, missed } = read(controlPlane.slice(0, length));
      for (const { facts: names } of looks) {
        for (const name of names) expect(name in facts && name in missed, `${name} at ${length}`).toBe(false);
      }
      expect(missed.clock).toBe('the look did not come to its end');
    }
    const half = read(controlPlane.slice(0, controlPlane.indexOf('@homelab-look end kubelet')));
    expect(half.facts.identity?.hostname).toBe('k8s-cp');
    expect(half.missed).toMatchObject({ kubelet: 'the look did not come to its end', reach: expect.any(String) });
  });

  it('misses with a reason what is not what it should be, and never throws', () => {
    const answers = ['', '\n', 'garbage', '{"a":', '@whole', '\u0000\u001b[31m', '@link x\n@addresses\n[]\n@whole\n'];
    for (const look of looks) {
      for (const answer of answers) {
        const stdout = `@clock 1795366000000\n\n@homelab-look begin ${look.id}\n${answer}\n@homelab-look end ${look.id} 0 \n@clock 1795366001000\n`;
        const { facts, missed } = read(stdout);
        for (const name of look.facts) {
          if (name in facts) expect(missed).not.toHaveProperty(name);
        }
        expect(Object.values(missed).every(why => why !== '')).toBe(true);
      }
    }
  });

  it('tells why a part failed in its own words, without its secrets', () => {
    const { missed } = read(
      '\n@homelab-look begin packages\n\n@homelab-look end packages 3 first\nproxy http://me:hunter22@proxy.test:3128 refused\n',
    );
    expect(missed.packages).toBe('proxy http://me:[redacted]@proxy.test:3128 refused (exit 3)');
  });

  it('comes to its end here too, whatever this machine is', { timeout: 60_000 }, () => {
    const [fragment] = machineFragments(about);
    const { stdout } = dash(`( ${fragment?.script}\n)`, { timeoutMs: 60_000 });
    const { facts, missed } = read(stdout);
    for (const { facts: names } of looks)
      for (const name of names) expect(missed[name] ?? '').not.toMatch(/did not come/);
    expect(facts.identity?.kernel).toMatch(/\d/);
  });
});
