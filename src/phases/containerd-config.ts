// containerd's config.toml: what kubeadm needs, and the user's own keys merged over it.
import semver from 'semver';
import { stringify } from 'smol-toml';
import type { Json, JsonObject } from '../model/cluster.ts';
import { containerdConfigVersion } from '../model/versions.ts';

/**
 * Written whole instead of edited: `SystemdCgroup` is absent from some `containerd config default`, and an edit of an absent
 * line does nothing (kubernetes/kubernetes#110177).
 */
export function renderContainerdConfig(version: string, sandboxImage: string, extra: JsonObject): string {
  const cni: JsonObject = semver.gte(version, '2.1.0')
    ? { bin_dirs: ['/opt/cni/bin'], conf_dir: '/etc/cni/net.d' }
    : { bin_dir: '/opt/cni/bin', conf_dir: '/etc/cni/net.d' };
  const base: JsonObject = {
    version: containerdConfigVersion(version),
    plugins: {
      'io.containerd.cri.v1.images': {
        snapshotter: 'overlayfs',
        pinned_images: { sandbox: sandboxImage },
        registry: { config_path: '/etc/containerd/certs.d' },
      },
      'io.containerd.cri.v1.runtime': {
        cni,
        containerd: {
          default_runtime_name: 'runc',
          runtimes: { runc: { runtime_type: 'io.containerd.runc.v2', options: { SystemdCgroup: true } } },
        },
      },
    },
  };
  return `# Written by homelab; containerd.config in the inventory is merged into it.\n${stringify(merge(base, extra))}`;
}

/** Objects are merged key by key, everything else is replaced. */
export function merge(base: JsonObject, over: JsonObject): JsonObject {
  const merged: Record<string, Json> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? merge(below, value) : value;
  }
  return merged;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
