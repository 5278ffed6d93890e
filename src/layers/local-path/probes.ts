// The class is there, and volumes of it live where their pods do, longer than these.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';
import { defaultClassProbe } from '../default-class.ts';
import { workersFirst } from '../members.ts';
import { localVolumeProbe } from './volume-probe.ts';

export function localPathProbes(world: World): readonly Probe[] {
  const [node] = workersFirst(world);
  return [
    look({
      id: 'storage-class',
      host: controlPlaneOf(world).name,
      title: 'volumes of the class local-path can be asked for',
      expected: 'WaitForFirstConsumer',
      script: `${adminKubectl(30)} get storageclass local-path -o jsonpath='{.volumeBindingMode}'`,
      reproduce: 'kubectl get storageclass',
    }),
    ...(world.cluster.layers.longhorn === undefined ? [defaultClassProbe(world, 'local-path')] : []),
    ...(node === undefined ? [] : [localVolumeProbe(world, node.name)]),
  ];
}
