// Every machine's figures arrive, and autoscalers can count on those of pods.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { controlPlaneOf, reachedHosts, type World } from '../../model/world.ts';
import { autoscalerProbe, nobodyMeasures } from './autoscaler-probe.ts';

export function metricsProbes(world: World): readonly Probe[] {
  const nodes = reachedHosts(world).map(({ name }) => name);
  return [
    look({
      id: 'node-metrics',
      host: controlPlaneOf(world).name,
      title: 'every machine says what it uses',
      expected: `figures of ${nodes.length} of ${nodes.length}`,
      // A first round takes a minute: metrics-server asks every 15 s, and needs two answers.
      script: `left=24
until got=$(${adminKubectl(20)} top node --no-headers 2>/dev/null) && [ "$(echo "$got" | awk '$2 ~ /m$/' | wc -l)" -ge ${nodes.length} ] || [ "$left" -le 0 ] || ${nobodyMeasures}; do left=$((left - 1)); sleep 5; done
echo "$got" | awk '$2 ~ /m$/' | wc -l`,
      reproduce: 'kubectl top node',
      timeoutMs: 180_000,
      hint: 'see why: kubectl logs -n kube-system deployment/metrics-server',
      accept: output => output === String(nodes.length),
      show: output => `figures of ${output} of ${nodes.length}`,
    }),
    autoscalerProbe(world),
  ];
}
