// Texts from runs on lab machines: what is random by nature goes, what was decided stays.
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/model/cluster.ts';
import { answersOf } from './answers.ts';
import { apiObjects } from './api-objects.ts';
import { compare, renderComparison } from './compare.ts';
import { contentOf, reduced } from './content.ts';
import { nameOf } from './files.ts';
import { layerObjects } from './layers.ts';
import { wordsOf } from './words.ts';

const same = (text: string): string => text;
const lab = {
  name: 'snap-a',
  addresses: ['10.77.3.10', '10.77.3.11'],
  podSubnets: { 'k8s-cp': '10.244.0.0/24', 'k8s-worker1': '10.244.2.0/24' },
};

// kubelet-server-current.pem of k8s-worker1 (its certificate alone).
const serving = `-----BEGIN CERTIFICATE-----
MIICgjCCAWqgAwIBAgIRAM9TyYODImOz426H593JwKswDQYJKoZIhvcNAQELBQAw
FTETMBEGA1UEAxMKa3ViZXJuZXRlczAeFw0yNjExMjIwOTIzMTBaFw0yNzExMjIw
OTIzMTBaMDkxFTATBgNVBAoTDHN5c3RlbTpub2RlczEgMB4GA1UEAxMXc3lzdGVt
Om5vZGU6azhzLXdvcmtlcjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASn8uKy
4IgKl6CqsnoZS+NCfPEqAmsnxKXj1fHKH2MBSsnOv9pbkekzSO6sHn2X23COjjGS
NaBZdFlJEXsOu1D8o3QwcjAOBgNVHQ8BAf8EBAMCB4AwEwYDVR0lBAwwCgYIKwYB
BQUHAwEwDAYDVR0TAQH/BAIwADAfBgNVHSMEGDAWgBRfWo+WY+BYVogkhxxu+lEX
cHKUVTAcBgNVHREEFTATggtrOHMtd29ya2VyMYcECk0DCzANBgkqhkiG9w0BAQsF
AAOCAQEAljBHK9yZqHtdssn7+ErFNI0P7RTVMcfc6xEGutwhucYJWVcOCGPEAtHI
mjjLfxw2eaIflhxdFMEA9rLJXw/zp6VYQV3SWNbuvYWxjXbpa9L2zM/vpvtl8mqD
kXVXYodyLW84uYJlnjgC8WLyF59C4bMJlGaekumcvk3WctOHzjWpEoBgOi934hBo
6bBlu2jSYU7FMs4kjVf1yPRz6s17zXwv1ZMg/mwniMk0R9/jvktuzwERALhFG4t3
lqeciTLq45ZhQfFr+qeKIvk54ib4Z4TSEQTyFqwN0k0E0yNBNIpLIl6ZIDn2L9BD
bLeRmvAPmW+ncBx2fMYCFdtQ6XhAAg==
-----END CERTIFICATE-----
`;
const inWords =
  '<certificate O=system:nodes CN=system:node:k8s-worker1 by CN=kubernetes, for DNS:k8s-worker1 IP Address:LAB.11, server, 365 days>';

describe('words', () => {
  test('addresses, pod subnets and the lab’s name get words; the whole pod subnet stays', () => {
    const words = wordsOf(lab);
    expect(words('10.244.2.0/24 via 10.77.3.11 dev host0')).toBe('PODS-OF-k8s-worker1.0/24 via LAB.11 dev host0');
    expect(words('-s 10.244.0.0/16 ! -d 10.244.0.0/16')).toBe('-s 10.244.0.0/16 ! -d 10.244.0.0/16');
    expect(words('Pod routes of the cluster snap-a (homelab)')).toBe('Pod routes of the cluster LAB (homelab)');
    expect(words('110.77.3.11 10.77.31.1 snap-ab')).toBe('110.77.3.11 10.77.31.1 snap-ab');
  });
});

