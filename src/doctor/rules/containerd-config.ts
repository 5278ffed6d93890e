// What containerd’s configuration says, and what it makes of it: plugins, cgroups, the sandbox image.

import semver from 'semver';
import { grouped } from '../../model/grouped.ts';
import { pauseImage } from '../../model/versions.ts';
import { word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, objects } from '../snapshot.ts';
import { entityOf, on, seenOn } from './on-machine.ts';

/**
 * From these on the kubelet asks the runtime for its driver when it starts (feature KubeletCgroupDriverFromCRI), and follows it. One that runs
 * since before containerd was started anew has the old one.
 */
function followsRuntime({ kubelet, containerd, units }: MachineLook['facts']): boolean {
  const knows = isAtLeast(kubelet?.version ?? '', '1.31.0') && isAtLeast(containerd?.version ?? '', '2.0.0');
  const [own, runtime] = [units?.['kubelet']?.since, units?.['containerd']?.since].map(since =>
    Date.parse(since ?? ''),
  );
  return knows && !((own ?? 0) < (runtime ?? 0));
}

function isAtLeast(version: string, least: string): boolean {
  const parsed = semver.coerce(version);
  return parsed !== null && semver.gte(parsed, least);
}

export const pluginsIgnored: Rule = {
  id: 'containerd-config-ignored',
  layer: 'runtime',
  symptom: 'Settings of containerd (cgroup driver, sandbox image, registries) have no effect.',
  cause:
    'config.toml is of version 3 and names plugins as version 2 did (io.containerd.grpc.v1.cri): containerd skips them without a word.',
  cure: 'Name them io.containerd.cri.v1.runtime and io.containerd.cri.v1.images, or let containerd convert the file.',
  sources: ['containerd docs: cri/config.md', 'containerd/containerd#7276'],
  needs: ['machine.containerd'],
  explains: [
    { rule: 'cgroup-driver-mismatch', by: 'machine' },
    { rule: 'sandbox-image-missing', by: 'machine' },
    { rule: 'sandbox-image-differs', by: 'machine' },
  ],
  find: snapshot =>
    machinesWith(snapshot, 'containerd')
      .filter(({ value }) => value.ignoredPlugins.length > 0)
      .map(
        ({ machine, value }): Finding => ({
          says: `containerd on ${machine.name} ignores what its config.toml (version ${value.configVersion}) says under ${value.ignoredPlugins.join(', ')}: those are names of version 2`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(
              machine,
              `version = ${value.configVersion}, and [plugins."${value.ignoredPlugins[0]}"…]`,
              'grep -n "version\\|grpc.v1.cri" /etc/containerd/config.toml',
            ),
          ],
          cure: [
            'homelab bootstrap   # writes the file anew',
            on(machine, 'sudo containerd config migrate   # prints it in the right names, from a file of version 2'),
            on(machine, 'sudo systemctl restart containerd'),
          ],
        }),
      ),
};

export const cgroupDrivers: Rule = {
  id: 'cgroup-driver-mismatch',
  layer: 'runtime',
  symptom:
    'Pods are made anew every few minutes (SandboxChanged), or do not start: "expected cgroupsPath to be of format slice:prefix:name".',
  cause: 'kubelet and containerd manage cgroups in two ways, one by systemd and one past it.',
  cure: 'SystemdCgroup = true in containerd’s configuration, where the kubelet’s cgroupDriver is systemd.',
  sources: [
    'kubernetes/kubernetes#110177',
    'kubernetes docs: setup/production-environment/container-runtimes, cgroup drivers',
  ],
  needs: ['machine.containerd', 'machine.kubelet', 'machine.units'],
  explains: [
    { rule: 'kubelet-crashes', by: 'machine' },
    { rule: 'sandbox-changed', by: 'machine' },
    { rule: 'etcd-member-down', by: 'machine' },
    { rule: 'apiserver-down', by: 'machine' },
    { rule: 'node-not-ready', by: 'machine' },
  ],
  find: snapshot =>
    machinesWith(snapshot, 'containerd').flatMap(({ machine, value }): readonly Finding[] => {
      const { kubelet } = machine.facts;
      if (value.systemdCgroup === undefined || !kubelet || !/^(systemd|cgroupfs)$/.test(kubelet.cgroupDriver))
        return [];
      const runtime = value.systemdCgroup ? 'systemd' : 'cgroupfs';
      if (runtime === kubelet.cgroupDriver) return [];
      const follows = followsRuntime(machine.facts);
      return [
        {
          says: `containerd on ${machine.name} manages cgroups by ${runtime}, and its kubelet is told ${kubelet.cgroupDriver}${follows ? ` (a kubelet ${kubelet.version} follows containerd, past what its configuration says)` : ''}`,
          severity: follows ? 'warning' : 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(
              machine,
              `SystemdCgroup = ${value.systemdCgroup}`,
              'sudo containerd config dump | grep SystemdCgroup',
            ),
            seenOn(
              machine,
              `cgroupDriver: ${kubelet.cgroupDriver}`,
              'sudo grep cgroupDriver /var/lib/kubelet/config.yaml',
            ),
          ],
          cure: [
            'homelab bootstrap   # writes containerd’s configuration anew',
            on(
              machine,
              `sudo sed -i 's/SystemdCgroup = .*/SystemdCgroup = ${kubelet.cgroupDriver === 'systemd'}/' /etc/containerd/config.toml   # by hand; an absent line must be added`,
            ),
            on(machine, 'sudo systemctl restart containerd kubelet'),
          ],
        },
      ];
    }),
};

