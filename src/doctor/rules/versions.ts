// Versions: what runs beside what, and what nobody mends any more.

import semver from 'semver';
import { grouped } from '../../model/grouped.ts';
import { cordonMark } from '../../model/world.ts';
import { listed, machineEntity, together, word } from '../reading.ts';
import type { Entity, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';

/**
 * The last day with patches, by minor. To 1.31: data/releases/eol.yaml of kubernetes/website; later ones as planned there
 * (data/releases/schedule.yaml: the 28th of the fourteenth month after the release).
 */
const lastDays: Readonly<Record<string, string>> = {
  '1.19': '2021-10-28',
  '1.20': '2022-02-28',
  '1.21': '2022-06-28',
  '1.22': '2022-12-08',
  '1.23': '2023-02-28',
  '1.24': '2023-07-28',
  '1.25': '2023-10-28',
  '1.26': '2024-02-28',
  '1.27': '2024-07-16',
  '1.28': '2024-10-22',
  '1.29': '2025-02-28',
  '1.30': '2025-07-15',
  '1.31': '2025-11-11',
  '1.32': '2026-02-28',
  '1.33': '2026-06-28',
  '1.34': '2026-10-28',
  '1.35': '2027-02-28',
  '1.36': '2027-06-28',
};

interface Runs {
  readonly machine: string;
  readonly version: semver.SemVer;
}

function kubelets(snapshot: Snapshot): readonly Runs[] {
  return objects(snapshot, 'nodes').flatMap(({ metadata, status }) => {
    const version = semver.parse(status.nodeInfo.kubeletVersion);
    return version ? [{ machine: metadata.name, version }] : [];
  });
}

function apiServers(snapshot: Snapshot): readonly Runs[] {
  return objects(snapshot, 'pods').flatMap(({ metadata, spec }) => {
    if (metadata.namespace !== 'kube-system' || metadata.labels['component'] !== 'kube-apiserver') return [];
    const version = semver.parse(/:(v[^@]+)/.exec(spec.containers[0]?.image ?? '')?.[1] ?? '');
    return version ? [{ machine: spec.nodeName, version }] : [];
  });
}

function minorOf({ version }: Runs): string {
  return `${version.major}.${version.minor}`;
}

function entities(runs: readonly [Runs, ...Runs[]]): readonly [Entity, ...Entity[]] {
  const [first, ...more] = runs.map(({ machine }) => machineEntity(machine));
  return together(first ?? machineEntity(runs[0].machine), ...more);
}

const showNodes = 'kubectl get nodes -o wide';

function machinesOf(runs: readonly Runs[]): string {
  return listed(runs.map(({ machine }) => machine));
}

/** kubernetes.io/releases/version-skew-policy: three minors older since 1.28, two before; never newer. */
function allowed(server: semver.SemVer): number {
  return semver.gte(server, '1.28.0') ? 3 : 2;
}

const versionSkew: Rule = {
  id: 'version-skew',
  layer: 'node',
  symptom: 'Pods on one machine misbehave, or its kubelet logs errors about objects that it does not know.',
  cause: 'A kubelet is newer than an API server, or older than Kubernetes supports beside it.',
  cure: 'Bring that machine to the version of the API servers.',
  sources: ['kubernetes.io/releases/version-skew-policy'],
  needs: ['api.nodes', 'api.pods'],
  explains: [],
  find: snapshot => {
    const nodes = kubelets(snapshot);
    const servers = apiServers(snapshot);
    const [oldest] = servers.toSorted((one, other) => one.version.compare(other.version));
    if (!oldest) return [];
    const [newest = oldest] = servers.toSorted((one, other) => other.version.compare(one.version));
    const wrong = nodes.filter(
      ({ version }) =>
        version.major !== oldest.version.major ||
        version.minor > oldest.version.minor ||
        newest.version.minor - version.minor > allowed(newest.version),
    );
    return grouped(wrong, minorOf).map((runs): Finding => {
      const [{ version }] = runs;
      const isNewer = version.compare(oldest.version) > 0;
      const server = isNewer ? oldest : newest;
      return {
        says: `The kubelet of ${machinesOf(runs)} is v${version.version}, the API server of ${server.machine} v${server.version.version}: ${isNewer ? 'a kubelet may not be newer' : `a kubelet may be ${allowed(server.version)} minors older and no more`}`,
        severity: 'warning',
        certainty: 'certain',
        about: entities(runs),
        evidence: [
          { says: `kubeletVersion v${version.version}`, from: `API: node ${runs[0].machine}`, again: showNodes },
          {
            says: `kube-apiserver v${server.version.version}`,
            from: `API: pod kube-system/kube-apiserver-${server.machine}`,
            again: 'kubectl version',
          },
        ],
        cure: [
          isNewer
            ? 'bring the upgrade to its end: homelab upgrade --to VERSION, with the version of the newest machine'
            : `homelab upgrade --to v${server.version.version}`,
          `then hold the packages, so that no unattended upgrade does it again: ssh ${word(runs[0].machine)} sudo apt-mark hold kubelet kubeadm kubectl`,
        ],
      };
    });
  },
};

const versionsMixed: Rule = {
  id: 'versions-mixed',
  layer: 'node',
  symptom: 'Nodes show different versions.',
  cause: 'An upgrade did not come to its end, or an unattended upgrade took the kubelet of one machine along.',
  cure: 'Bring all machines to one version, and hold the packages.',
  sources: ['kubernetes.io/releases/version-skew-policy', 'puppetlabs/puppetlabs-kubernetes#341'],
  needs: ['api.nodes'],
  explains: [],
  find: snapshot => {
    const nodes = objects(snapshot, 'nodes');
    const groups = grouped(kubelets(snapshot), ({ version }) => version.version).toSorted(
      (one, other) => one.length - other.length || one[0].version.compare(other[0].version),
    );
    const [few, ...most] = groups;
    if (!few || most.length === 0) return [];
    // While homelab upgrades, one machine after the other differs.
    const isUpgrading = nodes.some(({ metadata }) => metadata.annotations[cordonMark] !== undefined);
    return [
      {
        says: `The kubelets differ: ${groups.map(runs => `v${runs[0].version.version} on ${machinesOf(runs)}`).join('; ')}`,
        severity: isUpgrading ? 'note' : 'warning',
        certainty: 'certain',
        about: entities(few),
        evidence: groups.slice(0, 3).map(runs => ({
          says: `kubeletVersion v${runs[0].version.version}`,
          from: `API: node ${runs[0].machine}`,
          again: showNodes,
        })),
        cure: [
          `homelab upgrade --to v${groups.flat().toSorted((one, other) => other.version.compare(one.version))[0]?.version.version ?? ''}`,
          `ssh ${word(few[0].machine)} sudo apt-mark hold kubelet kubeadm kubectl`,
        ],
      },
    ];
  },
};

const endOfLife: Rule = {
  id: 'kubernetes-end-of-life',
  layer: 'node',
  symptom: 'Nothing is broken; no patches come any more.',
  cause: 'The Kubernetes project mends a minor version for fourteen months, and those are over for this one.',
  cure: 'Upgrade, one minor version after the other, to one that is supported.',
  sources: ['kubernetes/website data/releases/eol.yaml', 'kubernetes.io/releases/patch-releases'],
  needs: ['api.nodes'],
  explains: [],
  find: snapshot =>
    grouped(kubelets(snapshot), minorOf).flatMap((runs): readonly Finding[] => {
      const minor = minorOf(runs[0]);
      const lastDay = lastDays[minor] ?? (semver.lt(runs[0].version, '1.19.0') ? '2021-06-18' : undefined);
      if (lastDay === undefined || snapshot.at < Date.parse(lastDay) + 86_400_000) return [];
      return [
        {
          says: `Kubernetes ${minor} has had no patches since ${lastDay} (${machinesOf(runs)})`,
          severity: 'warning',
          certainty: 'certain',
          about: entities(runs),
          evidence: [
            {
              says: `kubeletVersion v${runs[0].version.version}`,
              from: `API: node ${runs[0].machine}`,
              again: showNodes,
            },
          ],
          cure: ['see what an upgrade would do: homelab plan upgrade --to VERSION'],
        },
      ];
    }),
};

const runtimesMixed: Rule = {
  id: 'runtimes-mixed',
  layer: 'node',
  symptom: 'Machines run different versions of the container runtime.',
  cause: 'The packages of the machines were brought up to date at different times.',
  cure: 'Bring containerd to one version on all machines.',
  sources: ['containerd/containerd RELEASES.md'],
  needs: ['api.nodes'],
  explains: [],
  find: snapshot => {
    const groups = grouped(
      objects(snapshot, 'nodes').filter(({ status }) => status.nodeInfo.containerRuntimeVersion !== ''),
      ({ status }) => status.nodeInfo.containerRuntimeVersion,
    ).toSorted((one, other) => one.length - other.length);
    const [few, ...most] = groups;
    if (!few || most.length === 0) return [];
    const [first, ...more] = few.map(({ metadata }) => machineEntity(metadata.name));
    if (!first) return [];
    return [
      {
        says: `The container runtimes differ: ${groups.map(nodes => `${nodes[0].status.nodeInfo.containerRuntimeVersion.replace('://', ' ')} on ${listed(nodes.map(({ metadata }) => metadata.name))}`).join('; ')}`,
        severity: 'note',
        certainty: 'certain',
        about: together(first, ...more),
        evidence: [
          {
            says: `containerRuntimeVersion ${few[0].status.nodeInfo.containerRuntimeVersion}`,
            from: `API: node ${few[0].metadata.name}`,
            again: showNodes,
          },
        ],
        cure: [
          'homelab upgrade brings containerd along; by itself: the package containerd of the same version on all machines',
        ],
      },
    ];
  },
};

export const versionRules: readonly Rule[] = [versionSkew, versionsMixed, endOfLife, runtimesMixed];
