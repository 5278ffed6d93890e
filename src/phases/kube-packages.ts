// kubeadm, kubelet and kubectl at the version of the inventory, on hold.
import type { Host } from '../model/cluster.ts';
import type { Phase, Want } from '../model/plan.ts';
import { look, seen } from '../model/probes.ts';
import { factsOf, isAdopted, reachedHosts, type World } from '../model/world.ts';
import { helmTool } from '../resources/helm-tool.ts';
import { isFor, packages } from '../resources/packages.ts';
import { permissions } from '../resources/permissions.ts';
import { repository } from '../resources/repository.ts';
import { adoptedKubePackages } from './adopted-software.ts';
import { debsOf } from './host-base.ts';
import { phaseNames } from './names.ts';
import { addedImages } from './node-software.ts';
import { proxyOf } from './proxy.ts';

const names = ['kubeadm', 'kubelet', 'kubectl'];

export const kubePackages: Phase = {
  ...phaseNames.kubePackages,
  wants(world, host): readonly Want[] {
    if (isAdopted(world, host)) return [...adoptedKubePackages(world, host), ...addedImages(world, host)];
    const facts = factsOf(world, host);
    const version = world.cluster.kubernetes.version.replace(/^v/, '');
    if (facts.membership.state === 'joined' && facts.kubelet !== version && facts.kubelet !== 'absent') {
      return [
        {
          kind: 'refusal',
          id: 'version',
          reason: `it runs Kubernetes v${facts.kubelet}, the inventory says v${version}; bootstrap never changes the version of a running cluster`,
          hint: `homelab upgrade --to v${version} changes it, one machine at a time; to stay with it: version: "v${facts.kubelet}" in the inventory`,
        },
      ];
    }
    return [...kubePackagesWants(world, host), ...addedImages(world, host)];
  },
  probes(world) {
    const { version } = world.cluster.kubernetes;
    const ours = reachedHosts(world).filter(host => !isAdopted(world, host));
    return ours.flatMap(host => [
      seen({
        id: 'kubeadm',
        host: host.name,
        title: 'kubeadm is the wanted one',
        expected: version,
        observed: `v${factsOf(world, host).kubeadm}`,
        reproduce: 'dpkg-query -W kubeadm',
      }),
      seen({
        id: 'kubelet',
        host: host.name,
        title: 'kubelet is the wanted one',
        expected: version,
        observed: `v${factsOf(world, host).kubelet}`,
        reproduce: 'dpkg-query -W kubelet',
      }),
      look({
        id: 'hold',
        host: host.name,
        title: 'no upgrade moves them by itself',
        expected: 'kubeadm kubectl kubelet',
        // What apt-mark reads too, without apt's caches.
        script: `dpkg-query -W -f '\${db:Status-Want} \${Package}\\n' kubeadm kubectl kubelet | awk '$1 == "hold" {print $2}' | sort | paste -sd' '`,
        reproduce: 'apt-mark showhold',
      }),
    ]);
  },
};

/** Where kubeadm comes from, and what its package needs. */
function sources(world: World, host: Host) {
  const facts = factsOf(world, host);
  const { kubernetes, containerd } = world.cluster;
  const version = kubernetes.version.replace(/^v/, '');
  const debs = debsOf(world.bundle?.entries ?? [], facts);
  const source = kubernetes.repository;
  // One source line may stand only once: apt refuses two with different Signed-By.
  const isThereAlready = containerd.repository?.url === source.url && containerd.repository.suite === source.suite;
  const fromBundle = names.every(name => debs.some(deb => isFor(deb, { name, version })));
  return {
    debs,
    version,
    repository: isThereAlready || fromBundle ? [] : repository('kubernetes', source, source.pin, facts),
  };
}

/** kubeadm alone, which upgrades the rest. */
export function kubeadmWants(world: World, host: Host): readonly Want[] {
  const { debs, version, repository } = sources(world, host);
  return [
    ...repository,
    packages({
      name: 'kubeadm',
      title: `Install kubeadm ${version} and hold it`,
      packages: [{ name: 'kubeadm', version, hold: true }],
      debs,
    }),
  ];
}

/** Whatever runs there now: an upgrade changes the version of an empty machine. */
export function kubePackagesWants(world: World, host: Host): readonly Want[] {
  const { debs, version, repository } = sources(world, host);
  // kubeadm's package depends on it, and where nothing else is reachable the bundle's own must do.
  const companions = ['kubernetes-cni', ...(debs.some(deb => deb.name === 'cri-tools') ? ['cri-tools'] : [])];
  const installed = packages({
    name: 'packages',
    title: `Install ${names.join(', ')} ${version} and hold them`,
    packages: [
      ...names.map(name => ({ name, version, hold: true })),
      ...companions.map(name => ({ name, hold: true })),
    ],
    debs,
  });
  return [
    ...repository,
    installed,
    proxyOf('kubelet.service', 'proxy', world.cluster),
    // CIS 4.1.1. A package that comes anew brings its own mode again.
    ...(host.role === 'control-plane' && Object.keys(world.cluster.layers).length > 0
      ? [helmTool(factsOf(world, host).arch, world.bundle?.entries ?? [])]
      : []),
    permissions({
      name: 'kubelet-unit',
      title: "Keep kubelet's unit file to root",
      paths: [{ path: '/lib/systemd/system/kubelet.service', mode: '600' }],
      inputs: [installed.key],
    }),
  ];
}
