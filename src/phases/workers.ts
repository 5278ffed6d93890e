// Workers join side by side, with a token that lives for this phase only.
import type { Phase, Want } from '../model/plan.ts';
import { controlPlaneOf, factsOf } from '../model/world.ts';
import { kubeadmImages } from '../resources/images.ts';
import { join } from '../transitions/join.ts';
import { deleteJoinToken, mintJoinToken } from '../transitions/join-token.ts';
import { tokenDescription } from '../transitions/kubeadm-config.ts';
import { kubelet } from './control-plane.ts';
import { phaseNames } from './names.ts';
import { look } from './probes.ts';

export const workers: Phase = {
  ...phaseNames.workers,
  wants(world, host): readonly Want[] {
    if (host.role === 'control-plane') {
      const joining = world.cluster.hosts.some(
        each => each.role === 'worker' && factsOf(world, each).membership.state === 'absent',
      );
      return joining && host === controlPlaneOf(world) ? [mintJoinToken(), deleteJoinToken()] : [];
    }
    return [
      kubeadmImages({
        version: world.cluster.kubernetes.version,
        role: host.role,
        kubeProxy: world.cluster.kubernetes.kubeProxy,
        bundle: world.bundle?.entries ?? [],
      }),
      join(world, host),
      ...kubelet(),
    ];
  },
  probes(world) {
    const kubectl = 'kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=10s';
    const host = controlPlaneOf(world).name;
    return [
      ...world.cluster.hosts.map(each =>
        look({
          id: `node-${each.name}`,
          host,
          about: each.name,
          title: `${each.name} is registered with its name and address`,
          expected: `${each.name} ${each.address}`,
          script: `${kubectl} get node ${each.name} -o jsonpath='{.metadata.name} {.status.addresses[?(@.type=="InternalIP")].address}'`,
          reproduce: `sudo ${kubectl} get node ${each.name} -o wide`,
        }),
      ),
      look({
        id: 'no-token',
        host,
        title: 'no join token of ours is left',
        expected: 'none',
        script: `${kubectl} get secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token -o jsonpath='{range .items[*]}{.metadata.name} {.data.description}{"\\n"}{end}' |
  awk -v ours="$(printf %s ${tokenDescription} | base64)" '$2 == ours {print $1; found = 1} END {if (!found) print "none"}'`,
        reproduce: 'sudo kubeadm token list',
      }),
    ];
  },
};
