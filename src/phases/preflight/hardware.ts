// The system and what it runs on: old enough software or too little machine is told before anything is installed on it.
import semver from 'semver';
import { leastControlPlane } from '../../model/first-look.ts';
import type { Probe } from '../../model/plan.ts';
import { seen } from '../../model/probes.ts';
import { minorOf } from '../../model/versions.ts';
import { factsOf } from '../../model/world.ts';
import { type Checks, check } from './check.ts';

/** The oldest releases that still get updates, and that containerd's own repository has 2.x for. */
const oldest: Readonly<Record<string, { readonly version: number; readonly name: string }>> = {
  debian: { version: 12, name: 'Debian 12' },
  ubuntu: { version: 22.04, name: 'Ubuntu 22.04' },
};

/** kubeadm's system verification since 1.32 (k8s.io/system-validators v1.9, KernelSpec). */
const oldestKernel = '4.19.0';
/** The kubelet's failCgroupV1 is on from here (Kubernetes 1.35 changelog). */
const cgroup2From = '1.35.0';
const { processors: leastCpus, memoryMiB: leastMemoryMiB } = leastControlPlane;

export const hardware: Checks = (world, host) => {
  const { os, kernel, cgroup, container } = factsOf(world, host);
  const { version } = world.cluster.kubernetes;
  const known = oldest[os.id];
  const needsCgroup2 = semver.gte(version, cgroup2From);
  return [
    // Other systems are refused where machines are first looked at. Debian's testing has no number.
    ...(known
      ? [
          seen({
            id: 'os',
            host: host.name,
            title: 'runs a release that still gets updates',
            expected: `${known.name} or later`,
            observed: os.pretty,
            ok: os.versionId === '' || Number(os.versionId) >= known.version,
            reproduce: 'cat /etc/os-release',
            hint: `upgrade it to ${known.name} or later, or install it anew`,
          }),
        ]
      : []),
    seen({
      id: 'kernel',
      host: host.name,
      title: 'has a kernel that kubeadm accepts',
      expected: '4.19 or later',
      observed: kernel,
      ok: semver.gte(semver.coerce(kernel) ?? '0.0.0', oldestKernel),
      reproduce: 'uname -r',
      hint: container
        ? "its kernel is its host's: update the host"
        : 'sudo apt-get update && sudo apt-get full-upgrade && sudo reboot',
    }),
    seen({
      id: 'cgroup',
      host: host.name,
      title: `has the cgroups that Kubernetes ${minorOf(version)} needs`,
      expected: needsCgroup2 ? 'cgroup v2' : 'cgroup v2, or v1 before Kubernetes 1.35',
      observed: `cgroup v${cgroup}`,
      ok: cgroup === 2 || !needsCgroup2,
      reproduce: 'stat -fc %T /sys/fs/cgroup (cgroup2fs is v2)',
      hint: container
        ? "its cgroups are its host's: boot the host with systemd.unified_cgroup_hierarchy=1"
        : `sudo sed -i 's/systemd.unified_cgroup_hierarchy=0//' /etc/default/grub && sudo update-grub && sudo reboot`,
    }),
    ...(host.role === 'control-plane' ? controlPlane(host) : []),
  ];
};

function controlPlane(host: Parameters<Checks>[1]): readonly Probe[] {
  return [
    check({
      id: 'cpu',
      host,
      title: 'has the processors that kubeadm wants of a control plane',
      expected: `${leastCpus} or more`,
      script: 'nproc',
      reproduce: 'nproc',
      judge: output => ({
        ok: Number(output) >= leastCpus,
        observed: output,
        hint: `give ${host.name} ${leastCpus} processors, or make another machine the control plane`,
      }),
    }),
    check({
      id: 'memory',
      host,
      title: 'has the memory that kubeadm wants of a control plane',
      expected: `${leastMemoryMiB} MiB or more`,
      script: `awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo`,
      reproduce: 'grep MemTotal /proc/meminfo',
      judge: output => ({
        ok: Number(output) >= leastMemoryMiB,
        observed: `${output} MiB`,
        hint: `give ${host.name} 2 GiB of memory, or make another machine the control plane`,
      }),
    }),
  ];
}
