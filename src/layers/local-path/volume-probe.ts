// Proof of local-path: a file outlives its pod, its folder is where the values say, and is gone with its claim.
import { z } from 'zod';
import type { Probe } from '../../model/plan.ts';
import { sumIn, sumOf } from '../../model/probe-files.ts';
import { ask } from '../../model/probe-namespace.ts';
import { evidenceOf } from '../../model/probes.ts';
import { pauseImage } from '../../model/versions.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';
import { valuesOf } from '../values.ts';
import { proveVolume } from '../volume-proof.ts';
import { localPathValues } from './values.ts';

const namespace = 'homelab-probe-local-path';
const mapped = z.object({
  nodePathMap: z.array(z.object({ node: z.string(), paths: z.array(z.string()) })),
  /** One folder that every machine sees, in place of the map. */
  sharedFileSystemPath: z.string().optional(),
});

export function localVolumeProbe(world: World, node: string): Probe {
  const host = controlPlaneOf(world).name;
  const paths = pathsOf(world, node);
  const base = {
    host: node,
    hint: 'see why: kubectl logs -n local-path-storage deployment/local-path-provisioner',
  };
  const outlives = {
    ...base,
    id: 'volume-outlives-pod',
    title: 'a file that one pod wrote is there for the next',
    expected: 'the same sum',
    reproduce: 'kubectl get persistentvolumeclaims --all-namespaces (homelab verify repeats all of it)',
  };
  const folder = {
    ...base,
    id: 'volume-folder',
    title: 'a volume is a folder of the machine that its pod runs on',
    expected: `below ${paths.join(' or ')}`,
    reproduce: `sudo ls ${paths.join(' ')}`,
  };
  const gone = {
    ...base,
    id: 'volume-goes',
    title: 'a volume that is not to be kept goes with its claim',
    expected: 'nothing is left',
    reproduce: `kubectl get persistentvolumes; sudo ls ${paths.join(' ')}`,
  };
  return {
    ...base,
    kind: 'active',
    id: 'local-volume',
    title: 'a volume of local-path holds what is written',
    expected: 'the same sum',
    reproduce: outlives.reproduce,
    timeoutMs: 900_000,
    pieces: [outlives, folder, gone],
    async run(context) {
      const { volume, looked, read, left } = await proveVolume(context, {
        host,
        namespace,
        storageClass: 'local-path',
        image: pauseImage(world.cluster.kubernetes.version),
        writer: node,
        reader: node,
        look: async ({ path }) => sumOf(await ask(context, node, sumIn(path), 30_000, `${path} cannot be read`)),
      });
      const inFolder = sumOf(await ask(context, node, sumIn(volume.path), 30_000, `${volume.path} cannot be read`));
      const isBelow = paths.some(path => volume.path.startsWith(`${path}/`));
      const stays = [...(left === '' ? [] : [left]), ...(inFolder === 'no file' ? [] : [volume.path])];
      const { sum } = volume;
      return [
        evidenceOf(outlives, read === sum, read === sum ? outlives.expected : `${sum} written, ${read} read`),
        evidenceOf(
          folder,
          isBelow && looked === sum,
          looked === sum ? volume.path : `${volume.path}: ${looked}, ${sum} written`,
        ),
        evidenceOf(gone, stays.length === 0, stays.join(', ') || gone.expected),
      ];
    },
  };
}

/** Of the values that the release has. */
function pathsOf({ cluster }: World, node: string): readonly string[] {
  const { nodePathMap, sharedFileSystemPath } = mapped.parse(
    valuesOf({ name: 'local-path', values: localPathValues }, cluster),
  );
  if (sharedFileSystemPath) return [sharedFileSystemPath];
  const mine = nodePathMap.find(each => each.node === node);
  return (mine ?? nodePathMap.find(each => each.node === 'DEFAULT_PATH_FOR_NON_LISTED_NODES'))?.paths ?? [];
}