describe('content', () => {
  test('a certificate is who, by whom, for what; in base64 too', () => {
    expect(contentOf('/var/lib/kubelet/pki/kubelet-server-TIME.pem', Buffer.from(serving), wordsOf(lab))).toBe(inWords);
    const kubeconfig = `certificate-authority-data: ${Buffer.from(serving).toString('base64')}\nserver: https://k8s-api.home.arpa:6443`;
    expect(reduced(kubeconfig, wordsOf(lab))).toBe(
      `certificate-authority-data: ${inWords}\nserver: https://k8s-api.home.arpa:6443`,
    );
  });

  test('the key that Secrets are encrypted with is its length; the provider that is chosen stays', () => {
    const config = (secret: string) => `      - secretbox:
          keys:
            - name: key1
              secret: ${secret}
      - identity: {}
`;
    const one = reduced(config('bG9uZ2VyIHRoYW4gYW55IG90aGVyIG9uZSBpbiBoZXI='), same);
    expect(one).toBe(config('<32 bytes>'));
    expect(contentOf('/x', Buffer.from(config('a')), same)).not.toBe(contentOf('/x', Buffer.from('other'), same));
  });

  test('two files that differ in one letter differ', () => {
    expect(contentOf('/etc/hosts', Buffer.from('10.77.3.10 a\n'), wordsOf(lab))).not.toBe(
      contentOf('/etc/hosts', Buffer.from('10.77.3.10 b\n'), wordsOf(lab)),
    );
  });

  test('times and random parts of names go', () => {
    expect(nameOf('systemd-private-0ed8b18dbdae42c794e4d89959d17161-systemd-logind.service-ay1JII')).toBe(
      'systemd-private-*-systemd-logind.service-*',
    );
    expect(nameOf('kubelet-client-2026-11-22-09-28-06.pem')).toBe('kubelet-client-TIME.pem');
    expect(nameOf('homelab-x7f3a')).toBe('homelab-x7f3a');
  });
});

describe('answers', () => {
  const output = `=== packages
kubelet 1.31.1-1.1 hold installed
=== unit files
kubelet.service  enabled enabled
=== units
● homelab-init.service                                                          loaded failed failed    homelab: kubeadm init
run-netns-cni\\x2d16878d71\\x2dba46\\x2d4107\\x2d00df\\x2d3c21d5fb31ff.mount loaded active mounted /run/netns
cri-containerd-1a4421c88b3c37bfcb8bbe752f995d3c9b0120081e478e3cb55b775fbd864e29.scope loaded active running libcontainer
auditd.service not-found inactive dead auditd.service
kubelet.service loaded active running kubelet, the Kubernetes agent
=== sysctls
net.ipv4.ip_forward 1
=== routes
10.244.2.0/24 via 10.77.3.11 dev host0
10.244.0.0/24 dev cni0 proto kernel scope link src 10.244.0.1 linkdown 
=== addresses
3: cni0    inet 10.244.0.1/24 brd 10.244.0.255 scope global cni0
=== firewall
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -m comment --comment homelab -j MASQUERADE
=== images
REF TYPE DIGEST SIZE PLATFORMS LABELS
registry.k8s.io/pause:3.10                                              application/vnd.docker.distribution.manifest.v2+json sha256:4fe4cbe7345e6d205ea96fc654a2313176d4927af565e2b0d0d000302b627c7c 680.8 KiB linux/amd64 io.cri-containerd.image=managed,io.cri-containerd.pinned=pinned 
=== end
`;

  test('holds, failed units, routes, our rules and pins stay; what comes and goes with pods does not', () => {
    expect(answersOf(output, wordsOf(lab))).toEqual({
      packages: { kubelet: '1.31.1-1.1 hold installed' },
      'unit files': { 'kubelet.service': 'enabled enabled' },
      units: { 'homelab-init.service': 'loaded failed failed', 'kubelet.service': 'loaded active running' },
      sysctls: { 'net.ipv4.ip_forward': '1' },
      routes: {
        'PODS-OF-k8s-worker1.0/24 via LAB.11 dev host0': 'there',
        'PODS-OF-k8s-cp.0/24 dev cni0 proto kernel scope link src PODS-OF-k8s-cp.1': 'there',
      },
      addresses: { 'cni0    inet PODS-OF-k8s-cp.1/24 brd PODS-OF-k8s-cp.255 scope global cni0': 'there' },
      firewall: {
        '-A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -m comment --comment homelab -j MASQUERADE': 'there',
      },
      images: {
        'registry.k8s.io/pause:3.10':
          'sha256:4fe4cbe7345e6d205ea96fc654a2313176d4927af565e2b0d0d000302b627c7c io.cri-containerd.image=managed,io.cri-containerd.pinned=pinned',
      },
    });
  });

  test('an answer that was cut off is none', () => {
    expect(() => answersOf(output.replace('=== end\n', ''), same)).toThrow(/cut off/);
  });
});

