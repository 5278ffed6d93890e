// A snapshot a day, kept for a week, of the volumes that ask for it. A snapshot is no backup: it is on the same disks.
import type { Cluster, KubernetesObject } from '../../model/cluster.ts';
import { dailyInUtc } from '../../model/daily.ts';

export const dailySnapshot = 'daily-snapshot';

/** What daylight saving is read from; not the day of the plan, so that every day's plan is the same. */
const year = 2026;

/**
 * 03:00 in the inventory's zone. Longhorn makes a CronJob of it that names no zone (longhorn-manager v1.12.1
 * controller/recurring_job_controller.go newCronJob): UTC is what the controller manager's container has (longhorn/longhorn#1125).
 */
export function snapshotCron({ timeZone }: Pick<Cluster, 'timeZone'>): string {
  return dailyInUtc(3, timeZone, year);
}

/**
 * In no group, so that no volume has it by itself (without a label of its own a volume is in `default`: datastore/longhorn.go
 * FixupRecurringJob). A claim asks by two labels, recurring-job.longhorn.io/source and recurring-job.longhorn.io/daily-snapshot, both
 * `enabled`: types/types.go GetRecurringJobLabelKey.
 */
export function recurringJob(cluster: Pick<Cluster, 'timeZone'>): KubernetesObject {
  return {
    apiVersion: 'longhorn.io/v1beta2',
    kind: 'RecurringJob',
    metadata: { name: dailySnapshot, namespace: 'longhorn-system' },
    spec: { task: 'snapshot', cron: snapshotCron(cluster), groups: [], retain: 7, concurrency: 1 },
  };
}