/** containerd 1.x and 2.x: 'failed to get sandbox image "registry.k8s.io/pause:3.10": failed to pull image …'. */
const noSandboxImage = /failed to get sandbox image|failed to pull (?:and unpack )?image "[^"]*pause[^"]*"/;

export const sandboxImageMissing: Rule = {
  id: 'sandbox-image-missing',
  layer: 'runtime',
  symptom: 'No pod starts on a machine: "failed to get sandbox image".',
  cause: 'The pause image that every pod begins with is not on the machine and cannot be pulled.',
  cure: 'Bring the image there, under the name that containerd’s configuration has.',
  sources: ['containerd docs: cri/config.md, sandbox image', 'lima-vm/lima#4185'],
  needs: ['api.pods', 'api.events'],
  explains: [{ rule: 'pod-not-ready', by: 'machine' }],
  find(snapshot) {
    const pods = objects(snapshot, 'pods').filter(
      ({ spec, status, metadata }) =>
        status.phase === 'Pending' && spec.nodeName !== '' && metadata.uid !== '' && metadata.deletionTimestamp === '',
    );
    const told = objects(snapshot, 'events').filter(
      ({ reason, message }) => reason === 'FailedCreatePodSandBox' && noSandboxImage.test(message),
    );
    const stuck = pods.flatMap(pod =>
      told.filter(({ involvedObject }) => involvedObject.uid === pod.metadata.uid).map(event => ({ pod, event })),
    );
    return grouped(stuck, ({ pod }) => pod.spec.nodeName).flatMap(([first]): readonly Finding[] => {
      const name = first.pod.spec.nodeName;
      const wanted = /"([^"]*pause[^"]*)"/.exec(first.event.message)?.[1] ?? 'the pause image';
      return [
        {
          says: `no pod starts on ${name}: ${wanted}, which every pod begins with, is not there and cannot be pulled`,
          severity: 'error',
          certainty: 'certain',
          about: [entityOf({ name })],
          ...(first.event.firstTimestamp ? { since: first.event.firstTimestamp } : {}),
          evidence: [
            {
              says: first.event.message,
              from: `event of ${first.pod.metadata.namespace}/${first.pod.metadata.name}`,
              again: `kubectl -n ${first.pod.metadata.namespace} describe pod ${first.pod.metadata.name}`,
            },
          ],
          cure: [
            on({ name }, `sudo ctr -n k8s.io images pull ${word(wanted)}`),
            on({ name }, 'sudo containerd config dump | grep -A1 pinned_images   # is this the name that is meant?'),
          ],
        },
      ];
    });
  },
};

export const sandboxImageDiffers: Rule = {
  id: 'sandbox-image-differs',
  layer: 'runtime',
  symptom: 'kubeadm warns that the sandbox image is inconsistent.',
  cause: 'containerd’s configuration names another pause image than this Kubernetes was tested with.',
  cure: 'Set pinned_images.sandbox to the one that kubeadm names; nothing breaks as long as the other one is there.',
  sources: ['kubernetes/kubernetes cmd/kubeadm/app/constants/constants.go, PauseVersion', 'lima-vm/lima#4185'],
  needs: ['machine.containerd', 'machine.kubelet'],
  explains: [{ rule: 'sandbox-image-missing', by: 'machine' }],
  find: snapshot =>
    machinesWith(snapshot, 'containerd').flatMap(({ machine, value }): readonly Finding[] => {
      const version = semver.coerce(machine.facts.kubelet?.version)?.version;
      const [, tag] = /\/pause:([^@]+)/.exec(value.sandboxImage) ?? [];
      if (version === undefined || tag === undefined) return [];
      const wanted = pauseImage(version);
      if (wanted.endsWith(`:${tag}`)) return [];
      return [
        {
          says: `containerd on ${machine.name} begins pods with ${value.sandboxImage}; Kubernetes ${version} is tested with ${wanted}`,
          severity: 'note',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, value.sandboxImage, 'sudo containerd config dump | grep -A1 pinned_images')],
          cure: ['homelab bootstrap   # writes containerd’s configuration anew'],
        },
      ];
    }),
};
