// Runtime and packages of a member that somebody else set up: held where they stand, and said where they differ from the inventory.
import type { Host } from '../model/cluster.ts';
import type { Remark, Want } from '../model/plan.ts';
import { pauseImage } from '../model/versions.ts';
import { factsOf, type World } from '../model/world.ts';
import { hold } from '../resources/hold.ts';
import { defineSight } from '../resources/resource.ts';
import { unit } from '../resources/unit.ts';

const configPath = '/etc/containerd/config.toml';

export function adoptedContainerd(world: World, host: Host): readonly Want[] {
  const { containerd: found } = factsOf(world, host);
  if (found === 'absent') return [note('it has no containerd: its container runtime is left alone')];
  const { version } = world.cluster.containerd;
  return [
    ...(found === version ? [] : [note(`it runs containerd ${found}, the inventory says ${version}: left as it is`)]),
    hold(['containerd', 'containerd.io']),
    settings(pauseImage(world.cluster.kubernetes.version)),
    unit({ unit: 'containerd.service', name: 'service', reads: [configPath], restartRisk: 'disruptive' }),
  ];
}

export function adoptedKubePackages(world: World, host: Host): readonly Want[] {
  const { kubelet: found } = factsOf(world, host);
  const version = world.cluster.kubernetes.version.replace(/^v/, '');
  return [
    ...(found === version ? [] : [note(`it runs Kubernetes v${found}, the inventory says v${version}: left as it is`)]),
    hold(['kubeadm', 'kubelet', 'kubectl', 'kubernetes-cni']),
  ];
}

type Settings = { readonly drivers: readonly string[]; readonly sandbox: string };

// What containerd makes of its file, whoever wrote it: does it do what kubeadm needs?
function settings(sandboxImage: string) {
  return defineSight<Settings>({
    key: 'containerd-settings',
    name: 'settings',
    read: `containerd config dump 2>/dev/null | grep -E '^ *(SystemdCgroup|sandbox|sandbox_image) = ' || true\n`,
    parse: output => ({
      drivers: [...new Set([...output.matchAll(/SystemdCgroup = (\w+)/g)].map(match => match[1] ?? ''))],
      sandbox: /sandbox(?:_image)? = ['"](.*)['"]/.exec(output)?.[1] ?? 'none',
    }),
    blank: { drivers: [], sandbox: 'none' },
    remarks({ drivers, sandbox }) {
      const amiss = [
        ...(drivers.length > 0 && drivers.every(each => each === 'true')
          ? []
          : ['its cgroup driver is not systemd, which must be what kubelet uses too']),
        ...(sandbox === sandboxImage ? [] : [`its sandbox image is ${sandbox}, kubeadm expects ${sandboxImage}`]),
      ];
      const verdict = amiss.length > 0 ? amiss.join('; ') : 'it does what is needed';
      return [note(`${configPath} is not homelab's and is left alone: ${verdict}`)];
    },
  });
}

function note(text: string): Remark {
  return { kind: 'note', text };
}
