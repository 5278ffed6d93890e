// What changes with the Kubernetes and containerd version, each number with its source.
import semver from 'semver';

/** '1.31' of 'v1.31.13'. */
export function minorOf(version: string): string {
  const parsed = semver.parse(version);
  if (!parsed) throw new Error(`not a version: ${version}`);
  return `${parsed.major}.${parsed.minor}`;
}

/** kubeadm's config API: v1beta4 came with 1.31 (kubeadm reference, "kubeadm-config.v1beta4"). */
export function kubeadmApi(version: string): 'kubeadm.k8s.io/v1beta3' | 'kubeadm.k8s.io/v1beta4' {
  return semver.gte(version, '1.31.0') ? 'kubeadm.k8s.io/v1beta4' : 'kubeadm.k8s.io/v1beta3';
}

/**
 * The sandbox image kubeadm expects (PauseVersion in kubernetes cmd/kubeadm/app/constants/constants.go at each minor);
 * the control plane's evidence compares it with what the installed kubeadm says.
 */
export function pauseImage(version: string): string {
  const tag = semver.gte(version, '1.36.0')
    ? '3.10.2'
    : semver.gte(version, '1.34.0')
      ? '3.10.1'
      : semver.gte(version, '1.31.0')
        ? '3.10'
        : '3.9';
  return `registry.k8s.io/pause:${tag}`;
}

/** config.toml's format: 3 for containerd 2.0 to 2.2, 4 from 2.3 (kubespray's config.toml.j2, reference layers §1.3). */
export function containerdConfigVersion(version: string): 3 | 4 {
  return semver.gte(version, '2.3.0') ? 4 : 3;
}
