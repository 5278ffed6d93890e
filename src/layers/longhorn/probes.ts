// No volume lacks a copy, every disk takes volumes, the daily snapshot has its CronJob, and a volume is read on another machine than it was written on.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';
import { defaultClassProbe } from '../default-class.ts';
import { workersFirst } from '../members.ts';
import { degradedVolumes, scheduleOf, unschedulableDisks } from './objects.ts';
import { dailySnapshot, snapshotCron } from './snapshots.ts';
import { longhornVolumeProbe } from './volume-probe.ts';

export function longhornProbes(world: World): readonly Probe[] {
  const [writer, reader = writer] = workersFirst(world);
  return [
    named(world, {
      id: 'degraded',
      title: 'no volume in use lacks a copy',
      kind: 'volumes.longhorn.io',
      find: degradedVolumes,
    }),
    named(world, {
      id: 'disks',
      title: 'every disk that is to take volumes takes them',
      kind: 'nodes.longhorn.io',
      find: unschedulableDisks,
    }),
    defaultClassProbe(world, 'longhorn'),
    dailyProbe(world),
    ...(writer && reader ? [longhornVolumeProbe(world, writer.name, reader.name)] : []),
  ];
}

interface Named {
  readonly id: string;
  readonly title: string;
  readonly kind: string;
  find(json: string): readonly string[];
}

/** Nothing of a kind may be found; what is found is named. */
function named(world: World, { id, title, kind, find }: Named): Probe {
  return look({
    id,
    host: controlPlaneOf(world).name,
    title,
    expected: 'none',
    script: `${adminKubectl(30)} get -n longhorn-system ${kind} -o json`,
    reproduce: `kubectl get -n longhorn-system ${kind}`,
    hint: 'see why: homelab doctor',
    accept: output => find(output).length === 0,
    show: output => find(output).join(', ') || 'none',
  });
}

/**
 * Longhorn makes a CronJob of every RecurringJob, also of one without groups, a moment after it (longhorn-manager v1.12.1
 * controller/recurring_job_controller.go reconcileRecurringJob); what somebody sets in that CronJob by hand it leaves. It is not set off
 * here: each time would push one of the user's seven snapshots out.
 */
function dailyProbe(world: World): Probe {
  const cron = snapshotCron(world.cluster);
  const get = `${adminKubectl(30)} get -n longhorn-system cronjob ${dailySnapshot} -o`;
  return look({
    id: 'daily-snapshot',
    host: controlPlaneOf(world).name,
    title: 'the daily snapshot is scheduled',
    expected: cron,
    script: `left=20
until [ "$(${get} jsonpath='{.spec.schedule}' 2>/dev/null)" = '${cron}' ] || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 2; done
${get} json
`,
    reproduce: `kubectl get -n longhorn-system cronjob ${dailySnapshot}`,
    hint: `have it made anew: kubectl delete -n longhorn-system --ignore-not-found cronjob ${dailySnapshot}; then homelab layers install longhorn`,
    timeoutMs: 90_000,
    accept: output => scheduleOf(output) === cron,
    show: scheduleOf,
  });
}
