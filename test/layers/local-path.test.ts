import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import type { JsonObject } from '../../src/model/cluster.ts';
import { type Answers, active, machines, removed, told, withLayers } from './rig.ts';

const sum = 'a'.repeat(64);
const folder = '/opt/local-path-provisioner/pvc-1_homelab-probe-local-path_probe';
const world = (values: JsonObject = {}) => withLayers({ 'local-path': { version: '0.0.30', values } });

/** What good machines say; what stands before it goes first. */
const good: Answers = [
  ['"PersistentVolumeClaim"', `pod writer k8s-worker1 10.244.1.7 1-1\nvolume pvc-1 ${folder}\n`],
  ['"name":"reader"', 'pod reader k8s-worker1 10.244.1.8 2-2\n'],
  ['/dev/urandom', `sum ${sum}\n`],
  ['pod(2-2|2_2)', `sum ${sum}\n`],
];

/** The folder is looked at twice: while the volume is there, and after it. */
function folderIs(...said: readonly string[]): Answers[number][1] {
  const left = [...said];
  return {
    get stdout() {
      return left.shift() ?? 'sum no file\n';
    },
  };
}

async function prove(different: Answers = [], values: JsonObject = {}) {
  const { context, asked } = machines([...different, ...good, [`volume=${folder}`, folderIs(`sum ${sum}\n`)]]);
  const probe = active(layers['local-path'].probes(world(values)), 'local-volume');
  return { lines: told(await probe.run(context)), asked };
}

describe('a volume of local-path', () => {
  it('that outlives its pod, is where the values say and goes with its claim is proven', async () => {
    const { lines, asked } = await prove();
    expect(lines).toEqual([
      '✔ volume-outlives-pod: the same sum',
      `✔ volume-folder: ${folder}`,
      '✔ volume-goes: nothing is left',
    ]);
    expect(removed(asked)).toEqual(['homelab-probe-local-path on k8s-cp']);
    const hostOf = (part: string) => asked.find(({ script }) => script.includes(part))?.host;
    expect([hostOf('/dev/urandom'), hostOf('pod(2-2|2_2)'), hostOf('"PersistentVolumeClaim"')]).toEqual([
      'k8s-worker1',
      'k8s-worker1',
      'k8s-cp',
    ]);
  });

  it.each([
    [
      'another sum',
      [['pod(2-2|2_2)', `sum ${'b'.repeat(64)}\n`]],
      `volume-outlives-pod: ${sum} written, ${'b'.repeat(64)} read`,
    ],
    ['no file', [['pod(2-2|2_2)', 'sum no file\n']], `volume-outlives-pod: ${sum} written, no file read`],
    [
      'a folder without the file',
      [[`volume=${folder}`, 'sum no file\n']],
      `volume-folder: ${folder}: no file, ${sum} written`,
    ],
    ['a volume that stays', [['echo "left', 'left pvc-1\n']], 'volume-goes: pvc-1'],
    ['a folder that stays', [[`volume=${folder}`, `sum ${sum}\n`]], `volume-goes: ${folder}`],
  ] satisfies readonly (readonly [string, Answers, string])[])('fails with %s', async (_, different, line) => {
    const { lines } = await prove(different);
    expect(lines.filter(each => each.startsWith('✖'))).toEqual([`✖ ${line}`]);
  });

  it("is looked for below the inventory's own folder", async () => {
    const nodePathMap = [
      { node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: ['/opt/local-path-provisioner'] },
      { node: 'k8s-worker1', paths: ['/srv/fast'] },
    ];
    const { lines } = await prove([], { nodePathMap });
    expect(lines).toContain(`✖ volume-folder: ${folder}`);
  });

  it('is looked for in the one folder that all machines share, where the inventory has one', async () => {
    const shared = { nodePathMap: [], sharedFileSystemPath: '/opt/local-path-provisioner' };
    expect((await prove([], shared)).lines).toContain(`✔ volume-folder: ${folder}`);
    const other = { ...shared, sharedFileSystemPath: '/srv/shared' };
    expect((await prove([], other)).lines).toContain(`✖ volume-folder: ${folder}`);
  });

  it.each([
    [
      'a claim that is not bound',
      [['"PersistentVolumeClaim"', { code: 1, stderr: 'writer 0/1 Pending\nprobe failed to provision volume\n' }]],
      'the first pod with the volume did not come up: writer 0/1 Pending · probe failed to provision volume',
    ],
    [
      'a pod without its volume',
      [['/dev/urandom', { code: 1, stderr: 'no process of the pod 1-1 has its volume\n' }]],
      'nothing was written: no process of the pod 1-1 has its volume',
    ],
    [
      'a second pod that does not come up',
      [['"name":"reader"', { code: 1, stderr: 'reader 0/1 Pending\n' }]],
      'the second pod with the volume did not come up: reader 0/1 Pending',
    ],
  ] satisfies readonly (readonly [string, Answers, string])[])(
    'ends with the words of %s, and cleans up',
    async (_, different, words) => {
      const { context, asked } = machines([...different, ...good]);
      await expect(active(layers['local-path'].probes(world()), 'local-volume').run(context)).rejects.toThrow(words);
      expect(removed(asked)).toEqual(['homelab-probe-local-path on k8s-cp']);
    },
  );
});
