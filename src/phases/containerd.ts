// The container runtime: from packages, with our whole config, on hold, running what its file says.
import type { Phase } from '../model/plan.ts';
import { pauseImage } from '../model/versions.ts';
import { factsOf } from '../model/world.ts';
import { file } from '../resources/file.ts';
import { packages } from '../resources/packages.ts';
import { repository } from '../resources/repository.ts';
import { unit } from '../resources/unit.ts';
import { renderContainerdConfig } from './containerd-config.ts';
import { debsOf } from './host-base.ts';
import { phaseNames } from './names.ts';
import { look } from './probes.ts';

const configPath = '/etc/containerd/config.toml';

export const containerd: Phase = {
  ...phaseNames.containerd,
  wants(world, host) {
    const facts = factsOf(world, host);
    const { version, package: name, repository: source, config } = world.cluster.containerd;
    const isMember = facts.membership.state === 'joined';
    const debs = debsOf(world.bundle?.entries ?? [], facts);
    const fromBundle = debs.some(deb => deb.name === name);
    const installed = packages({
      name: 'package',
      title: `Install ${name} ${version} and hold it`,
      packages: [{ name, version, hold: true }],
      debs,
      risk: isMember ? 'disruptive' : 'safe',
    });
    return [
      ...(source && !fromBundle ? repository('containerd', source, source.pin, facts) : []),
      installed,
      file({
        path: configPath,
        name: 'config',
        content: renderContainerdConfig(version, pauseImage(world.cluster.kubernetes.version), config),
      }),
      unit({
        unit: 'containerd.service',
        name: 'service',
        reads: [configPath, '/usr/bin/containerd'],
        inputs: [`file:${configPath}`, installed.key],
        restartRisk: isMember ? 'disruptive' : 'safe',
      }),
    ];
  },
  probes(world) {
    const { version } = world.cluster.containerd;
    return world.cluster.hosts.flatMap(host => [
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
        script: `containerd config dump | grep -o 'SystemdCgroup = [a-z]*' | sort -u`,
      }),
    ]);
  },
};
