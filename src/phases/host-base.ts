// What kubeadm and kubelet need of the machine itself.

import { layers } from '../layers/index.ts';
import type { OnMachines } from '../layers/layer.ts';
import type { Cluster, Host } from '../model/cluster.ts';
import { layerNames } from '../model/layers.ts';
import type { Phase, Want } from '../model/plan.ts';
import { look } from '../model/probes.ts';
import type { Facts } from '../model/world.ts';
import { controlPlanesOf, factsOf, isAdopted, reachedHosts, type World } from '../model/world.ts';
import { file } from '../resources/file.ts';
import { hostsBlock } from '../resources/hosts-block.ts';
import { modules } from '../resources/modules.ts';
import { packages } from '../resources/packages.ts';
import { noSwap } from '../resources/swap.ts';
import { sysctls } from '../resources/sysctl.ts';
import { unit } from '../resources/unit.ts';
import { phaseNames } from './names.ts';
import { aptProxy } from './proxy.ts';

/** kubeadm's preflight and kube-proxy use these; ethtool is for NICs. */
export const prerequisites = ['conntrack', 'ethtool', 'iptables', 'socat', 'ca-certificates'];

/** Wi-Fi's settings are read and set with iw; pods of layers use what is on the machine. */
function prerequisitesOf(cluster: Cluster, { nics }: Facts): readonly string[] {
  return [
    ...prerequisites,
    ...(nics.some(nic => nic.class === 'wifi') ? ['iw'] : []),
    ...needsOf(cluster).flatMap(({ packages: names }) => names),
  ];
}

function needsOf(cluster: Cluster): readonly OnMachines[] {
  return layerNames.flatMap(name => (cluster.layers[name] && layers[name].onMachines) || []);
}

function layerNeeds(cluster: Cluster, { container }: Facts): readonly Want[] {
  const needs = needsOf(cluster);
  const wanted = needs.flatMap(({ modules: names }) => names);
  return [
    ...(container || wanted.length === 0 ? [] : modules('layers', wanted)),
    ...needs
      .flatMap(({ units }) => units)
      .map(each => unit({ unit: each, name: `layers-${each.replace(/\..*$/, '')}` })),
  ];
}

/** Packages of a bundle that later phases install, each at its version. */
const later = ['kubeadm', 'kubelet', 'kubectl', 'kubernetes-cni', 'cri-tools'];

export const hostBase: Phase = {
  ...phaseNames.hostBase,
  wants(world, host) {
    const facts = factsOf(world, host);
    const debs = debsOf(world.bundle?.entries ?? [], facts);
    const more = debs
      .map(deb => deb.name)
      .filter(
        name => ![...prerequisitesOf(world.cluster, facts), ...later, world.cluster.containerd.package].includes(name),
      );
    return [
      aptProxy(world.cluster),
      // needrestart would restart containerd and kubelet at a moment of its own choice.
      file({
        path: '/etc/needrestart/conf.d/homelab.conf',
        name: 'needrestart',
        title: 'Keep needrestart from restarting services by itself',
        content: "$nrconf{restart} = 'l';\n",
      }),
      // At each start it would take away what it did not make itself: routes to pods, the pod network's rules.
      file({
        path: '/etc/systemd/networkd.conf.d/10-kubernetes.conf',
        name: 'networkd',
        title: 'Keep systemd-networkd from removing routes and rules of pods',
        content: '[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n',
      }),
      packages({
        name: 'prerequisites',
        title: `Install ${prerequisitesOf(world.cluster, facts).join(', ')}${more.length > 0 ? ` and ${more.length} more of the bundle` : ''}`,
        // At once: what was added to a bundle is there because something in it needs it.
        packages: [...new Set([...prerequisitesOf(world.cluster, facts), ...more])].map(name => ({ name })),
        debs,
      }),
      ...sysctls('network', { 'net.ipv4.ip_forward': '1' }),
      ...(endpointLines(world, host).length > 0 ? [hostsBlock(endpointLines(world, host))] : []),
      ...(facts.container ? containerNotes(facts) : kernelOf(facts)),
      ...layerNeeds(world.cluster, facts),
    ];
  },
  probes(world) {
    return reachedHosts(world).flatMap(host => {
      const facts = factsOf(world, host);
      return [
        look({
          id: 'ip-forward',
          host: host.name,
          title: 'forwards packets',
          expected: '1',
          script: 'cat /proc/sys/net/ipv4/ip_forward',
        }),
        ...(facts.container
          ? []
          : [
              look({
                id: 'swap',
                host: host.name,
                title: 'has no swap',
                expected: '0',
                script: 'tail -n +2 /proc/swaps | wc -l',
              }),
              look({
                id: 'time-sync',
                host: host.name,
                title: 'keeps its clock in step',
                expected: 'active',
                script:
                  'for unit in systemd-timesyncd chrony chronyd ntp ntpsec openntpd; do systemctl is-active --quiet $unit && echo active && break; done',
              }),
            ]),
      ];
    });
  },
};

/**
 * Our lines of /etc/hosts; none where the endpoint is an address. All control planes answer to the endpoint's name: Go's resolver takes every line of /etc/hosts, and its dialer the next address where
 * one does not answer. A control plane asks itself first: its kubelet must not depend on another machine.
 */
export function endpointLines(world: World, host: Host): readonly string[] {
  const { endpoint } = world.cluster.kubernetes;
  // Whoever built the cluster made its name resolve, perhaps to a load balancer.
  if (endpoint === undefined || /^[\d.]+$/.test(endpoint) || isAdopted(world, host)) return [];
  const others = controlPlanesOf(world).filter(({ name }) => name !== host.name);
  return [...(host.role === 'control-plane' ? [host] : []), ...others].map(({ address }) => `${address} ${endpoint}`);
}

/** Packages of a bundle that fit this machine. */
export function debsOf<E extends { readonly kind: string; readonly arch: string }>(
  entries: readonly E[],
  facts: Facts,
): readonly E[] {
  return entries.filter(entry => entry.kind === 'deb' && [facts.arch, 'all'].includes(entry.arch));
}

function kernelOf(facts: Facts) {
  return [
    ...timeSync(facts),
    noSwap(),
    ...modules('kubernetes', ['overlay', 'br_netfilter', 'nf_conntrack']),
    ...sysctls('kubernetes', {
      'net.bridge.bridge-nf-call-iptables': '1',
      'net.bridge.bridge-nf-call-ip6tables': '1',
      'fs.inotify.max_user_watches': '1048576',
      'fs.inotify.max_user_instances': '8192',
      'vm.overcommit_memory': '1',
      'kernel.panic': '10',
      'kernel.panic_on_oops': '1',
    }),
  ];
}

// Debian's time services exclude each other: the one that is there stays.
function timeSync({ timeService }: Facts) {
  if (timeService !== 'none' && timeService !== 'systemd-timesyncd') return [];
  return [
    packages({
      name: 'time-sync-package',
      title: 'Install a time service',
      packages: [{ name: 'systemd-timesyncd' }],
    }),
    unit({ unit: 'systemd-timesyncd.service', name: 'time-sync' }),
  ];
}

function containerNotes(facts: Facts) {
  return [
    {
      kind: 'note' as const,
      text: `it is a container (${facts.virtualization}): time sync, swap, modules and kernel-wide sysctls are its host's`,
    },
  ];
}
