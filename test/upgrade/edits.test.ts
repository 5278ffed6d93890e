import { describe, expect, it } from 'vitest';
import { kubeletEdits, manifestEdits } from '../../src/upgrade/edits.ts';

describe("a kubelet's settings against the cluster's", () => {
  it('are told by their paths, both ways', () => {
    expect(
      kubeletEdits(
        { maxPods: 200, evictionHard: { 'memory.available': '200Mi', 'nodefs.available': '1Gi' } },
        { evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1Gi' }, serializeImagePulls: false },
      ),
    ).toEqual([
      { setting: 'evictionHard.memory.available', now: '200Mi', afterwards: '100Mi' },
      { setting: 'maxPods', now: '200', afterwards: undefined },
      { setting: 'serializeImagePulls', now: undefined, afterwards: 'false' },
    ]);
  });

  it('are the same where one side only spells out what nobody set', () => {
    expect(
      kubeletEdits(
        {
          cpuManagerReconcilePeriod: '0s',
          logging: { flushFrequency: 0, options: { json: { infoBufferSize: '0' } } },
          memorySwap: {},
          a: [],
          b: null,
        },
        {},
      ),
    ).toEqual([]);
  });

  it('leave out what kubeadm puts into the file by itself, and nothing else in its place', () => {
    expect(
      kubeletEdits({ resolvConf: '/run/systemd/resolve/resolv.conf', containerRuntimeEndpoint: 'unix:///x' }, {}),
    ).toEqual([]);
    expect(kubeletEdits({ resolvConf: '/etc/mine.conf' }, {})).toHaveLength(1);
    expect(
      kubeletEdits({ resolvConf: '/run/systemd/resolve/resolv.conf' }, { resolvConf: '/etc/mine.conf' }),
    ).toHaveLength(1);
  });

  it('compare lists whole', () => {
    expect(kubeletEdits({ clusterDNS: ['10.96.0.10', '1.1.1.1'] }, { clusterDNS: ['10.96.0.10'] })).toEqual([
      { setting: 'clusterDNS', now: '["10.96.0.10","1.1.1.1"]', afterwards: '["10.96.0.10"]' },
    ]);
  });
});

describe('static pods against what kubeadm would write', () => {
  const own = { 'kube-apiserver': ['secure-port'], etcd: ['data-dir'] };
  const manifests = {
    'kube-apiserver': { image: 'a', flags: { 'secure-port': '6443', v: '4', profiling: 'true' } },
    etcd: { image: 'e', flags: { 'data-dir': '/var/lib/etcd', 'quota-backend-bytes': '8589934592' } },
  };

  it('differ as its diff says, a value that changes as one edit', () => {
    const rewritten = [
      {
        manifest: 'kube-apiserver',
        out: ['- --profiling=true', '- --v=4'],
        in: ['- --profiling=false', '- --audit-log-path=/x'],
      },
    ];
    expect(manifestEdits({ manifests: {}, rewritten }, own, {})).toEqual([
      {
        manifest: 'kube-apiserver',
        edits: [
          { setting: '--profiling', now: 'true', afterwards: 'false' },
          { setting: '--v', now: '4', afterwards: undefined },
          { setting: '--audit-log-path', now: undefined, afterwards: '/x' },
        ],
      },
    ]);
  });

  it('of etcd, which its diff leaves out, by their flags', () => {
    expect(manifestEdits({ manifests, rewritten: [] }, own, {})).toEqual([
      { manifest: 'etcd', edits: [{ setting: '--quota-backend-bytes', now: '8589934592', afterwards: undefined }] },
    ]);
  });

  it('by their flags everywhere, where kubeadm is of another version', () => {
    const args = { 'kube-apiserver': { profiling: 'false' }, etcd: { 'quota-backend-bytes': '8589934592' } };
    expect(manifestEdits({ manifests, rewritten: 'unknown' }, own, args)).toEqual([
      {
        manifest: 'kube-apiserver',
        edits: [
          { setting: '--v', now: '4', afterwards: undefined },
          { setting: '--profiling', now: 'true', afterwards: 'false' },
        ],
      },
    ]);
  });
});
