// What proves a reset, run by dash on sample folders.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { reset } from '../../src/phases/leaving.ts';
import { dash } from '../dash.ts';
import { beforeReset } from '../life-sample.ts';
import { scratch, standIns } from '../resources/rig.ts';

const probe = reset.probes(beforeReset(['k8s-worker3'])).find(({ id }) => id === 'nothing-left');

function judged(files: readonly string[], links = '') {
  if (probe?.kind !== 'read') throw new Error('a machine is looked at');
  const root = scratch();
  for (const file of files) {
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  const script = probe.script.replaceAll(/\/(etc|var)\//g, `${root}/$1/`);
  const { ok, observed } = probe.judge(
    dash(`set -eu\n${script}`, { bin: standIns(root, { ip: `printf '%s' '${links}'` }) }),
  );
  return { ok, observed: observed.replaceAll(root, '') };
}

describe('a machine that was reset', () => {
  it('may have what the packages brought', () => {
    expect(judged([])).toEqual({ ok: true, observed: 'none' });
    expect(judged(['etc/kubernetes/manifests/.keep', 'etc/cni/net.d/.kubernetes-cni-keep'])).toEqual({
      ok: true,
      observed: 'none',
    });
  });

  it.each(['/etc/kubernetes/admin.conf', '/etc/kubernetes/pki/ca.key', '/etc/kubernetes/manifests/etcd.yaml'])(
    'has no %s',
    file => {
      expect(judged([file])).toEqual({ ok: false, observed: file });
    },
  );

  it('runs no kubelet, whether containerd is there or not', () => {
    const runs = reset.probes(beforeReset(['k8s-worker3'])).find(({ id }) => id === 'nothing-runs');
    if (runs?.kind !== 'read') throw new Error('a machine is looked at');
    const said = (scripts: Readonly<Record<string, string>>) =>
      runs.judge(dash(`set -eu\n${runs.script}`, { bin: standIns(scratch(), scripts) }));
    expect(said({ ctr: 'exit 1', pgrep: 'exit 1' })).toEqual({ ok: true, observed: 'none' });
    expect(said({ ctr: 'exit 1', pgrep: 'echo 77' })).toEqual({ ok: false, observed: '77' });
    expect(said({ ctr: 'echo abc', pgrep: 'exit 1' })).toEqual({ ok: false, observed: 'abc' });
  });

  it('has no data of etcd, no pod network', () => {
    expect(judged(['/var/lib/etcd/member/snap/db'])).toEqual({ ok: false, observed: '/var/lib/etcd/member' });
    expect(judged(['/etc/cni/net.d/10-homelab.conflist']).ok).toBe(false);
    expect(judged([], '7: cni0: <BROADCAST>').ok).toBe(false);
  });
});
