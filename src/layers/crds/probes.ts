// The API server serves the kinds.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';

const names = ['podmonitors', 'prometheusrules', 'servicemonitors'].map(name => `${name}.monitoring.coreos.com`);

export function establishedKinds(world: World): readonly Probe[] {
  return [
    look({
      id: 'kinds',
      host: controlPlaneOf(world).name,
      title: 'the API server knows monitors and rules',
      expected: `${names.length} of ${names.length} established`,
      script: `${adminKubectl(30)} get crd ${names.join(' ')} -o jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Established")].status}{"\\n"}{end}' | grep -c True`,
      reproduce: `kubectl get crd ${names.join(' ')}`,
      accept: output => output === String(names.length),
      show: output => `${output} of ${names.length} established`,
    }),
  ];
}
