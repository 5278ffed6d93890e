// Takes the snapshot of a lab: its machines' files and answers, and, where a control plane answers, its API objects.
import { z } from 'zod';
import type { JsonObject } from '../../src/model/cluster.ts';
import { sh } from '../../src/model/shell.ts';
import type { Lab } from '../lab/machines.ts';
import { inside } from '../lab/test-lab.ts';
import { answersOf, questions } from './answers.ts';
import { apiObjects } from './api-objects.ts';
import { filesOf } from './files.ts';
import { layerObjects } from './layers.ts';
import type { Items, Snapshot } from './snapshot.ts';
import { wordsOf } from './words.ts';

const listSchema = z.object({ items: z.array(z.record(z.string(), z.json())) });

export async function takeSnapshot(lab: Lab): Promise<Snapshot> {
  const objects = await allObjects(lab);
  const words = wordsIn(lab, objects);
  const machines = await Promise.all(
    lab.hosts.map(async ({ name }): Promise<readonly (readonly [string, Items])[]> => {
      const files = await filesOf(`/proc/${await lab.init(name)}/root`, words);
      const answers = answersOf(await inside(lab, name, questions), words);
      return [
        [`${name} files`, files],
        ...Object.entries(answers).map(([part, items]) => [`${name} ${part}`, items] as const),
      ];
    }),
  );
  const places = { ...Object.fromEntries(machines.flat()), ...apiObjects(objects, words) };
  return { lab: lab.name, places };
}

/** What layers leave: the machines' files, and the API's objects by name. */
export async function takeLayers(lab: Lab): Promise<Snapshot> {
  const objects = await allObjects(lab);
  const words = wordsIn(lab, objects);
  const machines = await Promise.all(
    lab.hosts.map(
      async ({ name }) => [`${name} files`, await filesOf(`/proc/${await lab.init(name)}/root`, words)] as const,
    ),
  );
  return { lab: lab.name, places: { ...Object.fromEntries(machines), ...layerObjects(objects, words) } };
}

function wordsIn(lab: Lab, objects: readonly JsonObject[]): (text: string) => string {
  return wordsOf({
    name: lab.name,
    addresses: lab.hosts.map(({ address }) => address),
    podSubnets: Object.fromEntries(objects.flatMap(podSubnetOf)),
  });
}

/** Empty where there is no cluster. */
async function allObjects(lab: Lab): Promise<readonly JsonObject[]> {
  const [host] = lab.hosts;
  if (host === undefined) return [];
  const output = await inside(
    lab,
    host.name,
    `[ -e /etc/kubernetes/admin.conf ] || exit 0
# By its address: /etc/hosts may be what is wrong.
kubectl() { command kubectl --kubeconfig /etc/kubernetes/admin.conf --server ${sh(`https://${host.address}:6443`)} --request-timeout=30s "$@"; }
kinds=$(kubectl api-resources --verbs=list -o name | sort | paste -sd,)
kubectl get "$kinds" -A -o json 2>/dev/null`,
  );
  return output === '' ? [] : listSchema.parse(JSON.parse(output)).items;
}

function podSubnetOf(object: JsonObject): readonly (readonly [string, string])[] {
  const node = z.object({
    kind: z.literal('Node'),
    metadata: z.object({ name: z.string() }),
    spec: z.object({ podCIDR: z.string() }),
  });
  const { success, data } = node.safeParse(object);
  return success ? [[data.metadata.name, data.spec.podCIDR]] : [];
}
