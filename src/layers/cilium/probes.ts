// Cilium runs everywhere with the settings that matter, its agents are well, policies hold, and Hubble sees the flows.
import { z } from 'zod';
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { controlPlaneOf, reachedHosts, type World } from '../../model/world.ts';
import { workersFirst } from '../members.ts';
import { valuesOf } from '../values.ts';
import { agentProbes } from './agents.ts';
import { flowProbe } from './flow-probe.ts';
import { ciliumValues } from './values.ts';

const kubectl = adminKubectl(60);

export function ciliumProbes(world: World): readonly Probe[] {
  const host = controlPlaneOf(world).name;
  const nodes = reachedHosts(world).length;
  const [client, server] = pairOf(world);
  const replaces = String(!world.cluster.kubernetes.kubeProxy);
  return [
    look({
      id: 'agents',
      host,
      title: 'an agent is ready on every machine',
      expected: `${nodes} of ${nodes} ready`,
      script: `${adminKubectl(200)} rollout status -n kube-system daemonset/cilium --timeout=180s >/dev/null 2>&1 || true
${kubectl} get -n kube-system daemonset cilium -o jsonpath='{.status.numberReady} of {.status.desiredNumberScheduled} ready'`,
      reproduce: 'kubectl get -n kube-system daemonset cilium',
      timeoutMs: 220_000,
      accept: output => output === `${nodes} of ${nodes} ready`,
    }),
    look({
      id: 'settings',
      host,
      title: 'it leaves room for a mesh, and kube-proxy to whom it belongs',
      expected: `kube-proxy replaced: ${replaces}, other plugins: left, sockets: host only`,
      script: `${kubectl} get -n kube-system configmap cilium-config -o jsonpath='{.data.kube-proxy-replacement} {.data.cni-exclusive} {.data.bpf-lb-sock-hostns-only}'`,
      reproduce: 'kubectl get -n kube-system configmap cilium-config -o yaml',
      accept: output => output === `${replaces} false true`,
      show: output => {
        const [proxy, exclusive, sockets] = output.split(' ');
        return `kube-proxy replaced: ${proxy}, other plugins: ${exclusive === 'false' ? 'left' : 'renamed'}, sockets: ${sockets === 'true' ? 'host only' : 'all'}`;
      },
    }),
    ...agentProbes(world),
    ...(client === undefined ? [] : [flowProbe(world, client, server ?? client, hasHubble(world))]),
  ];
}

// The inventory's values may switch it off.
function hasHubble({ cluster }: World): boolean {
  const values = valuesOf({ name: 'cilium', values: ciliumValues }, cluster);
  return z.object({ hubble: z.object({ enabled: z.literal(true) }) }).safeParse(values).success;
}

/** Who sends to whom: a machine that joins to one that was there, else two workers, or what there is. */
function pairOf(world: World): readonly string[] {
  const joining = world.about?.kind === 'join' ? world.about.hosts.map(({ name }) => name) : [];
  const names = workersFirst(world).map(({ name }) => name);
  return [...names.filter(name => joining.includes(name)), ...names.filter(name => !joining.includes(name))];
}
