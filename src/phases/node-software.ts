// What every node has, whatever its role: kubeadm's images and a kubelet that runs with what its files say.
import type { Host } from '../model/cluster.ts';
import type { Want } from '../model/plan.ts';
import { factsOf, type World } from '../model/world.ts';
import { bundleImages, isKubeadms, kubeadmImages } from '../resources/images.ts';
import { unit } from '../resources/unit.ts';
import { dropInOf } from './proxy.ts';

/** Before kubeadm runs: nothing is pulled while it waits. They are pinned, so a member keeps them. */
export function images(world: World, host: Host): readonly Want[] {
  const { arch, membership } = factsOf(world, host);
  const { version, kubeProxy } = world.cluster.kubernetes;
  const bundle = world.bundle?.entries ?? [];
  const added = bundle.filter(({ kind, name, arch: of }) => kind === 'image' && of === arch && !isKubeadms(name));
  return [
    ...(membership.state === 'joined' ? [] : [kubeadmImages({ version, role: host.role, kubeProxy, bundle, arch })]),
    ...(added.length > 0 ? [bundleImages(added)] : []),
  ];
}

/** After kubeadm ran: the kubelet runs with what it was started with. Its config is kubeadm's to write. */
export function kubelet(): Want {
  return unit({
    unit: 'kubelet.service',
    name: 'kubelet',
    reads: [
      '/var/lib/kubelet/config.yaml',
      '/var/lib/kubelet/kubeadm-flags.env',
      '/usr/bin/kubelet',
      dropInOf('kubelet.service'),
    ],
    inputs: [`file:${dropInOf('kubelet.service')}`],
    restartRisk: 'disruptive',
  });
}
