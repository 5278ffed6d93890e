import { describe, expect, it } from 'vitest';
import type { Transition } from '../../src/model/plan.ts';
import type { World } from '../../src/model/world.ts';
import { awaitNotReady } from '../../src/transitions/begun.ts';
import { init } from '../../src/transitions/init.ts';
import { join } from '../../src/transitions/join.ts';
import { resetScript } from '../../src/transitions/reset.ts';
import { dash } from '../dash.ts';
import { afterInit, bareWorld, cluster, goal, host, withMembership } from '../sample.ts';

const half = { state: 'partial', why: 'half done', hint: 'homelab reset k8s-cp' } as const;

/** What the action writes down as begun. */
function noteOf({ change }: Transition): { readonly step: string; readonly digest: string } {
  if (!change || 'refuse' in change) throw new Error('it is refused');
  const [, step = '', digest = ''] = /echo (\S+) (\S+) > \/var\/lib\/homelab\/begun/.exec(change.action.script) ?? [];
  return { step, digest };
}

const found = (world: World, name: string, begun: { readonly step: string; readonly digest: string }) =>
  withMembership(world, name, { ...half, begun });

describe('a kubeadm init that did not come to its end', () => {
  const cp = host('k8s-cp');
  const begun = noteOf(init(bareWorld(), cp));

  it('is gone on with when homelab began it with the same documents', () => {
    const world = found(bareWorld(), 'k8s-cp', begun);
    const { change, predict } = init(world, cp);
    expect(change).toMatchObject({ why: expect.stringContaining('did not come to its end') });
    expect(JSON.stringify(change)).toMatch(/kubeadm init .*--ignore-preflight-errors=DirAvailable--var-lib-etcd,/);
    expect(predict(world).facts.get('k8s-cp')?.membership).toMatchObject({ state: 'joined' });
  });

  it('is refused when somebody else began it, or the inventory has changed since', () => {
    expect(init(withMembership(bareWorld(), 'k8s-cp', half), cp).change).toEqual({
      refuse: 'half done',
      hint: half.hint,
    });
    const kubernetes = { ...cluster.kubernetes, podSubnet: '10.99.0.0/16' };
    const changed = found(bareWorld({ ...goal, cluster: { ...cluster, kubernetes } }), 'k8s-cp', begun);
    expect(init(changed, cp).change).toMatchObject({ refuse: 'half done, and the inventory has changed since' });
  });

  it('of a bare machine passes over none of kubeadm own checks', () => {
    expect(JSON.stringify(init(bareWorld(), cp).change)).not.toContain('ignore-preflight-errors');
  });
});

describe('a kubeadm join that did not come to its end', () => {
  const world = afterInit();
  const worker = host('k8s-worker1');
  const begun = noteOf(join(world, worker));

  it('is gone on with on a worker', () => {
    const { change } = join(found(world, 'k8s-worker1', begun), worker);
    const [, passedOver] = /kubeadm join .*--ignore-preflight-errors=(\S+)/.exec(JSON.stringify(change)) ?? [];
    // JoinNodeChecks in cmd/kubeadm/app/preflight/checks.go: what a join leaves that was cut off while the kubelet started.
    expect(passedOver?.split(',')).toEqual(
      expect.arrayContaining([
        'FileAvailable--etc-kubernetes-kubelet.conf',
        'FileAvailable--etc-kubernetes-bootstrap-kubelet.conf',
        'FileAvailable--etc-kubernetes-pki-ca.crt',
      ]),
    );
  });

  it('waits until the API server no longer calls its node Ready: kubeadm refuses to join one that is', () => {
    const { change } = join(found(world, 'k8s-worker1', begun), worker);
    expect(JSON.stringify(change)).toMatch(/systemctl stop kubelet.*get node k8s-worker1.*\| kubeadm join/);
    expect(JSON.stringify(join(world, worker).change)).not.toMatch(/get node k8s-worker1.*\| kubeadm join/);

    const standIns = `set -eu
asked=$(mktemp)
kubectl() { echo . >> "$asked"; [ "$(wc -l < "$asked")" -gt 3 ] && echo Unknown || echo True; }
sleep() { :; }
`;
    expect(dash(`${standIns}${awaitNotReady('k8s-worker1')}wc -l < "$asked"; rm "$asked"`)).toMatchObject({
      code: 0,
      stdout: '4\n',
    });
    // A kubelet that never had its certificate has no node either.
    expect(dash(`set -eu\nkubectl() { return 1; }\n${awaitNotReady('k8s-worker1')}echo on`).stdout).toBe('on\n');
  });

  it('is refused where an init was begun, and on a control plane, whose etcd has a member too many', () => {
    expect(join(found(world, 'k8s-worker1', { ...begun, step: 'init' }), worker).change).toMatchObject({
      refuse: 'half done',
    });
    const controlPlane = { ...worker, role: 'control-plane' } as const;
    expect(join(found(world, 'k8s-worker1', begun), controlPlane).change).toMatchObject({ refuse: 'half done' });
  });
});

describe('a machine that kubeadm has made a member', () => {
  it('is no longer noted as begun while its pod subnet is waited for, which may end in vain', () => {
    for (const { change } of [init(bareWorld(), host('k8s-cp')), join(afterInit(), host('k8s-worker1'))]) {
      if (!change || 'refuse' in change) throw new Error('it is refused');
      const forgets = change.action.script.indexOf('rm -f /var/lib/homelab/begun');
      expect(forgets).toBeGreaterThan(change.action.script.indexOf('| kubeadm '));
      expect(forgets).toBeLessThan(change.action.script.indexOf('no pod subnet'));
    }
  });
});

describe('a reset', () => {
  it('forgets what was begun before it takes anything away: cut off there, it is not gone on with as an init', () => {
    const lines = resetScript('10.244.0.0/16').split('\n');
    const forgets = lines.findIndex(line => line.includes('/var/lib/homelab/begun'));
    const takesAway = lines.findIndex(line => /kubeadm reset|-delete|rm -rf/.test(line));
    expect(forgets).toBeGreaterThan(-1);
    expect(forgets).toBeLessThan(takesAway);
  });
});
