import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BundleEntry } from '../../src/model/bundle.ts';
import type { Role } from '../../src/model/cluster.ts';
import { bundleImages, kubeadmImages } from '../../src/resources/images.ts';
import { oldImages } from '../../src/resources/old-images.ts';
import { changeOf, observe, scratch, standIns } from './rig.ts';

const names = [
  'kube-apiserver:v1.31.1',
  'kube-controller-manager:v1.31.1',
  'kube-scheduler:v1.31.1',
  'kube-proxy:v1.31.1',
  'coredns/coredns:v1.11.3',
  'pause:3.10',
  'etcd:3.5.15-0',
];
const all = names.map(name => `registry.k8s.io/${name}`);
const lines = (images: readonly string[]) => images.map(image => `${image}\n`).join('');

function images(
  role: Role = 'control-plane',
  more: { readonly kubeProxy?: boolean; readonly bundle?: readonly BundleEntry[] } = {},
) {
  return kubeadmImages({ version: 'v1.31.1', role, kubeProxy: true, bundle: [], arch: 'amd64', ...more });
}

const entry = (name: string, sum: string): BundleEntry => ({
  kind: 'image',
  name,
  version: '1',
  arch: 'amd64',
  path: `/bundle/${sum}.tar`,
  sha256: sum.repeat(64),
  bytes: 1,
});

describe('the images', () => {
  it('of a control plane are all of kubeadm’s', () => {
    expect(images().parse(lines(all))).toEqual({ missing: all });
  });

  it('of a worker are those that pods may run there', () => {
    expect(images('worker').parse(lines(all))).toEqual({
      missing: ['kube-proxy:v1.31.1', 'coredns/coredns:v1.11.3', 'pause:3.10'].map(name => `registry.k8s.io/${name}`),
    });
  });

  it('are without kube-proxy where the cluster has none', () => {
    const { missing } = JSON.parse(JSON.stringify(images('worker', { kubeProxy: false }).parse(lines(all))));
    expect(missing.join()).not.toContain('kube-proxy');
  });

  it('are all there when nothing is said', () => {
    expect(images().parse('')).toEqual(images().desired);
    expect(images().change(images().desired, [])).toBeUndefined();
  });

  it('are unknown before kubeadm is installed', () => {
    expect(images().parse('unknown\n')).toEqual(images().blank);
    expect(changeOf(images(), images().blank).why).toBe('missing: kubeadm says which, once it is installed');
  });
});

describe('getting images', () => {
  it('imports what the bundle has and pulls the rest', () => {
    const pause = 'registry.k8s.io/pause:3.10';
    const etcd = 'registry.k8s.io/etcd:3.5.15-0';
    const { action, diff } = changeOf(images('control-plane', { bundle: [entry(pause, 'a')] }), {
      missing: [pause, etcd],
    });
    expect(diff).toBe(`+ ${pause}\n+ ${etcd}`);
    expect(action.uploads?.map(upload => upload.localPath)).toEqual(['/bundle/a.tar']);
    expect(action.script).toContain(`images import /var/cache/homelab/${'a'.repeat(32)}.tar`);
    expect(action.script).toContain(`certs.d ${etcd}`);
    expect(action.script).not.toContain(`certs.d ${pause}`);
    // The kubelet's garbage collection leaves both.
    for (const image of [pause, etcd])
      expect(action.script).toContain(`label ${image} io.cri-containerd.pinned=pinned`);
  });

  it('takes from the bundle only what is missing and what this role wants', () => {
    const bundle = all.map((name, index) => entry(name, String(index)));
    const one = changeOf(images('worker', { bundle }), { missing: ['registry.k8s.io/pause:3.10'] });
    expect(one.action.uploads?.map(upload => upload.localPath)).toEqual(['/bundle/5.tar']);
    const unknown = changeOf(images('worker', { bundle }), images().blank);
    expect(unknown.action.uploads).toHaveLength(3);
    expect(unknown.action.script).not.toContain('images pull');
  });

  it('takes neither another version’s nor what is not kubeadm’s for what kubeadm will name', () => {
    const bundle = ['registry.k8s.io/kube-proxy:v1.31.1', 'registry.k8s.io/kube-proxy:v1.32.0', 'ghcr.io/me/app:1'].map(
      (name, index) => entry(name, String(index)),
    );
    const { uploads } = changeOf(images('worker', { bundle }), images().blank).action;
    expect(uploads?.map(upload => upload.localPath)).toEqual(['/bundle/0.tar']);
  });

  it('imports what was added to the bundle, where it is missing', () => {
    const added = bundleImages([entry('ghcr.io/me/app:1', 'a'), entry('ghcr.io/me/web:2', 'b')]);
    expect(added.change(added.desired, [])).toBeUndefined();
    const change = changeOf(added, { missing: ['ghcr.io/me/web:2'] });
    expect(change.why).toBe('missing: ghcr.io/me/web:2');
    expect(change.action.uploads?.map(upload => upload.localPath)).toEqual(['/bundle/b.tar']);
    expect(change.action.script).toContain('label ghcr.io/me/web:2 io.cri-containerd.pinned=pinned');
  });

  it('explains a registry that cannot be reached', () => {
    const { explain } = changeOf(images(), { missing: all }).action;
    const stderr =
      'ctr: failed to resolve reference "registry.k8s.io/pause:3.10": dial tcp: lookup registry.k8s.io: no such host';
    expect(explain?.find(each => each.pattern.test(stderr))?.hint).toContain('--bundle');
  });
});

