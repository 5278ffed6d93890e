// The container runtime: stopped, hanging, not starting, and a configuration that it does not follow.
import semver from 'semver';
import { pauseImage } from '../../model/versions.ts';
import type { Explains, Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, objects, type Snapshot } from '../snapshot.ts';
import { clockOf, entityOf, isCrashing, isRunning, on, recent, seenOn, settledFor, timeOn } from './on-machine.ts';

/** What was started so lately need not answer yet. */
export const graceSeconds = 60;

const consequences: readonly Explains[] = [
  'kubelet-crashes',
  'etcd-down',
  'etcd-member-down',
  'apiserver-down',
  'scheduler-down',
  'controller-manager-down',
  'node-not-ready',
].map(rule => ({ rule, by: 'machine' }));

const show = 'systemctl status containerd';

/** The last thing that it said itself; what systemd says of it is known already. */
function lastWords(machine: MachineLook, snapshot: Snapshot): string | undefined {
  const said = recent(machine.facts.journal?.['containerd'], /level=(?:fatal|error)|^containerd\[|panic:|containerd: /, 86_400, timeOn(machine, snapshot));
  return said.findLast(({ text }) => /level=fatal|containerd: |panic:/.test(text))?.text ?? said.at(-1)?.text;
}

export const containerdBroken: Rule = {
  id: 'containerd-config-broken',
  layer: 'runtime',
  symptom: 'containerd does not start, or will not start again.',
  cause: 'Its configuration cannot be read.',
  cure: 'Mend /etc/containerd/config.toml; `containerd config dump` says where it is wrong.',
  sources: ['containerd docs: man/containerd-config.toml.5'],
  needs: ['machine.containerd', 'machine.units'],
  explains: [{ rule: 'containerd-stopped', by: 'machine' }, ...consequences],
  find: snapshot =>
    machinesWith(snapshot, 'containerd')
      .filter(({ value }) => value.broken !== '')
      .map(({ machine, value }): Finding => {
        const unit = machine.facts.units?.['containerd'];
        const isUp = unit === undefined || isRunning(unit);
        return {
          says: `containerd on ${machine.name} ${isUp ? 'will not start again' : 'does not start'}: its configuration cannot be read (${value.broken})`,
          severity: isUp ? 'warning' : 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, value.broken, 'sudo containerd config dump')],
          cure: [
            on(machine, 'sudo containerd config dump   # mend /etc/containerd/config.toml where it says'),
            'homelab bootstrap   # writes the file anew, from the inventory',
            on(machine, 'sudo systemctl restart containerd'),
          ],
        };
      }),
};

export const containerdStopped: Rule = {
  id: 'containerd-stopped',
  layer: 'runtime',
  symptom: 'A node is NotReady with "container runtime is down"; its containers cannot be started or looked at.',
  cause: 'containerd does not run: somebody stopped it, it is disabled or masked, or it ends again and again.',
  cure: 'Start it, enable it at boot; where it ends by itself, its last words say why.',
  sources: ['containerd docs: getting-started', 'kubernetes docs: setup/production-environment/container-runtimes'],
  needs: ['machine.units', 'machine.journal', 'machine.clock'],
  explains: consequences,
  find: snapshot =>
    machinesWith(snapshot, 'units').flatMap(({ machine, value }): readonly Finding[] => {
      const unit = value['containerd'];
      const hasKubelet = value['kubelet'] !== undefined && value['kubelet'].load !== 'not-found';
      if (!unit || !hasKubelet || unit.load === 'not-found' || isRunning(unit)) return [];
      if (unit.active === 'activating' && !isCrashing(unit)) return [];
      const ends = isCrashing(unit);
      const why = ends ? lastWords(machine, snapshot) : undefined;
      const masked = unit.enabled.startsWith('masked');
      const start = [...(masked ? [on(machine, 'sudo systemctl unmask containerd')] : []), on(machine, 'sudo systemctl start containerd')];
      return [
        {
          says: ends
            ? `containerd on ${machine.name} does not stay up (systemd: ${unit.sub || unit.active}${unit.result === 'success' ? '' : `, ${unit.result}`})${why ? `: ${why}` : ''}`
            : `containerd on ${machine.name} ${masked ? 'is masked and ' : ''}was stopped${unit.since ? ` at ${clockOf(unit.since, snapshot)}` : ''} (systemd: ${unit.active})`,
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          ...(ends || !unit.since ? {} : { since: unit.since }),
          evidence: [
            seenOn(machine, `ActiveState=${unit.active}, SubState=${unit.sub}, Result=${unit.result}${unit.since ? `, since ${unit.since}` : ''}`, show),
            ...(why ? [seenOn(machine, why, 'sudo journalctl -u containerd -n 50')] : []),
          ],
          cure: [...start, on(machine, 'sudo systemctl enable containerd   # to last')],
          ...(ends || masked
            ? {}
            : { fix: { machine: machine.name, title: 'Start containerd', script: 'systemctl start containerd\n', undo: 'systemctl stop containerd\n' } }),
        },
      ];
    }),
};

