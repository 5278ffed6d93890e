// Doctor over a large cluster, from a folder: what it costs to read and to judge 5,000 pods on 100 machines.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { objects, type Snapshot } from '../../src/doctor/snapshot.ts';
import { loadSnapshot, saveSnapshot } from '../../src/io/snapshot-folder.ts';
import { median, seconds, spread } from './measurement.ts';
import type { Row } from './row.ts';
import { benchSources, node, timed } from './timed.ts';

const machines = 100;
const pods = 5_000;

export const doctor: Row = {
  id: 'doctor',
  title: `doctor --from, ${pods} pods on ${machines} machines (a real snapshot, multiplied)`,
  missing: async () => undefined,
  async run({ runs = 5, signal }) {
    const folder = await mkdtemp(path.join(tmpdir(), 'homelab-bench-doctor-'));
    try {
      const small = await loadSnapshot(path.join(benchSources(), '../fixtures/doctor/lab/healthy'));
      await saveSnapshot(path.join(folder, 'large'), multiplied(small));
      const child = fileURLToPath(new URL('./doctor-child.js', import.meta.url));
      const answers: { readonly wallMs: number; readonly rssMiB: number }[] = [];
      for (let run = 0; run < runs; run++) {
        const { stdout } = await timed([node, child, path.join(folder, 'large')], { signal });
        answers.push(JSON.parse(stdout));
      }
      const memory = answers.map(({ rssMiB }) => rssMiB);
      return [
        {
          ...seconds(
            'read and judged',
            answers.map(({ wallMs }) => wallMs),
          ),
          budget: { atMost: 10 },
        },
        {
          what: 'most memory (RSS)',
          value: median(memory),
          unit: 'MiB',
          detail: spread(memory, 0),
          budget: { atMost: 500 },
        },
      ];
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

/** Nodes, machines and pods many times over, each under a name of its own; half of the pods stand on a machine that is silent. */
function multiplied(small: Snapshot): Snapshot {
  const [worker] = small.machines.filter(({ role }) => role === 'worker');
  const node = objects(small, 'nodes').find(({ metadata }) => metadata.name === worker?.name);
  const pod = objects(small, 'pods').find(({ spec }) => spec.nodeName === worker?.name);
  if (!worker || !node || !pod) throw new Error('the snapshot has no worker with a pod');
  const names = Array.from({ length: machines }, (_, index) => `machine-${index}`);
  const seen = <T>(items: readonly T[]) => ({ state: 'seen' as const, items, unreadable: 0 });
  return {
    ...small,
    machines: [...small.machines, ...names.map(name => ({ ...worker, name }))],
    lists: {
      ...small.lists,
      nodes: seen([
        ...objects(small, 'nodes'),
        ...names.map(name => ({ ...node, metadata: { ...node.metadata, name } })),
      ]),
      pods: seen([
        ...objects(small, 'pods'),
        ...Array.from({ length: pods }, (_, index) => ({
          ...pod,
          metadata: {
            ...pod.metadata,
            name: `pod-${index}`,
            namespace: `namespace-${index % 50}`,
            uid: `uid-${index}`,
          },
          spec: { ...pod.spec, nodeName: names[index % (index % 2 === 0 ? machines : 1)] ?? '' },
          status: {
            ...pod.status,
            conditions: pod.status.conditions.map(each =>
              each.type === 'Ready' && index % 2 === 1 ? { ...each, status: 'False' } : each,
            ),
          },
        })),
      ]),
    },
  };
}
