// Does what a machine has fit the version it is to run? Breaking is a refusal; untested is a note.
import semver from 'semver';
import {
  containerdEnds,
  kernels,
  needsCgroup2,
  needsContainerd2,
  releases,
  warnsOfCgroup1,
} from '../model/releases.ts';
import { reaches } from './settings.ts';

export interface Verdict {
  /** 'fits': nothing to be said. */
  readonly kind: 'fits' | 'untested' | 'breaks';
  readonly text: string;
  readonly hint: string;
}

const fits: Verdict = { kind: 'fits', text: '', hint: '' };

/** `version`: of containerd, without v, or 'absent'. */
export function containerdFit(version: string, to: string): Verdict {
  const found = semver.parse(version);
  // Another runtime is looked after by whoever installed it.
  if (!found) return fits;
  const minor = minorText(to);
  const hint = 'write a newer containerd.version into the inventory first, then homelab bootstrap';
  if (reaches(to, needsContainerd2) && found.major < 2)
    return {
      kind: 'breaks',
      text: `the kubelet of Kubernetes ${minor} does not start with containerd ${version}`,
      hint,
    };
  const known = releases[minor];
  if (!known) return fits;
  const line = `${found.major}.${found.minor}`;
  const least = known.containerd.find(each => minorText(each) === line);
  const newest = known.containerd.at(-1) ?? version;
  if (least === undefined ? semver.gt(version, newest) : semver.gte(version, least)) return fits;
  const ended = containerdEnds[line];
  return {
    kind: 'untested',
    text: `containerd ${version} is older than what is tested with Kubernetes ${minor}: ${known.containerd.join(', ')} or later${ended === undefined ? '' : ` (fixes for ${line} until ${ended})`}`,
    hint,
  };
}

export function cgroupFit(cgroup: 1 | 2, to: string): Verdict {
  if (cgroup === 2 || !reaches(to, warnsOfCgroup1)) return fits;
  const hint =
    'boot it with systemd.unified_cgroup_hierarchy=1 (a container: its host), then run the same command again';
  return reaches(to, needsCgroup2)
    ? { kind: 'breaks', text: `the kubelet of Kubernetes ${minorText(to)} does not start on cgroup v1`, hint }
    : {
        kind: 'untested',
        text: `it has cgroup v1: from Kubernetes ${needsCgroup2} on the kubelet does not start there`,
        hint,
      };
}

export function kernelFit(kernel: string, to: string): Verdict {
  const rule = kernels.find(({ since }) => reaches(to, since));
  if (!rule || rule.accepts.test(kernel)) return fits;
  return {
    kind: 'untested',
    text: `kernel ${kernel} is not among those that kubeadm ${minorText(to)} knows: ${rule.words}`,
    hint: 'sudo apt-get update && sudo apt-get full-upgrade && sudo reboot',
  };
}

/** Debian and Ubuntu releases without updates any more have a systemd and a glibc that nobody tests with this Kubernetes. */
export function systemFit({
  id,
  versionId,
  pretty,
}: {
  readonly id: string;
  readonly versionId: string;
  readonly pretty: string;
}): Verdict {
  // glibc 2.31 and systemd 245 to 247; the packages of pkgs.k8s.io are static and start on older ones.
  const least: Readonly<Record<string, number>> = { debian: 11, ubuntu: 20.04 };
  const wanted = least[id];
  if (wanted === undefined || versionId === '' || Number(versionId) >= wanted) return fits;
  return {
    kind: 'untested',
    text: `${pretty} gets no updates any more`,
    hint: 'upgrade the system first, or join a new machine and remove this one',
  };
}

export function minorText(version: string): string {
  return `${semver.major(version)}.${semver.minor(version)}`;
}