export const containerdHangs: Rule = {
  id: 'containerd-hangs',
  layer: 'runtime',
  symptom: 'A node is NotReady with "PLEG is not healthy" or "context deadline exceeded", and systemd calls containerd active.',
  cause: 'containerd is there and does not answer: stopped by a signal, stuck on its disk, or without its CRI plugin.',
  cure: 'Restart it; containers go on running meanwhile.',
  sources: ['containerd/containerd#9770', 'kubernetes/kubernetes#61117'],
  needs: ['machine.units', 'machine.health', 'machine.clock'],
  explains: consequences,
  find: snapshot =>
    machinesWith(snapshot, 'units').flatMap(({ machine, value }): readonly Finding[] => {
      const unit = value['containerd'];
      const health = machine.facts.health?.['containerd'];
      if (!unit || !isRunning(unit) || (!unit.frozen && health?.ok !== false)) return [];
      if (!unit.frozen && settledFor(unit, machine, snapshot) < graceSeconds) return [];
      return [
        {
          says: unit.frozen
            ? `containerd on ${machine.name} hangs: its process is stopped by a signal (state T), systemd still calls it active`
            : `containerd on ${machine.name} runs and does not answer: ${health?.says}`,
          severity: 'error',
          certainty: unit.frozen || /timed out/.test(health?.says ?? '') ? 'certain' : 'likely',
          ...(unit.frozen ? {} : { settledBy: on(machine, 'sudo timeout 5 ctr version') }),
          about: [entityOf(machine)],
          evidence: [
            ...(unit.frozen ? [seenOn(machine, `process ${unit.pid} is in state T`, `ps -o stat= -p ${unit.pid}`)] : []),
            ...(health && !health.ok ? [seenOn(machine, `its socket: ${health.says}`, 'sudo timeout 5 ctr version')] : []),
          ],
          cure: [
            ...(unit.frozen ? [on(machine, `sudo kill -CONT ${unit.pid}`)] : []),
            on(machine, 'sudo systemctl restart containerd'),
            on(machine, 'sudo journalctl -k -g "blocked for more than|I/O error" -n 20   # if it hangs again: its disk'),
          ],
          ...(unit.frozen
            ? { fix: { machine: machine.name, title: 'Let containerd go on', script: `kill -CONT ${unit.pid}\n`, undo: `kill -STOP ${unit.pid}\n` } }
            : {}),
        },
      ];
    }),
};

/** From these on the kubelet asks the runtime for its driver (feature KubeletCgroupDriverFromCRI) and follows it. */
function followsRuntime(kubelet: string, containerd: string): boolean {
  return isAtLeast(kubelet, '1.31.0') && isAtLeast(containerd, '2.0.0');
}

function isAtLeast(version: string, least: string): boolean {
  const parsed = semver.coerce(version);
  return parsed !== null && semver.gte(parsed, least);
}