describe('API objects', () => {
  const pod = (suffix: string, node: string, time: string) => ({
    kind: 'Pod',
    metadata: {
      name: `kube-proxy-${suffix}`,
      generateName: 'kube-proxy-',
      namespace: 'kube-system',
      uid: `4d39eeec-${suffix}`,
      creationTimestamp: time,
      ownerReferences: [{ kind: 'DaemonSet', name: 'kube-proxy', uid: '86166f74' }],
    },
    spec: { nodeName: node, containers: [{ volumeMounts: [{ name: `kube-api-access-${suffix}` }] }] },
    status: { phase: 'Running', containerStatuses: [{ ready: true, restartCount: 1 }] },
  });

  test('two clusters’ pods of a DaemonSet are the same, whoever came first', () => {
    const one = [pod('km9lb', 'k8s-cp', '2026-11-22T09:28:07Z'), pod('lvr97', 'k8s-worker1', '2026-11-22T09:28:08Z')];
    const other = [pod('qwdrj', 'k8s-worker1', '2026-11-22T10:00:00Z'), pod('sxsmg', 'k8s-cp', '2026-11-22T10:00:01Z')];
    expect(apiObjects(one, same)).toEqual(apiObjects(other, same));
    expect(Object.keys(apiObjects(one, same)['api Pod'] ?? {})).toContain('kube-system/kube-proxy-* on k8s-worker1');
  });

  test('a pod that is not ready, and one of two that is missing, is a difference', () => {
    const whole = pod('km9lb', 'k8s-cp', '2026-11-22T09:28:07Z');
    const unready = { ...whole, status: { phase: 'Running', containerStatuses: [{ ready: false }] } };
    expect(apiObjects([whole], same)).not.toEqual(apiObjects([unready], same));
    expect(apiObjects([whole, pod('b', 'k8s-w', '')], same)).not.toEqual(apiObjects([whole], same));
  });

  test('a request for a certificate counts while nobody has answered it, a bootstrap token always, but not its secret', () => {
    const request = (status: object) => ({
      kind: 'CertificateSigningRequest',
      metadata: { name: 'csr-4smdr' },
      status: { ...status },
    });
    expect(apiObjects([request({ conditions: [{ type: 'Approved' }], certificate: 'x' })], same)).toEqual({});
    expect(Object.keys(apiObjects([request({})], same))).toEqual(['api CertificateSigningRequest']);
    const token = {
      kind: 'Secret',
      metadata: { name: 'bootstrap-token-abcdef' },
      data: { 'token-secret': 'c2VjcmV0' },
    };
    expect(JSON.stringify(apiObjects([token], same))).not.toContain('c2VjcmV0');
  });
});

test('a comparison names place, thing and both sides', () => {
  const first = { lab: 'a', places: { 'k8s-cp files': { '/etc/x': 'file 0600', '/etc/y': 'file 0600' } } };
  const second = {
    lab: 'b',
    places: { 'k8s-cp files': { '/etc/x': 'file 0644', '/etc/y': 'file 0600' }, 'api Node': { n: { a: [1] } } },
  };
  expect(compare(first, second)).toEqual([
    { place: 'api Node', item: 'n a[0]', first: '–', second: '1' },
    { place: 'k8s-cp files', item: '/etc/x', first: 'file 0600', second: 'file 0644' },
  ]);
  expect(renderComparison(first, first)).toBe('a and a are equal: 2 things in 1 places');
});

describe('what layers leave', () => {
  const record = (name: string, version: string, status: string) => ({
    kind: 'Secret',
    type: 'helm.sh/release.v1',
    metadata: {
      namespace: 'kube-system',
      name: `sh.helm.release.v1.${name}.v${version}`,
      labels: { name, version, status },
    },
  });
  const of = (...objects: readonly JsonObject[]) => layerObjects(objects, text => text);

  test('is of each release what its newest record says, whatever its number', () => {
    const twice = of(record('cilium', '10', 'failed'), record('cilium', '9', 'deployed'));
    expect(twice).toEqual({ releases: { cilium: 'failed - - -' } });
    expect(of(record('cilium', '1', 'deployed'))).toEqual(of(record('cilium', '3', 'deployed')));
  });

  test('is every other object by its name, and no pod', () => {
    const made = (kind: string, name: string) => ({ kind, metadata: { namespace: 'kube-system', name } });
    expect(of(made('Service', 'hubble-relay'), made('Pod', 'cilium-x7k2p'), made('Secret', 'cilium-ca'))).toEqual({
      releases: {},
      'api Service': { 'kube-system/hubble-relay': 'there' },
      'api Secret': { 'kube-system/cilium-ca': 'there' },
    });
  });
});
