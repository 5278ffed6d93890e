// What every agent says of itself.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { sh } from '../../model/shell.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';
import { members } from '../members.ts';

const kubectl = adminKubectl(30);
const status = inAgent('cilium-dbg status --brief');

export function agentProbes(world: World): readonly Probe[] {
  return members(world).map(({ name }) =>
    look({
      id: `agent-on-${name}`,
      host: controlPlaneOf(world).name,
      about: name,
      title: `the agent of ${name} says that it is well`,
      expected: 'OK',
      script: `${findAgent(name)}left=12
until said=$(${status} 2>/dev/null) || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 5; done
# kubectl's own chatter ('Unknown stream id 1, discarding message') is not the agent's
[ -n "$said" ] || said=$(${status} 2>&1) || :
echo "$said"
`,
      reproduce: `kubectl get pods -n kube-system -l k8s-app=cilium --field-selector spec.nodeName=${name} (then kubectl exec -n kube-system POD -c cilium-agent -- cilium-dbg status)`,
      timeoutMs: 120_000,
      show: output => output.split('\n').slice(-3).join(' · '),
    }),
  );
}

/** sh on a control plane: leaves the agent's pod on this machine in `agent`. */
export function findAgent(node: string): string {
  return `agent=$(${kubectl} get pods -n kube-system -l k8s-app=cilium --field-selector ${sh(`spec.nodeName=${node}`)} -o jsonpath='{.items[*].metadata.name}')
agent=\${agent%% *}
[ -n "$agent" ] || { echo ${sh(`there is no agent on ${node}`)} >&2; exit 1; }
`;
}

/** After `findAgent`. */
export function inAgent(words: string): string {
  return `${kubectl} exec -n kube-system "$agent" -c cilium-agent -- ${words}`;
}