describe('asking containerd', () => {
  async function machine(ctr: string) {
    const folder = scratch();
    const socket = join(folder, 'containerd.sock');
    const server = createServer().listen(socket);
    await new Promise(resolve => server.once('listening', resolve));
    const bin = standIns(folder, {
      ctr,
      kubeadm: `[ "$*" = 'config images list --kubernetes-version v1.31.1' ] || exit 99\ncat <<'END'\n${lines(all)}END`,
    });
    return { options: { bin, moved: { '/run/containerd/containerd.sock': socket } }, close: () => server.close() };
  }

  it('gives what is missing, by whole names', async () => {
    const there = await machine(
      `cat <<'END'\n${lines(all.filter(name => !/pause|etcd/.test(name)))}registry.k8s.io/pause:3.10.1\nmirror/registry.k8s.io/etcd:3.5.15-0\nEND`,
    );
    try {
      expect(observe(images(), there.options)).toEqual({
        missing: ['registry.k8s.io/pause:3.10', 'registry.k8s.io/etcd:3.5.15-0'],
      });
    } finally {
      there.close();
    }
  });

  it('gives which of the bundle’s other images are missing, all of them while nobody answers', async () => {
    const added = bundleImages([entry('ghcr.io/me/app:1', 'a'), entry('ghcr.io/me/web:2', 'b')]);
    for (const [ctr, missing] of [
      ['echo ghcr.io/me/app:1', ['ghcr.io/me/web:2']],
      ['exit 1', ['ghcr.io/me/app:1', 'ghcr.io/me/web:2']],
    ] as const) {
      const there = await machine(ctr);
      try {
        expect(observe(added, there.options)).toEqual({ missing });
      } finally {
        there.close();
      }
    }
  });

  it('gives those that stand pinned in another version than the wanted one, and nothing while nobody answers', async () => {
    const version = 'v1.31.1';
    const old = oldImages({ version, arch: 'amd64', bundle: [entry('quay.io/cilium/cilium:v1.17.8', 'a')] });
    const have = [
      ...all,
      'registry.k8s.io/kube-proxy:v1.30.4',
      'quay.io/cilium/cilium:v1.16.1',
      'lan:5000/mine:1',
      'registry.k8s.io/pause:3.9',
    ];
    for (const [ctr, stale] of [
      [`cat <<'END'\n${lines(have)}END`, ['quay.io/cilium/cilium:v1.16.1', 'registry.k8s.io/kube-proxy:v1.30.4']],
      ['exit 1', []],
    ] as const) {
      const there = await machine(ctr);
      try {
        expect(observe(old, there.options)).toEqual({ stale });
      } finally {
        there.close();
      }
    }
    expect(old.change({ stale: [] }, [])).toBeUndefined();
    const { action, risk } = changeOf(old, { stale: ['quay.io/cilium/cilium:v1.16.1'] });
    expect(action.script).toBe(
      'ctr -n k8s.io images label quay.io/cilium/cilium:v1.16.1 io.cri-containerd.pinned= >/dev/null\n',
    );
    expect(risk).toBe('safe');
  });

  it('is not known while containerd does not answer behind the socket that it left', async () => {
    const there = await machine('echo "ctr: failed to dial: connection refused" >&2; exit 1');
    try {
      expect(observe(images(), there.options)).toEqual(images().blank);
    } finally {
      there.close();
    }
  });

  it('is not known before it is installed', () => {
    const bin = standIns(scratch(), { kubeadm: 'echo never' });
    expect(observe(images(), { bin, moved: { '/run/containerd/': '/nowhere/' } })).toEqual(images().blank);
  });
});
