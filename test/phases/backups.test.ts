import { describe, expect, it } from 'vitest';
import { intend, planFrom } from '../../src/engine/plan.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import { backups } from '../../src/phases/backups.ts';
import { backup, withBackups } from '../backup-sample.ts';
import { cluster, convergedWorld, everything, inOrder, untouched } from '../sample.ts';

const planOf = (of: Cluster, states: typeof untouched = untouched) => {
  const world = convergedWorld({ cluster: of, bundle: undefined });
  return planFrom(intend(world, [backups], everything), states(world, [backups]));
};

describe('backups by schedule', () => {
  it('are made on control planes, in the time zone of the inventory', () => {
    const { steps } = planOf(withBackups);
    expect(steps.map(({ id }) => id)).toEqual(
      ['backup-recipient', 'inventory', 'backup-script', 'backup-service', 'backup-timer-unit', 'backup-timer'].map(
        name => `backups/k8s-cp/${name}`,
      ),
    );
    expect(steps.find(({ id }) => id.endsWith('timer-unit'))?.diff).toContain('+OnCalendar=Sun 03:00 Asia/Seoul');
    expect(steps.every(({ risk }) => risk === 'safe')).toBe(true);
  });

  it('need no private key on the machine: none of its steps has a secret', () => {
    for (const { action } of planOf(withBackups).steps) {
      expect(action.secrets ?? {}).toEqual({});
      expect(action.script).not.toContain('PRIVATE KEY');
    }
  });

  it('that are in order want nothing', () => {
    expect(planOf(withBackups, inOrder).steps).toEqual([]);
  });

  it('that the inventory no longer asks for go, with all their files', () => {
    const unscheduled = { ...withBackups, backup: { ...backup, schedule: undefined } };
    for (const of of [cluster, unscheduled]) {
      expect(planOf(of).steps).toEqual([]);
      const { steps } = planOf(of, world => {
        const states = new Map(untouched(world, [backups]));
        return states.set('k8s-cp', new Map([['no-timer:homelab-backup.timer', true]]));
      });
      expect(steps.map(({ id }) => id)).toEqual(['backups/k8s-cp/no-backup']);
      expect(steps[0]?.action.script).toContain('/usr/local/sbin/homelab-backup');
    }
  });
});
