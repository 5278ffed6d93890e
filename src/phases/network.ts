// The pod network: Cilium, or `basic`: CNI's own bridge and host-local, one route a machine, no policies.

import { layers } from '../layers/index.ts';
import { controlPlaneTaint, type Host, runsEverything } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Phase, Want } from '../model/plan.ts';
import { look, seen } from '../model/probes.ts';
import { controlPlaneOf, factsOf, type NodeFacts, reachedHosts, type World } from '../model/world.ts';
import { file } from '../resources/file.ts';
import { nodeObject } from '../resources/node-object.ts';
import { proxyKnows } from '../resources/pod-hosts.ts';
import { routes } from '../resources/routes.ts';
import { renderTemplate } from '../resources/template.ts';
import { unit } from '../resources/unit.ts';
import { noBasicNetwork, otherNetwork } from './adoption.ts';
import { endpointLines } from './host-base.ts';
import { layerWants } from './layers.ts';
import { phaseNames } from './names.ts';
import { networkProbe } from './network-probe.ts';

const service = 'homelab-network.service';
const unitPath = `/etc/systemd/system/${service}`;

export const network: Phase = {
  ...phaseNames.network,
  wants(world, host): readonly Want[] {
    const objects = host.name === controlPlaneOf(world).name ? nodeObjects(world) : [];
    const lines = endpointLines(world, host);
    const proxy = world.cluster.kubernetes.kubeProxy && lines.length > 0 ? [proxyKnows(lines)] : [];
    if (world.cluster.network.provider === 'external') {
      return [
        ...proxy,
        ...objects,
        { kind: 'note', text: 'network.provider is external: the pod network is yours, and nothing here proves it' },
      ];
    }
    if (world.cluster.network.provider === 'cilium') {
      return [noBasicNetwork, ...layerWants(layers.cilium, world, host), ...proxy, ...objects];
    }
    const { state } = factsOf(world, controlPlaneOf(world)).membership;
    // Refused already, by the control plane's own phase.
    if (state === 'partial') return [];
    // Its join was left out: pods come to it when it is a member.
    if (state === 'joined' && factsOf(world, host).membership.state === 'absent') return [];
    const members = world.cluster.hosts.filter(each => each.name === host.name || isMember(world, each));
    const nodes = members.map(each => ({ host: each, podCidr: podCidrOf(world, each) }));
    const unknown = nodes.find(node => node.podCidr === undefined);
    if (unknown) {
      return [
        {
          kind: 'refusal',
          id: 'pod-subnet',
          reason: `the API server does not say which pod subnet ${unknown.host.name} has`,
          hint: `see whether it answers and knows the node: sudo kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes, on ${controlPlaneOf(world).name}`,
        },
      ];
    }
    const own = nodes.find(node => node.host.name === host.name)?.podCidr ?? '';
    const others = nodes
      .filter(node => node.host.name !== host.name)
      .map(node => ({ name: node.host.name, subnet: node.podCidr ?? '', via: node.host.address }));
    return [
      ...otherNetwork(world, host),
      file({
        path: '/etc/cni/net.d/10-homelab.conflist',
        name: 'cni-config',
        content: `${JSON.stringify(conflist(own), null, 2)}\n`,
      }),
      file({
        path: unitPath,
        name: 'routes-unit',
        content: renderTemplate(service, {
          cluster: world.cluster.name,
          podSubnet: world.cluster.kubernetes.podSubnet,
          routes: others.map(({ name, subnet, via }) => ({ host: name, subnet, address: via })),
        }),
      }),
      unit({
        unit: service,
        name: 'routes-service',
        title: 'Set the routes now and at every boot',
        reads: [unitPath],
        inputs: [`file:${unitPath}`],
      }),
      ...proxy,
      routes(others, world.cluster.kubernetes.podSubnet, service),
      ...objects,
    ];
  },
  probes(world) {
    if (world.cluster.network.provider === 'external') return [];
    const host = controlPlaneOf(world).name;
    const names = reachedHosts(world)
      .filter(each => isMember(world, each))
      .map(each => each.name);
    const proven = world.about?.kind === 'join' ? world.about.hosts.map(each => each.name) : names;
    const kubectl = adminKubectl(150);
    const ready = {
      id: 'nodes-ready',
      host,
      ...(world.about?.kind === 'join' ? { about: proven[0] ?? host } : {}),
      title: 'every node is Ready',
      expected: `${proven.length} of ${proven.length} Ready`,
      reproduce: 'sudo kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes',
    };
    return [
      ...(world.cluster.network.provider === 'cilium' ? layers.cilium.probes(world) : []),
      proven.every(name => isReady(world, name))
        ? seen({ ...ready, observed: ready.expected })
        : look({
            ...ready,
            script: `${kubectl} wait --for=condition=Ready --timeout=120s ${proven.map(name => `node/${name}`).join(' ')} | grep -c 'condition met'`,
            timeoutMs: 150_000,
            accept: output => output === String(proven.length),
            show: output => `${output} of ${proven.length} Ready`,
          }),
      look({
        id: 'dns-available',
        host,
        title: 'the cluster DNS is available',
        expected: 'condition met',
        // Asked first: a wait also opens a watch.
        script: `[ "$(${kubectl} get -n kube-system deployment/coredns -o jsonpath='{.status.conditions[?(@.type=="Available")].status}' 2>/dev/null)" != True ] || { echo condition met; exit 0; }
${kubectl} wait -n kube-system --for=condition=Available --timeout=120s deployment/coredns`,
        reproduce: 'sudo kubectl --kubeconfig /etc/kubernetes/admin.conf get -n kube-system deployment coredns',
        timeoutMs: 150_000,
        accept: output => output.includes('condition met'),
        show: output => output.replace(/^\S+ /, ''),
      }),
      networkProbe(world, peersIn(world, names)),
    ];
  },
};

function isReady({ nodes }: World, name: string): boolean {
  return nodes !== 'unknown' && nodes.some(node => node.name === name && node.ready);
}

// Of a machine that joins: it and two that were there. All pairs are for a run about all of them.
function peersIn(world: World, names: readonly string[]): readonly string[] {
  const joining = world.about?.kind === 'join' ? world.about.hosts.map(each => each.name) : undefined;
  return joining === undefined ? names : [...joining, ...names.filter(name => !joining.includes(name)).slice(0, 2)];
}

function isMember({ nodes }: World, { name }: Host): boolean {
  return nodes !== 'unknown' && nodes.some(node => node.name === name);
}

function nodeObjects(world: World) {
  return world.cluster.hosts
    .filter(each => isMember(world, each))
    .map(each => ({ each, without: runsEverything(world.cluster, each) ? [controlPlaneTaint] : [] }))
    .filter(({ each, without }) => isMarked(each) || without.length > 0)
    .map(({ each, without }) => nodeObject(each, without));
}

function isMarked({ labels, taints }: Host): boolean {
  return Object.keys(labels).length > 0 || taints.length > 0;
}

// Undefined: unknown. In a prediction the join gives it, and its name stands for it.
function podCidrOf(world: World, host: Host): string | undefined {
  const node: NodeFacts | undefined =
    world.nodes === 'unknown' ? undefined : world.nodes.find(each => each.name === host.name);
  if (!node || node.podCidr === 'unknown') return undefined;
  return node.podCidr === 'at join' ? `pod-subnet-of-${host.name}` : node.podCidr;
}

function conflist(podCidr: string) {
  return {
    cniVersion: '1.0.0',
    name: 'homelab',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        // The service unit masquerades; the plugin would hide pods from pods of other machines.
        ipMasq: false,
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: podCidr }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  };
}
