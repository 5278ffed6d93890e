// What every node has, whatever its role: kubeadm's images and a kubelet that runs with what its files say.
import type { Host } from '../model/cluster.ts';
import type { Want } from '../model/plan.ts';
import { factsOf, type World } from '../model/world.ts';
import { bundleImages, isKubeadms, kubeadmImages } from '../resources/images.ts';
import { permissions } from '../resources/permissions.ts';
import { unit } from '../resources/unit.ts';
import { dropInOf } from './proxy.ts';

const kubeletConfigPath = '/var/lib/kubelet/config.yaml';

/** Before kubeadm runs: nothing is pulled while it waits. They are pinned, so a member keeps them. */
export function images(world: World, host: Host): readonly Want[] {
  const { arch, membership } = factsOf(world, host);
  const { version, kubeProxy } = world.cluster.kubernetes;
  const bundle = world.bundle?.entries ?? [];
  return membership.state === 'joined' ? [] : [kubeadmImages({ version, role: host.role, kubeProxy, bundle, arch })];
}

/** Before anything asks for them: on every machine, those of layers and whatever else somebody added to the bundle. */
export function addedImages(world: World, host: Host): readonly Want[] {
  const { arch } = factsOf(world, host);
  const bundle = world.bundle?.entries ?? [];
  const added = bundle.filter(({ kind, name, arch: of }) => kind === 'image' && of === arch && !isKubeadms(name));
  return added.length > 0 ? [bundleImages(added)] : [];
}

/** After kubeadm ran: what it wrote is root's alone (CIS 4.1.9; on a control plane 1.1.13 too). */
export function kubeadmFiles(host: Host): Want {
  const paths = [kubeletConfigPath, ...(host.role === 'control-plane' ? ['/etc/kubernetes/admin.conf'] : [])];
  return permissions({
    name: 'kubeadm-files',
    title: `Keep ${paths.join(' and ')} to root`,
    paths: paths.map(path => ({ path, mode: '600' })),
  });
}

/** After kubeadm ran: the kubelet runs with what it was started with. Its config is kubeadm's to write. */
export function kubelet(): Want {
  return unit({
    unit: 'kubelet.service',
    name: 'kubelet',
    // dpkg keeps the build's time of modification; what kubeadm writes has its own.
    reads: ['/usr/bin/kubelet', dropInOf('kubelet.service')],
    texts: [kubeletConfigPath, '/var/lib/kubelet/kubeadm-flags.env'],
    inputs: [`file:${dropInOf('kubelet.service')}`],
    restartRisk: 'disruptive',
  });
}
