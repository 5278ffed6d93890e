// The container runtime: from packages, with our whole config, on hold, running what its file says.
import type { Host } from '../model/cluster.ts';
import type { Phase, Want } from '../model/plan.ts';
import { look } from '../model/probes.ts';
import { pauseImage } from '../model/versions.ts';
import { factsOf, isAdopted, reachedHosts, type World } from '../model/world.ts';
import { file } from '../resources/file.ts';
import { isFor, packages } from '../resources/packages.ts';
import { repository } from '../resources/repository.ts';
import { unit } from '../resources/unit.ts';
import { adoptedContainerd } from './adopted-software.ts';
import { renderContainerdConfig } from './containerd-config.ts';
import { debsOf } from './host-base.ts';
import { phaseNames } from './names.ts';
import { proxyOf } from './proxy.ts';
import { registryFiles } from './registries.ts';

const configPath = '/etc/containerd/config.toml';

export const containerd: Phase = {
  ...phaseNames.containerd,
  wants(world, host): readonly Want[] {
    if (isAdopted(world, host)) return adoptedContainerd(world, host);
    const facts = factsOf(world, host);
    const { version } = world.cluster.containerd;
    if (facts.membership.state === 'joined' && facts.containerd !== version && facts.containerd !== 'absent') {
      return [
        {
          kind: 'refusal',
          id: 'version',
          reason: `it runs containerd ${facts.containerd}, the inventory says ${version}; bootstrap never changes the version of a running cluster`,
          hint: `homelab upgrade changes it, one machine at a time; to stay with it: containerd.version: "${facts.containerd}" in the inventory`,
        },
      ];
    }
    return containerdWants(world, host);
  },
  probes(world) {
    const { version } = world.cluster.containerd;
    const ours = reachedHosts(world).filter(host => !isAdopted(world, host));
    return ours.flatMap(host => [
      look({
        id: 'server-version',
        host: host.name,
        title: 'containerd answers with its version',
        expected: version,
        script: `ctr version | awk '/^Server/ {server = 1} server && /Version:/ {sub(/^v/, "", $2); print $2}'`,
        reproduce: 'sudo ctr version',
        accept: output => output.split(/[~+-]/)[0] === version,
      }),
      look({
        id: 'cgroup-driver',
        host: host.name,
        title: 'containerd uses the systemd cgroup driver',
        expected: 'SystemdCgroup = true',
        script: configDump,
        accept: output => systemdCgroup(output).every(each => each === 'SystemdCgroup = true'),
        show: output => systemdCgroup(output).join(', '),
        reproduce: 'sudo containerd config dump | grep SystemdCgroup',
      }),
      look({
        id: 'sandbox-image',
        host: host.name,
        title: 'containerd pins the sandbox image that kubeadm expects',
        expected: pauseImage(world.cluster.kubernetes.version),
        script: configDump,
        show: output => /^\s*sandbox = '(.*)'$/m.exec(output)?.[1] ?? 'none',
        accept: output => output.includes(`sandbox = '${pauseImage(world.cluster.kubernetes.version)}'`),
        reproduce: 'sudo containerd config dump | grep sandbox; kubeadm config images list',
      }),
    ]);
  },
};

/** Whatever runs there now: an upgrade changes the version of an empty machine. */
export function containerdWants(world: World, host: Host): readonly Want[] {
  const facts = factsOf(world, host);
  const { version, package: name, repository: source, config } = world.cluster.containerd;
  const isMember = facts.membership.state === 'joined';
  const debs = debsOf(world.bundle?.entries ?? [], facts);
  const fromBundle = debs.some(deb => isFor(deb, { name, version }));
  const installed = packages({
    name: 'package',
    title: `Install ${name} ${version} and hold it`,
    packages: [{ name, version, hold: true }],
    debs,
    risk: isMember ? 'disruptive' : 'safe',
  });
  const proxy = proxyOf('containerd.service', 'proxy', world.cluster);
  return [
    ...(source && !fromBundle ? repository('containerd', source, source.pin, facts) : []),
    installed,
    file({
      path: configPath,
      name: 'config',
      keepBefore: true,
      risk: isMember ? 'disruptive' : 'safe',
      content: renderContainerdConfig(version, pauseImage(world.cluster.kubernetes.version), config),
    }),
    ...registryFiles(world.cluster.containerd.registries),
    proxy,
    unit({
      unit: 'containerd.service',
      name: 'service',
      reads: [configPath, '/usr/bin/containerd'],
      inputs: [`file:${configPath}`, proxy.key, installed.key],
      restartRisk: isMember ? 'disruptive' : 'safe',
    }),
  ];
}

// Answers without a daemon; several proofs share the one question.
const configDump = 'containerd config dump';

function systemdCgroup(output: string): readonly string[] {
  const found = output.match(/SystemdCgroup = [a-z]*/g) ?? ['SystemdCgroup is not set'];
  return [...new Set(found)];
}
