// The daily snapshot as Longhorn's own kind takes it: the schema is that of its CRD.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { layers } from '../../src/layers/index.ts';
import { recurringJob } from '../../src/layers/longhorn/snapshots.ts';
import type { World } from '../../src/model/world.ts';
import { layerWants } from '../../src/phases/layers.ts';
import { cluster, host, root } from '../sample.ts';
import { layered } from './rig.ts';

const schemas = z
  .looseObject({ RecurringJob: z.object({ spec: z.looseObject({}) }) })
  .parse(JSON.parse(readFileSync(join(root, 'test/fixtures/charts/longhorn-1.12.1.schemas.json'), 'utf8')));
// What stands nowhere in the schema the API server takes away without a word.
const spec = z.fromJSONSchema({ ...schemas.RecurringJob.spec, additionalProperties: false });
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
