// The second and every further control plane, one at a time: each joins an etcd whose members are all healthy.
import type { Phase, Probe, Want } from '../model/plan.ts';
import { seen } from '../model/probes.ts';
import { controlPlaneOf, controlPlanesOf, factsOf, reachedHosts, type World } from '../model/world.ts';
import { uploadCertificates, withdrawCertificates } from '../transitions/certificates.ts';
import { join } from '../transitions/join.ts';
import { deleteJoinToken, mintJoinToken } from '../transitions/join-token.ts';
import { controlPlaneProbes } from './control-plane.ts';
import { controlPlaneFiles } from './control-plane-files.ts';
import { phaseNames } from './names.ts';
import { images, kubeadmFiles, kubelet } from './node-software.ts';

export const controlPlaneJoin: Phase = {
  ...phaseNames.controlPlaneJoin,
  width: () => 1,
  wants(world, host): readonly Want[] {
    if (host.role !== 'control-plane') return [];
    if (host.name !== controlPlaneOf(world).name) {
      return [
        ...images(world, host),
        ...controlPlaneFiles(world, host),
        join(world, host),
        kubeadmFiles(host),
        kubelet(),
      ];
    }
    const isJoining = others(world).some(each => factsOf(world, each).membership.state === 'absent');
    return isJoining
      ? [mintJoinToken(), uploadCertificates(world, host), deleteJoinToken(), withdrawCertificates()]
      : [];
  },
  probes(world) {
    if (controlPlanesOf(world).length === 1) return [];
    return [...others(world).flatMap(host => controlPlaneProbes(world, host)), ...etcdMembers(world)];
  },
};

function others(world: World) {
  const first = controlPlaneOf(world);
  return reachedHosts(world).filter(host => host.role === 'control-plane' && host.name !== first.name);
}

function etcdMembers(world: World): readonly Probe[] {
  const wanted = controlPlanesOf(world).map(({ name }) => name);
  const members =
    world.etcd === 'unknown' ? [] : world.etcd.map(({ name, healthy }) => `${name}${healthy ? '' : ' (down)'}`);
  return others(world).map(({ name }) =>
    seen({
      id: `etcd-members-${name}`,
      host: name,
      title: 'etcd has every control plane as a healthy member',
      expected: wanted.toSorted().join(', '),
      observed: members.toSorted().join(', ') || 'no answer',
      reproduce: 'sudo kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -n kube-system -l component=etcd',
    }),
  );
}
