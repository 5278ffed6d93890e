// Constructed: Longhorn does not run where this was written. Its objects have the fields of the CRDs of longhorn/longhorn v1.12.1.
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import {
  copiesOfVolume,
  degradedVolumes,
  stateOfSnapshot,
  unschedulableDisks,
} from '../../src/layers/longhorn/objects.ts';
import { unknownFields } from '../doctor/crd-fields.ts';
import { schemaOf } from './longhorn-schemas.ts';
import { type Answers, active, machines, read, removed, told, withLayers } from './rig.ts';

const world = withLayers({ longhorn: { version: '1.12.1', values: {} } });
const meta = (name: string) => ({ name, namespace: 'longhorn-system' });
const apiVersion = 'longhorn.io/v1beta2';
const volume = (name: string, state: string, robustness: string, numberOfReplicas = 3) => ({
  apiVersion,
  kind: 'Volume',
  metadata: meta(name),
  spec: { numberOfReplicas },
  status: { state, robustness },
});
const replica = (nodeID: string, currentState = 'running', volumeName = 'pvc-1') => ({
  apiVersion,
  kind: 'Replica',
  metadata: meta(`${volumeName}-r-${nodeID}`),
  spec: { nodeID, volumeName },
  status: { currentState },
});
const node = (name: string, schedulable: string, allowScheduling = true) => ({
  apiVersion,
  kind: 'Node',
  metadata: meta(name),
  spec: { allowScheduling },
  status: {
    diskStatus: {
      'default-disk': {
        diskPath: '/var/lib/longhorn',
        conditions: [
          { type: 'Ready', status: 'True' },
          { type: 'Schedulable', status: schedulable },
        ],
      },
    },
  },
});
const list = (...items: readonly object[]) => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

describe('constructed objects', () => {
  it.each([
    ['longhornvolumes', volume('pvc-1', 'attached', 'healthy')],
    ['longhornreplicas', replica('k8s-worker1')],
    ['longhornnodes', node('k8s-worker1', 'True')],
  ])('of %s have fields that the CRD has', (kind, object) => {
    expect(unknownFields(kind, object)).toEqual([]);
  });
});

it.each(['spec', 'status'] as const)('a constructed snapshot has a %s that the CRD takes', part => {
  const { [part]: mine } = JSON.parse(snapshot({ readyToUse: true, creationTime: '2026-11-22T18:00:03Z', error: '' }));
  expect(schemaOf('Snapshot', part).safeParse(mine).error).toBeUndefined();
  expect(schemaOf('Snapshot', part).safeParse({ ...mine, ready: true }).success).toBe(false);
});

describe('volumes', () => {
  it('in use that lack a copy are named; those that nobody uses are not judged', () => {
    const json = list(
      volume('pvc-1', 'attached', 'healthy'),
      volume('pvc-2', 'attached', 'degraded'),
      volume('pvc-3', 'detached', 'unknown'),
      volume('pvc-4', 'attached', 'faulted'),
    );
    expect(degradedVolumes(json)).toEqual(['pvc-2 (degraded)', 'pvc-4 (faulted)']);
    const probe = read(layers.longhorn.probes(world), 'degraded');
    expect(probe.judge({ code: 0, stdout: json, stderr: '' })).toEqual({
      ok: false,
      observed: 'pvc-2 (degraded), pvc-4 (faulted)',
    });
    expect(probe.judge({ code: 0, stdout: list(), stderr: '' })).toEqual({ ok: true, observed: 'none' });
  });
});

describe('disks', () => {
  it('that take no volumes are named, but not those that are to take none', () => {
    const json = list(node('k8s-worker1', 'True'), node('k8s-worker2', 'False'), node('k8s-cp', 'False', false));
    expect(unschedulableDisks(json)).toEqual(['k8s-worker2 /var/lib/longhorn']);
  });

  it('of a machine that Longhorn has not looked at yet are none', () => {
    expect(unschedulableDisks(list({ metadata: meta('n'), spec: { allowScheduling: true } }))).toEqual([]);
  });
});

const sum = 'a'.repeat(64);
const three = [replica('k8s-worker1'), replica('k8s-worker2'), replica('k8s-worker3')];
const objects = (...items: readonly object[]) =>
  list(...items, volume('pvc-9', 'attached', 'degraded'), replica('k8s-cp', 'running', 'pvc-9'));
const snapshot = (status?: object) =>
  JSON.stringify({
    apiVersion,
    kind: 'Snapshot',
    metadata: meta('homelab-probe-pvc-1'),
    spec: { volume: 'pvc-1', createSnapshot: true },
    status,
  });
const good: Answers = [
  ['"Snapshot"', snapshot({ readyToUse: true, creationTime: '2026-11-22T18:00:03Z', error: '' })],
  ['"PersistentVolumeClaim"', 'pod writer k8s-worker1 10.244.1.7 1-1\nvolume pvc-1 \n'],
  ['"name":"reader"', 'pod reader k8s-worker2 10.244.2.8 2-2\n'],
  ['/dev/urandom', `sum ${sum}\n`, 'k8s-worker1'],
  ['pod(2-2|2_2)', `sum ${sum}\n`, 'k8s-worker2'],
  ['replicas.longhorn.io', objects(volume('pvc-1', 'attached', 'healthy'), ...three)],
];
async function prove(different: Answers = []) {
  const { context, asked } = machines([...different, ...good]);
  return { lines: told(await active(layers.longhorn.probes(world), 'longhorn-volume').run(context)), asked };
}

