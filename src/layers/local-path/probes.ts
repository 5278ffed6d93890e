// The class is there, and its provisioner runs.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';

export function localPathProbes(world: World): readonly Probe[] {
  return [
    look({
      id: 'storage-class',
      host: controlPlaneOf(world).name,
      title: 'volumes of the class local-path can be asked for',
      expected: 'WaitForFirstConsumer',
      script: `${adminKubectl(30)} get storageclass local-path -o jsonpath='{.volumeBindingMode}'`,
      reproduce: 'kubectl get storageclass',
    }),
  ];
}
