// What a fresh cluster is by default, read from its running processes and its disks; and how its kubelets get their certificates.
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundlePath } from './bundle.ts';
import type { Lab } from './machines.ts';
import { output } from './run.ts';
import { eventsOf, failuresOf, finished, plannedSteps, stepsWith, story } from './run-homelab.ts';
import { freshLab, homelab, homeOf, inside, kubectl, onAll, untilInside, whyNoCluster } from './test-lab.ts';

const reason = await whyNoCluster();
const machines = ['k8s-cp', 'k8s-worker1'];

describe.skipIf(reason !== undefined)(reason ?? 'a fresh cluster of two machines', () => {
  let lab: Lab;
  let bundle = '';
  const bootstrap = () => homelab(lab, ['bootstrap', '--yes', '--bundle', bundle]);

  beforeAll(async () => {
    lab = await freshLab('test-baseline', 2);
    bundle = lab.bundle ?? '';
    const run = await bootstrap();
    expect(run.code, story(run)).toBe(0);
    expect(finished(run)).toMatchObject({ outcome: 'ok', predictionErrors: 0 });
  });
  afterAll(async () => {
    await lab?.down();
  });

  const expectConverged = async () => {
    const run = await bootstrap();
    expect(run.code, story(run)).toBe(0);
    expect(plannedSteps(run)).toEqual([]);
    for (const count of Object.values(finished(run).remoteCommands)) expect(count).toBeLessThanOrEqual(3);
  };

  // The items of the CIS Kubernetes benchmark 1.11 that plain kubeadm fails, and the kin of each.
  describe.each([
    [
      'kube-apiserver',
      {
        '1.2.5': '--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt',
        '1.2.15': '--profiling=false',
        '1.2.16': '--audit-log-path=/var/log/kubernetes/audit/audit.log',
        '1.2.17': '--audit-log-maxage=30',
        '1.2.18': '--audit-log-maxbackup=10',
        '1.2.19': '--audit-log-maxsize=100',
        '1.2.27': '--encryption-provider-config=/etc/kubernetes/homelab/encryption.yaml',
        '1.2.30': '--service-account-extend-token-expiration=false',
        '3.2.1': '--audit-policy-file=/etc/kubernetes/homelab/audit-policy.yaml',
      },
    ],
    ['kube-controller-manager', { '1.3.2': '--profiling=false', '1.3.7': '--bind-address=127.0.0.1' }],
    ['kube-scheduler', { '1.4.1': '--profiling=false', '1.4.2': '--bind-address=127.0.0.1' }],
  ])('%s', (process, items) => {
    test.each(Object.entries(items))('runs as CIS %s asks: %s', async (_, flag) => {
      const line = await inside(
        lab,
        'k8s-cp',
        `tr '\\0' '\\n' <"/proc/$(pgrep -ox '${process.slice(0, 15)}')/cmdline"`,
      );
      const name = flag.split('=')[0] ?? '';
      expect(line.split('\n').filter(each => each.startsWith(`${name}=`))).toEqual([flag]);
    });
  });

  test.each([
    ['1.1.11 and 1.1.12', 'k8s-cp', '/var/lib/etcd', '700 etcd:etcd'],
    ['1.1.13 and 1.1.14', 'k8s-cp', '/etc/kubernetes/admin.conf', '600 root:root'],
    ['1.1.1 and 1.1.2', 'k8s-cp', '/etc/kubernetes/manifests/kube-apiserver.yaml', '600 root:root'],
    ['of the encryption key', 'k8s-cp', '/etc/kubernetes/homelab/encryption.yaml', '600 root:root'],
    ['of the audit log', 'k8s-cp', '/var/log/kubernetes/audit/audit.log', '600 root:root'],
    ['4.1.1 and 4.1.2', 'k8s-cp', '/lib/systemd/system/kubelet.service', '600 root:root'],
    ['4.1.1 and 4.1.2', 'k8s-worker1', '/lib/systemd/system/kubelet.service', '600 root:root'],
    ['4.1.9 and 4.1.10', 'k8s-cp', '/var/lib/kubelet/config.yaml', '600 root:root'],
    ['4.1.9 and 4.1.10', 'k8s-worker1', '/var/lib/kubelet/config.yaml', '600 root:root'],
    ['4.1.5 and 4.1.6', 'k8s-worker1', '/etc/kubernetes/kubelet.conf', '600 root:root'],
  ])('CIS %s on %s: %s is %s', async (_, host, file, expected) => {
    expect((await inside(lab, host, `stat -c '%a %U:%G' ${file}`)).trim()).toBe(expected);
  });

  test('nothing is left that is above all authorisation', async () => {
    expect(await inside(lab, 'k8s-cp', 'ls /etc/kubernetes')).not.toContain('super-admin');
  });

  test('metrics: etcd’s can be had from another machine, the others’ only on their own', async () => {
    const address = lab.hosts[0]?.address ?? '';
    const from = (host: string, port: number) =>
      lab.exec(host, [
        'bash',
        '-c',
        `exec 3<>/dev/tcp/${address}/${port} && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && grep -c ^etcd_ <&3`,
      ]);
    expect((await from('k8s-worker1', 2381)).code).toBe(0);
    for (const port of [10249, 10257, 10259]) expect((await from('k8s-worker1', port)).code, String(port)).not.toBe(0);
  });

  test('the encryption key is in no output, no journal and no process', async () => {
    const key =
      /secret: (\S+)/.exec(await inside(lab, 'k8s-cp', 'cat /etc/kubernetes/homelab/encryption.yaml'))?.[1] ?? '';
    expect(key).toHaveLength(44);
    const { stdout } = await output(['grep', '-rlF', key, path.join(homeOf(lab), 'state')]);
    expect(stdout).toBe('');
    expect(
      await inside(lab, 'k8s-cp', `find /var/log /root /home /tmp -xdev -type f -exec grep -laF '${key}' {} + || :`),
    ).toBe('');
  });

  test('a second run has nothing to do, and verify proves everything by doing', async () => {
    await expectConverged();
    const run = await homelab(lab, ['verify', '--bundle', bundle]);
    expect(run.code, story(run)).toBe(0);
    const evidence = eventsOf(run, 'evidence').map(event => event.evidence);
    expect(evidence.filter(piece => !piece.ok)).toEqual([]);
    expect(evidence.find(({ id }) => id === 'encryption')?.observed).toBe('k8s:enc:secretbox:v1:key');
    for (const host of machines) {
      expect(evidence.find(({ id }) => id === `reached-${host}`)?.observed).toBe('ok');
      expect(evidence.find(piece => piece.id === 'serving-certificate' && piece.host === host)?.observed).toMatch(
        /^verified /,
      );
    }
    expect(await kubectl(lab, 'get secret -n kube-system homelab-probe --ignore-not-found')).toBe('');
  });

  test('modes that a hand has changed are mended, and no kubelet is restarted for it', async () => {
    const started = 'systemctl show -p ExecMainStartTimestampMonotonic kubelet';
    const before = await onAll(lab, started);
    await onAll(lab, 'chmod 644 /lib/systemd/system/kubelet.service /var/lib/kubelet/config.yaml');
    await inside(lab, 'k8s-cp', 'chown root:root /var/lib/etcd; chmod 755 /var/lib/etcd');
    const run = await bootstrap();
    expect(run.code, story(run)).toBe(0);
    // Machines work side by side: which of them is done first is chance.
    expect(stepsWith(run, 'done').toSorted()).toEqual([
      'control-plane/k8s-cp/control-plane-folders',
      'control-plane/k8s-cp/kubeadm-files',
      'kube-packages/k8s-cp/kubelet-unit',
      'kube-packages/k8s-worker1/kubelet-unit',
      'workers/k8s-worker1/kubeadm-files',
    ]);
    expect(finished(run).predictionErrors).toBe(0);
    expect(await onAll(lab, started)).toEqual(before);
    await expectConverged();
  });

  test('a kubelet that rotates its certificate: verify names the request, bootstrap approves it', async () => {
    // As after most of a year: what it serves is gone, and it asks for a new one.
    const served = '/var/lib/kubelet/pki/kubelet-server-current.pem';
    await inside(lab, 'k8s-worker1', `rm ${served}; systemctl restart kubelet`);
    await untilInside(lab, 'k8s-cp', `[ -n "$(${pendingOf('k8s-worker1')})" ]`, 'the kubelet to ask');
    const verified = await homelab(lab, ['verify', '--only', 'kubelet-certificates', '--bundle', bundle]);
    expect(verified.code, story(verified)).toBe(7);
    const details = failuresOf(verified).flatMap(failure => failure.details);
    expect(details).toContainEqual(expect.stringContaining('kubelet-certificates/k8s-cp/approve'));
    expect(details).toContainEqual(expect.stringMatching(/k8s-worker1: kubelet serves a certificate/));
    const run = await bootstrap();
    expect(run.code, story(run)).toBe(0);
    expect(stepsWith(run, 'done')).toEqual(['kubelet-certificates/k8s-cp/approve']);
    expect(finished(run).predictionErrors).toBe(0);
    await inside(lab, 'k8s-worker1', `[ -s ${served} ]`);
    await expectConverged();
  });

  test.each([
    ['a machine that nobody knows', 'stranger', 'DNS:stranger,IP:10.0.0.9', 'no node of the inventory'],
    [
      'a node that wants to be the API server',
      'k8s-worker1',
      'DNS:k8s-worker1,DNS:k8s-api.home.arpa',
      'k8s-api.home.arpa',
    ],
  ])('a request by %s is refused, and stays unapproved', async (_, node, names, why) => {
    await inside(lab, 'k8s-cp', requestBy(node, names));
    const run = await bootstrap();
    expect(run.code, story(run)).toBe(5);
    const details = failuresOf(run)
      .flatMap(failure => failure.details)
      .join('\n');
    expect(details).toContain(why);
    expect(details).toContain('certificate deny homelab-test');
    expect(await kubectl(lab, "get csr homelab-test -o jsonpath='{.status}'")).toBe('{}');
    await kubectl(lab, 'certificate deny homelab-test');
    await expectConverged();
    await kubectl(lab, 'delete csr homelab-test');
  });

  test('kubeconfig --merge adds a context that kubectl can use, and leaves the others alone', async () => {
    const file = path.join(homeOf(lab), '.kube', 'config');
    const address = lab.hosts[0]?.address ?? '';
    const merge = (...more: readonly string[]) => homelab(lab, ['kubeconfig', '--merge', '--server', address, ...more]);
    expect((await merge()).code).toBe(0);
    const own = load(await readFile(file, 'utf8')) as { readonly contexts: readonly object[] };
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace('current-context: test-baseline', 'current-context: work'),
    );
    expect((await merge()).code).toBe(0);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(load(await readFile(file, 'utf8'))).toMatchObject({ contexts: own.contexts, 'current-context': 'work' });
    const { code, stdout, stderr } = await output(
      [
        path.join(bundlePath(), 'bin', 'kubectl'),
        '--kubeconfig',
        file,
        '--context',
        lab.name,
        'get',
        'nodes',
        '-o',
        'name',
      ],
      { env: { NO_PROXY: address, no_proxy: address }, timeoutMs: 30_000 },
    );
    expect(code, stderr).toBe(0);
    expect(stdout.trim().split('\n')).toEqual(machines.map(host => `node/${host}`));
  });
});

/** sh: the names of this node's requests that nobody has answered. */
function pendingOf(node: string): string {
  return `kubectl --kubeconfig /etc/kubernetes/admin.conf get csr --no-headers | grep ' system:node:${node} ' | grep ' Pending'`;
}

/** sh: a request for a serving certificate as this node would make it, with these names. */
function requestBy(node: string, names: string): string {
  return `request=$(openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null \\
  -subj '/O=system:nodes/CN=system:node:${node}' -addext 'subjectAltName=${names}' 2>/dev/null | base64 -w0)
kubectl --kubeconfig /etc/kubernetes/admin.conf --as 'system:node:${node}' --as-group system:nodes --as-group system:authenticated create -f - <<REQUEST
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: homelab-test}
spec: {request: $request, signerName: kubernetes.io/kubelet-serving, usages: [digital signature, server auth]}
REQUEST`;
}
