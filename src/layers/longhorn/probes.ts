// Every machine's disk can be scheduled on.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';

export function longhornProbes(world: World): readonly Probe[] {
  return [
    look({
      id: 'degraded',
      host: controlPlaneOf(world).name,
      title: 'no attached volume lacks a copy',
      expected: '0 volumes',
      script: `${adminKubectl(30)} get -n longhorn-system volumes.longhorn.io -o jsonpath='{range .items[?(@.status.state=="attached")]}{.status.robustness}{"\\n"}{end}' | grep -cv '^healthy$' || true`,
      reproduce: 'kubectl get -n longhorn-system volumes.longhorn.io',
      accept: output => output === '0',
      show: output => `${output} volumes`,
    }),
  ];
}
