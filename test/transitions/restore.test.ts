import { describe, expect, it } from 'vitest';
import { intend, planFrom } from '../../src/engine/plan.ts';
import type { Transition } from '../../src/model/plan.ts';
import { restoredFromKey, type World } from '../../src/model/world.ts';
import { phases } from '../../src/phases/index.ts';
import { objections, restore } from '../../src/transitions/restore.ts';
import { backup, beforeRestore, manifestOf, restoreOf, withBackups } from '../backup-sample.ts';
import { inRoles } from '../life-sample.ts';
import { caHash, everything, host, untouched, withFacts, withMembership } from '../sample.ts';

const cp = host('k8s-cp');
const of = (world: World): Transition => restore(world, cp, world.restore ?? restoreOf());
const planOf = (world: World) => planFrom(intend(world, phases, everything), untouched(world));

function scriptOf(world: World): string {
  const { change } = of(world);
  if (!change || 'refuse' in change) throw new Error(`it is refused: ${change?.refuse}`);
  return change.action.script;
}

describe('a restore', () => {
  it('takes the place of init, and the workers stay the members that they are', () => {
    const plan = planOf(beforeRestore());
    expect(plan.refusals).toEqual([]);
    const ids = plan.steps.map(({ id }) => id);
    expect(ids).toContain('control-plane/k8s-cp/restore');
    expect(ids.filter(id => /\/(init|join|encryption-key)$/.test(id))).toEqual([]);
  });

  it('brings back the nodes whose machines are members, so that what comes after can be planned', () => {
    const world = beforeRestore();
    const after = of(world).predict(world);
    expect(after.nodes).toMatchObject([
      { name: 'k8s-cp', address: cp.address },
      { name: 'k8s-worker1' },
      { name: 'k8s-worker2' },
      { name: 'k8s-worker3' },
    ]);
    expect(after.facts.get('k8s-cp')?.membership).toEqual({ state: 'joined', role: 'control-plane', caHash });
  });

  it('carries archive and key apart, and neither the key nor what is in the archive is in the plan', () => {
    const { change } = of(beforeRestore());
    if (!change || 'refuse' in change) throw new Error('it is refused');
    expect(change.action.uploads).toEqual([
      {
        localPath: '/home/operator/homelab.backup',
        remotePath: expect.stringMatching(/\.backup$/),
        sha256: 'e'.repeat(64),
        bytes: 300,
      },
    ]);
    expect(change.action.secrets).toMatchObject({ BACKUP_KEY: backup.key });
    expect(change.diff).not.toMatch(/BACKUP_KEY|PRIVATE KEY/);
  });

  it('leaves the addons as they were, and lets kubeadm find the data', () => {
    const { change } = of(beforeRestore());
    expect(change).toMatchObject({ diff: expect.stringMatching(/skipPhases:\n\+ {3}- addon\n/) });
    expect(scriptOf(beforeRestore())).toContain('--ignore-preflight-errors=DirAvailable--var-lib-etcd >');
  });

  it('forgets the machines of the inventory that are bare now: they join anew', () => {
    const world = withMembership(beforeRestore(), 'k8s-worker2', { state: 'absent' });
    expect(scriptOf(world)).toMatch(/^for node in \$before k8s-worker2; do$/m);
    const ids = planOf(world).steps.map(({ id }) => id);
    expect(ids).toContain('workers/k8s-worker2/join');
  });

  it('that was cut off is gone on with, with the same backup only', () => {
    const [, step = '', digest = ''] =
      /echo (\S+) (\S+) > \/var\/lib\/homelab\/begun/.exec(scriptOf(beforeRestore())) ?? [];
    expect(step).toBe('restore');
    const half = { state: 'partial', why: 'half done', hint: 'reset', begun: { step, digest } } as const;
    const world = withMembership(beforeRestore(), 'k8s-cp', half);
    expect(scriptOf(world)).toMatch(/--ignore-preflight-errors=\S*,Port-6443/);
    const other = { ...restoreOf(), sha256: 'f'.repeat(64) };
    expect(of({ ...world, restore: other }).change).toMatchObject({ refuse: expect.stringContaining('changed since') });
  });

  it('that has come to its end has nothing more to do; another is refused on a member', () => {
    const joined = { state: 'joined', role: 'control-plane', caHash } as const;
    const world = withMembership(beforeRestore(), 'k8s-cp', joined);
    expect(of(world).change).toMatchObject({
      refuse: expect.stringContaining('bare machine'),
      hint: expect.stringContaining('homelab reset k8s-cp'),
    });
    expect(of({ ...world, proofs: { [restoredFromKey]: restoreOf().sha256 } }).change).toBeUndefined();
  });

  it('beside members of another cluster is refused: they name the CA that is not theirs', () => {
    const { refusals } = planOf(beforeRestore(withBackups, 'f'.repeat(64)));
    expect(refusals.map(({ host: at, reason }) => [at, reason])).toEqual(
      ['k8s-worker1', 'k8s-worker2', 'k8s-worker3'].map(name => [name, expect.stringContaining('another cluster')]),
    );
  });

  it('beside a control plane that lives is refused: each would go on alone', () => {
    const two = { ...inRoles({ 'k8s-cp': 'control-plane', 'k8s-worker1': 'control-plane' }), backup };
    const world = withFacts(beforeRestore(two), 'k8s-worker1', {
      membership: { state: 'joined', role: 'control-plane', caHash },
    });
    expect(of(world).change).toMatchObject({
      refuse: expect.stringContaining('k8s-worker1 is a control plane already'),
      hint: expect.stringContaining('homelab reset k8s-worker1'),
    });
  });
});

describe('a backup against the inventory', () => {
  const against = (over: object) =>
    objections({ ...manifestOf(), ...over }, { cluster: withBackups, bundle: undefined });

  it('of the same cluster has nothing against it', () => {
    expect(against({})).toEqual([]);
    // No API server answered when it was made.
    expect(against({ configuration: '' })).toEqual([]);
  });

  it.each([
    ['another cluster', { cluster: 'other' }, "the backup's cluster is other, the inventory's is homelab"],
    ['another version', { kubernetes: 'v1.30.1' }, "the backup's Kubernetes version is v1.30.1"],
    [
      'another endpoint',
      { configuration: configurationWith('controlPlaneEndpoint', '192.168.0.10:6443') },
      "the backup's endpoint is 192.168.0.10:6443, the inventory's is k8s-api.home.arpa:6443",
    ],
  ])('%s is told with what to write', (_, over, reason) => {
    const found = against(over);
    expect(found).toHaveLength(1);
    expect(found[0]?.reason).toContain(reason);
    expect(found[0]?.hint).toMatch(/inventory/);
  });

  it('tells all that differs at once', () => {
    expect(against({ cluster: 'other', kubernetes: 'v1.30.1' })).toHaveLength(2);
  });
});

function configurationWith(key: string, value: string): string {
  const text = Buffer.from(manifestOf().configuration, 'base64').toString();
  return Buffer.from(text.replace(new RegExp(`^${key}: .*$`, 'm'), `${key}: ${value}`)).toString('base64');
}