export const pluginsIgnored: Rule = {
  id: 'containerd-config-ignored',
  layer: 'runtime',
  symptom: 'Settings of containerd (cgroup driver, sandbox image, registries) have no effect.',
  cause: 'config.toml is of version 3 and names plugins as version 2 did (io.containerd.grpc.v1.cri): containerd skips them without a word.',
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
      .map(({ machine, value }): Finding => ({
        says: `containerd on ${machine.name} ignores what its config.toml (version ${value.configVersion}) says under ${value.ignoredPlugins.join(', ')}: those are names of version 2`,
        severity: 'warning',
        certainty: 'certain',
        about: [entityOf(machine)],
        evidence: [
          seenOn(machine, `version = ${value.configVersion}, and [plugins."${value.ignoredPlugins[0]}"…]`, 'grep -n "version\\|grpc.v1.cri" /etc/containerd/config.toml'),
        ],
        cure: ['homelab bootstrap   # writes the file anew', on(machine, 'sudo containerd config migrate   # prints it in the right names, from a file of version 2'), on(machine, 'sudo systemctl restart containerd')],
      })),
};

export const cgroupDrivers: Rule = {
  id: 'cgroup-driver-mismatch',
  layer: 'runtime',
  symptom: 'Pods are made anew every few minutes (SandboxChanged), or do not start: "expected cgroupsPath to be of format slice:prefix:name".',
  cause: 'kubelet and containerd manage cgroups in two ways, one by systemd and one past it.',
  cure: 'SystemdCgroup = true in containerd’s configuration, where the kubelet’s cgroupDriver is systemd.',
  sources: ['kubernetes/kubernetes#110177', 'kubernetes docs: setup/production-environment/container-runtimes, cgroup drivers'],
  needs: ['machine.containerd', 'machine.kubelet'],
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
      if (value.systemdCgroup === undefined || !kubelet || !/^(systemd|cgroupfs)$/.test(kubelet.cgroupDriver)) return [];
      const runtime = value.systemdCgroup ? 'systemd' : 'cgroupfs';
      if (runtime === kubelet.cgroupDriver) return [];
      const follows = followsRuntime(kubelet.version, value.version);
      return [
        {
          says: `containerd on ${machine.name} manages cgroups by ${runtime}, and its kubelet is told ${kubelet.cgroupDriver}${follows ? ` (a kubelet ${kubelet.version} follows containerd, past what its configuration says)` : ''}`,
          severity: follows ? 'warning' : 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, `SystemdCgroup = ${value.systemdCgroup}`, 'sudo containerd config dump | grep SystemdCgroup'),
            seenOn(machine, `cgroupDriver: ${kubelet.cgroupDriver}`, 'sudo grep cgroupDriver /var/lib/kubelet/config.yaml'),
          ],
          cure: [
            'homelab bootstrap   # writes containerd’s configuration anew',
            on(machine, `sudo sed -i 's/SystemdCgroup = .*/SystemdCgroup = ${kubelet.cgroupDriver === 'systemd'}/' /etc/containerd/config.toml   # by hand; an absent line must be added`),
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
  needs: ['machine.containerd', 'api.pods', 'api.events'],
  explains: [{ rule: 'pod-not-ready', by: 'machine' }],
  find(snapshot) {
    const pods = objects(snapshot, 'pods').filter(
      ({ status, metadata }) => status.phase === 'Pending' && metadata.uid !== '' && metadata.deletionTimestamp === '',
    );
    const told = objects(snapshot, 'events').filter(({ reason, message }) => reason === 'FailedCreatePodSandBox' && noSandboxImage.test(message));
    const stuck = pods.flatMap(pod => told.filter(({ involvedObject }) => involvedObject.uid === pod.metadata.uid).map(event => ({ pod, event })));
    const machines = [...new Set(stuck.map(({ pod }) => pod.spec.nodeName))];
    return machines.flatMap((name): readonly Finding[] => {
      const [first] = stuck.filter(({ pod }) => pod.spec.nodeName === name);
      if (!first || name === '') return [];
      const wanted = /"([^"]*pause[^"]*)"/.exec(first.event.message)?.[1] ?? snapshot.machines.find(each => each.name === name)?.facts.containerd?.sandboxImage ?? 'the pause image';
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
          cure: [on({ name }, `sudo ctr -n k8s.io images pull ${wanted}`), on({ name }, 'sudo containerd config dump | grep -A1 pinned_images   # is this the name that is meant?')],
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

export const containerdRules: readonly Rule[] = [
  containerdBroken,
  containerdStopped,
  containerdHangs,
  pluginsIgnored,
  cgroupDrivers,
  sandboxImageDiffers,
  sandboxImageMissing,
];
