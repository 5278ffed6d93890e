// The daily snapshot: as Longhorn's own kind takes it, by the schema of its CRD, and what Longhorn must have made of it.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import { scheduleOf } from '../../src/layers/longhorn/objects.ts';
import { recurringJob } from '../../src/layers/longhorn/snapshots.ts';
import type { World } from '../../src/model/world.ts';
import { layerWants } from '../../src/phases/layers.ts';
import { dash } from '../dash.ts';
import { scratch, standIns } from '../resources/rig.ts';
import { cluster, host } from '../sample.ts';
import { schemaOf } from './longhorn-schemas.ts';
import { layered, read } from './rig.ts';

const spec = schemaOf('RecurringJob', 'spec');
const job = recurringJob(cluster);
const withZone = (timeZone: string) => recurringJob({ timeZone });

describe('the daily snapshot', () => {
  it('is an object that the CRD takes', () => {
    expect(spec.safeParse(job['spec']).error).toBeUndefined();
    expect(spec.safeParse({ ...Object(job['spec']), task: 'snapshots' }).success).toBe(false);
    expect(spec.safeParse({ ...Object(job['spec']), timeZone: 'Asia/Seoul' }).success).toBe(false);
  });

  it('is at three in the morning where the inventory is, seven are kept, and no volume has it that does not ask', () => {
    expect(withZone('Asia/Seoul')).toMatchObject({
      spec: { cron: '0 18 * * *', task: 'snapshot', retain: 7, groups: [] },
    });
    expect(withZone('UTC')).toMatchObject({ spec: { cron: '0 3 * * *' } });
  });

  it('stands where Longhorn looks for it, under a name that a CronJob and a label may have', () => {
    expect(job.metadata.namespace).toBe(layers.longhorn.namespace);
    expect(job.metadata.name).toMatch(/^[a-z0-9-]{1,40}$/);
  });

  it('is made when the release is there, on the control plane alone', () => {
    const keys = (world: World, name: string) =>
      layerWants(layers.longhorn, world, host(name)).map(want => (want.kind === 'resource' ? want.key : want.kind));
    expect(keys(layered, 'k8s-cp')).toEqual([
      'namespace:longhorn-system',
      'release:longhorn-system/longhorn',
      'object:longhorn-system/RecurringJob/daily-snapshot',
    ]);
    expect(keys(layered, 'k8s-worker1')).toEqual([]);
    expect(keys({ ...layered, cluster: { ...layered.cluster, layers: {} } }, 'k8s-cp')).toEqual([]);
  });
});

// Constructed after batch/v1: what Longhorn makes of the RecurringJob.
describe('the CronJob of the daily snapshot', () => {
  const cronJob = (spec: object) =>
    JSON.stringify({ apiVersion: 'batch/v1', kind: 'CronJob', metadata: job.metadata, spec });
  const probe = read(layers.longhorn.probes(layered), 'daily-snapshot');
  const judge = (stdout: string, code = 0, stderr = '') => probe.judge({ code, stdout, stderr });
  // 03:00 in Seoul, where the inventory is.
  const schedule = '0 18 * * *';

  it('that is as Longhorn makes it is in order', () => {
    expect(probe.expected).toBe(schedule);
    expect(judge(cronJob({ schedule, suspend: false }))).toEqual({ ok: true, observed: schedule });
  });

  it.each([
    ['0 2 * * *', { schedule: '0 2 * * *', suspend: false }],
    [`${schedule}, suspended`, { schedule, suspend: true }],
    [`${schedule}, in Asia/Seoul`, { schedule, suspend: false, timeZone: 'Asia/Seoul' }],
  ])('that is otherwise is said: %s', (observed, spec) => {
    expect(scheduleOf(cronJob(spec))).toBe(observed);
    expect(judge(cronJob(spec))).toEqual({ ok: false, observed });
  });

  it('that is not there is no success', () => {
    const said = 'Error from server (NotFound): cronjobs.batch "daily-snapshot" not found';
    expect(judge('', 1, said)).toEqual({ ok: false, observed: said });
  });

  const asked = (answers: readonly string[]) => {
    const folder = scratch();
    const bin = standIns(folder, {
      sleep: `echo slept >>${folder}/waits`,
      kubectl: `case "$*" in
*jsonpath*) echo asked >>${folder}/asked; case $(wc -l <${folder}/asked) in ${answers.map((each, index) => `${index + 1}) printf '%s' '${each}' ;;`).join(' ')} *) exit 1 ;; esac ;;
*) printf '%s' '${cronJob({ schedule, suspend: false })}' ;;
esac`,
    });
    return { said: dash(`set -eu\n${probe.script}`, { bin }), folder };
  };

  it('is waited for: Longhorn makes and changes it a moment after the RecurringJob', () => {
    const { said, folder } = asked(['', '0 2 * * *', schedule]);
    expect(probe.judge(said)).toEqual({ ok: true, observed: schedule });
    expect(readFileSync(join(folder, 'waits'), 'utf8').trim().split('\n')).toHaveLength(2);
  });

  it('is not waited for where it is there', () => {
    expect(existsSync(join(asked([schedule]).folder, 'waits'))).toBe(false);
  });

  it('that does not come is waited for no longer than a while', () => {
    const { folder } = asked([]);
    expect(readFileSync(join(folder, 'waits'), 'utf8').trim().split('\n')).toHaveLength(20);
  });
});
