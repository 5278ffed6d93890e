// Workers join side by side, with a token that lives for this phase only.
import { adminKubectl } from '../model/kubectl.ts';
import type { Phase, Want } from '../model/plan.ts';
import { seen } from '../model/probes.ts';
import { controlPlaneOf, reachedHosts, type World } from '../model/world.ts';
import { noTokens } from '../resources/our-tokens.ts';
import { isNewcomer } from '../transitions/begun.ts';
import { join } from '../transitions/join.ts';
import { deleteJoinToken, mintJoinToken } from '../transitions/join-token.ts';
import { phaseNames } from './names.ts';
import { images, kubeadmFiles, kubelet } from './node-software.ts';

export const workers: Phase = {
  ...phaseNames.workers,
  wants(world, host): readonly Want[] {
    if (host.role === 'control-plane') {
      if (host.name !== controlPlaneOf(world).name) return [];
      const joining = reachedHosts(world).some(each => each.role === 'worker' && isNewcomer(world, each));
      return [...(joining ? [mintJoinToken(), deleteJoinToken()] : []), noTokens()];
    }
    return [...images(world, host), join(world, host), kubeadmFiles(host), kubelet()];
  },
  probes(world) {
    const kubectl = adminKubectl(10);
    const host = controlPlaneOf(world).name;
    return reachedHosts(world).map(each =>
      seen({
        id: `node-${each.name}`,
        host,
        about: each.name,
        title: `${each.name} is registered with its name and address`,
        expected: `${each.name} ${each.address}`,
        observed: registered(world, each.name),
        reproduce: `sudo ${kubectl} get node ${each.name} -o wide`,
      }),
    );
  },
};

function registered({ nodes }: World, name: string): string {
  if (nodes === 'unknown') return 'no API server answers';
  const node = nodes.find(each => each.name === name);
  return node ? `${node.name} ${node.address}` : 'no such node';
}
