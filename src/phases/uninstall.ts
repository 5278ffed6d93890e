// A layer that is to go, as a phase: what stands against it, its release, and what is left of it afterwards.
import type { Layer } from '../layers/layer.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Phase, Probe, Want } from '../model/plan.ts';
import { look } from '../model/probes.ts';
import { sh } from '../model/shell.ts';
import { controlPlaneOf, factsOf, type World } from '../model/world.ts';
import { helmTool } from '../resources/helm-tool.ts';
import { noRelease } from '../resources/no-release.ts';
import { uninstallName } from './names.ts';

const kubectl = adminKubectl(30);

export function uninstallPhase(layer: Layer): Phase {
  return {
    ...uninstallName,
    title: `Uninstall ${layer.name}`,
    asked: true,
    wants(world, host): readonly Want[] {
      if (host.name !== controlPlaneOf(world).name) return [];
      if (layer.name === 'cilium') return [theNetwork];
      const { release, namespace, podSecurity, isKindsOnly = false, storage, beforeUninstall = '' } = layer;
      const isWanted = world.cluster.layers[layer.name] !== undefined;
      return [
        ...(isKindsOnly ? [] : [helmTool(factsOf(world, host).arch, world.bundle?.entries ?? [])]),
        noRelease({
          name: release,
          namespace,
          ownsNamespace: podSecurity !== undefined,
          isKindsOnly,
          storage,
          before: beforeUninstall,
        }),
        ...(isWanted ? [stillWanted(layer)] : []),
      ];
    },
    probes: world => (layer.name === 'cilium' ? [] : leftovers(layer, world)),
  };
}

const theNetwork: Want = {
  kind: 'refusal',
  id: 'is-the-network',
  reason: 'cilium is the network of every pod: without it nothing in the cluster reaches anything',
  hint: 'a cluster keeps the network it began with; to begin anew: homelab reset NAME of the cluster, another network.provider, homelab bootstrap',
};

function stillWanted({ name }: Layer): Want {
  return {
    kind: 'note',
    text: `the inventory still wants ${name}: homelab bootstrap installs it again unless layers.${name} is taken out`,
  };
}

/** They tell what is left, and judge only what should be gone. */
function leftovers({ release, namespace, podSecurity, kinds }: Layer, world: World): readonly Probe[] {
  const host = controlPlaneOf(world).name;
  const selector = `owner=helm,name=${release}`;
  return [
    look({
      id: 'release-gone',
      host,
      title: `Helm knows no ${release}`,
      expected: '0 records',
      script: `${kubectl} get secret -n ${sh(namespace)} -l ${sh(selector)} --ignore-not-found -o name | grep -c . || true`,
      accept: output => output === '0',
      show: output => `${output} records`,
      reproduce: `kubectl get secret -n ${namespace} -l ${selector}`,
    }),
    ...(kinds === undefined
      ? []
      : [
          look({
            id: 'kinds-left',
            host,
            title: `kinds of ${kinds} that stay, with everything of them`,
            expected: 'counted',
            script: `${kubectl} get crd -o name | grep -c ${sh(`[.]${kinds.replaceAll('.', '[.]')}$`)} || true`,
            accept: () => true,
            show: output => `${output} kinds`,
            reproduce: 'kubectl get crd',
          }),
        ]),
    ...(podSecurity === undefined
      ? []
      : [
          look({
            id: 'namespace-left',
            host,
            title: `the namespace ${namespace}`,
            expected: 'gone, or kept for what others have in it',
            script: `${kubectl} get namespace ${sh(namespace)} --ignore-not-found -o jsonpath='{.status.phase}'`,
            accept: () => true,
            show: output => (output === '' || output === 'Terminating' ? 'gone' : 'kept: something of others is in it'),
            reproduce: `kubectl get all -n ${namespace}`,
          }),
        ]),
  ];
}
