// Killed, stopped, cut off, out of power, two at once: on real machines the next plain run makes the same of them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leaseSeconds } from '../../src/model/fence.ts';
import type { Lab } from './machines.ts';
import { pause } from './run.ts';
import {
  eventsOf,
  failuresOf,
  finished,
  type HomelabProcess,
  type HomelabRun,
  startHomelab,
  stepsWith,
  story,
} from './run-homelab.ts';
import { freshLab, homelab, homeOf, inside, readyNodes, untilInside, whyNoCluster } from './test-lab.ts';

const reason = await whyNoCluster();

describe.skipIf(reason !== undefined)(reason ?? 'a run that does not come to its end', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await freshLab('test-crash', 2);
  });
  afterAll(async () => {
    await lab?.down();
  });

  const args = (more: readonly string[]) => ['bootstrap', '--yes', '--bundle', lab.bundle ?? '', ...more];
  const bootstrap = (...more: readonly string[]): Promise<HomelabRun> => homelab(lab, args(more));
  const begin = (...more: readonly string[]): Promise<HomelabProcess> =>
    startHomelab(homeOf(lab), [...args(more), '-i', lab.inventoryPath]);
  const expectOk = (run: HomelabRun): void => {
    expect(run.code, story(run)).toBe(0);
    expect(finished(run).predictionErrors).toBe(0);
  };
  const codes = (run: HomelabRun) => failuresOf(run).map(({ code }) => code);
  const notes = (run: HomelabRun) => eventsOf(run, 'note').map(({ text }) => text);
  /** A step of k8s-worker1 is going on there. */
  const amid = async (process: HomelabProcess, step: string): Promise<void> => {
    await process.event('step-started', ({ id }) => id === step);
    await untilInside(lab, 'k8s-worker1', `systemctl is-active homelab-${step.replaceAll('/', '-')}`, step);
  };
  const packages = 'host-base/k8s-worker1/prerequisites';

  test('ssh is killed in the middle of a step: the run connects again, and the step was done once', async () => {
    const process = await begin('--until', 'host-base');
    await amid(process, packages);
    await lab.killSsh('k8s-worker1');
    const run = await process.ended;
    expectOk(run);
    expect(notes(run).join('\n')).toMatch(/connecting again/);
    expect(
      await inside(lab, 'k8s-worker1', 'journalctl -o cat -u "homelab-host-base*prereq*" | grep -c ^Started'),
    ).toBe('1\n');
  });

  test('while one run is at work another is refused, and is told who it is', async () => {
    const process = await begin('--until', 'containerd');
    await amid(process, 'containerd/k8s-worker1/package');
    const other = await bootstrap('--until', 'containerd');
    expect(other.code, story(other)).toBe(5);
    expect(new Set(codes(other))).toEqual(new Set(['HL_FENCE']));
    expect(story(other)).toMatch(/another run is at work on it \(.*homelab bootstrap/);
    expect(stepsWith(other, 'done')).toEqual([]);
    expectOk(await process.ended);
  });

  const purge = () =>
    inside(lab, 'k8s-worker1', 'apt-get -qq --yes --allow-change-held-packages purge kubelet kubeadm kubectl');
  /** Stopped as by ^Z and woken when others have been at it, it finds out, and what they left is as they left it. */
  const expectTaken = async (process: HomelabProcess): Promise<void> => {
    const record = 'cut -d" " -f1-3 /run/homelab/record';
    const before = await inside(lab, 'k8s-worker1', record);
    process.signal('SIGCONT');
    const woken = await process.ended;
    expect(woken.code, story(woken)).toBe(5);
    expect(codes(woken)).toContain('HL_FENCE');
    expect(await inside(lab, 'k8s-worker1', record)).toBe(before);
  };

  test('one that is stopped for a moment is alive: refused without --steal-lock, taken with it; woken, it changes nothing more', async () => {
    const process = await begin('--until', 'kube-packages');
    await amid(process, 'kube-packages/k8s-worker1/packages');
    process.signal('SIGSTOP');
    const refused = await bootstrap('--until', 'kube-packages');
    expect(refused.code, story(refused)).toBe(5);
    expect(new Set(codes(refused))).toEqual(new Set(['HL_FENCE']));
    expectOk(await bootstrap('--until', 'kube-packages', '--steal-lock'));
    await expectTaken(process);
  });

  test('one that was stopped for longer than its claim holds is taken over; woken, it changes nothing more', async () => {
    await purge();
    const process = await begin('--until', 'kube-packages');
    await amid(process, 'kube-packages/k8s-worker1/packages');
    process.signal('SIGSTOP');
    await pause((leaseSeconds + 5) * 1000);
    expectOk(await bootstrap('--until', 'kube-packages'));
    await expectTaken(process);
    expectOk(await bootstrap('--until', 'kube-packages'));
  }, 300_000);

  test('the cable is out for a while in the middle of a step: the run goes on where it was', async () => {
    await purge();
    const process = await begin('--until', 'kube-packages');
    await amid(process, 'kube-packages/k8s-worker1/packages');
    await lab.cutLink('k8s-worker1');
    // Three signs of life that nobody answers, and some more.
    await pause(40_000);
    await lab.restoreLink('k8s-worker1');
    const run = await process.ended;
    expectOk(run);
    expect(notes(run).join('\n')).toMatch(/connecting again/);
  }, 300_000);

  test('a full disk is told, with what to look at', async () => {
    await inside(lab, 'k8s-cp', 'mkdir -p /var/cache/homelab && mount -t tmpfs -o size=1m tmpfs /var/cache/homelab');
    const run = await bootstrap('--until', 'control-plane');
    expect(run.code, story(run)).toBe(6);
    expect(story(run)).toMatch(/df -h \/var\/cache\/homelab/);
    await inside(lab, 'k8s-cp', 'umount /var/cache/homelab');
  }, 300_000);

  test('power fails in the middle of kubeadm init, the next run is killed in the middle of a join: the third ends in a cluster', async () => {
    const first = await begin();
    await first.event('step-started', ({ id }) => id === 'control-plane/k8s-cp/init');
    await untilInside(
      lab,
      'k8s-cp',
      'test -e /etc/kubernetes/manifests/etcd.yaml',
      'kubeadm to have written manifests',
    );
    await lab.powerCut('k8s-cp');
    await lab.powerOn('k8s-cp');
    await lab.waitReachable('k8s-cp');
    const cut = await first.ended;
    expect(cut.code, story(cut)).toBe(5);
    expect(story(cut)).toMatch(/it has booted since this run looked at it/);

    const second = await begin();
    await second.event('step-started', ({ id }) => id === 'workers/k8s-worker1/join');
    // Held until the third run has found it: a join of two seconds may come to its end before.
    await untilInside(lab, 'k8s-worker1', 'pkill -STOP -x kubeadm', 'kubeadm to be at work');
    second.signal('SIGKILL');
    await expect(second.ended).rejects.toThrow(/SIGKILL/);

    const finding = await begin();
    await finding.event('note', ({ text }) => text.startsWith('waiting for workers/k8s-worker1/join'));
    await inside(lab, 'k8s-worker1', 'pkill -CONT -x kubeadm');
    const third = await finding.ended;
    expectOk(third);
    expect(notes(third).join('\n')).toContain('workers/k8s-worker1/join of the interrupted run ended well');
    expect(await readyNodes(lab)).toEqual(['k8s-cp', 'k8s-worker1']);
    const again = await bootstrap();
    expectOk(again);
    expect(finished(again).steps).toBe(0);
  }, 600_000);
});