describe('a volume of Longhorn', () => {
  it('that is read on another machine, with every copy running, is proven', async () => {
    const { lines, asked } = await prove();
    expect(lines).toEqual([
      '✔ volume-moves: the same sum',
      '✔ volume-copies: attached, healthy, 3 wanted, 3 run (k8s-worker1, k8s-worker2, k8s-worker3)',
      '✔ volume-snapshot: ready to use',
      '✔ volume-goes: nothing is left',
    ]);
    expect(removed(asked)).toEqual(['homelab-probe-longhorn on k8s-cp']);
  });

  it.each([
    ['a copy that does not run', [replica('k8s-worker1'), replica('k8s-worker2'), replica('k8s-worker3', 'stopped')]],
    ['two copies on one machine', [replica('k8s-worker1'), replica('k8s-worker2'), replica('k8s-worker2')]],
  ])('is not with %s', async (_, replicas) => {
    const { lines } = await prove([
      ['replicas.longhorn.io', objects(volume('pvc-1', 'attached', 'healthy'), ...replicas)],
    ]);
    expect(lines).toContain('✖ volume-copies: attached, healthy, 3 wanted, 2 run (k8s-worker1, k8s-worker2)');
  });

  it.each([
    [volume('pvc-1', 'attached', 'degraded'), 'attached, degraded, 3 wanted'],
    [volume('pvc-1', 'attached', 'healthy', 2), 'attached, healthy, 2 wanted'],
    [volume('pvc-1', 'detached', 'unknown'), 'detached, unknown, 3 wanted'],
  ])('is not as it should be: %#', async (object, words) => {
    const { lines } = await prove([['replicas.longhorn.io', objects(object, ...three)]]);
    expect(lines.filter(each => each.startsWith('✖'))).toEqual([
      `✖ volume-copies: ${words}, 3 run (k8s-worker1, k8s-worker2, k8s-worker3)`,
    ]);
  });

  it.each([
    ['not ready', undefined],
    ['not ready', { readyToUse: false, error: '' }],
    ['failed to take snapshot', { readyToUse: false, error: 'failed to take snapshot' }],
    ['not ready', { error: '' }],
  ])('of which no snapshot can be used is said: %s', async (words, status) => {
    const { lines } = await prove([['"Snapshot"', snapshot(status)]]);
    expect(lines.filter(each => each.startsWith('✖'))).toEqual([`✖ volume-snapshot: ${words}`]);
  });

  it('has a snapshot of its own taken, while its copies run, and the CronJob of the user is not set off', async () => {
    const { asked } = await prove();
    const scripts = asked.map(({ script }) => script);
    const made = scripts.findIndex(script => script.includes('"Snapshot"'));
    const [, json = ''] = /<<'ITEMS'\n(.*)\nITEMS/.exec(scripts[made] ?? '') ?? [];
    const { items } = JSON.parse(json);
    expect(items).toMatchObject([{ apiVersion, kind: 'Snapshot', spec: { volume: 'pvc-1', createSnapshot: true } }]);
    expect(schemaOf('Snapshot', 'spec').safeParse(items[0].spec).error).toBeUndefined();
    expect(made).toBeGreaterThan(scripts.findIndex(script => script.includes('replicas.longhorn.io')));
    expect(made).toBeLessThan(scripts.findIndex(script => script.includes('"name":"reader"')));
    expect(scripts.join('\n')).not.toMatch(/create job|cronjob/);
  });

  it('whose snapshot is ready is ready whatever was said before', () => {
    expect(stateOfSnapshot(snapshot({ readyToUse: true, error: 'waiting for the volume to be attached' }))).toBe(
      'ready to use',
    );
  });

  it('that nobody knows is said', () => {
    expect(copiesOfVolume(list(), 'pvc-1')).toEqual({ volume: 'no such volume', machines: [] });
  });

  it('that gives another sum on the other machine is not proven', async () => {
    const { lines } = await prove([['pod(2-2|2_2)', 'sum no file\n']]);
    expect(lines).toContain(`✖ volume-moves: ${sum} written, no file read`);
  });

  it('that is not attached to the second pod ends the proof, which cleans up', async () => {
    const failure = { code: 1, stderr: 'reader 0/1 ContainerCreating\nreader Multi-Attach error for volume "pvc-1"\n' };
    const { context, asked } = machines([['"name":"reader"', failure], ...good]);
    await expect(active(layers.longhorn.probes(world), 'longhorn-volume').run(context)).rejects.toThrow(
      'Multi-Attach error',
    );
    expect(removed(asked)).toEqual(['homelab-probe-longhorn on k8s-cp']);
  });
});
