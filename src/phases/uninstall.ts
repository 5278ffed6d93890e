// A layer that is to go, as a phase: what stands against it, its release, and what is left of it afterwards.
import type { Layer } from '../layers/layer.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Phase, Probe, Want } from '../model/plan.ts';
import { look } from '../model/probes.ts';
import { sh } from '../model/shell.ts';
import { controlPlaneOf, factsOf, type World } from '../model/world.ts';
import { helmTool } from '../resources/helm-tool.ts';
import { noRelease } from '../resources/no-release.ts';
import { findOthers } from '../resources/others.ts';
import { findRecord } from '../resources/release-record.ts';
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
          objects: layer.objects?.(world.cluster) ?? [],
          before: beforeUninstall,
        }),
        ...(isWanted ? [stillWanted(layer)] : []),
        ...(layer.keepsKinds === undefined ? [] : [staying(layer.keepsKinds)]),
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

function staying(group: string): Want {
  return {
    kind: 'note',
    text: `kinds of ${group} stay, and with them everything that was made of them: kubectl get crd | grep ${group}`,
  };
}

function leftovers({ release, namespace, podSecurity }: Layer, world: World): readonly Probe[] {
  const host = controlPlaneOf(world).name;
  const selector = `owner=helm,name=${release}`;
  return [
    look({
      id: 'release-gone',
      host,
      title: `Helm knows no ${release}`,
      expected: 'absent',
      script: `${findRecord(release, namespace)}echo "${'$'}{found:-absent}"\n`,
      reproduce: `kubectl get secret -n ${namespace} -l ${selector}`,
    }),
    ...(podSecurity === undefined
      ? []
      : [
          look({
            id: 'namespace-left',
            host,
            title: `the namespace ${namespace} goes, unless something of others is in it`,
            expected: 'gone, or kept for what is named',
            script: namespaceScript(namespace),
            timeoutMs: 150_000,
            accept: output => output === 'gone' || output.startsWith('kept for '),
            reproduce: `kubectl get all -n ${namespace}`,
            hint: 'homelab doctor says what holds a namespace',
          }),
        ]),
  ];
}

function namespaceScript(namespace: string): string {
  const phase = `${kubectl} get namespace ${sh(namespace)} --ignore-not-found -o jsonpath='{.status.phase}'`;
  return `phase=$(${phase})
[ "$phase" != Terminating ] || ${adminKubectl(100)} wait --for=delete namespace/${sh(namespace)} --timeout=90s >/dev/null 2>&1 || true
phase=$(${phase})
if [ -z "$phase" ]; then echo gone
elif [ "$phase" = Terminating ]; then echo 'its end does not come'
else
${findOthers(namespace)}  [ -z "$left" ] || echo "kept for $(echo "$left" | head -n 3 | paste -sd ' ' -)"
fi
`;
}
